"""`train` in two processes, which train one model together: the rows of one process."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.cases import with_slow
from tests.experiments.scripts import ROOT, TINY, run, strict_json

CORES = os.cpu_count() or 1  # each a device of a process


def start(*flags):
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.train", *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows_of(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    rows = [strict_json(line) for line in lines]
    return [{k: v for k, v in row.items() if k != "crc32"} for row in rows]


def run_two(*flags):
    """Returns what two processes have told that train together, which both end well."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        where = f"--coordinator=localhost:{free.getsockname()[1]}"
    processes = [
        start(*flags, where, "--num_processes=2", f"--process_id={number}")
        for number in (0, 1)
    ]
    try:
        told = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    if any("Gloo context initialization failed" in error for _, error in told):
        pytest.skip("the processes did not meet in Gloo's 30 seconds: a busy machine")
    assert [process.returncode for process in processes] == [0, 0], told
    return [out for out, _ in told]


def assert_alike(two, one):
    """To rounding, in all that was measured."""
    for a, b in zip(two, one, strict=True):
        a, b = ({**row, **row.get("final", {}), "final": 0} for row in (a, b))
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_allclose(a[name] or 0, b[name] or 0, rtol=1e-5)


@pytest.mark.parametrize(
    "devices",
    with_slow([2 * CORES, CORES], [2 * CORES]),
    ids=["of both processes", "of one process a replica"],
)
def test_two_processes_write_the_rows_of_one(devices, tmp_path):
    """The first alone writes."""
    flags = (*TINY, "--sharing=untied", f"--task_steps={4 * CORES}",
             f"--batch_size={2 * CORES}", "--checkpoint_every=0")  # fmt: skip
    told = run_two(*flags, f"--devices_per_replica={devices}",
                   f"--workdir={tmp_path / 'two'}")  # fmt: skip
    assert ["parameters: " in out for out in told] == [True, False]
    alone = run("train", *flags, f"--workdir={tmp_path / 'one'}")
    assert alone.returncode == 0, alone.stderr
    two, one = (rows_of(tmp_path / name) for name in ("two", "one"))
    assert len(two) == len(one) == 3
    assert_alike(two, one)
    for name in ("two", "one"):
        assert (tmp_path / name / "params" / "seed_0.npz").exists()
    with (
        np.load(tmp_path / "two/params.npz") as a,
        np.load(tmp_path / "one/params.npz") as b,
    ):
        for name in b:
            np.testing.assert_allclose(a[name], b[name], rtol=0, atol=1e-6)


@pytest.mark.slow
def test_they_go_on_where_they_ended_and_so_does_one(tmp_path):
    flags = (*TINY, "--sharing=untied", f"--task_steps={2 * CORES}",
             f"--batch_size={2 * CORES}", "--checkpoint_every=0")  # fmt: skip
    two, one = (f"--workdir={tmp_path / name}" for name in ("two", "one"))
    for num_steps in (4, 6):
        more = f"--num_steps={num_steps}"
        run_two(*flags, more, two, f"--devices_per_replica={2 * CORES}")
    for where in (two, one):
        assert run("train", *flags, "--num_steps=8", where).returncode == 0
    assert_alike(*([rows_of(tmp_path / n)[-1]] for n in ("two", "one")))

"""What `train` leaves in its folder, and how it goes on from there."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from unittest import mock

import numpy as np
import pytest

from experiments import train
from rnnshare.training import Fitted
from tests.experiments.scripts import (
    ROOT,
    TINY,
    assert_refused,
    run,
    run_here,
    strict_json,
)


def bytes_of(folder):
    """Returns the content of every file, by its path; arrays by their values.

    An `.npz` file holds the time that it was written at.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix == ".npz":
            with np.load(path) as arrays:
                found[str(path.relative_to(folder))] = {
                    name: arrays[name].tobytes() for name in arrays
                }
        elif path.is_file() and path.name != "SHA256SUMS":
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def modified(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_finished_run_is_left_alone_goes_on_with_more_steps_and_is_moved(tmp_path):
    folder, whole = tmp_path / "run", tmp_path / "whole"
    flags = (*TINY, "--num_seeds=2")
    here, longer = f"--workdir={folder}", "--num_steps=6"
    first = run_here("train", *flags, here)
    assert first.returncode == 0, first.stderr
    names = {
        "metrics.jsonl", "setting.json", "params.npz", "params/seed_0.npz",
        "params/seed_1.npz",
    }  # fmt: skip
    checkpoints = {n for n in bytes_of(folder) if n.startswith("checkpoints/")}
    assert set(bytes_of(folder)) == names | checkpoints
    assert checkpoints
    before = modified(folder)
    again = run_here("train", *flags, here)
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    assert modified(folder) == before

    refused = run_here("train", *flags, "--seed=5", "--batch_size=2", here)
    assert refused.returncode == 2
    _, *table, error = refused.stderr.splitlines()
    assert [line.split() for line in table] == [
        ["name", "there", "here"], ["batch_size", "4", "2"], ["seed", "0", "5"]
    ]  # fmt: skip
    assert "holds another run, as the table shows" in error

    more = run_here("train", *flags, longer, here)
    assert more.returncode == 0, more.stderr
    assert run_here("train", *flags, longer, f"--workdir={whole}").returncode == 0
    assert_same(folder, whole)
    fewer = run_here("train", *flags, here)
    assert "num_steps  6      4" in fewer.stderr
    setting = folder / "setting.json"
    written = setting.read_bytes()
    setting.write_bytes(written[:-9])
    damaged = f"{setting} is no setting: it is not JSON ("
    assert_refused(run_here("train", *flags, here), damaged, begun=True)
    setting.write_bytes(written)

    kept = bytes_of(folder)
    anew = run_here("train", *flags, "--restart", here)
    assert anew.stdout == first.stdout
    assert bytes_of(tmp_path / "run.1") == kept
    assert set(bytes_of(folder)) >= names


def assert_same(one, other):
    """The same rows, parameters, and newest checkpoint."""
    a, b = bytes_of(one), bytes_of(other)
    newest = max(n.split("/")[1] for n in b if n.startswith("checkpoints/"))
    names = {n for n in b if not n.startswith("checkpoints/") or newest in n}
    assert names <= set(a)
    for name in names - {"metrics.jsonl"}:
        assert a[name] == b[name], name
    rows = [
        sorted(map(json.dumps, map(strict_json, files["metrics.jsonl"].splitlines())))
        for files in (a, b)
    ]
    assert rows[0] == rows[1]


def start(*flags):
    """Starts `train` with the signals that a terminal has, whatever the parent's are.

    No fork, which JAX warns of.
    """
    code = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        "; runpy.run_module('experiments.train', run_name='__main__', alter_sys=True)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_signal_keeps_what_was_trained_and_a_second_start_is_refused(tmp_path):
    folder = tmp_path / "run"
    # However slow the machine, the one checkpoint is that of the signal.
    flags = (*TINY, "--num_steps=100000", "--patience=0", "--checkpoint_every=1e9",
             f"--workdir={folder}")  # fmt: skip
    process = start(*flags)
    while not (folder / "metrics.jsonl").exists() and process.poll() is None:
        time.sleep(0.05)
    written = f"being written by process {process.pid} on "
    assert_refused(run("train", *flags), written, begun=True)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 143, told
    command = f"python -m experiments.train {' '.join(flags)}"
    last = told.splitlines()[-1]
    assert last == (
        f"interrupted: {folder} is kept up to its last checkpoint; go on by: {command}"
    )
    assert "Traceback" not in told
    (checkpoint,) = (folder / "checkpoints").iterdir()
    rows = (folder / "metrics.jsonl").read_text().splitlines()
    assert checkpoint.name == f"step_{strict_json(rows[-1])['step']:09d}"


def test_other_data_are_refused_before_there_is_a_checkpoint(tmp_path, monkeypatch):
    file, folder = tmp_path / "own.csv", tmp_path / "run"
    rows = [f"{i % 7},{i % 5},{i % 2},{i // 2 % 2}" for i in range(20)]
    file.write_text("\n".join(["a,b,y,z", *rows]))
    flags = (f"--data={file}", "--features=a,b", f"--workdir={folder}")
    killed = mock.Mock(side_effect=OSError("killed"))
    monkeypatch.setattr("rnnshare.training.fit", killed)
    assert "killed" in run_here("train", *flags, "--target=y").stderr
    assert "killed" in run_here("train", *flags, "--target=y").stderr
    refused = run_here("train", *flags, "--target=z")
    assert refused.returncode == 2 and killed.call_count == 2
    assert [line.split()[0] for line in refused.stderr.splitlines()[-3:-1]] == [
        "name", "data"
    ]  # fmt: skip


def test_a_training_outlasts_those_who_read_of_it(tmp_path):
    """Its stdout is closed from the start, its stderr a pipe that nobody reads."""
    command = [sys.executable, "-m", "experiments.train", *TINY,
               f"--workdir={tmp_path / 'run'}"]  # fmt: skip
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command],
        cwd=ROOT,
        stderr=write_end,
        check=False,
    )
    os.close(write_end)
    assert done.returncode == 0
    assert (tmp_path / "run" / "params.npz").exists()


def test_a_seed_that_diverged_is_named(capsys):
    lost = {"test_loss": math.nan, "diverged": 7}
    train._report(Fitted([None], [lost]), [3], 117)
    told = capsys.readouterr().out
    assert told.startswith("seed 3: diverged at step 7\n")


@pytest.mark.slow  # of `fit` in test_full_disk
def test_a_full_disk_is_one_line_that_names_the_file(tmp_path):
    folder = tmp_path / "run"
    code = (
        "import resource, runpy, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
        "; resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000))"
        "; runpy.run_module('experiments.train', run_name='__main__', alter_sys=True)"
    )
    flags = (*TINY, "--compilation_cache=", f"--workdir={folder}")
    done = subprocess.run(
        [sys.executable, "-c", code, *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: [Errno 27] File too large: ")
    assert f"{folder}/checkpoints/step_000000004" in last
    assert "Traceback" not in done.stderr
    assert not list((folder / "checkpoints").iterdir())
    again = run("train", *flags)
    assert again.returncode == 0, again.stderr
    assert [p.name for p in (folder / "checkpoints").iterdir()] == ["step_000000004"]


def test_tensorboard_gets_losses_norms_and_pictures_once(tmp_path):
    from tests.library.training.test_writers import events_of

    flags = (*TINY, "--num_seeds=2", "--sharing=untied", "--tensorboard",
             f"--workdir={tmp_path}")  # fmt: skip
    for _ in range(2):  # the second time nothing is left to tell
        done = run_here("train", *flags)
        assert done.returncode == 0, done.stderr
    for seed in (0, 1):
        told = events_of(tmp_path / "tensorboard" / f"seed_{seed}")
        places = [(step, tag) for step, tag, _ in told]
        assert len(places) == len(set(places))
        tags = {tag for _, tag in places}
        assert {"train_loss", "validation_loss", "gradient_norm"} <= tags
        assert "weight_similarity/layer_0" in tags

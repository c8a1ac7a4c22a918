"""Workers end with the process that they work for, however it does."""

import contextlib
import os
import select
import signal
import subprocess
import sys

import pytest

from rnnshare.training.orphans import Owner, work_for
from tests.experiments.scripts import ROOT

SCRIPT = """
import concurrent.futures, multiprocessing, os, pathlib, sys, time
from absl import flags
from experiments.lab import cluster
from rnnshare.training.workers import Parent

def work(parent):
    parent.take_over()
    with open("{pipe}", "w") as file:
        print(os.getpid(), file=file, flush=True)
        time.sleep(600)

if __name__ == "__main__":
    flags.FLAGS(["script", "--cluster=local"])
    spawn = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn)
    jobs = cluster.opened(pathlib.Path("{folder}"))
    with {executor} as executor:
        executor.submit(work, Parent.here()).result()
"""


def test_whether_an_owner_is_alive(monkeypatch):
    owner = Owner.of(os.getpid())
    assert owner.is_alive() and work_for(owner, divmod, 7, 2) == (3, 1)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    other = Owner.of(process.pid)
    assert other.is_alive()
    process.communicate()
    assert not other.is_alive()
    assert not owner._replace(started=0).is_alive()  # its number was given anew


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["pool", "jobs"])
def test_workers_of_a_killed_script_end(executor, tmp_path):
    script, pipe = tmp_path / "script.py", tmp_path / "pipe"
    script.write_text(SCRIPT.format(pipe=pipe, folder=tmp_path, executor=executor))
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    def read():
        assert select.select([end], [], [], 120.0)[0], "nobody writes or ends"
        return os.read(end, 100)

    process = subprocess.Popen(
        [sys.executable, script], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    worker = int(read())
    process.kill()
    process.wait()
    try:
        assert read() == b""  # the worker had it open
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
    os.close(end)

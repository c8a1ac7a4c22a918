"""Jobs of submitit: so many at once, cancelled at the end, their logs kept."""

import json

import pytest
from absl import flags
from absl.testing import flagsaver

from experiments.lab import cluster
from experiments.lab.trials import Lab
from rnnshare.training import JsonLines, WorkerError, run
from tests.cases import with_slow
from tests.experiments.lab.cluster_cases import GRID, REPLICATES, Killer
from tests.experiments.scripts import ROOT


class Running:
    """A job of submitit that ends when it is told to."""

    def __init__(self, folder, call):
        self.folder, self.call, self.has_ended, self.is_cancelled = folder, call, 0, 0

    def done(self):
        return bool(self.has_ended)

    def result(self):
        function, *args = self.call
        return function(*args)

    def cancel(self, check):
        assert not check
        self.has_ended = self.is_cancelled = 1


class Executor:
    def __init__(self, folder):
        self.folder, self.begun = folder, []

    def submit(self, *call):
        self.begun.append(Running(self.folder, call))
        return self.begun[-1]


def jobs_in(folder, most=2):
    executor = Executor(folder)
    return cluster.Jobs(folder, lambda _: executor, most), executor


def test_so_many_jobs_at_once(tmp_path):
    jobs, executor = jobs_in(tmp_path / "cluster")
    assert not (tmp_path / "cluster").exists()
    futures = [jobs.submit(divmod, 7, number) for number in (1, 2, 3)]
    assert len(executor.begun) == 2
    executor.begun[1].has_ended = 1
    jobs.fill()
    assert len(executor.begun) == 3
    for job in executor.begun:
        job.has_ended = 1
    assert [future.result() for future in futures] == [(7, 0), (3, 1), (2, 1)]
    jobs.close()
    assert not any(job.is_cancelled for job in executor.begun)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_done_is_cancelled_and_logs_stay(tmp_path):
    jobs, executor = jobs_in(tmp_path / "cluster", 1)
    failed, waits = jobs.submit(divmod, 1, 0), jobs.submit(divmod, 1, 1)
    executor.begun[0].has_ended = 1
    with pytest.raises(ZeroDivisionError):
        failed.result()
    jobs.fill()
    waits.cancel()
    jobs.close()
    assert [job.is_cancelled for job in executor.begun] == [0, 1]
    assert (tmp_path / "cluster").is_dir()


@pytest.fixture
def submit_by(monkeypatch):
    """Returns a function that sets --cluster; it returns the executors, as made."""
    made, make, parsed = [], cluster._make, flags.FLAGS.is_parsed()

    def noted(folder):
        made.append(make(folder))
        return made[-1]

    def begin(kind):
        flags.FLAGS.mark_as_parsed()
        flags.FLAGS.cluster = kind
        return made

    monkeypatch.setattr(cluster, "_make", noted)
    monkeypatch.chdir(ROOT)  # which its processes import from
    with flagsaver.flagsaver():
        yield begin
    if not parsed:
        flags.FLAGS.unparse_flags()


@pytest.mark.parametrize("kind", with_slow(["debug", "local"], {"debug"}))
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # submitit's logs
def test_a_lab_trains_by_submitit(kind, tmp_path, submit_by):
    few = [GRID[0], GRID[8]][: 1 + (kind == "local")]
    rows = Lab(tmp_path / "plain").train(few, REPLICATES)
    executors = submit_by(kind)
    lab = Lab(tmp_path / "study")
    with lab.clock():
        assert lab.train(few, REPLICATES) == rows
        assert lab.train(few, REPLICATES) == rows
    assert [executor.cluster for executor in executors][:1] == [kind]
    assert lab.num_made == len(few)
    names = {path.name for path in lab.folder.iterdir()}
    assert names == {"trained.jsonl", "sessions.jsonl"}


@pytest.mark.slow
def test_twenty_kills_of_workers(tmp_path, submit_by):
    """Of each its unfinished group alone is lost, and nothing is there twice."""
    whole = run(GRID, REPLICATES, JsonLines(tmp_path / "whole.jsonl"))
    submit_by("local")
    path, before, ended = tmp_path / "trained.jsonl", [], 0
    with Killer(tmp_path / "trained.workers", 20, seed=0) as killer:
        while ended == 0 or len(killer.killed) < 20:
            try:
                with cluster.opened(tmp_path) as executor:
                    found = run(
                        GRID, REPLICATES, JsonLines(path), executor=executor,
                        checkpoint_every=0.0,
                    )  # fmt: skip
            except WorkerError:
                assert killer.killed
                found = None
            lines = path.read_text().splitlines()
            assert lines[: len(before)] == before
            before = lines
            if found is not None:  # once more, until so many were killed
                keys = [json.loads(line)["key"] for line in lines]
                assert found == whole
                assert sorted(keys) == sorted(row["key"] for row in whole)
                assert not (tmp_path / "trained.workers").exists()
                path.unlink()
                before, ended = [], ended + 1
    assert len(killer.killed) == 20 and killer.with_rows

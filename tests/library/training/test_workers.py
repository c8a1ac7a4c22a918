"""Studies by executors: the rows of one process, whatever dies on the way."""

import concurrent.futures
import dataclasses
import json
import multiprocessing

import jax
import pytest

from rnnshare import GRUCell, Tied, Untied
from rnnshare.tasks import Adding
from rnnshare.training import (
    FolderLock,
    JsonLines,
    Recipe,
    Replicate,
    Setting,
    WorkerError,
    merge_workers,
    study,
    workers,
)
from rnnshare.training.slots import Slots

RECIPE = Recipe(num_steps=4, batch_size=4, validate_every=2)


def adding(split):
    del split
    return Adding(5, num_held_out=16)


GRID = [
    Setting(adding, GRUCell, sharing, 3, rate, RECIPE)
    for sharing in (Tied(), Untied(5))
    for rate in (1e-2, 3e-2)
]
REPLICATES = [Replicate(0), Replicate(1)]


class InThisProcess:
    """Runs what is submitted when its result is asked for."""

    def __init__(self):
        self.submitted, self.cancelled = [], 0

    def submit(self, function, *args):
        self.submitted.append(args)
        return Later(self, function, args)


class Later:
    def __init__(self, executor, function, args):
        self.executor, self.function, self.args = executor, function, args

    def result(self):
        return self.function(*self.args)

    def cancel(self):
        self.executor.cancelled += 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The rows of one process."""
    return study.run(GRID, REPLICATES, JsonLines(tmp_path_factory.mktemp("a") / "r"))


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def keys_in(path):
    return [json.loads(line)["key"] for line in path.read_text().splitlines()]


def test_rows_are_those_of_one_process_and_each_program_is_one_job(tmp_path, whole):
    executor, told = InThisProcess(), []
    rows = study.run(
        GRID, REPLICATES, JsonLines(tmp_path / "r.jsonl"), executor=executor,
        on_group=lambda setting, count, left: told.append((count, left)),
    )  # fmt: skip
    assert rows == whole
    assert [len(pairs) for pairs, *_ in executor.submitted] == [4, 4]
    assert told == [(4, 4), (4, 4)]
    assert names_in(tmp_path) == {"r.jsonl"}
    again = study.run(
        GRID, REPLICATES, JsonLines(tmp_path / "r.jsonl"), executor=executor
    )
    assert again == whole and len(executor.submitted) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError("all of it")])
def test_what_a_worker_had_is_kept_and_gone_on_from(
    tmp_path, whole, monkeypatch, error
):
    """The first worker is whole, the second ends in its second pair of trainings."""
    path, chunks, run_chunk = tmp_path / "r.jsonl", [], Slots.run_chunk

    def ends(slots):
        chunks.append(1)
        if len(chunks) == 8:
            raise error
        return run_chunk(slots)

    monkeypatch.setattr(Slots, "run_chunk", ends)
    executor, failed = InThisProcess(), not isinstance(error, type)
    with pytest.raises(WorkerError if failed else KeyboardInterrupt) as raised:
        study.run(
            GRID, REPLICATES, JsonLines(path), executor=executor, checkpoint_every=0.0
        )
    if failed:
        assert str(raised.value) == (
            f"{path}: 2 trainings were not done by their workers. Of adding_5, "
            "GRUCell, Untied(num_steps=5): MemoryError: all of it. All other rows are "
            "kept; the same call goes on from them."
        )
    assert executor.cancelled == (0 if failed else 2)
    assert len(keys_in(path)) == 6
    assert names_in(tmp_path) == {"r.jsonl", "r.workers"}  # with a checkpoint
    before = len(chunks)
    rows = study.run(GRID, REPLICATES, JsonLines(path), executor=executor)
    assert rows == whole and len(chunks) == before + 1
    assert sorted(keys_in(path)) == sorted(row["key"] for row in whole)
    assert names_in(tmp_path) == {"r.jsonl"}


def test_workers_that_outlive_their_study(tmp_path, whole):
    """One trains still: it is not disturbed, and what it has kept so far is taken."""
    path, kept = tmp_path / "r.jsonl", whole[:3]
    folder = tmp_path / "r.workers" / study.name_of(study.Grid(GRID, REPLICATES).groups)
    alive = JsonLines(folder / "rows.jsonl")
    with FolderLock(folder):
        for row in kept[:2]:
            alive.append(row)
        rows = JsonLines(path)
        assert (merge_workers(rows), merge_workers(rows)) == (2, 0)
        alive.append(kept[2])
        job = {folder.name: {"another key": (GRID[0], REPLICATES[0])}}
        with pytest.raises(WorkerError, match="is being written by this process"):
            workers.train_by(InThisProcess(), job, JsonLines(path), {})
    # A kill between the merge and the removal of what was merged doubles nothing.
    rows = JsonLines(path)
    assert (merge_workers(rows), rows.rows) == (0, kept)
    assert names_in(tmp_path) == {"r.jsonl"}
    assert study.run(GRID[:2], REPLICATES, rows)[:3] == kept
    assert len(keys_in(path)) == 4


def test_a_study_without_an_executor_takes_in_what_workers_left(tmp_path, whole):
    left = JsonLines(tmp_path / "r.workers" / "any" / "rows.jsonl")
    for row in whole:
        left.append(row)
    assert study.run(GRID, REPLICATES, JsonLines(tmp_path / "r.jsonl")) == whole
    assert names_in(tmp_path) == {"r.jsonl"}


def test_what_a_kill_at_the_end_left_is_removed_unless_somebody_writes(tmp_path, whole):
    """All rows are merged, and the folder of the last worker is there still."""
    rows = JsonLines(tmp_path / "r.jsonl")
    for kept in (rows, JsonLines(tmp_path / "r.workers" / "last" / workers.ROWS)):
        for row in whole:
            kept.append(row)
    with FolderLock(tmp_path, "r.jsonl"):
        assert study.run(GRID, REPLICATES, rows) == whole
        assert (tmp_path / "r.workers").exists()
    assert study.run(GRID, REPLICATES, rows) == whole == rows.rows
    assert names_in(tmp_path) == {"r.jsonl"}


def test_rows_of_other_schemas_are_not_lost(tmp_path):
    rows = JsonLines(tmp_path / "trained.jsonl")
    left = JsonLines(tmp_path / "trained.workers" / "one" / workers.ROWS)
    left.path.parent.mkdir(parents=True)
    kept = [{"old": 1}, {"old": 2}, *({"schema": n, "key": "a"} for n in (1, 2))]
    for row in kept:
        left.append(row)
    assert merge_workers(rows) == 4 and rows.rows == kept
    assert merge_workers(rows) == 0 and names_in(tmp_path) == {"trained.jsonl"}


def test_refusals(tmp_path):
    rows, executor = JsonLines(tmp_path / "r.jsonl"), InThisProcess()
    with pytest.raises(ValueError, match="a mesh is of this process's devices"):
        study.run(
            GRID, REPLICATES, rows, executor=executor,
            mesh=jax.make_mesh((1,), ("replica",)),
        )  # fmt: skip
    hidden = dataclasses.replace(GRID[0], make_task=lambda split: adding(split))
    with pytest.raises(TypeError, match=r"cannot be sent .*lambda.*Use a function or "):
        study.run([hidden], REPLICATES, rows, executor=executor)
    assert names_in(tmp_path) == set() and not executor.submitted


def test_a_worker_computes_as_its_parent_or_says_why_not(monkeypatch):
    parent = workers.Parent.here()
    parent.take_over()
    jax.devices()
    for changed in (
        {"xla_flags": "--xla_dump_to="},
        {"config": parent.config | {"jax_num_cpu_devices": 3}},
    ):
        with pytest.raises(RuntimeError, match="Give it workers that have not used"):
            parent._replace(**changed).take_over()
    assert workers.Parent.here() == parent

    class Forked:
        _start_method = "fork"

    monkeypatch.setattr(multiprocessing, "current_process", Forked)
    parent.take_over()  # of a process that was forked itself, by threads
    with pytest.raises(RuntimeError, match="Let it spawn them"):
        parent._replace(pid=-1).take_over()


def test_spawned_processes(tmp_path, whole):
    """Each has this one's devices and XLA flags: the same program, the same bits."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        rows = study.run(
            GRID, REPLICATES, JsonLines(tmp_path / "r.jsonl"), executor=executor
        )
    assert rows == whole
    assert names_in(tmp_path) == {"r.jsonl"}


KILLED = "Job 3 with path /x\nhas not produced any output\n----\nTail"
FAILED = """Job failed with trace:
---
Traceback (most recent call last):
    raise LockedError()
a.LockedError: /x is held.
---
See logs"""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("'loss'", "ValueError: 'loss'"),
        ("A process ended.", "ValueError: A process ended"),
        ("", "ValueError"),
        (KILLED, "ValueError: Job 3 with path /x has not produced any output"),
        (FAILED, "a.LockedError: /x is held"),
    ],
)
def test_what_went_wrong_is_told_in_a_line(text, line):
    assert workers._in_a_line(ValueError(text)) == line

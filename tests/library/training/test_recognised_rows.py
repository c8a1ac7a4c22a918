"""Rows are recognised by their keys, and say what they were run with."""

import copy
import dataclasses
import functools

import jax
import numpy as np
import optax
import pytest

import rnnshare
from rnnshare import tasks
from rnnshare.tasks import Batch, CopyMemory
from rnnshare.training import (
    SCHEMA,
    Call,
    FolderLock,
    JsonLines,
    LockedError,
    Replicate,
    fit,
    groups,
    run,
)
from tests.library.training.identity_cases import (
    ARRAY_BASE,
    BASE,
    SEEDS,
    on,
    with_optimizer,
)

# Rows that were taken for others when a row was recognised by its columns.


@pytest.mark.slow  # their keys differ in test_keys
def test_tasks_of_one_name_have_rows_of_their_own(tmp_path):
    settings = [on(CopyMemory(3, 2, m, 16)) for m in (2, 8)]
    assert len({s.make_task(0).name for s in settings}) == 1
    rows = run(settings, SEEDS, JsonLines(tmp_path / "rows.jsonl"))
    alone = run(settings[:1], SEEDS, JsonLines(tmp_path / "alone.jsonl"))
    assert rows[0] == alone[0]
    assert rows[0]["test_loss"] != rows[1]["test_loss"]
    assert rows[0]["task"] == rows[1]["task"]


@pytest.mark.slow  # their keys differ in test_keys
def test_other_arrays_under_the_same_name_are_trained_anew(tmp_path):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(2, 8, 3, 1)).astype(np.float32)
    labels = np.arange(8, dtype=np.int32) % 2
    tasks_ = [tasks.ArrayTask(*[Batch(x, labels)] * 3, *ARRAY_BASE[3:]) for x in inputs]
    assert tasks_[0].name == tasks_[1].name
    file = JsonLines(tmp_path / "rows.jsonl")
    losses = [run([on(task)], SEEDS, file)[0]["test_loss"] for task in tasks_]
    assert losses[0] != losses[1]
    assert len(file.rows) == 2
    again = run([on(copy.deepcopy(tasks_[0]))], SEEDS, JsonLines(file.path))
    assert again == file.rows[:1]


def test_a_row_says_what_made_its_task():
    calls = [
        Call(tasks.drift, path=path, amount=0.1) for path in ("linear", "periodic")
    ]
    told = [
        dataclasses.replace(BASE, make_task=make_task).columns()["make_task"]
        for make_task in (*calls[:2], tasks.drift)
    ]
    assert told == [
        "drift(amount=0.1, path='linear')", "drift(amount=0.1, path='periodic')",
        "drift",
    ]  # fmt: skip


def test_two_writers_of_one_file_make_no_row_twice(tmp_path):
    path, settings = tmp_path / "rows.jsonl", [on(CopyMemory(3, 2, 2, 16))]
    first, second = JsonLines(path), JsonLines(path)  # before there is anything
    (link := tmp_path / "link.jsonl").symlink_to(path.name)
    for file in (first, JsonLines(link)):
        with (
            FolderLock(tmp_path, path.name),
            pytest.raises(LockedError, match=path.name),
        ):
            run(settings, SEEDS, file)
    link.unlink()
    assert run(settings, SEEDS, first) == run(settings, SEEDS, second)
    assert first.rows == second.rows == JsonLines(path).rows
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_settings_of_one_key_that_are_not_equal_are_refused(tmp_path):
    file = JsonLines(tmp_path / "rows.jsonl")
    twins = [
        with_optimizer(kind(optax.sgd, momentum=0.5))
        for kind in (Call, Call, functools.partial, functools.partial)
    ]
    text = r"settings 0 and 2 train the same, but are not equal.* Give each once"
    with pytest.raises(ValueError, match=text):
        run([twins[0], BASE, twins[2]], SEEDS, file)
    with pytest.raises(ValueError, match="settings 0 and 1 train the same"):
        run(twins[2:], SEEDS, file)
    assert not file.rows
    rows = run(twins[:2], SEEDS, file)
    assert rows[0] == rows[1]
    assert len(file.rows) == 1


def test_rows_of_another_schema_are_not_read_and_are_told_of(tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    kept = run([BASE], SEEDS, JsonLines(path))
    assert capsys.readouterr().err == ""
    old = kept[0] | {"test_loss": -1.0}
    file = JsonLines(path)
    path.unlink()
    file.rows.clear()
    file.append(old | {"schema": SCHEMA + 1})
    file.append({name: old[name] for name in old if name not in ("schema", "key")})
    for _ in range(2):
        assert run([BASE], SEEDS, file) == kept
    assert capsys.readouterr().err == (
        f"{path}: 2 of 2 rows are not of schema {SCHEMA}, so they are not read, and "
        "what they measured is trained anew.\n"
    )
    assert len(file.rows) == 3


def test_a_row_says_what_it_was_run_with(tmp_path, monkeypatch):
    def as_ever(*args, compiler_options, **kwargs):
        """What is compiled in another way is trained in the one way all the same."""
        return fit(*args, **kwargs)

    monkeypatch.setattr(groups, "fit", as_ever)
    monkeypatch.setenv("XLA_FLAGS", "--xla_a=1 --xla_backend_optimization_level=2")
    options = {"xla_backend_optimization_level": "1"}
    rows = run([BASE], SEEDS, JsonLines(tmp_path / "a.jsonl"))
    other = run(
        [BASE], SEEDS, JsonLines(tmp_path / "b.jsonl"), compiler_options=options
    )
    monkeypatch.setenv("XLA_FLAGS", "")
    third = run([BASE], SEEDS, JsonLines(tmp_path / "c.jsonl"))
    assert [r[0]["xla_level"] for r in (rows, other, third)] == [2, 1, None]
    assert rows[0]["key"] == other[0]["key"] == BASE.key(SEEDS[0])
    assert rows[0]["jax"] == jax.__version__
    assert rows[0]["schema"] == SCHEMA
    assert rows[0]["diverged"] is None
    assert {"task", "cell", "sharing", "rnnshare", "num_parameters"} <= set(rows[0])


def test_a_task_is_described_once_however_many_settings_it_has(tmp_path, monkeypatch):
    digests = []
    inside = rnnshare.training.identity._describe_array

    def counted(value):
        digests.append(np.shape(value))
        return inside(value)

    monkeypatch.setattr(rnnshare.training.identity, "_describe_array", counted)
    task = tasks.ArrayTask(*ARRAY_BASE)
    rates = [dataclasses.replace(on(task), learning_rate=r) for r in (0.1, 0.2, 0.3)]
    rates += [dataclasses.replace(s, make_task=lambda split: task) for s in rates]
    found = rnnshare.training.setting.keys_of(rates, [Replicate(0), Replicate(1)])
    assert len({key for of_setting in found for key in of_setting}) == 6
    assert digests.count((2, 3, 1)) == 3

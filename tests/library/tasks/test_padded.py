"""Tasks of any length in arrays of one: the plain tasks, padded; what is scored."""

import functools
import math

import chex
import jax
import numpy as np
import pytest

from rnnshare.tasks import Adding, CopyMemory, PaddedAdding, PaddedCopyMemory
from tests.library.law_cases import assert_close, assert_equal_to_rounding, generic


@functools.partial(jax.jit, static_argnums=1)
def draw(task, count, seed=0):
    return task.sample(jax.random.key(seed), count)


@pytest.mark.parametrize(
    ("padded", "plain"),
    [
        (PaddedAdding(9), Adding(9)),
        pytest.param(
            *(PaddedCopyMemory(5, 2, 4, wait=5), CopyMemory(5, 2, 4)),
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda task: task.name,
)
def test_without_padding_the_task_is_the_plain_one(padded, plain):
    ours, theirs = (draw(task, 8) for task in (padded, plain))
    assert_equal_to_rounding(ours.inputs, theirs.inputs, 2)  # bits, made a float
    assert_equal_to_rounding(ours.targets, theirs.targets, 1)  # one sum of two
    assert (ours.lengths == plain.num_steps).all()
    assert ours.mask is None or ours.mask.all()
    assert padded.baselines == plain.baselines
    outputs = generic((8, plain.num_steps, plain.out_features), 0)
    if isinstance(plain, Adding):
        outputs = outputs[:, 0]
    assert_close(padded.metrics(outputs, ours), plain.metrics(outputs, theirs), 1e-6)


@pytest.mark.parametrize("length", [2, 5, 8])
def test_adding_marks_one_value_in_each_half_of_the_real_steps(length):
    batch = draw(PaddedAdding(11, length=length), 300)
    values, marks = np.moveaxis(np.asarray(batch.inputs), -1, 0)
    first, second = np.sort(np.argwhere(marks)[:, 1].reshape(-1, 2)).T
    half = length // 2
    assert set(first) == set(range(half)) and set(second) == set(range(half, length))
    np.testing.assert_allclose(batch.targets[:, 0], (values * marks).sum(1), rtol=1e-6)
    assert (np.asarray(batch.lengths) == length).all()


def test_copy_memory_asks_after_the_real_wait():
    task = PaddedCopyMemory(6, num_recalled=2, num_symbols=3, wait=2)
    inputs, targets, lengths, mask = draw(task, 20)
    tokens = np.argmax(inputs, -1)
    symbols, blank, signal = tokens[:, :2], 3, 4
    assert (symbols < blank).all() and len(np.unique(symbols)) == 3
    np.testing.assert_array_equal(tokens[:, 2:], [[blank, signal] + [blank] * 6] * 20)
    np.testing.assert_array_equal(targets[:, 4:6], symbols)
    assert (np.delete(np.asarray(targets), [4, 5], axis=1) == blank).all()
    assert (np.asarray(lengths) == 6).all()
    np.testing.assert_array_equal(mask, [[True] * 6 + [False] * 4] * 20)


def test_only_real_steps_are_scored_and_the_line_is_that_of_the_real_length():
    task = PaddedCopyMemory(30, num_recalled=2, num_symbols=3, wait=2)
    batch = draw(task, 2_000)
    # Without memory: certain of the blanks, even over the symbols where they are due.
    due = (np.arange(task.num_steps) >= 4)[:, None] * np.array([1, 1, 1, -99.0])
    sure = (np.arange(task.num_steps) < 4)[:, None] * np.array([0, 0, 0, 99.0])
    outputs = np.tile((due + sure).astype(np.float32), (2_000, 1, 1))
    outputs[:, 6:] = np.nan
    found, line = task.metrics(outputs, batch), task.baselines["no memory"]
    assert line["loss"] == pytest.approx(2 * math.log(3) / 6)
    assert found["loss"] == pytest.approx(line["loss"], rel=1e-5)
    assert found["accuracy"] == pytest.approx(line["accuracy"], abs=0.04)
    right = 99 * np.eye(4, dtype=np.float32)[np.asarray(batch.targets)]
    assert task.metrics(right, batch)["accuracy"] == 1.0


def test_lengths_share_one_compilation():
    @jax.jit
    @chex.assert_max_traces(n=2)  # one a task
    def inputs(task, key):
        return task.sample(key, 2).inputs

    for length in (2, 5, 9):
        inputs(PaddedAdding(9, length=length), jax.random.key(0))
        inputs(PaddedCopyMemory(9, wait=length), jax.random.key(0))
    names = {PaddedAdding(9, length=n).name for n in (2, 5)}
    assert names == {"adding_2_of_9", "adding_5_of_9"}
    assert PaddedCopyMemory(9, wait=3).name == "copy_memory_3_of_9"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PaddedAdding(9, length=1), r"PaddedAdding: length is 1\. Use a whole"),
        (lambda: PaddedAdding(9, length=10), r"length is 10\. .*2\.\.9, num_steps be"),
        (lambda: PaddedAdding(9, length=4.0), r"length is 4\.0\. Use a whole number"),
        (lambda: PaddedCopyMemory(5, wait=0), r"PaddedCopyMemory: wait is 0\..*1\.\.5"),
        (lambda: PaddedAdding(1), r"PaddedAdding: num_steps is 1"),
    ],
)  # fmt: skip
def test_wrong_lengths_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

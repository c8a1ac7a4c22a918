"""Copy memory and adding, with their reference lines by simulation."""

import math

import jax
import numpy as np
import pytest

from rnnshare.tasks import Adding, CopyMemory
from tests.library.tasks.task_cases import four, perfect, scores

# Copy memory


def test_copy_memory_asks_for_the_symbols_in_order():
    task = CopyMemory(num_blanks=4, num_recalled=3, num_symbols=5)
    inputs, targets, lengths, mask = task.sample(jax.random.key(0), 64)
    assert lengths is None
    assert mask is None
    np.testing.assert_array_equal(inputs.sum(-1), 1)
    tokens = np.asarray(inputs).argmax(-1)
    blank, signal = 5, 6
    assert tokens.shape == (64, 10)
    assert set(tokens[:, :3].ravel()) == set(range(5))
    assert (tokens[:, 3:6] == blank).all()
    assert (tokens[:, 6] == signal).all()
    assert (tokens[:, 7:] == blank).all()
    assert (targets[:, :7] == blank).all()
    np.testing.assert_array_equal(targets[:, 7:], tokens[:, :3])


def test_copy_memory_without_memory():
    """Blank until the recall, then every symbol alike: the line, on any draw."""
    task = CopyMemory(num_blanks=7, num_recalled=4, num_symbols=3)
    batch = task.sample(jax.random.key(1), 5_000)
    outputs = np.full((15, 4), -100.0, np.float32)
    outputs[:11, 3] = 0
    outputs[11:, :3] = 0
    outputs = np.broadcast_to(outputs, (5_000, 15, 4))
    line, got = task.baselines["no memory"], scores(task, outputs, batch)
    np.testing.assert_allclose(got["loss"], line["loss"], rtol=1e-4)
    error = math.sqrt(1 / 3 * 2 / 3 / (5_000 * 4))
    assert abs(got["accuracy"] - line["accuracy"]) < 4 * error
    usual = CopyMemory(num_blanks=100).baselines["no memory"]["loss"]
    assert usual == pytest.approx(10 * math.log(8) / 120)


def test_copy_memory_accuracy_is_of_the_recalled_steps():
    task = CopyMemory(num_blanks=7, num_recalled=4, num_symbols=3)
    batch = four(task, jax.random.key(1))
    right = perfect(task, batch)
    wrong, early = np.roll(right, 1, axis=-1), np.arange(15)[:, None] < 11
    early_wrong = scores(task, np.where(early, wrong, right), batch)
    late_wrong = scores(task, np.where(early, right, wrong), batch)
    assert (early_wrong["accuracy"], late_wrong["accuracy"]) == (1, 0)
    assert early_wrong["loss"] > 1


# Adding


@pytest.mark.parametrize("num_steps", [2, 7])
def test_adding_marks_one_value_in_each_half(num_steps):
    inputs, targets, *_ = Adding(num_steps).sample(jax.random.key(0), 500)
    values, marks = np.asarray(inputs[..., 0]), np.asarray(inputs[..., 1])
    half = num_steps // 2
    assert set(np.unique(marks)) <= {0, 1}
    np.testing.assert_array_equal(marks[:, :half].sum(1), 1)
    np.testing.assert_array_equal(marks[:, half:].sum(1), 1)
    assert (marks.sum(0) > 0).all()
    assert values.min() >= 0
    assert values.max() < 1
    marked = values[marks == 1].reshape(500, 2)
    np.testing.assert_allclose(targets[:, 0], marked.sum(1), rtol=1e-6)


def test_adding_without_memory():
    """The constant 1 has the line's error, and other constants a greater one."""
    task = Adding(10)
    batch = task.sample(jax.random.key(1), 20_000)
    errors = (np.asarray(batch.targets, np.float64) - 1) ** 2
    line = task.baselines["no memory"]["loss"]
    assert abs(errors.mean() - line) < 4 * errors.std() / math.sqrt(errors.size)
    less, one, more = (
        scores(task, np.full((20_000, 1), constant, np.float32), batch)["loss"]
        for constant in (0.9, 1, 1.1)
    )
    np.testing.assert_allclose(one, errors.mean(), rtol=1e-4)
    assert one < min(less, more)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CopyMemory(0), r"CopyMemory: num_blanks is 0\. Use an integer of at "),
        (lambda: CopyMemory(5, num_recalled=-1), "num_recalled is -1"),
        (lambda: CopyMemory(5, num_symbols=1), "num_symbols is 1.* at least 2"),
        (lambda: CopyMemory(5.0), r"num_blanks is 5\.0"),
        (lambda: CopyMemory(True), "num_blanks is True"),
        (lambda: Adding(1), r"Adding: num_steps is 1\. Use an integer of at least 2"),
        (lambda: Adding(4, num_held_out=0), "num_held_out is 0"),
        (lambda: Adding("4"), "num_steps is '4'"),
    ],
)
def test_bad_counts_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

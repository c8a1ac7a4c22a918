"""Tasks: samples, losses, and reference lines by simulation.

How real data are split is in `test_data`.
"""

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare.tasks import (
    Adding,
    CopyMemory,
    LagRecall,
    LocalRule,
    PaddedCopyMemory,
    Parity,
    ReverseString,
    italy_power_demand,
    japanese_vowels,
    mnist1d,
)
from rnnshare.tasks.base import SPLITS, cross_entropy, is_right, masked_mean
from rnnshare.tasks.translation import translation
from tests.library.law_cases import assert_equal_to_rounding

EVERY = (
    CopyMemory(5, num_held_out=50),
    Adding(6, num_held_out=50),
    japanese_vowels(),
    italy_power_demand(),
    mnist1d(),
)
by_name = pytest.mark.parametrize("task", EVERY, ids=lambda task: task.name)


@jax.jit
def four(task, key):
    return task.sample(key, 4)


@jax.jit
def scores(task, outputs, batch):
    return task.metrics(outputs, batch)


def perfect(task, batch):
    """Outputs that are certain and right."""
    if isinstance(task, Adding):
        return np.asarray(batch.targets)
    return 100 * np.eye(task.out_features, dtype=np.float32)[np.asarray(batch.targets)]


# Uniform numbers are made of random bits; `Adding` adds two of them.
ROUNDINGS = 3

# Every task


@by_name
def test_a_sample_is_a_pure_function_of_its_key(task):
    keys = jax.random.split(jax.random.key(1), 2)
    once = four(task, keys[0])
    chex.assert_trees_all_equal(once, four(task, keys[0]))
    assert_equal_to_rounding(once, task.sample(keys[0], 4), ROUNDINGS)
    assert not np.array_equal(once.inputs, four(task, keys[1]).inputs)


@by_name
def test_shapes_and_dtypes_are_what_the_task_says(task):
    batch = four(task, jax.random.key(0))
    assert batch.inputs.shape == (4, task.num_steps, task.in_features)
    assert batch.inputs.dtype == jnp.float32
    expected = {
        "CopyMemory": ((4, task.num_steps), jnp.int32),
        "Adding": ((4, 1), jnp.float32),
        "ArrayTask": ((4,), jnp.int32),
    }[type(task).__name__]
    assert (batch.targets.shape, batch.targets.dtype) == expected


@by_name
def test_samples_in_a_scan_are_the_samples_outside(task):
    keys = jax.random.split(jax.random.key(2), 3)

    @jax.jit
    def scanned(task, keys):
        return jax.lax.scan(lambda _, key: (None, task.sample(key, 4)), None, keys)[1]

    apart = [four(task, key) for key in keys]
    together = jax.tree.map(lambda *x: jnp.stack(x), *apart)
    assert_equal_to_rounding(scanned(task, keys), together, ROUNDINGS)


@by_name
def test_held_out_sets_are_fixed_and_differ(task):
    sets = [task.held_out(split) for split in SPLITS]
    compiled = jax.jit(lambda task: [task.held_out(split) for split in SPLITS])
    assert_equal_to_rounding(sets, compiled(task), ROUNDINGS)
    first = [np.asarray(batch.inputs[0]).tobytes() for batch in sets]
    assert len(set(first)) == len(SPLITS)
    with pytest.raises(ValueError, match=r"'dev'\. Use one of train, validation, test"):
        task.held_out("dev")


@by_name
def test_right_answers_reach_the_oracle(task):
    batch = task.held_out("test")
    got = scores(task, perfect(task, batch), batch)
    oracle = task.baselines.get("oracle", {"loss": 0.0, "accuracy": 1.0})
    assert set(got) == set(oracle)
    for metric, value in oracle.items():
        np.testing.assert_allclose(got[metric], value, atol=1e-6)


@by_name
def test_metrics_are_float32_for_bfloat16_outputs(task):
    batch = four(task, jax.random.key(3))
    outputs = perfect(task, batch).astype(jnp.bfloat16)
    got = scores(task, outputs, batch)
    assert {metric.dtype for metric in got.values()} == {jnp.dtype(jnp.float32)}
    assert {metric.shape for metric in got.values()} == {()}
    widened = scores(task, outputs.astype(np.float32), batch)
    # The logarithm of a sum of exponentials, and a mean over 4 examples of T steps.
    assert_equal_to_rounding(got, widened, 10 + 4 * task.num_steps)


# Losses


def test_cross_entropy_by_hand():
    logits = jnp.array([[0.0, math.log(3.0)], [2.0, 2.0]])
    got = cross_entropy(logits, jnp.array([0, 1]))
    np.testing.assert_allclose(got, [math.log(4), math.log(2)], rtol=1e-6)


CLASSIFIED = (
    CopyMemory(5, num_held_out=50),
    PaddedCopyMemory(5, num_held_out=50, wait=3),
    LagRecall(12, 3, bounds=(1, 2, 3), num_held_out=20),
    LocalRule.of(6),
    Parity(5, num_held_out=50),
    ReverseString(5, num_held_out=50),
    japanese_vowels(),
    translation(),
)


@pytest.mark.parametrize("bad", [0, -1, slice(None)], ids=str)
@pytest.mark.parametrize("task", CLASSIFIED, ids=lambda task: task.name)
def test_an_answer_with_a_nan_is_never_right(task, bad):
    """Although `argmax` takes a NaN for the largest, the class 0 if all are NaN."""
    batch = jax.device_get(task.held_out("validation"))
    right = perfect(task, batch)
    wrong = right.copy()
    wrong[..., bad] = np.nan
    for outputs, expected in ((right, 1.0), (wrong, 0.0)):
        found = scores(task, outputs, batch)
        rates = {name: float(x) for name, x in found.items() if "loss" not in name}
        assert "accuracy" in rates
        assert set(rates.values()) == {expected}, rates
        if isinstance(task, Parity | ReverseString):
            each = task.accuracy_each(jnp.asarray(outputs), batch)
            np.testing.assert_array_equal(each, np.float32(expected))


def test_right_answers_by_hand():
    nan, inf = np.nan, np.inf
    logits = [[0, 1], [1, 0], [nan, 1], [0, nan], [nan, nan], [-inf, 0], [0, inf]]
    found = is_right(jnp.asarray(logits), jnp.ones(7, jnp.int32))
    assert found.tolist() == [True, False, False, False, False, True, True]


def test_masked_mean_leaves_out_what_is_not_scored():
    values = jnp.array([1.0, jnp.nan, 3.0, jnp.inf])
    mask = jnp.array([True, False, True, False])
    assert masked_mean(values, mask) == 2
    assert masked_mean(values, jnp.zeros_like(mask)) == 0
    assert masked_mean(values[:1], None) == 1


def test_the_mask_decides_loss_and_accuracy():
    task = CopyMemory(1, num_recalled=1, num_symbols=2)
    batch = four(task, jax.random.key(0))
    mask = np.ones((4, 3), bool)
    mask[:, 1] = mask[0, 2] = False
    outputs = perfect(task, batch)
    outputs[0, 2] = np.roll(outputs[0, 2], 1)
    outputs[:, 1] = np.nan
    assert scores(task, outputs, batch._replace(mask=mask))["loss"] < 1e-6
    assert np.isnan(scores(task, outputs, batch)["loss"])


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


# Tasks as pytrees of their arrays


def test_samples_carry_the_lengths_of_their_rows():
    task = japanese_vowels()
    batch = four(task, jax.random.key(0))
    real = np.asarray(jnp.any(batch.inputs != 0, axis=-1)).sum(-1)
    np.testing.assert_array_equal(batch.lengths, real)
    rows = {row.tobytes() for row in task.train.inputs}
    assert {np.asarray(row).tobytes() for row in batch.inputs} <= rows
    assert italy_power_demand().train.lengths is None


def test_tasks_stack_over_splits():
    tasks = [italy_power_demand(split) for split in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *tasks)
    keys = jax.random.split(jax.random.key(0), 3)
    batches = jax.vmap(lambda task, key: task.sample(key, 5))(stacked, keys)
    assert batches.inputs.shape == (3, 5, 24, 1)
    for i, task in enumerate(tasks):
        apart = task.sample(keys[i], 5)
        np.testing.assert_array_equal(batches.inputs[i], apart.inputs)
        np.testing.assert_array_equal(batches.targets[i], apart.targets)


def test_two_splits_share_one_compilation():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def draw(task, key):
        return task.sample(key, 2).inputs

    for split in range(3):
        draw(italy_power_demand(split), jax.random.key(0))

"""What holds for every task: samples, held-out sets, lines, pytrees of arrays.

How real data are split is in `test_splits`.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare.tasks import (
    Adding,
    CopyMemory,
    italy_power_demand,
    japanese_vowels,
    mnist1d,
)
from rnnshare.tasks.base import SPLITS
from tests.library.law_cases import assert_equal_to_rounding
from tests.library.tasks.task_cases import four, perfect, scores

EVERY = (
    CopyMemory(5, num_held_out=50),
    Adding(6, num_held_out=50),
    japanese_vowels(),
    italy_power_demand(),
    mnist1d(),
)
by_name = pytest.mark.parametrize("task", EVERY, ids=lambda task: task.name)


# Uniform numbers are made of random bits; `Adding` adds two of them.
ROUNDINGS = 3


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

"""The drifting regression against plain loops, and its lines against least squares."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare.tasks import drift, drift_oracles
from rnnshare.tasks.base import SPLITS
from rnnshare.tasks.drifting_rule import PATHS
from tests.library.law_cases import assert_equal_to_rounding

by_path = pytest.mark.parametrize("path", PATHS)


def small(path="random_walk", amount=0.3, **options):
    options = {"num_examples": 40, "num_rows": 50} | options
    return drift(1, path=path, amount=amount, **options)


def by_loop(task, inputs):
    """The linear part of the answers, and NaN at the steps with too short a past."""
    num_lags = task.step_weights.shape[1]
    answers = np.full(inputs.shape[:2], np.nan)
    for n, sequence in enumerate(np.asarray(inputs, np.float64)):
        for t in range(num_lags, len(sequence)):
            answers[n, t] = sum(
                task.step_weights[t, j - 1] @ sequence[t - j]
                for j in range(1, num_lags + 1)
            )
    return answers


def windows(inputs, num_lags):
    """[N, T - l, l D]: at every step with a whole past, the last l inputs."""
    steps = range(num_lags, inputs.shape[1])
    past = [inputs[:, t - num_lags : t][:, ::-1] for t in steps]
    return np.stack(past, axis=1).reshape(len(inputs), len(past), -1)


def least_squares(x, y):
    """The mean squared error of the best linear function with a constant."""
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    return float(np.mean((y - x @ np.linalg.lstsq(x, y)[0]) ** 2))


# The generator


@by_path
@pytest.mark.parametrize("sizes", [{}, {"num_steps": 9, "num_lags": 4}])
def test_targets_are_the_loop_up_to_one_constant(path, sizes):
    task = small(path, **sizes)
    constants = []
    for split in SPLITS:
        batch = task.held_out(split)
        apart = by_loop(task, batch.inputs) - batch.targets[..., 0]
        constants.append(apart[batch.mask])
    joined = np.concatenate(constants)
    assert joined[0] > 0.1  # what standardising took
    np.testing.assert_allclose(joined, joined[0], rtol=1e-5)


@by_path
def test_training_targets_are_standardised(path):
    train = small(path).train
    scored = train.targets[..., 0][train.mask].astype(np.float64)
    np.testing.assert_allclose([scored.mean(), scored.std()], [0, 1], atol=1e-5)


@by_path
def test_a_tenth_of_the_inputs_is_filled_evenly(path):
    task = drift(2, path=path, num_examples=1_000)
    inputs = task.train.inputs
    assert inputs.shape == (1_000, 30, 3)
    np.testing.assert_array_equal((inputs != 0).sum(axis=(1, 2)), 9)
    unit = np.sqrt(0.1 * 100**2 / 3 - 5**2)
    filled = inputs[inputs != 0] * unit
    assert 0 < filled.min() < 0.1
    assert 99.9 < filled.max() < 100.001
    np.testing.assert_allclose(filled.mean(), 50, rtol=0.02)
    np.testing.assert_allclose(inputs.var(), 1, rtol=0.02)
    where = (inputs != 0).mean(axis=0)  # 90 places, each 1 in 10
    assert np.abs(where - 0.1).max() < 5 * np.sqrt(0.1 * 0.9 / 1_000)


@by_path
def test_no_amount_is_one_rule_and_more_moves_further(path):
    assert np.ptp(small(path, amount=0.0).step_weights, axis=0).max() == 0
    assert small(path, amount=0.0).oracle < 1e-24
    oracles = [float(small(path, amount=a).oracle) for a in (0.01, 0.04, 0.16)]
    assert 0 < oracles[0] < oracles[1] < oracles[2]


@pytest.mark.parametrize("path", ["random_walk", "periodic"])
def test_weights_of_a_step_are_a_product_of_lags_and_features(path):
    for weights in small(path).step_weights:
        values = np.linalg.svd(weights, compute_uv=False)
        assert values[1] < 1e-12 * values[0]
        assert weights.min() == 0
    sums = small(path).step_weights.sum(axis=(1, 2))
    np.testing.assert_allclose(sums, sums[0], rtol=1e-12)


def test_paths_go_where_they_say():
    linear = small("linear", test_steps=50).step_weights
    np.testing.assert_allclose(np.diff(linear, n=2, axis=0), 0, atol=1e-12)
    assert np.abs(np.diff(linear, axis=0)).max() > 1e-3
    periodic = small("periodic", period=4).step_weights
    np.testing.assert_array_equal(periodic[4:], periodic[:-4])
    assert len(np.unique(periodic, axis=0)) == 4
    walk = small("random_walk").step_weights
    assert len(np.unique(walk, axis=0)) == 30


@by_path
def test_longer_test_sets_score_what_training_never_saw(path):
    task = small(path, test_steps=120)
    usual, all_rows = np.arange(30) >= 10, np.ones((50, 1), bool)
    drawn = np.arange(50)[:, None] < 40
    np.testing.assert_array_equal(task.train.mask, usual & drawn)
    np.testing.assert_array_equal(task.validation.mask, usual & all_rows)
    np.testing.assert_array_equal(task.test.mask, (np.arange(120) >= 30) & all_rows)
    assert task.num_steps == 30
    assert task.step_weights.shape == (120, 10, 3)
    expected = drift_oracles(task.step_weights[30:], 1.0)[0]
    np.testing.assert_allclose(task.oracle, expected, rtol=1e-6)
    same = small(path, test_steps=30).test.mask
    np.testing.assert_array_equal(same, usual & all_rows)


@by_path
def test_longer_test_sets_go_on_along_the_path(path):
    """Up to the targets' scale, the first T weights are those of the shorter set."""
    short, long = small(path), small(path, test_steps=120)
    first = long.step_weights[:30]
    np.testing.assert_allclose(first, short.step_weights, rtol=1e-9, atol=1e-12)
    # Sums of l D products in float64, of another array; one rounding to float32.
    assert_equal_to_rounding(long.train.targets, short.train.targets, 1)


@pytest.mark.parametrize("amount", [0.1, 0.2])
def test_the_linear_path_goes_five_amounts_of_the_way_in_the_training_steps(amount):
    def to_sum_one(weights):
        return weights / weights.sum(axis=(1, 2), keepdims=True)

    whole = to_sum_one(small("linear", amount=0.2, test_steps=31).step_weights)
    weights = to_sum_one(small("linear", amount=amount, test_steps=120).step_weights)
    part = 5 * amount * (whole[30] - whole[0])  # 0.2 is all the way, at step T
    np.testing.assert_allclose(weights[30] - weights[0], part, atol=1e-12)
    assert np.abs(part).max() > 1e-2
    for end in (whole[0], whole[30]):
        assert np.linalg.matrix_rank(end, tol=1e-12) == 1
    assert np.linalg.matrix_rank(whole[15], tol=1e-12) == 2


# The lines


def test_oracles_are_what_least_squares_reaches():
    rng = np.random.default_rng(0)
    T, lags, D, v, N = 6, 3, 2, 2.5, 6_000
    weights = rng.normal(size=(T, lags, D))
    weights /= weights.sum(axis=(1, 2), keepdims=True)
    inputs = rng.normal(1.0, np.sqrt(v), (N, T + lags, D))
    past = windows(inputs, lags)
    targets = np.einsum("ntk,tk->nt", past, weights.reshape(T, -1)) + 0.7
    invariant, per_step = drift_oracles(weights, v)
    fitted = least_squares(past.reshape(N * T, -1), targets.ravel())
    np.testing.assert_allclose(fitted, invariant, rtol=4 * np.sqrt(2 / N))
    each = [least_squares(past[:, t], targets[:, t]) for t in range(T)]
    np.testing.assert_allclose(each, per_step, atol=1e-12)


def test_the_line_is_what_least_squares_reaches_on_the_data():
    task = drift(1, amount=0.2, num_examples=8_000)
    x = windows(task.test.inputs.astype(np.float64), 10).reshape(-1, 30)
    y = task.test.targets[:, 10:, 0].astype(np.float64).ravel()
    line = task.baselines["time-invariant linear"]["loss"]
    np.testing.assert_allclose(least_squares(x, y), line, rtol=0.03)
    zeros = np.zeros(task.test.targets.shape, np.float32)
    mean = task.loss(zeros, task.test)
    np.testing.assert_allclose(mean, task.baselines["mean"]["loss"], rtol=0.03)
    answers = by_loop(task, task.test.inputs[:20])
    answers -= (answers - task.test.targets[:20, :, 0])[0, 10]
    few = jax.tree.map(lambda leaf: leaf[:20], task.test)
    loss = task.loss(jnp.asarray(answers[..., None], jnp.float32), few)
    np.testing.assert_allclose(
        loss, task.baselines["per-step linear"]["loss"], atol=1e-9
    )


# As a task


@jax.jit
def loss_and_gradient(task, outputs, batch):
    return jax.value_and_grad(task.loss)(outputs, batch)


def test_what_is_not_scored_may_be_anything():
    task = small()
    outputs = np.random.default_rng(0).normal(size=task.test.targets.shape)
    outputs = outputs.astype(np.float32)
    loss, gradient = loss_and_gradient(task, outputs, task.test)
    scored = task.test.mask[..., None]
    expected = np.mean((outputs - task.test.targets)[scored] ** 2)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert (np.asarray(gradient != 0) == scored).all()
    for junk in (np.nan, np.inf):
        spoilt = np.where(scored, outputs, np.float32(junk))
        targets = np.where(scored, task.test.targets, np.float32(junk))
        batch = task.test._replace(targets=targets)
        again = loss_and_gradient(task, spoilt, batch)
        np.testing.assert_array_equal(again[0], loss)
        np.testing.assert_array_equal(again[1], gradient)


def test_draws_share_a_compilation_and_are_reproduced():
    one, other = drift(0, amount=0.0, num_examples=50), drift(3, amount=0.5)
    assert jax.tree.structure(one) == jax.tree.structure(other)
    shapes = [list(map(jnp.shape, jax.tree.leaves(task))) for task in (one, other)]
    assert shapes[0] == shapes[1]
    again = drift.__wrapped__(3, amount=0.5)
    jax.tree.map(np.testing.assert_array_equal, again, other)
    assert not np.array_equal(one.train.inputs, other.train.inputs)
    sets = [other.held_out(split).inputs[0].tobytes() for split in SPLITS]
    assert len(set(sets)) == len(SPLITS)
    # The dial moves the rule, and not the inputs.
    less = drift(3, amount=0.1)
    np.testing.assert_array_equal(less.train.inputs, other.train.inputs)
    assert not np.allclose(less.step_weights, other.step_weights, rtol=0.1)


def test_splits_amounts_and_sizes_are_traced_once():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def scored(task, key):
        batch = task.sample(key, 4)
        return task.loss(jnp.zeros(batch.targets.shape), batch)

    for split, amount, count in [(0, 0.0, 1_000), (1, 0.5, 1_000), (2, 0.05, 100)]:
        task = drift(split, amount=amount, num_examples=count)
        assert np.isfinite(scored(task, jax.random.key(0)))


def test_samples_are_training_examples():
    task = small()
    batch = jax.jit(lambda task, key: task.sample(key, 500))(task, jax.random.key(0))
    drawn, known = np.asarray(batch.inputs), task.train.inputs
    index = np.concatenate([np.flatnonzero((known == x).all((1, 2))) for x in drawn])
    assert index.shape == (500,)
    assert set(index) == set(range(40))  # of 50 rows
    np.testing.assert_array_equal(batch.targets, task.train.targets[index])
    assert batch.targets.dtype == batch.inputs.dtype == jnp.float32


def test_names():
    assert drift(0).name == drift(0, num_rows=1_500).name == "drift_random_walk_0.05"
    assert small("linear", amount=0.2).name == "drift_linear_0.2_n40"
    assert small("periodic", amount=0.0).name == "drift_periodic_0_n40"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: drift(-1), r"split is -1\. Use a whole number"),
        (lambda: drift(True), r"split is True"),
        (lambda: drift(path="spiral"), r"path is 'spiral'\. Use one of 'random_walk'"),
        (lambda: drift(amount=-0.1), r"amount is -0\.1\. Use a number of at least 0"),
        (lambda: drift(amount=float("nan")), r"amount is nan"),
        (lambda: drift(num_examples=0), r"num_examples is 0\. Use at least 1"),
        (lambda: drift(num_features=0), r"num_features is 0\. Use at least 1"),
        (lambda: drift(period=0), r"period is 0\. Use at least 1"),
        (lambda: drift(num_lags=30), r"leave nothing to score\. Use num_lags < num"),
        (lambda: drift(num_lags=0), r"num_lags=0, num_steps=30, test_steps=30"),
        (lambda: drift(test_steps=20), r"test_steps=20 leave nothing to score"),
        (lambda: drift(0).held_out("dev"), r"'dev'\. Use one of train, validation"),
        (lambda: drift_oracles(np.ones((3, 2)), 1.0), r"\[T, l, D\].*shape \(3, 2\)"),
        (lambda: drift_oracles(np.ones((0, 2, 2)), 1.0), r"at least one step"),
        (lambda: drift_oracles(np.ones((3, 2, 2)), -1.0), r"input_variance is -1\.0"),
    ],
)
def test_errors_say_the_way_out(call, error):
    with pytest.raises(ValueError, match=error):
        call()

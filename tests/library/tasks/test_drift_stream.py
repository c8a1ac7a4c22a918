"""The streaming drift task against loops, against `drift`, its lines by regression."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare.tasks import STREAMING, drift, drift_stream
from rnnshare.tasks.base import SPLITS
from tests.library.tasks.test_drift import least_squares, windows

SIZES = {"num_steps": 10, "num_lags": 5, "num_features": 3}
UNIT = np.sqrt(0.1 * 100**2 / 3 - 5**2)


@pytest.fixture(scope="module")
def large():
    """A task of a strong drift, and a large draw of it."""
    task = drift_stream(1, amount=0.2, num_held_out=40_000, **SIZES)
    return task, jax.device_get(jax.jit(lambda task: task.held_out("test"))(task))


def test_targets_are_the_loop(large):
    task, batch = large
    weights = np.asarray(task.step_weights, np.float64)
    for n in range(20):
        for t in range(10):
            assert batch.mask[n, t] == (t >= 5)
            if t >= 5:
                expected = -float(task.constant)
                for j in range(1, 6):
                    for d in range(3):
                        expected += weights[t, j - 1, d] * batch.inputs[n, t - j, d]
                assert batch.targets[n, t, 0] == pytest.approx(expected, abs=1e-5)


def test_a_tenth_of_the_inputs_is_filled_evenly(large):
    inputs = large[1].inputs * UNIT
    np.testing.assert_array_equal((inputs != 0).sum((1, 2)), 3)
    filled = inputs[inputs != 0]
    assert filled.min() > 0
    assert 99.9 < filled.max() < 100.001
    assert filled.mean() == pytest.approx(50, rel=0.01)
    where = (inputs != 0).mean(0)
    assert np.abs(where - 0.1).max() < 5 * np.sqrt(0.09 / len(inputs))


@pytest.mark.parametrize("amount", [0.0, 0.2])
@pytest.mark.parametrize("num_steps", [8, 20])  # 8: a tenth of 24 inputs is rounded
def test_targets_are_of_mean_0_and_variance_1(amount, num_steps):
    task = drift_stream(3, amount=amount, num_steps=num_steps, num_held_out=20_000)
    batch = jax.device_get(jax.jit(lambda task: task.held_out("validation"))(task))
    scored = batch.targets[:, 5:, 0].astype(np.float64)
    assert scored.mean() == pytest.approx(0, abs=0.02)
    assert scored.var() == pytest.approx(1, abs=0.03)


def test_the_lines_are_what_least_squares_reaches(large):
    task, batch = large
    x = windows(batch.inputs.astype(np.float64), 5)
    y = batch.targets[:, 5:, 0].astype(np.float64)
    lines = {name: line["loss"] for name, line in task.baselines.items()}
    fitted = least_squares(x.reshape(-1, 15), y.ravel())
    assert fitted == pytest.approx(lines["time-invariant linear"], rel=0.02)
    assert 0.02 < fitted < 0.9
    each = [least_squares(x[:, t], y[:, t]) for t in range(5)]
    np.testing.assert_allclose(each, lines["per-step linear"], atol=1e-9)
    zeros = np.zeros(batch.targets.shape, np.float32)
    assert float(task.loss(zeros, batch)) == pytest.approx(lines["mean"], rel=0.02)
    assert drift_stream(1, amount=0.0, **SIZES).baselines["time-invariant linear"][
        "loss"
    ] == pytest.approx(0, abs=1e-12)


def test_it_is_drift_in_distribution(large):
    """The same weights but for the unit, which drift takes from its training set."""
    task, batch = large
    stored = drift(1, amount=0.2, num_examples=20_000, **SIZES)
    ratio = np.asarray(task.step_weights) / np.maximum(stored.step_weights, 1e-9)
    there = stored.step_weights > 1e-6
    assert np.ptp(ratio[there]) < 1e-4
    assert ratio[there].mean() == pytest.approx(1, abs=0.02)
    ours, theirs = batch.targets[:, 5:, 0], stored.train.targets[:, 5:, 0]
    levels = np.linspace(0.1, 0.9, 9)
    found = np.quantile(ours, levels, axis=0), np.quantile(theirs, levels, axis=0)
    np.testing.assert_allclose(*found, atol=0.1)  # at every step
    # `drift` takes the inputs of a sequence for uncorrelated.
    assert float(stored.oracle) == pytest.approx(float(task.oracle), rel=0.05)


def test_sizes_and_drifts_share_one_trace_and_streaming_meets_nothing_twice():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def drawn(task, key):
        batch = task.sample(key, 200)
        return batch.inputs, task.loss(jnp.zeros_like(batch.targets), batch)

    for split, amount, count, distinct in [
        (0, 0.0, 7, 7), (1, 0.2, 50, 45), (2, 0.05, STREAMING, 200)
    ]:  # fmt: skip
        task = drift_stream(split, amount=amount, num_examples=count, num_steps=9)
        inputs, loss = drawn(task, jax.random.key(0))
        seen = {row.tobytes() for row in np.asarray(inputs)}
        assert distinct <= len(seen) <= max(count, distinct)
        assert np.isfinite(loss)
    other = dataclasses.replace(task, seed=np.uint32(9))
    draws = [
        np.asarray(t.held_out(s).inputs[0]).tobytes()
        for t in (task, other)
        for s in SPLITS
    ]
    assert len(set(draws)) == 6


def test_the_name_tells_what_differs():
    task = drift_stream(0, amount=0.05, num_examples=200)
    assert task.name == "drift_t20_l5_d0.05_n200"
    assert drift_stream(0, num_steps=9).name == "drift_t9_l5_d0.05_streaming"
    assert (task.num_steps, task.in_features, task.readout) == (20, 3, "every")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"num_lags": 20}, "num_lags=20, num_steps=20"),
        ({"amount": -1.0}, "amount is -1.0"),
        ({"num_examples": 0}, "DriftStream: num_examples is 0"),
    ],
)
def test_errors_say_the_way_out(options, error):
    with pytest.raises(ValueError, match=error):
        drift_stream(0, **options)

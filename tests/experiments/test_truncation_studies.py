"""What the studies of truncation make of numbers, and the influence to the bit."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.truncated_bptt import (
    cost as truncation_cost,
)
from experiments.truncated_bptt import (
    influence,
)
from experiments.truncated_bptt import (
    lags as truncation_lags,
)
from experiments.truncated_bptt.cost import Cost
from experiments.truncated_bptt.lags import FROZEN, MAIN, RESERVOIR
from rnnshare import Tied, unroll
from rnnshare.training.loop import Loop, Replica

SEEDS = np.linspace(-0.01, 0.01, 5)


def costs(quarter, memory):
    return {
        k: Cost((quarter if k == 4 else 2.0) + SEEDS, 1e-2, memory(k), np.ones(3))
        for k in (1, 4, 16)
    }


@pytest.mark.parametrize(
    ("quarter", "memory", "verdict"),
    [
        (2.0, lambda k: 1 + 7 * k, "supported"),
        (1.5, lambda k: 1 + 7 * k, "supported"),
        (2.2, lambda k: 1 + 7 * k, "refuted"),  # costs too much
        (2.0, lambda k: 100 + (k == 4), "refuted"),  # saves nothing
        (2.0, lambda k: 100 - k, "refuted"),
        (2.0, lambda k: 1_000 + k, "refuted"),  # a line, but not in proportion
    ],
)
def test_b8(quarter, memory, verdict):
    assert truncation_cost.judge(costs(quarter, memory))[0] == verdict


def test_b8_between():
    near = costs(2.05, lambda k: k)
    near[4] = near[4]._replace(bits=2.05 + 10 * SEEDS)
    assert truncation_cost.judge(near)[0] == "inconclusive"


@pytest.mark.parametrize(
    ("far", "verdict"), [(0.9, "supported"), (0.26, "refuted"), (0.5, "inconclusive")]
)
def test_b9(far, verdict):
    accuracies = np.stack([0.99 + SEEDS, 0.8 + SEEDS, far + SEEDS, far - SEEDS], 1)
    assert truncation_lags.judge({"LSTM": {MAIN: accuracies}}) == verdict


def test_lags_of_the_arms():
    """Arms that say so train beyond the window alone; all are tested alike."""
    plan = truncation_lags.PLANS["smoke"]
    for arm in truncation_lags.arms_of(plan).values():
        task = truncation_lags.setting_of(plan, None, arm, 1e-2).make_task(0)
        trained = np.asarray(task.lags_of(task.held_out("train")))
        tested = np.asarray(task.lags_of(task.held_out("test")))
        shortest = trained[trained > 0].min()
        assert (shortest > plan.window) == arm.beyond_only
        assert tested[tested > 0].min() == 1
        assert trained.max() == tested.max() == 4 * plan.window


@pytest.mark.parametrize("name", [FROZEN, RESERVOIR])
def test_frozen_weights_rest(name):
    plan = truncation_lags.PLANS["smoke"]
    arm = truncation_lags.arms_of(plan)[name]
    setting = truncation_lags.setting_of(plan, plan.cells["LSTM"], arm, 1e-2)
    recipe = dataclasses.replace(setting.recipe, truncation=None)
    loop = Loop(setting.make_model(), recipe)
    replica = Replica(setting.make_task(0), jnp.uint32(0), jnp.float32(1e-2))
    before = loop.init(replica)
    after, _ = jax.jit(loop.step)(replica, before)
    moved = jax.tree_util.tree_map_with_path(
        lambda path, a, b: (jax.tree_util.keystr(path), bool(np.any(a != b))),
        before.params,
        after.params,
    )
    told = jax.tree.leaves(moved, is_leaf=lambda x: type(x) is tuple)
    assert any(changed for _, changed in told)
    for path, changed in told:
        assert changed != (f"'{arm.frozen}'" in path), path


def test_influence_is_that_of_rational_arithmetic():
    """Every window's derivative, (s_1 - 1) times the influence, to float64 rounding."""
    found, true = influence.derivatives()
    exact = [float(e) for e in influence.exact_influence(1_000)]
    residual = influence.P * exact[-1] - 1
    np.testing.assert_allclose(found, residual * np.array(exact[:200]), rtol=1e-12)
    assert true == pytest.approx(residual * exact[-1], rel=1e-12)
    assert exact[-1] == pytest.approx(2 * (10 - 13), rel=1e-12)  # (I - A)^-1 u


@pytest.mark.parametrize("window", [1, 7, 40, 41])
def test_influence_is_that_of_a_detached_carry(window):
    """The sum of the last k untied derivatives is the truncated tied one."""
    with jax.enable_x64(True):
        s = jnp.zeros(23)
        run = jax.jit(
            lambda p, s, n: unroll(influence.step, Tied(), p, jnp.zeros((n, 0)), s)[0],
            static_argnums=2,
        )
        s = run(influence.P, s, influence.NUM_STEPS - window)
        slope = jax.grad(lambda p: influence.loss_of(run(p, s, window)))(influence.P)
    found, _ = influence.derivatives()
    assert found[window - 1] == pytest.approx(float(slope), rel=1e-12)


def test_descent_follows_the_sign():
    """A window of the wrong sign goes up, one of the right sign to the optimum."""
    assert influence.descend(10)[-1] > 10
    assert influence.descend(200)[-1] < 1e-6


def test_spans():
    assert influence._spans([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    assert influence._spans([]) == "no"


def test_adam_elsewhere_is_adam():
    """What is not frozen moves as under Adam alone."""
    params = {"recurrent": jnp.ones(2), "input": jnp.ones(2)}
    gradient = jax.tree.map(lambda w: 0.3 * w, params)
    mine, adam = truncation_lags.adam_without("recurrent")(1e-2), optax.adam(1e-2)
    with jax.numpy_dtype_promotion("standard"):  # as the training loop has it
        moved, _ = mine.update(gradient, mine.init(params), params)
        expected, _ = adam.update(gradient, adam.init(params), params)
    np.testing.assert_array_equal(moved["input"], expected["input"])
    assert not np.any(moved["recurrent"])

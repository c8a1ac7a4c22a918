"""What the studies of truncation make of numbers, and the influence to the bit."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

from experiments.lab.trials import Lab
from experiments.truncated_bptt import influence, measure
from experiments.truncated_bptt.claims import COST, EXPERIMENT, INFLUENCE, LAGS, _spans
from experiments.truncated_bptt.influence import Influence
from experiments.truncated_bptt.measure import CHANCE, Measured, arms_of
from experiments.truncated_bptt.plan import PLANS
from rnnshare import LSTMCell, Tied, unroll
from rnnshare.training import Loop, Replica
from tests.cases import with_slow

SEEDS = np.linspace(-0.01, 0.01, 5)
PLAN = dataclasses.replace(PLANS["smoke"], windows=(1, 4, 16))
PARTS = ["1-1", "2-3", "4-5", "6-8"]


def costs(quarter, memory):
    """Returns what is measured of windows of 1, 4 and 16 steps, without the rest."""
    bits = {k: (np.asarray(quarter) if k == 4 else 2.0) + SEEDS for k in PLAN.windows}
    runs = pd.DataFrame({"bits": bits}).explode("bits").astype(float)
    runs = runs.rename_axis("k").reset_index().assign(learning_rate=0.01, test_loss=1.0)
    raced = {k: (memory(k), np.ones(3)) for k in PLAN.windows}
    equal = runs[runs["k"] == 4].assign(bits=2.3 + SEEDS, learning_rate=0.03)
    return Measured(runs, equal, raced, None, PARTS, None)


def lags(far):
    """Returns what is measured of five seeds whose accuracy is `far` from 2 k on."""
    values = np.stack([0.99 + SEEDS, 0.8 + SEEDS, far + SEEDS, far - SEEDS], 1)
    runs = [
        pd.DataFrame(values, columns=PARTS).assign(cell="LSTM", training=label)
        for label in arms_of(PLAN)
    ]
    return Measured(None, None, {}, pd.concat(runs).assign(test_loss=1.0), PARTS, None)


@pytest.mark.parametrize(
    ("quarter", "memory", "verdict"),
    [
        (2.0, lambda k: 1 + 7 * k, "supported"),
        (1.5, lambda k: 1 + 7 * k, "supported"),
        (2.2, lambda k: 1 + 7 * k, "refuted"),  # costs too much
        (2.05 + 9 * SEEDS, lambda k: k, "inconclusive"),
        (2.0, lambda k: 100 + (k == 4), "refuted"),  # saves nothing
        (2.0, lambda k: 100 - k, "refuted"),
        (2.0, lambda k: 1_000 + k, "refuted"),  # a line, but not in proportion
    ],
)
def test_b8(quarter, memory, verdict):
    found = costs(quarter, memory)
    told = COST.judge(PLAN, found)
    assert told.verdict == verdict and "diverged" not in told.details
    assert len(COST.table(PLAN, found, told)) == 1 + len(PLAN.windows)
    assert "k = 4 less the whole sequence is +0.300" in told.summary


def test_rates_at_an_edge_are_told():
    plan = dataclasses.replace(PLAN, cost_rates=(0.003, 0.01, 0.03))
    told = COST.judge(plan, costs(2.0, lambda k: k)).details
    edge = "at an edge of the grid, from 0.003 to 0.03: k = 4 at equal updates 0.03."
    assert edge in told


@pytest.mark.parametrize(
    ("far", "verdict"), [(0.9, "supported"), (0.26, "refuted"), (0.5, "inconclusive")]
)
def test_b9(far, verdict):
    found = lags(far)
    told = LAGS.judge(PLAN, found)
    assert told.verdict == verdict and "diverged" not in told.details
    head, *rows = LAGS.table(PLAN, found, told)
    assert head[2:] == (*(f"lags {part}" for part in PARTS), "lags >= 2 k")
    assert [row[1] for row in rows] == list(arms_of(PLAN))
    assert all(arm.told in told.summary for arm in arms_of(PLAN).values())


@pytest.mark.parametrize(("turn", "verdict"), [(40, "supported"), (0, "refuted")])
def test_b9b(turn, verdict):
    windows = np.arange(1, influence.NUM_WINDOWS + 1)
    losses = {1: np.array([2.0, 9.0]), turn + 1: np.array([2.0, 0.5])}
    found = Influence(windows - turn - 0.5, 9.0, losses)
    told = INFLUENCE.judge(PLAN, Measured(None, None, {}, None, PARTS, found))
    assert told.verdict == verdict and told.repeats == ""
    assert told.effect == (turn, turn, turn)
    assert ("DO NOT agree" in told.details) == (turn == 0)
    assert f"the right one from {turn + 1} steps on" in told.summary
    assert "goes downhill: the loss starts at 2 and ends at 0.5" in told.summary
    assert ("goes uphill" in told.summary) == (turn > 0)


class MadeUpLab(Lab):
    """Trains nothing: seed 1 of every setting diverges; keeps nothing either."""

    def train(self, settings, repeats):
        rows = []
        for setting in settings:
            own = setting.make_task(0)
            metrics = ["loss", *getattr(own, "parts", ())]
            for r in repeats:
                value = None if r.seed == 1 else 0.5
                row = {f"test_{name}": value for name in metrics}
                rows.append({"seed": r.seed, "learning_rate": 0.1, **row})
        return rows

    def kept(self, key, make):
        if "race" in key:
            seconds = [[1e-3, 2e-3] for _ in PLAN.windows]
            return {"memory": [8 * k for k in PLAN.windows], "seconds": seconds}
        rows = {"tried": [1, 200], "losses": [[1.0, 9.0, None], [1.0, 0.1, 0.1]]}
        return {"derivatives": [-1.0] * 40 + [1.0] * 160, "true": 1.0, **rows}


def test_runs_that_diverged_are_guesses_and_are_told(tmp_path):
    found = measure.measure(PLAN, MadeUpLab(tmp_path))
    uniform = measure.streams(PLAN)(0).baselines["uniform"]["loss"]
    for _, own in found.costs.groupby("k"):
        np.testing.assert_allclose(own["bits"], np.array([0.5, uniform]) / np.log(2))
    assert {*found.lags[found.parts].to_numpy()[1::2].flat} == {CHANCE}
    cost, recall, signs = (c.judge(PLAN, found) for c in EXPERIMENT.claims)
    assert "3 of 6 runs diverged and count as guessing all" in cost.details
    assert "7 of 14 runs diverged and count as guessing." in recall.details
    assert "1 steps, goes uphill: the loss starts at 1 and ends at inf" in signs.summary
    for claim, told in zip(EXPERIMENT.claims, (cost, recall, signs), strict=True):
        assert np.isfinite(told.effect).all()
        assert len(claim.draw(PLAN, found, told).axes)
        assert len(claim.table(PLAN, found, told)) > 3


def test_lags_of_the_arms():
    """Arms that say so train beyond the window alone; all are tested alike."""
    for arm in arms_of(PLAN).values():
        task = measure.lag_setting(PLAN, LSTMCell, arm).make_task(0)
        trained = np.asarray(task.lags_of(task.held_out("train")))
        tested = np.asarray(task.lags_of(task.held_out("test")))
        shortest = trained[trained > 0].min()
        assert (shortest > PLAN.lag_window) == arm.beyond_only
        assert tested[tested > 0].min() == 1
        assert trained.max() == tested.max() == 4 * PLAN.lag_window


FROZEN = [arm for arm in arms_of(PLAN).values() if arm.frozen]


@pytest.mark.parametrize("arm", with_slow(FROZEN, FROZEN[:1]))
def test_frozen_weights_rest(arm):
    setting = measure.lag_setting(PLAN, LSTMCell, arm)
    recipe = dataclasses.replace(setting.recipe, truncation=None)
    loop = Loop(setting.make_model(), recipe)
    replica = Replica(setting.make_task(0), jnp.uint32(0), jnp.float32(1e-2))
    before = jax.jit(loop.init)(replica)
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


def test_equal_arms_of_an_optimiser_are_one_program():
    for arm in arms_of(PLAN).values():
        first, second = (measure.lag_setting(PLAN, LSTMCell, arm) for _ in range(2))
        assert first == second and hash(first) == hash(second)
    for plan in PLANS.values():
        assert plan.windows[-1] // 4 in plan.windows


def test_influence_is_that_of_rational_arithmetic():
    """Every window's derivative, (s_1 - 1) times the influence, to float64 rounding."""
    found, true = influence.differentiate()
    exact = [float(e) for e in influence.exact_influence(1_000)]
    residual = influence.P * exact[-1] - 1
    np.testing.assert_allclose(found, residual * np.array(exact[:200]), rtol=1e-12)
    assert true == pytest.approx(residual * exact[-1], rel=1e-12)
    assert exact[-1] == pytest.approx(2 * (10 - 13), rel=1e-12)  # (I - A)^-1 u


@pytest.mark.parametrize("window", with_slow([1, 7, 40, 41], {7}))
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
    found, _ = influence.differentiate()
    assert found[window - 1] == pytest.approx(float(slope), rel=1e-12)


def test_descent_follows_the_sign():
    """A window of the wrong sign goes up, one of the right sign to the optimum."""
    assert influence.descend(10)[-1] > 10
    assert influence.descend(200)[-1] < 1e-6


def test_spans():
    assert _spans([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    assert _spans([]) == "no"


def test_adam_elsewhere_is_adam():
    """What is not frozen moves as under Adam alone."""
    params = {"recurrent": jnp.ones(2), "input": jnp.ones(2)}
    gradient = jax.tree.map(lambda w: 0.3 * w, params)
    mine, adam = measure._adam_without(1e-2, "recurrent"), optax.adam(1e-2)
    with jax.numpy_dtype_promotion("standard"):  # as the training loop has it
        moved, _ = mine.update(gradient, mine.init(params), params)
        expected, _ = adam.update(gradient, adam.init(params), params)
    np.testing.assert_array_equal(moved["input"], expected["input"])
    assert not np.any(moved["recurrent"])

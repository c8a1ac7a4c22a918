"""The law in recurrent networks: the task, the lines, the rule, and what is told."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from experiments.recurrent_law import claims
from experiments.recurrent_law.fits import (
    Points,
    censored_slope,
    common_slope,
    jackknifed_slope,
)
from experiments.recurrent_law.measure import Measured, noisy_training
from experiments.recurrent_law.plan import Plan
from rnnshare.analysis.statistics import Interval

PLAN = Plan(
    ("Elman", "GRU"), (0.3, 1.0), (0.0, 0.05, 0.1, 0.2), (20, 80, 320, 1_280), 3,
    (1e-2,), (0.0,), 1, 8, 4,
)  # fmt: skip
BIAS = {0.0: 0.0, 0.05: 0.02, 0.1: 0.05, 0.2: 0.1}


def test_only_the_test_set_is_without_noise():
    task = noisy_training(0, amount=0.2, num_steps=10, num_lags=3, noise=0.5)

    def error(split):
        """Of the true rule."""
        batch = task.held_out(split)
        before = jnp.pad(batch.inputs, ((0, 0), (3, 0), (0, 0)))
        past = jnp.stack([before[:, 3 - j : 13 - j] for j in (1, 2, 3)], axis=2)
        told = jnp.sum(task.step_weights[None] * past, axis=(2, 3)) - task.constant
        return float(task.loss(told[..., None], batch))

    assert error("test") < 1e-6
    assert error("train") == pytest.approx(0.25, rel=0.1)
    assert error("validation") == pytest.approx(0.25, rel=0.1)
    assert not np.array_equal(
        *(jax.device_get(task.held_out(s).inputs) for s in ("test", "validation"))
    )


def test_lines_of_one_slope_have_an_intercept_a_group():
    group, x = np.repeat([0, 1], 6), np.tile(np.arange(6.0), 2)
    y = 0.8 * x + np.where(group == 0, 1.0, 5.0)
    exact = common_slope(Points(group, x, y, np.zeros(12, int)))
    np.testing.assert_allclose(exact, [0.8] * 3, atol=1e-12)
    rng, inside = np.random.default_rng(0), 0
    for _ in range(300):
        points = Points(group, x, y + rng.normal(0, 1, 12), np.zeros(12, int))
        low, high = common_slope(points)[1:]
        inside += low <= 0.8 <= high
    assert 0.92 <= inside / 300 <= 0.98
    assert common_slope(Points(group[:2], x[:2], y[:2], np.zeros(2, int))) is None


def test_points_beyond_the_sizes_are_counted_as_censored():
    rng = np.random.default_rng(0)
    group, x = np.repeat([0, 1], 100), np.tile(np.linspace(0, 6, 100), 2)
    true = 1.0 * x + group + rng.normal(0, 0.5, 200)
    y = np.clip(true, 1.0, 4.0)
    points = Points(group, x, y, np.sign(true - y).astype(int))
    cut = common_slope(points).estimate
    assert cut < 0.95  # what is cut off flattens it
    slope = censored_slope(points)
    assert slope.estimate == pytest.approx(1.0, abs=0.1)
    assert slope.low < 1.0 < slope.high < 1.2


def test_two_powers_are_told_apart():
    rng = np.random.default_rng(2)
    group, x = np.repeat([0, 1], 100), rng.uniform(0, 3, 200)
    other = 0.5 * x + rng.uniform(0, 3, 200)
    true = 0.7 * x + 1.9 * other + group + rng.normal(0, 0.5, 200)
    y = np.clip(true, 1.0, 6.0)
    side = np.sign(true - y).astype(int)
    first = censored_slope(Points(group, x, y, side, other[:, None]))
    second = censored_slope(Points(group, other, y, side, x[:, None]))
    assert first.low < 0.7 < first.high and first.high - first.low < 0.4
    assert second.low < 1.9 < second.high and second.high - second.low < 0.4
    # What the others say all of has no slope of its own.
    assert censored_slope(Points(group, x, y, side, 2 * x[:, None])) is None


def test_without_censored_points_the_interval_is_that_of_least_squares():
    rng = np.random.default_rng(1)
    group, x = np.repeat([0, 1], 6), np.tile(np.arange(6.0), 2)
    y = 0.8 * x + group + rng.normal(0, 0.5, 12)
    points = Points(group, x, y, np.zeros(12, int))
    np.testing.assert_allclose(censored_slope(points), common_slope(points), atol=1e-4)


def test_copies_of_a_point_in_other_groups_are_not_new_points():
    rng = np.random.default_rng(5)
    x, side = np.linspace(0.0, 3.0, 8), np.zeros(8, int)
    one = Points(side, x, x + 0.3 * rng.normal(size=8), side)
    four = Points(np.repeat(range(4), 8), *(np.tile(v, 4) for v in one[1:4]))
    width = {
        name: np.ptp(slope(one)[1:]) / np.ptp(slope(four)[1:])
        for name, slope in {
            "of points": censored_slope,
            "of clusters": lambda p: jackknifed_slope(p, np.round(7 * p.x / 3)),
        }.items()
    }
    assert width["of points"] > 1.5  # as if there were four times as many
    np.testing.assert_allclose(width["of clusters"], 1.0, atol=0.01)


@pytest.mark.parametrize(
    ("slope", "count", "ahead", "confirmed", "verdict"),
    [
        ((1.0, 0.75, 1.25), 8, 0, 0, "supported"),
        ((1.0, 0.75, 1.25), 7, 0, 0, "inconclusive"),
        ((1.0, 0.75, 1.25), 8, 1, 0, "inconclusive"),
        ((1.0, 0.75, 1.25), 8, 1, 1, "refuted"),
        ((1.0, 0.6, 1.4), 8, 0, 0, "inconclusive"),
        ((0.3, 0.2, 0.49), 8, 0, 0, "refuted"),
        ((0.3, 0.2, 0.51), 8, 0, 0, "inconclusive"),
        ((1.9, 1.6, 2.2), 8, 0, 0, "refuted"),
        (None, 2, 0, 0, "inconclusive"),
    ],
)
def test_the_rule(slope, count, ahead, confirmed, verdict):
    slope = slope and Interval(*slope)
    assert claims.verdict_of(slope, count, ahead, confirmed) == verdict


def as_the_law_says(power, scale=9):
    """Runs whose excess errors cross at a multiple of the ratio to a power."""
    rows = []
    for cell in PLAN.cells:
        for s in PLAN.noises:
            for d in PLAN.drifts:
                for size in PLAN.sizes:
                    star = np.inf
                    if d:
                        ratio = s**2 * (1 - 1 / 7) / BIAS[d]
                        star = scale * ratio**power * (2 if cell == "GRU" else 1)
                    for seed in range(3):
                        tied = 0.1 * (1 + 0.01 * seed)
                        ahead = np.log(star) - np.log(size) if d else 1.0
                        for arm, loss in (
                            ("Tied", tied),
                            ("Untied", tied * np.exp(0.1 * ahead)),
                        ):
                            rows.append(
                                {
                                    **{"cell": cell, "s": s, "d": d, "N": size},
                                    **{"arm": arm, "seed": seed, "test_loss": loss},
                                    **{"log_excess": np.log(loss), "lost": False},
                                    **{"learning_rate": 1e-2, "decay": 0.0},
                                }
                            )
    return Measured(pd.DataFrame(rows), pd.DataFrame(), BIAS)


def test_a_world_of_the_law_supports_it_and_one_of_another_power_does_not():
    found = as_the_law_says(1.0)
    verdict = claims.judge(PLAN, found)
    assert verdict.count == 9 and verdict.verdict == "supported"
    assert verdict.effect.estimate == pytest.approx(1.0)
    assert "3 crossings lie below the least N" in verdict.details
    rows = claims.table(PLAN, found, verdict)
    assert len(rows) == 1 + len(verdict.data.crossings) == 17
    assert rows[1][-2] == "none up to 1,280"
    assert claims.draw(PLAN, found, verdict) is not None
    other = claims.judge(PLAN, as_the_law_says(0.3, scale=30))
    assert other.effect.estimate == pytest.approx(0.3)
    assert other.verdict == "refuted"


def test_what_would_decide_is_told():
    told = claims._power(Interval(1.0, 0.4, 1.6), 8)
    assert "32 crossings would decide; 8 were found" in told
    assert "no feasible number" in claims._power(Interval(0.6, 0.4, 0.8), 8)

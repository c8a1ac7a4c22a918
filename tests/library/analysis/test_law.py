"""The law against simulations of least squares: errors, crossover, strength.

Means of simulations are held within four of their standard errors.
"""

import numpy as np
import pytest

from rnnshare.analysis import law
from tests.library.analysis.regressions import STEPS, WEIGHTS, assert_mean, data, rng


def excess(x, y, w):
    """Returns the excess errors of least squares, tied and untied, each [S]."""
    gram = np.einsum("sntp,sntq->stpq", x, x)
    cross = np.einsum("sntp,snt->stp", x, y)
    untied = np.linalg.solve(gram, cross[..., None])[..., 0]
    tied = np.linalg.solve(gram.sum(1), cross.sum(1)[..., None])[..., 0][:, None]
    return [np.mean(np.sum((found - w) ** 2, -1), -1) for found in (tied, untied)]


def excess_of_sums(x, y, w):
    """The same of one answer a sequence, y [S, N]."""
    sets, count, steps, p = x.shape
    every = x.reshape(sets, count, steps * p)
    untied = np.linalg.pinv(every) @ y[..., None]
    tied = np.linalg.pinv(x.sum(2)) @ y[..., None]
    return [
        np.sum((found.reshape(sets, -1, p) - w) ** 2, (1, 2))
        for found in (tied, untied)
    ]


SIZES = {"num_weights": WEIGHTS, "num_steps": STEPS, "noise_variance": 1.0}


@pytest.mark.parametrize("count", [10, 14, 40])
def test_excess_errors_are_those_of_least_squares(count):
    found = excess(*data(rng(count), 1_000, count, 0.2))
    for values, expected in zip(
        found, law.excess_errors(count, bias=0.2, **SIZES), strict=True
    ):
        assert_mean(values, expected)


def test_excess_errors_of_one_answer_a_sequence():
    x, _, w = data(rng(1), 200, 40, 0.1)
    y = np.einsum("sntp,stp->sn", x, w) + rng(2).normal(size=(200, 40))
    bias = 0.1 * STEPS
    expected = law.excess_errors(40, bias=bias, per_sequence=True, **SIZES)
    for values, mean in zip(excess_of_sums(x, y, w), expected, strict=True):
        assert_mean(values, mean)


@pytest.mark.parametrize("per_sequence", [False, True])
def test_the_errors_cross_at_the_crossover(per_sequence):
    given = SIZES | {"bias": 0.3, "per_sequence": per_sequence}
    tied, untied = law.excess_errors(law.crossover(**given), **given)
    assert tied == pytest.approx(untied, rel=1e-12)


@pytest.mark.parametrize(("bias", "r"), [(0.4, 0.0), (0.1, 0.0), (0.15, 0.9)])
def test_simulated_errors_cross_at_the_crossover(bias, r):
    lags = np.abs(np.subtract.outer(range(STEPS), range(STEPS)))
    effective = law.effective_steps(r**lags, r**lags)
    star = law.crossover(bias=bias, effective_steps=effective, **SIZES)
    least = WEIGHTS + 1
    for part in (0.7, 1.4):
        count = least + round((star - least) * part)
        tied, untied = excess(*data(rng(3), 300, count, bias, r=r))
        apart = untied - tied
        z = np.mean(apart) / np.std(apart) * np.sqrt(len(apart))
        assert z > 4 if part < 1 else z < -4


def test_correlated_rows_count_as_fewer():
    lags = np.abs(np.subtract.outer(range(20), range(20)))
    effective = law.effective_steps(0.9**lags, 0.9**lags)
    assert effective < 3
    given = SIZES | {"num_steps": 20, "bias": 0.1}
    tied, _ = excess(*data(rng(4), 400, 20, 0.1, r=0.9, steps=20))
    expected = law.excess_errors(20, effective_steps=effective, **given).tied
    assert np.mean(tied) == pytest.approx(expected, rel=0.08)
    assert np.mean(tied) > 1.5 * law.excess_errors(20, **given).tied
    ones, alone = np.ones((20, 20)), np.eye(20)
    assert law.effective_steps(ones, ones) == 1
    assert law.effective_steps(ones, alone) == 20


def softly_tied(x, y, strength):
    """Returns the minimum [S, T, p] of squared errors and the tying penalty."""
    steps, p = x.shape[2:]
    gram = np.einsum("sntp,sntq->stpq", x, x)
    system = np.zeros((len(x), steps, p, steps, p))
    for t in range(steps):
        system[:, t, :, t] = gram[:, t]
    centre = np.eye(steps) - 1 / steps
    system += strength * np.einsum("tu,pq->tpuq", centre, np.eye(p))
    cross = np.einsum("sntp,snt->stp", x, y).reshape(len(x), -1, 1)
    size = steps * p
    found = np.linalg.solve(system.reshape(-1, size, size), cross)
    return found.reshape(-1, steps, p)


@pytest.mark.parametrize("count", [6, 12, 48])
def test_the_best_strength_is_best_at_every_size(count):
    draws, tau, sets = rng(count), 0.3, 300
    w = draws.normal(size=(sets, 1, WEIGHTS)) + tau * draws.normal(
        size=(sets, STEPS, WEIGHTS)
    )
    x = draws.normal(size=(sets, count, STEPS, WEIGHTS))
    y = np.einsum("sntp,stp->snt", x, w) + draws.normal(size=x.shape[:3])
    best = law.best_strength(noise_variance=1.0, drift_variance=tau**2)
    errors = {
        factor: np.mean(np.sum((softly_tied(x, y, factor * best) - w) ** 2, -1), -1)
        for factor in (0.1, 0.3, 1.0, 3.0, 10.0)
    }
    assert min(errors, key=lambda factor: errors[factor].mean()) == 1.0
    for factor in (0.3, 3.0):
        worse = errors[factor] - errors[1.0]
        assert np.mean(worse) > 4 * np.std(worse) / np.sqrt(sets)

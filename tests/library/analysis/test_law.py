"""The law against simulations of least squares: errors, crossover, strength, side.

Means of simulations are held within four of their standard errors.
"""

import numpy as np
import pytest

from rnnshare.analysis import law
from rnnshare.analysis.law import estimation

STEPS, WEIGHTS = 6, 4


def rng(seed=0):
    return np.random.default_rng(seed)


def correlated(draws, shape, r):
    """Returns normal numbers that correlate by r from step to step, axis -2 or so."""
    noise = draws.normal(size=shape)
    found = [noise[:, :, 0]]
    for t in range(1, shape[2]):
        found.append(r * found[-1] + np.sqrt(1 - r * r) * noise[:, :, t])
    return np.stack(found, 2)


def drifting(draws, sets, bias, steps=STEPS, weights=WEIGHTS):
    """Returns weights [S, T, p] that are apart by exactly the bias."""
    apart = draws.normal(size=(sets, steps, weights))
    apart -= apart.mean(1, keepdims=True)
    size = np.mean(np.sum(apart**2, -1), -1)[:, None, None]
    return draws.normal(size=(sets, 1, weights)) + apart * np.sqrt(bias / size)


def data(draws, sets, count, bias, noise=1.0, r=0.0, steps=STEPS, weights=WEIGHTS):
    """Returns inputs [S, N, T, p], targets [S, N, T] and weights [S, T, p]."""
    x = correlated(draws, (sets, count, steps, weights), r)
    error = correlated(draws, (sets, count, steps, 1), r)[..., 0]
    w = drifting(draws, sets, bias, steps, weights)
    return x, np.einsum("sntp,stp->snt", x, w) + np.sqrt(noise) * error, w


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


def assert_mean(values, expected, within=4.0):
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - expected) < within * error, (np.mean(values), expected)


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


def plug_in(x, y):
    """Returns b of the estimated weights as if they were the true ones."""
    x, y = x - x.mean(0), y - y.mean(0)
    w = np.stack([np.linalg.lstsq(x[:, t], y[:, t])[0] for t in range(x.shape[1])])
    return np.mean(np.sum((w - w.mean(0)) ** 2, -1))


@pytest.mark.parametrize("r", [0.0, 0.8])
def test_the_bias_is_estimated_without_bias(r):
    x, y, _ = data(rng(5), 250, 12, 0.1, r=r)
    read = np.array(list(map(estimation._read_steps, x, y)))
    noise, bias, common, drift = read.T
    assert_mean(noise, 1.0)
    assert_mean(bias, 0.1)
    assert_mean(drift, 0.1 / WEIGHTS * STEPS / (STEPS - 1))
    naive = np.array(list(map(plug_in, x[:50], y[:50])))
    assert np.mean(naive) - 0.1 > 8 * np.std(naive) / np.sqrt(50)
    lags = np.abs(np.subtract.outer(range(STEPS), range(STEPS)))
    share = 1 / law.effective_steps(r**lags, r**lags)
    assert np.median(common) == pytest.approx(share, rel=0.15)


def test_halves_of_the_data_say_the_same():
    """The products of what two halves estimate hold no variance of one of them."""
    x, y, _ = data(rng(6), 150, 24, 0.1)

    def weights(x, y):
        x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
        gram = np.einsum("sntp,sntq->stpq", x, x)
        w = np.linalg.solve(gram, np.einsum("sntp,snt->stp", x, y)[..., None])[..., 0]
        return w - w.mean(1, keepdims=True)

    halves = weights(x[:, :12], y[:, :12]) * weights(x[:, 12:], y[:, 12:])
    own = np.array([estimation._read_steps(a, b)[1] for a, b in zip(x, y, strict=True)])
    assert_mean(own - np.mean(np.sum(halves, -1), -1), 0.0)


def test_one_answer_a_sequence_is_estimated_without_bias():
    x, _, w = data(rng(7), 200, 36, 0.1)
    y = np.einsum("sntp,stp->sn", x, w) + 2 * rng(8).normal(size=(200, 36))
    noise, bias, _, drift = np.array(list(map(estimation._read_sequences, x, y))).T
    assert_mean(noise, 4.0)
    assert_mean(bias, 0.1 * STEPS)
    assert_mean(drift, 0.1 / WEIGHTS * STEPS / (STEPS - 1))


def small(seed, count, bias, steps=5):
    return data(rng(seed), 40, count, bias, steps=steps, weights=2)


@pytest.mark.parametrize(
    ("count", "bias", "steps", "truth"),
    [(12, 0.01, 15, "tied"), (16, 0.7, 5, "untied")],
)
def test_the_side_is_right_far_from_the_line(count, bias, steps, truth):
    x, y, _ = small(9, count, bias, steps)
    found = list(map(law.estimate, x, y))
    given = LIMITS | {"num_steps": steps, "bias": bias}
    assert (count > law.crossover(**given)) == (truth == "untied")
    # The truth is at least two standard errors from the line between the sides.
    error = np.std([one.bias for one in found])
    line = 2 * (1 - 1 / steps) / (count - 3)  # s^2 p (1 - 1 / T) / (N - p - 1)
    assert abs(bias - line) > 2 * error
    sides = [one.side for one in found]
    wrong = {"tied": "untied", "untied": "tied"}[truth]
    assert sides.count(truth) > len(sides) / 2 and sides.count(wrong) <= 1
    # The jackknife knows how far an estimate is off.
    assert 0.8 < np.mean([one.bias_error for one in found]) / error < 1.6


def test_on_the_line_it_seldom_tells():
    count = 16
    x, y, _ = small(10, count, 2 * 0.8 / (count - 3))
    sides = [law.estimate(*pair).side for pair in zip(x, y, strict=True)]
    assert sides.count("cannot tell") >= 30  # of 40; 36 are expected at level .95


def test_an_estimate_is_of_one_piece():
    x, y, _ = small(11, 30, 0.3)
    found = law.estimate(x[0], y[0])
    given = {"num_weights": 2, "num_steps": 5, "noise_variance": found.noise_variance}
    assert found.crossover == pytest.approx(
        law.crossover(bias=found.bias, effective_steps=found.effective_steps, **given)
    )
    assert found.strength == pytest.approx(found.noise_variance / found.drift_variance)
    # Neither units, nor intercepts, nor a change of basis move the side.
    other = law.estimate(3.0 * x[0] + np.arange(5)[:, None], 7.0 * y[0] - 2.0)
    assert other.side == found.side
    assert other.confidence == pytest.approx(found.confidence)
    assert other.bias == pytest.approx(49 * found.bias)
    assert law.estimate(x[0], y[0], level=0.5).side in ("tied", "untied")


def test_too_few_sequences_cannot_tell():
    x, y, _ = small(12, 4, 0.3)
    found = law.estimate(x[0], y[0])
    assert found.side == "cannot tell" and found.confidence == 0.5
    assert np.isnan(found.bias) and np.isnan(found.crossover)
    assert law.estimate(*(a[0] for a in small(12, 5, 0.3)[:2])).bias_error > 0
    x, y, _ = small(12, 12, 0.3)
    assert law.estimate(x[0], y[0, :, 0]).side == "cannot tell"


LIMITS = {"num_weights": 2, "num_steps": 5, "noise_variance": 1.0, "bias": 0.5}
X, Y = (array[0] for array in small(13, 10, 0.3)[:2])
TWICE = np.concatenate([X, X[..., :1]], -1)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: law.estimate(X[0], Y), r"got shapes \(5, 2\) and \(10, 5\)"),
        (lambda: law.estimate(X, Y[:, :4]), r"shapes \(10, 5, 2\) and \(10, 4\)"),
        (lambda: law.estimate(X[:2], Y[:2]), "at least 3 sequences of 2 steps"),
        (lambda: law.estimate(X[:, :1], Y[:, :1]), "at least 3 sequences of 2 steps"),
        (lambda: law.estimate(X, np.full_like(Y, np.inf)), r"targets\[0, 0\] is inf"),
        (lambda: law.estimate(TWICE, Y), "at step 0 feature 2 is constant, or"),
        (lambda: law.estimate(X * [1, 0] + 0.1, Y), "at step 0 feature 1 is constant"),
        (lambda: law.estimate(X, Y, level=95), "level is 95"),
        (lambda: law.crossover(**LIMITS | {"num_steps": 0}), "num_steps is 0"),
        (lambda: law.crossover(**LIMITS | {"bias": -1}), "bias is -1"),
        (
            lambda: law.crossover(per_sequence=True, effective_steps=2, **LIMITS),
            "Leave it out",
        ),
        (lambda: law.crossover(effective_steps=0.5, **LIMITS), "effective_steps is"),
        (lambda: law.excess_errors(0, **LIMITS), "num_examples is 0"),
        (lambda: law.effective_steps(np.eye(2), np.eye(3)), r"\(2, 2\) and \(3, 3\)"),
        (
            lambda: law.best_strength(noise_variance=np.nan, drift_variance=1),
            "noise_variance is nan",
        ),
        (
            lambda: law.best_strength(noise_variance=0, drift_variance=0),
            "both 0",
        ),
    ],
)
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_the_ends_of_the_law():
    assert law.crossover(**LIMITS | {"bias": 0}) == np.inf
    assert law.crossover(**LIMITS | {"noise_variance": 0}) == 3
    assert law.best_strength(noise_variance=1.0, drift_variance=0.0) == np.inf
    assert law.best_strength(noise_variance=0.0, drift_variance=1.0) == 0.0
    assert law.excess_errors(3, **LIMITS).untied == np.inf

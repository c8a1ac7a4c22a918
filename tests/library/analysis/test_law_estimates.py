"""What data say by the law: estimates without bias, the side, and their errors.

Means of simulations are held within four of their standard errors.
"""

import numpy as np
import pytest

from rnnshare.analysis import law
from rnnshare.analysis.law import estimation
from tests.library.analysis.regressions import STEPS, WEIGHTS, assert_mean, data, rng


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


@pytest.mark.parametrize("per_sequence", [False, True])
def test_variances_are_those_of_the_estimate(per_sequence):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4, 3)), rng.normal(size=(60, 4))
    y = y[:, 0] if per_sequence else y
    whole, found = law.estimate(x, y), law.variances(x, y)
    assert all(getattr(whole, name) == value for name, value in found._asdict().items())
    with pytest.raises(ValueError, match="Give at least"):
        law.variances(x[:5], y[:5])

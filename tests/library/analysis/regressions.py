"""Linear regressions at every step, whose weights drift by a known amount."""

import numpy as np

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


def assert_mean(values, expected, within=4.0):
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - expected) < within * error, (np.mean(values), expected)

"""`convert` to what cannot say the same: the nearest of it, by least squares."""

import jax
import numpy as np
import pytest

from rnnshare import (
    Basis,
    Cyclic,
    Drift,
    Hypernetwork,
    LowRank,
    Mixture,
    Scaled,
    Segments,
    Tied,
    Untied,
    expand,
)
from rnnshare.sharing.conversion import convert
from rnnshare.sharing.measures import distance
from tests.library.law_cases import T, assert_close, assert_equal_to_rounding
from tests.library.sharing.conversion_cases import stored_in, through


@pytest.mark.parametrize(
    ("target", "owner"),
    [
        (Tied(), [0] * T),
        (Segments(T, 2), [0, 0, 0, 1, 1, 1]),
        (Segments(T, 4), [0, 0, 1, 2, 2, 3]),
        (Cyclic(2), [0, 1] * 3),
        (Cyclic(4), [0, 1, 2, 3, 0, 1]),
    ],
    ids=repr,
)
def test_what_reads_one_set_gets_the_mean(target, owner):
    weights = stored_in(Untied(T))

    def mean(w):
        w = w.astype(np.float64)
        return np.stack([w[np.array(owner) == k].mean(0) for k in owner])

    expected = jax.tree.map(lambda w: mean(w).astype(np.float32), weights)
    found = through(Untied(T), target, weights)
    assert_equal_to_rounding(found, expected, 1)  # from float64


@pytest.mark.parametrize("rank", [1, 3])
def test_low_ranks_are_the_best_ones(rank):
    """Eckart and Young: what is lost is the tail of the singular values."""
    weights = stored_in(Untied(T))
    found = through(Untied(T), LowRank(T, rank), weights)
    kernel = weights["recurrent"]["kernel"].astype(np.float64)
    values = np.linalg.svd(kernel - kernel.mean(0), compute_uv=False)
    lost = np.linalg.norm(found["recurrent"]["kernel"] - kernel, axis=(1, 2))
    expected = np.sqrt(np.sum(values[:, rank:] ** 2, axis=1))
    assert expected.min() > 0.1
    np.testing.assert_allclose(lost, expected, rtol=1e-5)
    assert_close(found["input"]["bias"], weights["input"]["bias"])


def test_gains_are_least_squares_of_every_column():
    weights = stored_in(Untied(T))
    found = convert(weights, Untied(T), Scaled(T))
    kernel = weights["input"]["kernel"].astype(np.float64)
    base = kernel.mean(0)
    expected = [
        [np.linalg.lstsq(base[:, [k]], w[:, k])[0][0] for k in range(base.shape[1])]
        for w in kernel
    ]
    gain = found["correction"]["input"]["kernel"]["gain"]
    np.testing.assert_allclose(gain, expected, rtol=2e-5, atol=1e-5)
    again = expand(Scaled(T), found)
    assert_close(again["input"]["bias"], weights["input"]["bias"])


@pytest.mark.parametrize(
    "target",
    [
        Basis(3, period=5),
        Basis(4, "chebyshev", period=T),
        Basis(5, "bspline", period=T),
        Drift(),
        Hypernetwork(2, period=5),
    ],
    ids=repr,
)
def test_functions_of_time_are_least_squares(target):
    weights = stored_in(Untied(T))
    stored = convert(weights, Untied(T), target)
    c = np.asarray(target.coefficients(stored, np.arange(T)), np.float64)
    hat = c @ np.linalg.pinv(c)
    expected = jax.tree.map(
        lambda w: np.tensordot(hat, w, axes=1).astype(np.float32), weights
    )
    assert_close(expand(target, stored, T), expected, 1e-5)


def test_a_free_mixture_spans_what_steps_have_in_common():
    weights = stored_in(Untied(T))
    rows = np.concatenate([w.reshape(T, -1) for w in jax.tree.leaves(weights)], axis=1)
    found = through(Untied(T), Mixture(T, 2, kind="free"), weights)
    values = np.linalg.svd(rows, compute_uv=False)
    lost = np.sqrt(np.sum(values[2:] ** 2) / np.sum(values**2))
    np.testing.assert_allclose(distance(weights, found), lost, rtol=1e-5)

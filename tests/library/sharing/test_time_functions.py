"""Functions of time against SciPy, NumPy and the textbooks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.interpolate
from numpy.polynomial import chebyshev

from rnnshare.sharing.time_functions import KINDS, time_functions


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_bsplines_are_scipys(count):
    period, steps = 10.0, np.arange(14)
    found = time_functions("bspline", count, period, steps)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    assert (found >= 0).all()
    degree = min(3, count - 1)
    inner = np.linspace(0, period, count - degree + 1)
    knots = np.concatenate([[0.0] * degree, inner, [period] * degree])
    place = np.minimum(steps, period)
    expected = scipy.interpolate.BSpline.design_matrix(place, knots, degree).toarray()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_chebyshev_and_fourier_are_the_textbooks():
    steps = np.arange(14)
    found = time_functions("chebyshev", 7, 10.0, steps)
    expected = chebyshev.chebvander(np.minimum(steps / 5 - 1, 1), 6)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    angle = 2 * np.pi * steps / 7.5
    expected = [
        np.ones(14),
        np.cos(angle),
        np.sin(angle),
        np.cos(2 * angle),
        np.sin(2 * angle),
        np.cos(3 * angle),
    ]
    found = time_functions("fourier", 6, 7.5, steps)
    np.testing.assert_allclose(found, np.stack(expected, axis=1), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("period", [7, 32.0, 100.5])
def test_traced_steps_have_the_functions_of_static_ones(kind, period):
    steps = np.array([0, 1, 6, 7, 31, 32, 100, 1000], np.int32)
    traced = jax.jit(lambda steps: time_functions(kind, 6, period, steps))(steps)
    assert traced.dtype == jnp.float32
    assert time_functions(kind, 6, period, steps).dtype == np.float64
    np.testing.assert_allclose(
        traced, time_functions(kind, 6, period, steps), atol=3e-5
    )

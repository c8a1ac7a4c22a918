"""What linear cells promise beside their equations: they are stable and finite."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import LinearCell, LRUCell, MinGRUCell, MinLSTMCell
from tests.library.law_cases import assert_close

FAR = np.array([-1e4, -200, 0, 200, 1e4], np.float32)


def cell(make, in_features=1, hidden_features=5, **options):
    return make(in_features, hidden_features, rngs=nnx.Rngs(0), **options)


@pytest.mark.parametrize("make", [MinGRUCell, MinLSTMCell])
def test_gates_far_from_zero_are_finite_and_shares_of_one(make):
    """Of the LSTM's, both may be 0, and their share of the sum is none all the same."""
    made = cell(make)
    i, f = (axis.ravel() for axis in np.meshgrid(FAR, FAR))
    candidates = np.full_like(i, 0.5)  # whose positive form is 1
    gates = (i, f, candidates) if make is MinLSTMCell else (i, candidates)
    coefficients = made.coefficients(jnp.concatenate([jnp.asarray(g) for g in gates]))
    keep, add = map(np.asarray, coefficients)
    assert np.all((keep >= 0) & (keep <= 1))
    np.testing.assert_allclose(keep + add, 1, rtol=1e-6)
    slope = jax.jacobian(made.coefficients)(jnp.concatenate([*map(jnp.asarray, gates)]))
    assert all(np.all(np.isfinite(s)) for s in jax.tree.leaves(slope))


def test_a_positive_carry_stays_positive():
    for make in (MinGRUCell, MinLSTMCell):
        made = cell(make)
        h = jnp.zeros((len(FAR), 5))
        for _ in range(3):
            h, _ = made(h, jnp.asarray(FAR[:, None]))
            assert np.all(h >= 0)


def test_the_unit_is_stable_whatever_its_parameters():
    unit = cell(LRUCell)
    phase = np.exp(np.asarray(unit.theta[...], np.float64))

    @jax.jit
    def maps(nu):
        made = nnx.clone(unit)
        made.nu[...] = nu
        return made.coefficients(jnp.zeros((1, 15)))[0]

    for nu in (-100, -30, -3, 0, 3, 30, 100):
        nus = jnp.full(5, nu, jnp.float32)
        a, slope = jax.jvp(maps, (nus,), (jnp.ones(5),))
        assert np.all(np.hypot(*a) <= 1 + 1e-6)
        real = np.exp(-np.exp(float(nu))) * np.cos(phase)
        assert_close((a[0][0], slope[0][0]), (real, -np.exp(float(nu)) * real))


def test_the_unit_starts_in_a_ring_and_is_normalised():
    unit = cell(LRUCell, 1, 800, min_radius=0.6, max_radius=0.9, max_phase=0.5)
    a, b = unit.coefficients(jnp.ones((1, 2_400)))
    radius, phase = np.hypot(*a)[0], np.arctan2(a[1], a[0])[0]
    assert 0.6 <= radius.min() < 0.62
    assert 0.88 < radius.max() <= 0.9 + 1e-6
    assert np.all((phase > 0) & (phase <= 0.5 + 1e-6))
    # Even in area: half of them within the circle that halves the ring.
    assert abs(np.mean(radius**2 < (0.6**2 + 0.9**2) / 2) - 0.5) < 0.06
    # h of white noise has the sum of |lambda|^2k exp(gamma)^2 as its variance: 1.
    assert_close(np.asarray(b[0][0] ** 2 / (1 - radius**2)), np.ones(800), 1e-4)


@pytest.mark.parametrize("edge", [0, 1])
def test_no_draw_has_an_infinite_logarithm(edge, monkeypatch):
    def uniform(key, shape, dtype, low=0.0, high=1.0):
        largest = np.nextafter(high, low, dtype=dtype)
        return jnp.full(shape, largest if edge else low, dtype)

    monkeypatch.setattr(jax.random, "uniform", uniform)
    unit = cell(LRUCell)
    for leaf in (unit.nu, unit.theta, unit.gamma):
        assert np.all(np.isfinite(leaf[...]))


def test_errors():
    with pytest.raises(ValueError, match="Use 0 <= min_radius < max_radius <= 1"):
        cell(LRUCell, min_radius=0.9, max_radius=0.5)
    for phase in (0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"max_phase is .*\. Use more than 0"):
            cell(LRUCell, max_phase=phase)
    with pytest.raises(ValueError, match=r"MinGRUCell: hidden_features is 0\. Use at"):
        cell(MinGRUCell, 1, 0)

    class Bare(LinearCell):
        gates = ("h",)

    with pytest.raises(TypeError, match=r"LinearCell is abstract\. Use MinGRUCell"):
        cell(Bare)(jnp.zeros(5), jnp.zeros(1))

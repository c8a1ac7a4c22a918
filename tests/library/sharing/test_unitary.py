"""Orthogonal draws of complex and of low dtypes, and those that are none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare.sharing.drawing import orthogonal
from tests.cases import with_slow


@pytest.mark.parametrize("size", with_slow([1, 2, 31, 33, 70], {1, 33}))
def test_complex_draws_are_unitary(size):
    q = np.asarray(orthogonal(jax.random.key(size), (size, size), jnp.complex64))
    assert q.dtype == np.complex64
    np.testing.assert_allclose(q.conj().T @ q, np.eye(size), atol=3e-6)
    with jax.enable_x64(True):
        q = np.asarray(orthogonal(jax.random.key(size), (size, size), jnp.complex128))
    assert q.dtype == np.complex128
    np.testing.assert_allclose(q.conj().T @ q, np.eye(size), atol=1e-13)


def test_complex_draws_multiply_out_their_reflections():
    """Each takes its column of normals to an axis, by the phase of its first number."""
    size, key = 40, jax.random.key(3)
    x = np.tril(np.asarray(jax.random.normal(key, (size, size), jnp.complex64)))
    q = np.eye(size, dtype=np.complex128)
    for k in range(size):
        phase = x[k, k] / abs(x[k, k])
        v = x[:, k].astype(np.complex128)
        v[k] += phase * np.linalg.norm(v)
        q = q @ (np.eye(size) - 2 * np.outer(v, v.conj()) / np.vdot(v, v))
        q[:, k] *= -phase
    found = orthogonal(key, (size, size), jnp.complex64)
    np.testing.assert_allclose(found, q, atol=3e-6)


@pytest.mark.slow
def test_complex_draws_are_uniform():
    """E q = 0, E q^2 = 0, E |q|^2 = 1/n, E |q|^4 = 2/(n (n + 1)); so is any phase."""
    n, count = 3, 20_000
    keys = jax.random.split(jax.random.key(0), count)
    draw = jax.jit(jax.vmap(lambda k: orthogonal(k, (n, n), jnp.complex64)))
    q = np.asarray(draw(keys), np.complex128)
    for values, moment in [
        (q.real, 0),
        (q.imag, 0),
        ((q**2).real, 0),
        ((q**2).imag, 0),
        (np.abs(q) ** 2, 1 / n),
        (np.abs(q) ** 4, 2 / (n * (n + 1))),
        (np.linalg.det(q).real[:, None, None], 0),
        (np.linalg.det(q).imag[:, None, None], 0),
    ]:
        error = values.std(0) / np.sqrt(count)
        assert np.all(np.abs(values.mean(0) - moment) < 4.5 * error)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_low_precisions_are_the_rounded_float32(dtype):
    key = jax.random.key(5)
    found, precise = (orthogonal(key, (20, 20), t) for t in (dtype, jnp.float32))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, precise.astype(dtype))


def test_integers_are_refused():
    message = "floating or complex numbers, but the dtype is int32. Use float32"
    with pytest.raises(TypeError, match=message):
        orthogonal(jax.random.key(0), (3, 3), jnp.int32)

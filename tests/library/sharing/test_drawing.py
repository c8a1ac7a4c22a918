"""Orthogonal draws by products alone, and draws of many weight sets at once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import GRUCell, LSTMCell, Untied
from rnnshare.cells.blueprint import pure_params
from rnnshare.sharing.drawing import draw_many, orthogonal
from tests.cases import with_slow
from tests.library.law_cases import assert_close


@pytest.mark.parametrize("size", with_slow([1, 2, 31, 32, 33, 100], {1, 2, 33}))
def test_orthogonal_is_the_factor_of_a_normal_matrix(size):
    """Reflection by reflection: Q of the QR decomposition with a positive diagonal."""
    key = jax.random.key(size)
    found = np.asarray(orthogonal(key, (size, size)), np.float64)
    np.testing.assert_allclose(found @ found.T, np.eye(size), atol=3e-6)
    x = np.tril(np.asarray(jax.random.normal(key, (size, size)), np.float64))
    q = np.eye(size)
    for k in range(size):
        sign = 1 if x[k, k] >= 0 else -1
        v = x[:, k].copy()
        v[k] += sign * np.linalg.norm(v)
        q = q @ (np.eye(size) - 2 * np.outer(v, v) / (v @ v))
        q[:, k] *= -sign  # later reflections leave this column alone
    np.testing.assert_allclose(found, q, atol=3e-6)


def test_orthogonal_is_uniform():
    """Moments of the Haar measure: E q = 0, E q^2 = 1/n, E q^4 = 3/(n (n + 2))."""
    n, count = 4, 20_000
    keys = jax.random.split(jax.random.key(0), count)
    q = np.asarray(jax.jit(jax.vmap(lambda k: orthogonal(k, (n, n))))(keys), float)
    for power, moment in [(1, 0), (2, 1 / n), (3, 0), (4, 3 / (n * (n + 2)))]:
        values = q**power
        error = values.std(0) / np.sqrt(count)
        assert np.all(np.abs(values.mean(0) - moment) < 4.5 * error)
    # Rotations and reflections come equally often.
    share = np.mean(np.linalg.det(q) > 0)
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(count)


def test_orthogonal_dtypes_and_errors():
    assert orthogonal(jax.random.key(0), (3, 3), jnp.bfloat16).dtype == jnp.bfloat16
    with jax.enable_x64(True):
        q = orthogonal(jax.random.key(0), (40, 40), jnp.float64)
        np.testing.assert_allclose(q @ q.T, np.eye(40), atol=1e-13)
    with pytest.raises(ValueError, match=r"square matrices \[n, n\].*\(3, 4\)"):
        orthogonal(jax.random.key(0), (3, 4))


def init(make, key):
    return pure_params(make(rngs=nnx.Rngs(key)))


MAKES = {
    "LSTM": (LSTMCell, True),
    "GRU": (GRUCell, True),
    "nnx.GRU": (nnx.GRUCell, False),
    "LSTM by QR": (
        functools.partial(LSTMCell, recurrent_init=nnx.initializers.orthogonal()),
        False,
    ),
}


@pytest.mark.parametrize("name", with_slow(MAKES, {"LSTM", "LSTM by QR"}))
def test_many_draws_are_the_single_ones(name):
    """At once, unless a batch of factorisations would have to wait."""
    cell, at_once = MAKES[name]
    keys = jax.random.split(jax.random.key(1), 5)
    draw = functools.partial(init, functools.partial(cell, 3, 4))
    single = jax.jit(draw)
    many = jax.jit(lambda keys: draw_many(draw, keys))(keys)
    for i, key in enumerate(keys):
        assert_close(jax.tree.map(lambda x, i=i: x[i], many), single(key), 1e-6)
    equations = jax.make_jaxpr(lambda keys: draw_many(draw, keys))(keys).eqns
    lengths = [e.params["length"] for e in equations if e.primitive.name == "scan"]
    assert (len(keys) in lengths) != at_once
    stored = Untied(5).init(jax.random.key(1), draw)
    assert_close(stored, many, 1e-6)

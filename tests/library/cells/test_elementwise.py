"""The fused derivative takes an activation's slope a unit only where there is one."""

import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import RNN, ElmanCell, Tied, Untied
from rnnshare.cells.elementwise import is_elementwise
from tests.cases import with_slow


def normalised(x):
    return x / (1 + jnp.sqrt(jnp.sum(x * x, axis=-1, keepdims=True)))


@pytest.mark.parametrize(
    "function",
    [
        nnx.tanh,
        nnx.relu,
        nnx.sigmoid,
        nnx.gelu,
        nnx.softplus,
        nnx.silu,
        nnx.elu,
        nnx.hard_tanh,
        jnp.sin,
        lambda x: jnp.tanh(x) + 0.5 * x,
    ],
)
def test_elementwise_functions_are_recognised(function):
    assert is_elementwise(function, jnp.ones((2, 3)))


@pytest.mark.parametrize(
    "function",
    [
        jax.nn.softmax,
        normalised,
        lambda x: x - jnp.mean(x, axis=-1, keepdims=True),
        lambda x: x[..., ::-1],
        lambda x: jnp.roll(x, 1, axis=-1),
        lambda x: jnp.cumsum(x, axis=-1),
        lambda x: jnp.sort(x, axis=-1),
        lambda x: x @ jnp.ones((3, 3)),
    ],
)
def test_functions_that_mix_are_not(function):
    assert not is_elementwise(function, jnp.ones((2, 3)))


@pytest.mark.parametrize(
    ("activation", "sharing"),
    with_slow(
        itertools.product([jax.nn.softmax, normalised], [Tied(), Untied(4)]),
        [(jax.nn.softmax, Untied(4)), (normalised, Tied())],
    ),
)
def test_gradients_of_an_activation_that_mixes_units(activation, sharing):
    make = functools.partial(ElmanCell, 2, 3, activation=activation)
    x = jax.random.normal(jax.random.key(1), (5, 4, 2))

    def gradients(implementation):
        rnn = RNN(make, sharing, rngs=nnx.Rngs(0), implementation=implementation)
        graphdef, params = nnx.split(rnn)

        def loss(params, x):
            return jnp.sum(jnp.sin(3 * nnx.merge(graphdef, params)(x)))

        return jax.jit(jax.grad(loss, (0, 1)))(params, x)

    scan, fused = gradients("scan"), gradients("fused")
    assert max(np.max(np.abs(g)) for g in jax.tree.leaves(scan)) > 0.1
    chex.assert_trees_all_close(fused, scan, rtol=1e-5, atol=1e-6)

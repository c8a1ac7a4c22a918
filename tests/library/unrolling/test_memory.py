"""The backward pass of a shared model keeps no kernel per step."""

import functools
import itertools

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from rnnshare import (
    Cyclic,
    LowRank,
    LSTMCell,
    Mixture,
    Segments,
    Tied,
    Untied,
    num_parameters,
    unroll,
)
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.models.rnn import step_of
from tests.cases import with_slow

T, B, D, H = 256, 32, 64, 256
CELLS = {"LSTM": LSTMCell, "nnx.OptimizedLSTM": nnx.OptimizedLSTMCell}


@functools.cache
def memory(sharing, cell):
    """Returns the temporary bytes of a compiled gradient, and those that are stored."""
    make = functools.partial(CELLS[cell], D, H)
    blueprint = Blueprint.of(make)
    step = step_of(blueprint)

    def loss(stored, inputs, carry):
        _, outputs = unroll(step, sharing, stored, inputs, carry)
        return jnp.mean(outputs**2)

    def init(key):
        return sharing.init(key, lambda key: pure_params(make(rngs=nnx.Rngs(key))))

    stored = jax.eval_shape(init, jax.random.key(0))
    inputs = jax.ShapeDtypeStruct((T, B, D), jnp.float32)
    carry = blueprint.bind().initialize_carry((B, D), nnx.Rngs(0))
    compiled = jax.jit(jax.grad(loss)).lower(stored, inputs, carry).compile()
    return compiled.memory_analysis().temp_size_in_bytes, 4 * num_parameters(stored)


EVERY = [Mixture(T, 4), LowRank(T, 4), Segments(T, 4), Cyclic(4)]
OF_A_KIND = [*itertools.product(EVERY[1:3], ["LSTM"]), (EVERY[0], "nnx.OptimizedLSTM")]


@pytest.mark.parametrize(
    ("sharing", "cell"),
    with_slow(itertools.product(EVERY, CELLS), OF_A_KIND),
    ids=str,
)
def test_temporary_memory_is_near_the_tied_models(sharing, cell):
    """Within 1.5 times the tied model's, plus what is stored."""
    tied, _ = memory(Tied(), cell)
    temporary, stored = memory(sharing, cell)
    assert temporary <= 1.5 * tied + stored
    # A kernel per step would break that.
    assert 4 * num_parameters(_untied_shapes(cell)) > 1.5 * tied + stored


def _untied_shapes(cell):
    make = functools.partial(CELLS[cell], D, H)
    init_cell = lambda key: pure_params(make(rngs=nnx.Rngs(key)))  # noqa: E731
    return jax.eval_shape(
        functools.partial(Untied(T).init, init_cell=init_cell), jax.random.key(0)
    )

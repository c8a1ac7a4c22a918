"""Cells whose weights read the carry, with generic weights and inputs."""

import functools

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from flax import nnx

from rnnshare import RNN, ElmanCell, GRUCell, Tied
from rnnshare.cells.state_dependent import HyperLSTMCell, StateMixtureCell
from tests.library.law_cases import generic, generic_like

T, B, D, H, M, E, K = 4, 3, 3, 5, 2, 3, 3
LENGTHS = np.array([0, 3, 4], np.int32)
MAKES = {
    "HyperLSTM": functools.partial(
        HyperLSTMCell, D, H, hyper_features=M, embedding_size=E
    ),
    "LSTM": functools.partial(StateMixtureCell, D, H, num_templates=K),
    "GRU": functools.partial(StateMixtureCell, D, H, cell=GRUCell, num_templates=K),
    "IRNN": functools.partial(
        StateMixtureCell, D, H, cell=ElmanCell.irnn, num_templates=2
    ),
}
every_cell = pytest.mark.parametrize("name", MAKES)


def generic_case(name, sharing=None):
    """Returns an RNN with generic weights, generic inputs and a generic carry."""
    rnn = RNN(MAKES[name], Tied() if sharing is None else sharing, rngs=nnx.Rngs(0))
    fresh = rnn.cell.bind().initialize_carry((B, D))
    set_weights(rnn, generic_like(rnn.stored, 1))
    return rnn, jnp.asarray(generic((B, T, D), 2)), generic_like(fresh, 3)


def set_weights(module, weights):
    structure = jax.tree.structure(nnx.state(module, nnx.Param))
    nnx.update(module, structure.unflatten(map(jnp.asarray, jax.tree.leaves(weights))))

"""Layers are copied, pickled and saved as any module of Flax is."""

import copy
import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import (
    RNN,
    ElmanCell,
    GRUCell,
    LSTMCell,
    Partition,
    SequenceModel,
    StateMixtureCell,
    Tied,
    Untied,
)
from tests.library.ordinary.cases import (
    PAIRS,
    D,
    H,
    T,
    assert_same,
    case,
    generic_module,
    ids,
)

MAKERS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda module: pickle.loads(pickle.dumps(module)),
    "clone": nnx.clone,
}
CELLS = {
    "Elman": functools.partial(ElmanCell, D, H),
    "GRU": functools.partial(GRUCell, D, H),
    "LSTM": functools.partial(LSTMCell, D, H),
    "StateMixture": functools.partial(StateMixtureCell, D, H),
    "nnx.GRU": functools.partial(nnx.GRUCell, D, H),
}


@pytest.mark.parametrize(("sharing", "cell"), PAIRS, ids=ids(PAIRS))
def test_copies(sharing, cell):
    c = case(sharing, cell)
    for name in ("copy", "clone"):
        again = MAKERS[name](c.rnn)
        assert nnx.graphdef(again) == c.graphdef
        assert_same(nnx.state(again), c.state)
    # A deep copy of a function is not equal to it, and Flax's cells hold some.
    graphdef, state = nnx.split(copy.deepcopy(c.rnn))
    assert_same(state, c.state)
    results = jax.jit(
        lambda state, inputs: nnx.merge(graphdef, state)(inputs, return_carry=True)
    )(state, c.inputs)
    assert_same(results, c.expected[0])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("sharing", [Tied(), Untied(T)], ids=repr)
def test_pickles(sharing, cell):
    """Where `nnx.RNN` of a cell is pickled, so is a layer of it: some hold functions.

    What comes back is equal, so what was compiled for the one serves the other.
    """
    rnn, cell_itself = (
        generic_module(make)
        for make in (
            lambda: RNN(CELLS[cell], sharing, rngs=nnx.Rngs(0)),
            lambda: CELLS[cell](rngs=nnx.Rngs(0)),
        )
    )
    try:
        pickle.dumps(nnx.RNN(cell_itself))
    except pickle.PicklingError:
        assert cell in ("Elman", "nnx.GRU")  # for their activations
        return
    graphdef, state = nnx.split(MAKERS["pickle"](rnn))
    assert graphdef == nnx.graphdef(rnn) and hash(graphdef) == hash(nnx.graphdef(rnn))
    assert_same(state, nnx.state(rnn))


@pytest.mark.parametrize("name", MAKERS)
def test_copies_of_models(name):
    model = generic_module(
        lambda: SequenceModel(
            LSTMCell,
            D,
            H,
            2,
            [Partition({"input": Untied(T)}), Tied()],
            dropout=0.5,
            num_tokens=5,
            rngs=nnx.Rngs(0),
        )
    )
    again = MAKERS[name](model)
    assert nnx.graphdef(again) == nnx.graphdef(model)
    assert_same(nnx.state(again), nnx.state(model))


def test_a_deep_copy_is_apart():
    c = case(*PAIRS[0])
    again = copy.deepcopy(c.rnn)
    nnx.update(again, jax.tree.map(jnp.zeros_like, nnx.state(again)))
    assert_same(nnx.state(c.rnn), c.state)
    assert not any(map(np.any, jax.tree.leaves(again.stored)))


# Orbax's own.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_orbax(tmp_path):
    """A state is saved, and restored into the abstract form of the module."""
    import orbax.checkpoint as ocp

    c = case(*PAIRS[0])
    abstract = nnx.eval_shape(lambda: RNN(c.make_cell, c.sharing, rngs=nnx.Rngs(0)))
    graphdef, shapes = nnx.split(abstract)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", c.state)
        checkpointer.wait_until_finished()
        state = checkpointer.restore(tmp_path / "state", shapes)
    assert_same(nnx.state(nnx.merge(graphdef, state)), c.state)
    # The other way that Flax's guide shows: by pure dictionaries.
    nnx.replace_by_pure_dict(shapes, nnx.to_pure_dict(c.state))
    assert_same(nnx.state(nnx.merge(graphdef, shapes)), c.state)

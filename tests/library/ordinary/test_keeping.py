"""Layers are copied, pickled and saved as any module of Flax is."""

import copy
import functools
import pickle

import jax
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
    SHARINGS,
    Case,
    D,
    H,
    T,
    assert_same,
    case,
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
    "IRNN": functools.partial(ElmanCell.irnn, D, H),
    "GRU": functools.partial(GRUCell, D, H),
    "StateMixture": functools.partial(StateMixtureCell, D, H),
    "nnx.LSTM": functools.partial(nnx.LSTMCell, D, H),
}


@pytest.mark.parametrize(("sharing", "cell"), PAIRS, ids=ids(PAIRS))
@pytest.mark.parametrize("name", MAKERS)
def test_copies_of_layers(name, sharing, cell):
    c = case(sharing, cell)
    again = MAKERS[name](c.rnn)
    graphdef, state = nnx.split(again)
    assert graphdef == c.graphdef and hash(graphdef) == hash(c.graphdef)
    assert_same(state, c.state)
    assert_same(jax.jit(c.run)(state, c.inputs), c.expected[0])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", MAKERS)
def test_copies_of_cells(name, cell):
    """Cells on their own, and in a layer: where `nnx.RNN` of it is kept, so is ours."""
    c = Case(Untied(T), CELLS[cell])
    for module in (CELLS[cell](rngs=nnx.Rngs(0)), c.rnn):
        again = MAKERS[name](module)
        assert nnx.graphdef(again) == nnx.graphdef(module)
        assert_same(nnx.state(again), nnx.state(module))


@pytest.mark.parametrize("name", MAKERS)
def test_copies_of_models(name):
    model = SequenceModel(
        LSTMCell,
        D,
        H,
        2,
        [Partition({"input": Untied(T)}), Tied()],
        dropout=0.5,
        num_tokens=5,
        rngs=nnx.Rngs(0),
    )
    again = MAKERS[name](model)
    assert nnx.graphdef(again) == nnx.graphdef(model)
    assert_same(nnx.state(again), nnx.state(model))
    tokens = jax.random.randint(jax.random.key(0), (2, T), 0, 5)
    assert_same(again(tokens), model(tokens))


def test_a_deep_copy_is_apart():
    c = case("Tied", "LSTM")
    again = copy.deepcopy(c.rnn)
    nnx.update(again, jax.tree.map(lambda w: 0 * w, nnx.state(again)))
    assert_same(nnx.state(c.rnn), c.state)


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("cell", ["LSTM", "nnx.GRU"])
# Orbax's own.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_orbax(sharing, cell, tmp_path):
    """A state is saved, and restored into the abstract form of the module."""
    import orbax.checkpoint as ocp

    c = case(sharing, cell)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", c.state)
        checkpointer.wait_until_finished()
        abstract = nnx.eval_shape(
            lambda: RNN(c.make_cell, c.sharing, rngs=nnx.Rngs(0))
        )
        graphdef, shapes = nnx.split(abstract)
        state = checkpointer.restore(tmp_path / "state", shapes)
    assert_same(state, c.state)
    rnn = nnx.merge(graphdef, state)
    assert_same(jax.jit(c.run)(nnx.state(rnn), c.inputs), c.expected[0])
    pure = nnx.to_pure_dict(c.state)  # the other way that Flax's guide shows
    nnx.replace_by_pure_dict(shapes, pure)
    assert_same(nnx.state(nnx.merge(graphdef, shapes)), c.state)

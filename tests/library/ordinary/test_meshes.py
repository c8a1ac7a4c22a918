"""On a mesh of two devices: the batch laid out over it changes no number."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnnshare import LSTMCell, SequenceModel, Tied, Untied, unroll
from rnnshare.models.rnn import step_of
from tests.cases import with_slow
from tests.library.ordinary.cases import (
    CELLS,
    SHARINGS,
    Case,
    D,
    H,
    T,
    assert_same,
    generic,
    generic_module,
    graded,
    named,
)

B = 4
LENGTHS = np.array([T, 0, 2, 3], np.int32)
KINDS = {"auto": AxisType.Auto, "explicit": AxisType.Explicit}
LAYERS = [
    ("Tied", "LSTM", "scan"),
    ("LowRank", "LSTM", "fused"),
    ("Segments", "LSTM", "fused"),
    ("Untied", "nnx.GRU", "scan"),
]


# Where types say how arrays lie, more can go wrong.
ON_MESHES = [*((name, "explicit") for name in LAYERS), (LAYERS[1], "auto")]


def mesh_of(kind):
    return jax.make_mesh((2,), ("data",), (KINDS[kind],))


@functools.cache
def layer(sharing, cell, implementation):
    make_cell = functools.partial(CELLS[cell], D, H)
    return Case(SHARINGS[sharing], make_cell, batch=B, implementation=implementation)


def laid(kind, run, state, *batched):
    """Returns results and gradients, computed with each batch over a mesh."""
    mesh = mesh_of(kind)
    weights, rows = (NamedSharding(mesh, spec) for spec in (P(), P("data")))
    with jax.set_mesh(mesh):
        results, gradients = jax.jit(graded(run))(
            jax.device_put(state, weights), *jax.device_put(batched, rows)
        )
    return results, gradients


@pytest.mark.parametrize(
    ("layer_name", "kind"), with_slow(ON_MESHES, ON_MESHES[1:4]), ids=named
)
def test_layers(layer_name, kind):
    """`RNN`; by hand without a mesh."""
    c = layer(*layer_name)
    assert_same(laid(kind, c.run, c.state, c.inputs), c.expected)


@pytest.mark.parametrize(
    "layer_name",
    [pytest.param(LAYERS[0], marks=pytest.mark.slow), LAYERS[1]],
    ids=named,
)
def test_lengths(layer_name):
    c = layer(*layer_name)

    def run(state, inputs, lengths):
        return c.run(state, inputs, seq_lengths=lengths)

    alone = functools.partial(c.alone, carry=None, lengths=LENGTHS.tolist())
    expected = jax.jit(graded(alone))(c.state, c.inputs)
    assert_same(laid("explicit", run, c.state, c.inputs, LENGTHS), expected)


@pytest.mark.parametrize(
    ("layer_name", "kind"),
    with_slow([ON_MESHES[i] for i in (0, 2, 4)], [ON_MESHES[0]]),
    ids=named,
)
def test_unroll(layer_name, kind):
    """`unroll` with a carry that is laid out as the batch is."""
    c = layer(*layer_name)
    implementation = layer_name[-1]

    def run(state, inputs, carry):
        carry, outputs = unroll(
            step_of(c.rnn.cell),
            c.sharing,
            nnx.merge(c.graphdef, state).stored,
            jnp.swapaxes(inputs, 0, 1),
            carry,
            implementation=implementation,
        )
        return carry, jnp.swapaxes(outputs, 0, 1)

    carry = (generic((B, H), 4), generic((B, H), 5))
    expected = jax.jit(graded(c.by_hand))(c.state, c.inputs, carry)
    assert_same(laid(kind, run, c.state, c.inputs, carry), expected)


@functools.cache
def model(readout):
    def make():
        sharings = [Tied(), Untied(T)]
        return SequenceModel(
            LSTMCell, D, H, 2, sharings, readout=readout, rngs=nnx.Rngs(0)
        )

    graphdef, state = nnx.split(generic_module(make))

    def run(state, inputs, lengths):
        return nnx.merge(graphdef, state)(inputs, seq_lengths=lengths)

    return run, state


@pytest.mark.parametrize(
    ("readout", "kind"),
    with_slow([("last", "explicit"), ("every", "auto")], {("last", "explicit")}),
)
def test_models(readout, kind):
    run, state = model(readout)
    inputs = jnp.asarray(generic((B, T, D), 2))
    expected = jax.jit(graded(run))(state, inputs, LENGTHS)
    assert_same(laid(kind, run, state, inputs, LENGTHS), expected)


@pytest.mark.parametrize(
    ("layer_name", "check_vma"),
    with_slow(
        [(LAYERS[0], True), (LAYERS[2], True), (LAYERS[1], False)],
        [(LAYERS[2], True)],
    ),
    ids=named,
)
def test_shard_map(layer_name, check_vma):
    """Each device runs its rows; the gradient of the weights is the sum over them."""
    c = layer(*layer_name)
    mesh = mesh_of("auto")
    run = jax.shard_map(
        c.run,
        mesh=mesh,
        in_specs=(P(), P("data")),
        out_specs=P("data"),
        check_vma=check_vma,
    )
    assert_same(jax.jit(graded(run))(c.state, c.inputs), c.expected)


def test_shard_map_with_lengths():
    c = layer(*LAYERS[1])
    mesh = mesh_of("auto")

    @functools.partial(
        jax.shard_map,
        mesh=mesh,
        in_specs=(P(), P("data"), P("data")),
        out_specs=P("data"),
    )
    def run(state, inputs, lengths):
        return c.run(state, inputs, seq_lengths=lengths)

    alone = functools.partial(c.alone, carry=None, lengths=LENGTHS.tolist())
    expected = jax.jit(graded(alone))(c.state, c.inputs)
    assert_same(jax.jit(graded(run))(c.state, c.inputs, LENGTHS), expected)


def test_weights_over_a_mesh():
    """Layers whose weights lie over the devices, gate by gate."""
    mesh = mesh_of("auto")
    c = Case(Tied(), functools.partial(LSTMCell, D, 4), batch=B)
    spread = NamedSharding(mesh, P(None, "data"))
    state = jax.tree.map(
        lambda w: jax.device_put(w, spread) if w.ndim == 2 else w, c.state
    )
    with jax.set_mesh(mesh):
        assert_same(jax.jit(graded(c.run))(state, c.inputs), c.expected)

"""What Flax transforms, it transforms here: layers are modules like any other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rnnshare import RNN, LSTMCell, SequenceModel, Tied, Untied
from tests.library.ordinary.cases import (
    PAIRS,
    D,
    H,
    T,
    assert_same,
    case,
    generic_module,
    graded,
    ids,
    named,
    pulled,
)

# By graphs and by trees, the two ways in which Flax takes modules apart.
GRAPHS = [(PAIRS[0], True), (PAIRS[1], False), (PAIRS[0], False)]


@pytest.fixture(params=PAIRS, ids=ids(PAIRS))
def c(request):
    return case(*request.param)


def fresh(c):
    """Returns a module of its own with the case's weights."""
    return nnx.merge(c.graphdef, c.state, copy=True)


def stacked(c, rngs):
    """Returns two layers as one module, as `nnx.vmap` makes them."""

    @nnx.split_rngs(splits=2)
    @nnx.vmap
    def make(rngs):
        return RNN(c.make_cell, c.sharing, rngs=rngs)

    return make(rngs)


def loss(rnn, inputs):
    results = rnn(inputs, return_carry=True)
    return pulled(results), results


@pytest.mark.parametrize(("pair", "graph"), GRAPHS, ids=named)
def test_jit_and_gradient(pair, graph):
    """`nnx.jit` around `nnx.value_and_grad`."""
    c = case(*pair)

    @functools.partial(nnx.jit, graph=graph)
    def both(rnn, inputs):
        gradient = nnx.value_and_grad(loss, argnums=(0, 1), has_aux=True, graph=graph)
        (_, results), gradients = gradient(rnn, inputs)
        return results, gradients

    assert_same(both(fresh(c), c.inputs), c.expected)


def test_gradient_of_a_filter():
    """The gradient of the parameters that a filter names, and of no others."""
    c = case(*PAIRS[0])

    def is_bias(path, _):
        return "bias" in path

    @nnx.jit
    def gradient(rnn, inputs):
        function = nnx.grad(loss, argnums=nnx.DiffState(0, is_bias), has_aux=True)
        return function(rnn, inputs)[0]

    found = gradient(fresh(c), c.inputs)
    _, (state, _) = c.expected
    assert_same(found, nnx.filter_state(state, is_bias))


@pytest.mark.parametrize(("pair", "graph"), GRAPHS[:2], ids=named)
def test_remat(pair, graph):
    c = case(*pair)

    @nnx.jit
    def both(rnn, inputs):
        call = nnx.remat(lambda rnn, x: rnn(x, return_carry=True), graph=graph)

        def scalar(rnn, inputs):
            results = call(rnn, inputs)
            return pulled(results), results

        gradient = nnx.value_and_grad(scalar, argnums=(0, 1), has_aux=True)
        (_, results), gradients = gradient(rnn, inputs)
        return results, gradients

    assert_same(both(fresh(c), c.inputs), c.expected)


@pytest.mark.parametrize(("sharing", "cell"), PAIRS, ids=ids(PAIRS))
def test_ensembles(sharing, cell):
    """`nnx.vmap` makes a stack of layers, and runs it."""

    c = case(sharing, cell)
    stack = generic_module(lambda: stacked(c, nnx.Rngs(0)))
    call = nnx.vmap(lambda rnn, x: rnn(x, return_carry=True), in_axes=(0, None))
    actual = nnx.jit(call)(stack, c.inputs)
    by_hand = jax.jit(c.by_hand)
    for i in range(2):
        state = jax.tree.map(lambda w, i=i: w[i], nnx.state(stack))
        mine = jax.tree.map(lambda y, i=i: y[i], actual)
        assert_same(mine, by_hand(state, c.inputs))


def test_scan_over_layers():
    """A stack of layers that `nnx.vmap` drew; no two are drawn the same."""
    c = case(*PAIRS[1], features=H)

    @nnx.jit
    @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
    def scanned(x, rnn):
        return rnn(x)

    layers = stacked(c, nnx.Rngs(0))
    for leaf in jax.tree.leaves(nnx.state(layers)):
        assert leaf.shape[:2] == (2, T)
        assert leaf.ndim < 4 or np.all(leaf[0] != leaf[1])  # biases start equal
    x, by_hand = c.inputs, jax.jit(c.by_hand)
    actual = scanned(x, layers)
    for i in range(2):
        _, x = by_hand(jax.tree.map(lambda w, i=i: w[i], nnx.state(layers)), x)
    assert_same(actual, x)


@pytest.mark.parametrize(("pair", "graph"), GRAPHS[:2], ids=named)
def test_training_step(pair, graph):
    """`nnx.Optimizer` under `nnx.jit` updates the weights as optax does by hand."""
    c = case(*pair)
    rnn, optimizer = fresh(c), optax.sgd(0.1, momentum=0.9)
    held = nnx.Optimizer(rnn, optimizer, wrt=nnx.Param)

    @functools.partial(nnx.jit, graph=graph)
    def step(rnn, held, inputs):
        gradient = nnx.grad(loss, has_aux=True, graph=graph)
        held.update(rnn, gradient(rnn, inputs)[0])

    @jax.jit
    def by_hand(state, inputs):
        _, (gradient, _) = graded(c.by_hand)(state, inputs)
        updates, _ = optimizer.update(gradient, optimizer.init(state), state)
        return optax.apply_updates(state, updates)

    step(rnn, held, c.inputs)
    assert_same(nnx.state(rnn), by_hand(c.state, c.inputs))


def test_split_merge_clone_update(c):
    """Copies hold what they held, and nothing of one reaches another."""
    rnn = fresh(c)
    graphdef, state = nnx.split(rnn)
    assert graphdef == c.graphdef and hash(graphdef) == hash(c.graphdef)
    again, clone = nnx.merge(graphdef, state, copy=True), nnx.clone(rnn)
    nnx.update(rnn, jax.tree.map(jnp.zeros_like, state))
    for copy in (again, clone):
        assert_same(nnx.state(copy), c.state)
    assert not any(map(np.any, jax.tree.leaves(rnn.stored)))
    nnx.update(rnn, c.state)
    assert_same(nnx.state(rnn), c.state)


def test_abstract_modules(c):
    """What `nnx.eval_shape` returns draws nothing, and takes its weights later."""
    abstract = nnx.eval_shape(lambda: RNN(c.make_cell, c.sharing, rngs=nnx.Rngs(0)))
    graphdef, shapes = nnx.split(abstract)
    assert [s.shape for s in jax.tree.leaves(shapes)] == [
        w.shape for w in jax.tree.leaves(c.state)
    ]
    rnn = nnx.merge(graphdef, c.state)
    # A module is a pytree too, and so an argument of plain JAX.
    results = jax.jit(lambda rnn, x: rnn(x, return_carry=True))(rnn, c.inputs)
    assert_same(results, c.expected[0])


def test_inside_other_modules():
    """`nnx.Sequential` takes it as a layer."""
    c = case(*PAIRS[0])
    layers = nnx.Sequential(fresh(c), jnp.tanh)
    outputs = nnx.jit(lambda layers, x: layers(x))(layers, c.inputs)
    assert_same(outputs, jnp.tanh(c.expected[0][1]))


def test_sequence_model():
    """A model of layers under Flax's transforms is the model itself."""
    model = generic_module(
        lambda: SequenceModel(LSTMCell, D, H, 2, [Tied(), Untied(T)], rngs=nnx.Rngs(0))
    )
    graphdef, state = nnx.split(model)
    inputs = case(*PAIRS[0]).inputs

    def run(state, inputs):
        return nnx.merge(graphdef, state)(inputs)

    expected = jax.jit(graded(run))(state, inputs)

    @functools.partial(nnx.jit, graph=False)
    def both(model, inputs):
        def scalar(model, inputs):
            answers = model(inputs)
            return pulled(answers), answers

        gradient = nnx.value_and_grad(scalar, argnums=(0, 1), has_aux=True, graph=False)
        (_, answers), gradients = gradient(model, inputs)
        return answers, gradients

    assert_same(both(model, inputs), expected)

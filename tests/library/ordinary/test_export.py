"""`jax.export`: one program for any batch, and for any number of steps."""

import functools

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import (
    Basis,
    Cyclic,
    Drift,
    Hypernetwork,
    LSTMCell,
    Segments,
    SequenceModel,
    Tied,
    TimeInput,
    Untied,
)
from tests.cases import with_slow
from tests.library.ordinary.cases import (
    CELLS,
    PAIRS,
    SHARINGS,
    Case,
    D,
    H,
    T,
    assert_same,
    case,
    generic,
    generic_module,
    ids,
)

# Defined at every step, so for any number of them.
EVERYWHERE = {
    "Tied": Tied(),
    "Cyclic": Cyclic(3),
    "Basis": Basis(3, period=5),
    "Drift": Drift(),
    "Hypernetwork": Hypernetwork(2, period=5),
    "TimeInput": TimeInput(3, period=5),
}
BATCH, STEPS = 3, 7  # the sizes at which what was exported is run


def exported(run, state, shape, *others):
    """Returns a program for inputs of a symbolic shape."""
    scope = jax.export.SymbolicScope()
    dims = jax.export.symbolic_shape(shape, scope=scope)
    arguments = [jax.ShapeDtypeStruct(dims, jnp.float32)]
    arguments += [jax.ShapeDtypeStruct(dims[:1], dtype) for dtype in others]
    shapes = jax.tree.map(lambda w: jax.ShapeDtypeStruct(w.shape, w.dtype), state)

    return jax.export.export(jax.jit(run))(shapes, *arguments).call


def derived(run):
    """Returns a run with gradients, of a scalar for shapes of any size."""

    def both(state, inputs):
        def scalar(state, inputs):
            results = run(state, inputs)
            return sum(jnp.sum(jnp.sin(y)) for y in jax.tree.leaves(results)), results

        return jax.grad(scalar, (0, 1), has_aux=True)(state, inputs)

    return both


@functools.cache
def everywhere(sharing, cell, implementation="auto"):
    make_cell = functools.partial(CELLS[cell], D, H)
    return Case(EVERYWHERE[sharing], make_cell, implementation=implementation)


def check(run, by_hand, state, shape, batch, steps, lengths=None):
    """Asserts that an exported run, at another size, is what it is by hand."""
    inputs = jnp.asarray(generic((batch, steps, D), 9))
    others = () if lengths is None else (jnp.asarray(lengths),)
    program = exported(run, state, shape, *(x.dtype for x in others))
    assert_same(
        program(state, inputs, *others), jax.jit(by_hand)(state, inputs, *others)
    )


@pytest.mark.parametrize(
    ("sharing", "cell"),
    with_slow([PAIRS[0], ("LowRank", "LSTM")], {("LowRank", "LSTM")}),
)
def test_any_batch(sharing, cell):
    """Results and gradients, of sharings that hold a number of steps."""
    c = case(sharing, cell)
    check(derived(c.run), derived(c.by_hand), c.state, f"b, {T}, {D}", BATCH, T)


ANYWHERE = [(sharing, "LSTM", "auto") for sharing in EVERYWHERE]
ANYWHERE += [("Cyclic", "LSTM", "scan"), ("Tied", "nnx.GRU", "auto")]
# Weights that are selected, a function of time, an input; and a cell that is scanned.
OF_A_KIND = {(name, "LSTM", "auto") for name in ("Cyclic", "Basis", "TimeInput")}
OF_A_KIND |= {("Tied", "nnx.GRU", "auto")}


@pytest.mark.parametrize(
    ("sharing", "cell", "implementation"),
    with_slow(ANYWHERE, OF_A_KIND),
    ids=ids(ANYWHERE),
)
def test_any_batch_and_steps(sharing, cell, implementation):
    c = everywhere(sharing, cell, implementation)
    check(c.run, c.by_hand, c.state, f"b, t, {D}", BATCH, STEPS)


@pytest.mark.parametrize(("sharing", "reverse"), [("Cyclic", False), ("Basis", True)])
def test_lengths(sharing, reverse):
    """They are an argument of the program, and its padding is inert."""
    c = everywhere(sharing, "LSTM")
    lengths = np.array([5, STEPS, 0], np.int32)

    def run(state, inputs, lengths):
        return c.run(state, inputs, seq_lengths=lengths, reverse=reverse)

    if reverse:
        check(run, run, c.state, f"b, t, {D}", BATCH, STEPS, lengths)
        return

    def alone(state, inputs, _):
        return c.alone(state, inputs, None, lengths=lengths.tolist())

    check(run, alone, c.state, f"b, t, {D}", BATCH, STEPS, lengths)


def test_models():
    """A sequence model, with lengths; against itself at that size."""
    model = generic_module(
        lambda: SequenceModel(LSTMCell, D, H, 2, [Tied(), Cyclic(3)], rngs=nnx.Rngs(0))
    )
    graphdef, state = nnx.split(model)

    def run(state, inputs, lengths):
        return nnx.merge(graphdef, state)(inputs, seq_lengths=lengths)

    lengths = np.array([5, STEPS, 0], np.int32)
    check(run, run, state, f"b, t, {D}", BATCH, STEPS, lengths)


def test_gradients_for_any_steps():
    c = everywhere("Tied", "LSTM")
    check(derived(c.run), derived(c.by_hand), c.state, f"b, t, {D}", BATCH, STEPS)


@pytest.mark.parametrize(
    "sharing", [Untied(T), Segments(T, 2), SHARINGS["LowRank"]], ids=repr
)
def test_steps_that_may_have_no_weights_are_refused(sharing):
    """How many steps there will be is unknown, so whether all have weights is too."""
    c = case(sharing, "LSTM")
    with pytest.raises(ValueError) as caught:
        exported(c.run, c.state, f"b, t, {D}")
    message = str(caught.value)
    assert repr(sharing) in message and "\n" not in message
    assert "beyond=" in message or "num_steps" in message

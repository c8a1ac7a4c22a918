"""No steps, no sequences, no features: results of no size, or one clear line."""

import functools

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
    SequenceModel,
    StateMixtureCell,
    unroll,
)
from rnnshare.models.rnn import step_of
from rnnshare.models.sequence_model import BagOfSteps
from tests.cases import with_slow
from tests.library.ordinary.cases import (
    SHARINGS,
    B,
    Case,
    D,
    H,
    T,
    assert_same,
    generic,
    generic_like,
    generic_module,
    graded,
    named,
    or_refused,
)

O = 2  # noqa: E741
SHAPES = {"no steps": (B, 0, D), "no sequences": (0, T, D), "neither": (0, 0, D)}
CELLS = {
    "LSTM": LSTMCell,
    "StateMixture": StateMixtureCell,
    "nnx.GRU": nnx.GRUCell,
}
WAYS = [
    ("Tied", "LSTM", "scan"),
    ("LowRank", "LSTM", "fused"),
    ("Segments", "LSTM", "auto"),
    ("Untied", "StateMixture", "auto"),
    ("Untied", "nnx.GRU", "auto"),
]
RUNS = [
    (shape, with_lengths, way)
    for shape in ("no steps", "no sequences")
    for way in WAYS
    for with_lengths in ((False, True) if way in WAYS[:2] else (False,))
]
# What a refusal names, of which the empty axis is one; or the way out.
CLEAR = r"inputs|in_features|Use 'auto'"


@functools.cache
def case(sharing, cell, implementation):
    make_cell = functools.partial(CELLS[cell], D, H)
    return Case(SHARINGS[sharing], make_cell, implementation=implementation)


def assert_zero_gradients(gradients, state, inputs):
    assert_same(gradients, jax.tree.map(jnp.zeros_like, (state, inputs)))


@pytest.mark.parametrize(
    ("shape", "with_lengths", "way"), with_slow(RUNS, RUNS[1::2]), ids=named
)
def test_rnn(shape, with_lengths, way):
    """The initial carry comes back, and no weight has a gradient."""
    c, shape = case(*way), SHAPES[shape]
    inputs = jnp.zeros(shape)

    def initial():
        cell = c.make_cell(rngs=nnx.Rngs(0))
        return cell.initialize_carry((shape[0], D), nnx.Rngs(0))

    carry = generic_like(jax.eval_shape(initial), 3)
    lengths = np.zeros(shape[0], np.int32) if with_lengths else None

    def run(state, inputs):
        return c.run(state, inputs, initial_carry=carry, seq_lengths=lengths)

    found = or_refused(lambda: jax.jit(graded(run))(c.state, inputs), CLEAR)
    if found is not None:
        results, gradients = found
        assert_same(results, (carry, jnp.zeros((*shape[:2], H))))
        assert_zero_gradients(gradients, c.state, inputs)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_reverse(shape):
    c, inputs = case("Tied", "LSTM", "fused"), jnp.zeros(shape)
    for lengths in (None, np.zeros(shape[0], np.int32)):
        for keep_order in (False, True):
            options = {"reverse": True, "keep_order": keep_order}
            found = or_refused(
                lambda lengths=lengths, options=options: c.run(
                    c.state, inputs, seq_lengths=lengths, **options
                ),
                CLEAR,
            )
            assert found is None or found[1].shape == (*shape[:2], H)


@pytest.mark.parametrize(
    ("sharing", "implementation"),
    [
        ("Tied", "scan"),
        ("Untied", "fused"),
        ("Segments", "auto"),
        ("Segments", "fused"),
    ],
)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_unroll(shape, sharing, implementation):
    c = case(sharing, "LSTM", implementation)
    B, T, _ = shape
    carry = (jnp.ones((B, H)), jnp.ones((B, H)))
    inputs = jnp.zeros((T, B, D))

    def run():
        return unroll(
            step_of(c.rnn.cell),
            c.sharing,
            c.rnn.stored,
            inputs,
            carry,
            implementation=implementation,
        )

    found = or_refused(run, CLEAR)
    if found is not None:
        assert_same(found, (carry, jnp.zeros((T, B, H))))


@functools.cache
def model(name):
    def make():
        if name == "bag":
            return BagOfSteps(D, H, O, rngs=nnx.Rngs(0))
        return SequenceModel(LSTMCell, D, H, O, readout=name, rngs=nnx.Rngs(0))

    return nnx.split(generic_module(make))


@pytest.mark.parametrize(
    ("name", "with_lengths"),
    [("last", False), ("last", True), ("every", False), ("bag", True)],
)
@pytest.mark.parametrize("shape", ["no steps", "no sequences"])
def test_models(shape, name, with_lengths):
    """A sequence of no steps is answered as one of length 0 is."""
    (graphdef, state), shape = model(name), SHAPES[shape]
    lengths = np.zeros(shape[0], np.int32) if with_lengths else None

    def run(state, inputs):
        return nnx.merge(graphdef, state)(inputs, seq_lengths=lengths)

    inputs = jnp.zeros(shape)
    found = or_refused(lambda: jax.jit(graded(run))(state, inputs), CLEAR)
    if found is None:
        return
    answers, gradients = found
    assert answers.shape == ((*shape[:2], O) if name == "every" else (shape[0], O))
    if name == "bag":
        blank = run(state, jnp.zeros((shape[0], 0, D)))
        assert_same(answers, blank)
    else:
        assert not np.any(answers)
        assert_zero_gradients(gradients, state, inputs)


@pytest.mark.parametrize(
    ("sharing", "cell", "implementation"),
    with_slow(
        [
            ("Tied", ElmanCell, "fused"),
            ("LowRank", GRUCell, "fused"),
            ("Untied", LSTMCell, "fused"),
            ("Segments", LSTMCell, "scan"),
        ],
        [("LowRank", GRUCell, "fused"), ("Segments", LSTMCell, "scan")],
    ),
)
def test_no_features(sharing, cell, implementation):
    """A cell that is driven by its carry alone; the map of its inputs is a bias."""
    make_cell = functools.partial(cell, 0, H)

    def run():
        c = Case(SHARINGS[sharing], make_cell, (0,), implementation=implementation)
        return c, jax.jit(graded(c.run))(c.state, c.inputs)

    found = or_refused(run, CLEAR)
    if found is not None:
        c, results = found
        assert_same(results, c.expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda rngs: SequenceModel(LSTMCell, 0, H, O, rngs=rngs),
        lambda rngs: RNN(functools.partial(StateMixtureCell, 0, H), rngs=rngs),
        lambda rngs: BagOfSteps(0, H, O, rngs=rngs),
    ],
    ids=["SequenceModel", "StateMixture", "BagOfSteps"],
)
def test_models_of_no_features(make):
    found = or_refused(lambda: make(nnx.Rngs(0))(generic((B, T, 0), 2)), CLEAR)
    assert found is None or np.all(np.isfinite(found))

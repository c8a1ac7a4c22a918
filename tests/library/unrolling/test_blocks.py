"""Remat in blocks: the plain run to rounding, in memory that grows as sqrt(T)."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnshare import RNN, Cyclic, GRUCell, LSTMCell, Tied, Untied, unroll
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.models.rnn import step_of
from rnnshare.sharing.drawing import equations_of
from rnnshare.tasks import Adding
from rnnshare.training import Setting
from rnnshare.unrolling.blocks import steps_of_block
from tests.cases import with_slow
from tests.library.law_cases import (
    CELLS,
    FORMS,
    LENGTHS,
    POLICIES,
    SHARINGS,
    B,
    D,
    H,
    T,
    assert_close,
    case,
    generic,
    gradient_of,
)

REMAT = jax.make_jaxpr(jax.checkpoint(jnp.sin))(0.0).eqns[0].primitive.name
# Of T = 6: blocks that fill it, two blocks and a rest, one block and a rest.
WAYS = [
    {"remat": 2},
    {"remat": "sqrt", "reverse": True},
    {"remat": 4, "lengths": LENGTHS},
    {"remat": 4, "lengths": LENGTHS, "reverse": True},
]
PAIRS = [(sharing, "LSTM") for sharing in (*SHARINGS, *FORMS, *POLICIES)]
PAIRS += [(sharing, cell) for sharing in ("Tied", "Untied", "Cyclic") for cell in CELLS]
RUNS = [
    (*pair, i)
    for pair in dict.fromkeys(PAIRS)
    for i in range(len(WAYS))
    if pair[0] != "Untied-stretch" or "lengths" not in WAYS[i]
]
KEPT = [
    ("Tied", "LSTM", 3),
    ("Cyclic", "GRU", 0),
    ("Mixture", "LSTM", 1),
    ("Untied", "nnx.GRU", 3),
]


@pytest.mark.parametrize(("sharing", "cell", "way"), with_slow(RUNS, KEPT))
def test_blocks_are_the_plain_run(sharing, cell, way):
    """Results and gradients, of what is fused and of what is scanned."""
    c = case(sharing, cell)
    how = dict(WAYS[way])
    remat = how.pop("remat")
    plain, blocks = (
        gradient_of(functools.partial(c.run, remat=remat, **how))
        for remat in (False, remat)
    )
    inputs = c.arguments[1]
    if "lengths" in how:  # what stands in the padding reaches nothing
        is_real = np.arange(T)[:, None, None] < LENGTHS[:, None]
        inputs = np.where(is_real, inputs, np.float32(np.nan))
    arguments = (c.arguments[0], inputs, c.arguments[2])
    assert_close(blocks(*arguments), plain(*arguments))


@pytest.mark.parametrize(
    "implementation",
    with_slow(["parallel_backward", "parallel"], ["parallel_backward"]),
)
def test_blocks_may_be_run_in_parallel_over_their_steps(implementation):
    """Another way to unroll is asked of each block, its padding that of the whole."""
    c = case("Untied", "GRU")
    plain, blocks = (
        gradient_of(functools.partial(c.run, lengths=LENGTHS, **how))
        for how in (
            {"implementation": "scan"},
            {"implementation": implementation, "remat": 4},
        )
    )
    stored, inputs, carry = c.arguments
    is_real = np.arange(T)[:, None, None] < LENGTHS[:, None]
    padded = np.where(is_real, inputs, np.float32(np.nan))
    assert_close(blocks(stored, padded, carry), plain(stored, padded, carry))


@settings(max_examples=4, deadline=None, derandomize=True)
@given(st.data())
def test_any_number_of_steps_block_and_lengths(data):
    """One block, none, a rest or not; a block in which all sequences have ended."""
    count = data.draw(st.integers(0, 9))
    block = data.draw(st.integers(2, 10))
    lengths = data.draw(st.lists(st.integers(0, count), min_size=B, max_size=B))
    c = case(data.draw(st.sampled_from([Tied(), Untied(12), Cyclic(2)])), "Elman")
    options = {
        "lengths": np.array(lengths, np.int32),
        "start": data.draw(st.integers(0, 3)),
        "reverse": data.draw(st.booleans()),
    }
    stored, _, carry = c.arguments
    inputs = generic((count, B, D), seed=5)
    blocks = c.run(stored, inputs, carry, remat=block, **options)
    assert_close(blocks, c.run(stored, inputs, carry, **options))


def singular(weights, carry, x):
    """A step that is not finite where the carry or the input is zero."""
    carry = carry / jnp.sqrt(jnp.sum(carry**2, -1, keepdims=True))
    x = x / jnp.sqrt(jnp.sum(x**2, -1, keepdims=True))
    carry = jnp.tanh(x @ weights["into"] + carry @ weights["back"])
    return carry, carry


def test_in_blocks_of_padding_alone_a_step_reads_what_it_reads_elsewhere():
    weights = {"into": generic((D, H), 1), "back": generic((H, H), 2)}
    arguments = (weights, generic((T, B, D), 3), generic((B, H), 4))
    lengths = np.array([1, 2, 2], np.int32)
    plain, blocks = (
        gradient_of(
            functools.partial(unroll, singular, Tied(), lengths=lengths, remat=remat)
        )(*arguments)
        for remat in (False, 2)
    )
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(plain))
    assert_close(blocks, plain)


def test_chunks_in_blocks_whose_start_is_traced():
    c = case("Untied-hold", "LSTM")
    stored, inputs, carry = c.arguments
    chunk = jax.jit(functools.partial(c.run, remat=2))
    state, first = chunk(stored, inputs[:3], carry, start=0)
    state, last = chunk(stored, inputs[3:], state, start=3)
    found = state, np.concatenate([first, last])
    assert_close(found, c.run(stored, inputs, carry))


def largest_factor(sharing, remat):
    """Returns the size of the largest factor of a gradient's products."""
    c = case(sharing, "GRU")
    inputs = generic((8, B, D), 1)

    def loss(stored):
        return jnp.sum(c.run(stored, inputs, c.arguments[2], remat=remat)[1])

    return max(
        math.prod(factor.aval.shape)
        for equation in equations_of(jax.make_jaxpr(jax.grad(loss))(c.arguments[0]))
        if equation.primitive.name == "dot_general"
        for factor in equation.invars
    )


def test_blocks_are_fused_where_their_templates_are_known():
    """Where a block is, its steps share a product: of [4 B, 3 H] with [4 B, H]."""
    sizes = [largest_factor(Tied(), remat) for remat in (False, 4, True)]
    assert sizes == [8 * B * 3 * H, 4 * B * 3 * H, H * 3 * H]
    c = case(Cyclic(3), "GRU")
    arguments = (c.arguments[0], generic((12, B, D), 1), c.arguments[2])
    c.run(*arguments, remat=6, implementation="fused")
    with pytest.raises(ValueError, match="has no products of all steps at once"):
        c.run(*arguments, remat=4, implementation="fused")


def temporary(sharing, cell, num_steps, remat):
    """Returns the bytes that a compiled gradient takes beside what it is given."""
    make = functools.partial(cell, 1, 16)
    blueprint = Blueprint.of(make)

    def loss(stored, inputs, carry):
        carry, _ = unroll(
            step_of(blueprint), sharing, stored, inputs, carry, remat=remat
        )
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(carry))

    def init(key):
        return sharing.init(key, lambda key: pure_params(make(rngs=nnx.Rngs(key))))

    stored = jax.eval_shape(init, jax.random.key(0))
    inputs = jax.ShapeDtypeStruct((num_steps, 32, 1), jnp.float32)
    carry = blueprint.bind().initialize_carry((32, 1), None)
    compiled = jax.jit(jax.grad(loss)).lower(stored, inputs, carry).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize(
    "cell", with_slow([LSTMCell, nnx.OptimizedLSTMCell, GRUCell], [LSTMCell])
)
def test_memory_grows_as_the_root_of_the_steps(cell):
    """16 times the steps: 4 times the memory; 16 times without blocks."""
    few, many = (temporary(Tied(), cell, n, "sqrt") for n in (256, 4_096))
    assert many < 5 * few
    assert temporary(Tied(), cell, 4_096, False) > 8 * many


def test_the_steps_of_a_block():
    sizes = {0: 1, 1: 1, 2: 1, 12: 3, 16: 4, 97: 10, 100_000: 250, 99_991: 317}
    assert {count: steps_of_block("sqrt", count) for count in sizes} == sizes
    for remat, message in {
        0: "remat is 0",
        1: "an integer of at least 2",
        "root": "remat is 'root'. Use False, True",
        2.0: "remat is 2.0",
    }.items():
        with pytest.raises(ValueError, match=message):
            steps_of_block(remat, 9)
    (count,) = jax.export.symbolic_shape("t")
    with pytest.raises(ValueError, match="or a known number of steps"):
        steps_of_block("sqrt", count)


def test_layers_and_models_hand_it_on():
    rnn = RNN(
        functools.partial(LSTMCell, D, H), Untied(T), rngs=nnx.Rngs(0), remat="sqrt"
    )
    assert "remat='sqrt'" in repr(rnn)
    task = Adding(T, num_held_out=8)
    for remat, count in ((False, 0), (2, 1)):
        setting = Setting(lambda split: task, LSTMCell, Untied(T), H, remat=remat)
        model = setting.make_model()(rngs=nnx.Rngs(0))
        jaxpr = jax.make_jaxpr(lambda x, model=model: model(x))(np.zeros((B, T, 2)))
        names = [equation.primitive.name for equation in equations_of(jaxpr)]
        assert names.count(REMAT) == count
        assert ("remat" in setting.columns()) == bool(remat)

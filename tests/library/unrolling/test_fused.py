"""The fused unroll against its oracle, the scan; and what makes it fused."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import RNN, Cyclic, LSTMCell, Segments, Tied, Untied, unroll
from rnnshare.sharing.drawing import equations_of
from rnnshare.sharing.products import groups_well
from tests.cases import with_slow
from tests.library.law_cases import LENGTHS, B, D, H, T, assert_close, case, generic
from tests.library.unrolling.fused_cases import FUSING, MADE, both_ways, made

PAIRS = [(sharing, cell) for sharing in FUSING for cell in ("GRU", "LSTM")]
PAIRS += [
    (sharing, cell)
    for sharing in ("Tied", "Untied", "Cyclic", "LowRank")
    for cell in ("Elman", "IRNN", *MADE)
]


# Every way in which weights of a step come to a product, and every cell once.
OF_A_KIND = {
    *((s, "LSTM") for s in ("Untied", "Segments", "Cyclic-equal", "LowRank")),
    *((s, "LSTM") for s in ("TimeInput", "Partition")),
    *(("Tied", "GRU"), ("Untied", "Elman"), ("Tied", "IRNN")),
    *(("Untied", "Leaky"), ("Tied", "Flipped")),
}


@pytest.mark.parametrize(("sharing", "cell"), with_slow(PAIRS, OF_A_KIND))
def test_fused_is_the_scan(sharing, cell):
    """Results and gradients, with lengths."""
    c = made(sharing, cell)
    assert_close(*both_ways(c, *c.arguments, lengths=LENGTHS))


WAYS = [
    {"reverse": True},
    {"reverse": True, "lengths": LENGTHS},
    {"remat": True},
    {"unroll": 3},
    {"lengths": 4},
]
RUNS = [
    (*pair, number, (number - turn) % 3 == 0)
    for turn, pair in enumerate(
        [("Tied", "LSTM"), ("Untied", "Leaky"), ("Cyclic", "GRU")]
    )
    for number in range(len(WAYS))
]


@pytest.mark.parametrize(
    ("sharing", "cell", "way"),
    with_slow([run[:3] for run in RUNS], [run[:3] for run in RUNS if run[3]]),
)
def test_ways_to_run(sharing, cell, way):
    """Of `make test` are the ways in turn, each of one pair."""
    c = made(sharing, cell)
    assert_close(*both_ways(c, *c.arguments, **WAYS[way]))


@pytest.mark.parametrize(
    ("sharing", "batch"),
    with_slow(
        itertools.product(["Tied", "Untied", "Segments", "Cyclic"], [(), (1,), (2, 3)]),
        [("Untied", ()), ("Segments", (2, 3))],
    ),
)
def test_batch_shapes(sharing, batch):
    c = made(sharing, "LSTM")
    carry = (generic((*batch, H), 5), generic((*batch, H), 6))
    arguments = (c.arguments[0], generic((T, *batch, D), 4), carry)
    assert_close(*both_ways(c, *arguments))
    lengths = np.arange(np.prod(batch, dtype=int), dtype=np.int32).reshape(batch)
    assert_close(*both_ways(c, *arguments, lengths=lengths))


CHUNKED = [Segments(32, 5), Cyclic(5), Untied(32)]


@pytest.mark.parametrize(
    ("sharing", "start"),
    with_slow(
        itertools.product(CHUNKED, [0, 3, 5]),
        [(CHUNKED[0], 3), (CHUNKED[1], 5), (CHUNKED[2], 3)],
    ),
    ids=repr,
)
def test_chunks(sharing, start):
    c = case(sharing, "GRU")
    assert_close(*both_ways(c, *c.arguments, start=start))


def test_bfloat16():
    """Results and gradients stay in it, near those in float32."""
    c = made("Tied", "LSTM")
    half = jax.tree.map(lambda x: jnp.asarray(x, jnp.bfloat16), c.arguments)
    fused, scan = both_ways(c, *half, lengths=LENGTHS)
    assert {leaf.dtype for leaf in jax.tree.leaves(fused)} == {jnp.dtype("bfloat16")}
    wide, _ = both_ways(c, *c.arguments, lengths=LENGTHS)
    for tree in (fused, scan):
        tree = jax.tree.map(lambda x: np.asarray(x, np.float32), tree)
        assert_close(tree, wide, 0.05)


def test_auto_is_fused_where_it_can_be():
    def is_fused(sharing, cell="LSTM", **options):
        c = case(sharing, cell)
        jaxpr = jax.make_jaxpr(functools.partial(c.run, **options))(*c.arguments)
        names = {e.primitive.name for e in equations_of(jaxpr.jaxpr)}
        return "custom_jvp_call" in names

    for sharing in FUSING.values():
        assert is_fused(sharing)
    assert not is_fused("Tied", remat=True)
    assert not is_fused("Tied", implementation="scan")
    assert not is_fused("Tied", "nnx.OptimizedLSTM")
    assert not is_fused("Mixture")
    # Products of groups pay where the groups are known, and not mostly padding.
    assert groups_well(np.array([0, 1, 1, 2]))
    assert not groups_well(np.array([0, 1, 2, 3, 3, 3, 3, 3, 3, 3]))
    assert not groups_well(jnp.array([0, 1, 1, 2]))


def test_rnn_takes_an_implementation():
    inputs = jnp.asarray(generic((B, T, D), 1))
    make = functools.partial(LSTMCell, D, H)
    found = [
        RNN(make, implementation=name, rngs=nnx.Rngs(0))(inputs)
        for name in ("auto", "fused", "scan")
    ]
    assert_close(found[0], found[2])
    assert_close(found[1], found[2])


@pytest.mark.parametrize(
    ("sharing", "cell", "implementation", "message"),
    [
        ("Tied", "LSTM", "fast", "'fast'. Use one of 'auto', 'scan', 'fused', 'cudnn'"),
        ("Tied", "nnx.GRU", "fused", "is not that of an AffineCell"),
        ("Mixture", "LSTM", "fused", "has no products .* Use 'auto' or 'scan'"),
    ],
)
def test_errors(sharing, cell, implementation, message):
    c = case(sharing, cell)
    with pytest.raises(ValueError, match=message):
        c.run(*c.arguments, implementation=implementation)


def test_inputs_of_several_arrays_are_scanned():
    c = case("Tied", "LSTM")
    stored, inputs, carry = c.arguments

    def step(weights, carry, x):
        return c.step(weights, carry, x["a"])

    run = functools.partial(unroll, step, Tied(), stored, {"a": inputs}, carry)
    assert_close(run(), c.run(*c.arguments))
    with pytest.raises(ValueError, match="does not apply"):
        run(implementation="fused")

"""The laws that every sharing obeys with every cell; the table is in law_cases.py."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from rnnshare import Cyclic, Segments, Tied, Untied, expand, num_parameters
from tests.cases import with_slow
from tests.library.law_cases import (
    CELLS,
    LENGTHS,
    PAIRS,
    POLICIES,
    SHARINGS,
    B,
    D,
    H,
    T,
    assert_close,
    assert_equal,
    assert_equal_to_rounding,
    case,
    pulled,
)
from tests.library.law_parameters import (
    OF_ALL,
    OF_GRADIENTS,
    OF_RUNNING,
    parameters,
)


# Module scope: the tests of one case stand together, and share what it compiled.
@pytest.fixture(scope="module", params=parameters(PAIRS, OF_ALL))
def c(request):
    return case(*request.param)


# For laws of one form or policy as of the other: each cell once, tied.
each_once = pytest.mark.parametrize(
    "c", parameters(PAIRS, OF_RUNNING, ("Tied",)), indirect=True, scope="module"
)


def cell_of(request):
    return request.node.callspec.params["c"][1]


def test_l1_meaning(c, request):
    """A run is the untied run of what `expand` returns."""
    stored, inputs, carry = c.arguments
    each = jax.jit(lambda s: expand(c.sharing, s, T))(stored)
    untied, _ = case("Untied", cell_of(request)).gradient(each, inputs, carry)
    results, _ = c.gradient(*c.arguments)
    assert_close(results, untied)


def test_l2_gradient(c, request):
    """Its gradient is the transpose of `expand` at the untied gradient."""
    stored, inputs, carry = c.arguments

    @jax.jit
    def pull(stored, g_each):
        return jax.vjp(lambda s: expand(c.sharing, s, T), stored)[1](g_each)[0]

    each = jax.jit(lambda s: expand(c.sharing, s, T))(stored)
    untied = case("Untied", cell_of(request)).gradient
    _, (g_each, *g_others) = untied(each, inputs, carry)
    _, (g_stored, *others) = c.gradient(*c.arguments)
    assert_close(others, g_others)
    assert_close(g_stored, pull(stored, g_each))
    if c.sharing == Tied():
        assert_close(g_stored, jax.tree.map(lambda g: np.sum(g, 0), g_each))


@each_once
def test_l5_lengths(c):
    """The padding is inert to the bit, and a length is the shorter run."""
    stored, inputs, carry = c.arguments
    run = c.gradient_with_lengths
    if not c.is_causal:
        with pytest.raises(ValueError, match="over the batch's one length"):
            run(stored, inputs, carry, LENGTHS)
        return
    is_real = np.arange(T)[:, None, None] < LENGTHS[:, None]
    clean = run(stored, np.where(is_real, inputs, np.float32(0)), carry, LENGTHS)
    for filling in (1e30, np.nan, np.inf):
        dirty = np.where(is_real, inputs, np.float32(filling))
        assert_equal(run(stored, dirty, carry, LENGTHS), clean)
    (final, outputs), (g_stored, g_inputs, g_carry) = clean
    assert not np.any(np.where(is_real, 0, outputs))
    assert not np.any(np.where(is_real, 0, g_inputs))
    assert all(np.all(np.isfinite(g)) for g in jax.tree.leaves((g_stored, g_carry)))
    first = functools.partial(jax.tree.map, lambda leaf: leaf[0])
    assert_equal(first(final), first(carry))  # the sequence of length 0

    n = 4
    (final, outputs), (g_stored, g_inputs, g_carry) = run(
        stored, inputs, carry, np.full(B, n, np.int32)
    )
    cut = ((final, outputs[:n]), (g_stored, g_inputs[:n], g_carry))
    assert_close(cut, c.gradient(stored, inputs[:n], carry))


def test_l8_one_trace_for_repeated_calls(c):
    @functools.partial(jax.jit, static_argnums=0)
    @chex.assert_max_traces(n=1)
    def run(sharing, stored, inputs, carry):
        del sharing  # equal to the case's own, as a static argument
        return jax.eval_shape(c.run, stored, inputs, carry) and jnp.sum(inputs)

    stored, inputs, carry = c.arguments
    for scale in (1, 2, 3):
        run(dataclasses.replace(c.sharing), stored, np.float32(scale) * inputs, carry)


@each_once
def test_l12_every_entry_gets_a_gradient(c, request):
    """No scheme trains a part of itself: every entry of every weight set moves."""
    _, (g_stored, *_) = c.gradient(*c.arguments)
    for path, leaf in jax.tree_util.tree_leaves_with_path(g_stored):
        rests = cell_of(request) == "IRNN"  # a rectifier may rest for some units
        assert np.any(leaf) if rests else np.all(leaf), jax.tree_util.keystr(path)


ENDS = {
    "Segments(T, 1)": (Segments(T, 1), "Tied"),
    "Cyclic(1)": (Cyclic(1), "Tied"),
    "Segments(T, T)": (Segments(T, T), "Untied"),
    "Cyclic(T)": (Cyclic(T), "Untied"),
}


@pytest.mark.parametrize(
    "cell",
    with_slow(
        ["Elman", "GRU", "LSTM", "nnx.OptimizedLSTM"], {"LSTM", "nnx.OptimizedLSTM"}
    ),
)
def test_l3_ends(cell):
    """Where a sharing selects, its ends are tied and untied, but for rounding.

    The weights are the same bits; the programs that read them are not the same.
    """
    # A product's sum of D + H + 1 terms and some ten pointwise operations a step, T
    # steps forward and T back, and a kernel's gradient, the sum over T and B.
    roundings = 2 * T * (D + H + 1 + 10) + T * B
    for end, limit in ENDS.values():
        limit = case(limit, cell)
        stored, inputs, carry = limit.arguments
        results, (g_limit, *g_others) = limit.gradient(*limit.arguments)
        if limit.sharing == Tied():
            stack = functools.partial(jax.tree.map, lambda w: w[None])
            stored, g_limit = stack(stored), stack(g_limit)
        each = jax.jit(functools.partial(expand, end, num_steps=T))(stored)
        assert_equal(each, expand(limit.sharing, limit.arguments[0], T))
        assert_equal_to_rounding(
            case(end, cell).gradient(stored, inputs, carry),
            (results, (g_limit, *g_others)),
            roundings,
        )


@pytest.mark.parametrize("num_steps", with_slow([1, 7, 64], {7}))
@pytest.mark.parametrize("cell", CELLS)
def test_l10_stored_parameters(cell, num_steps):
    """A sharing of K weight sets stores K P, and its expansion has T P."""
    one = num_parameters(case("Tied", cell).shapes)
    half = (num_steps + 1) // 2
    for sharing, sets in [
        (Untied(num_steps), num_steps),
        (Untied(num_steps, same_init=True), num_steps),
        (Segments(num_steps, half), half),
        (Cyclic(3), 3),
    ]:
        shapes = case(sharing, cell).shapes
        assert num_parameters(shapes) == sets * one
        each = jax.eval_shape(lambda s, k=sharing: expand(k, s, num_steps), shapes)
        assert num_parameters(each) == num_steps * one


@pytest.mark.parametrize("sharing", with_slow([*SHARINGS, *POLICIES], OF_GRADIENTS))
def test_l13_finite_differences(sharing):
    """In float64, of a run with lengths."""
    c = case(sharing, "GRU")
    lengths = LENGTHS if c.is_causal else 4
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda x: jnp.asarray(x, np.float64), c.arguments)
        run = jax.jit(lambda *args: pulled(c.run(*args, lengths=lengths)))
        check_grads(run, wide, order=1, modes=["rev"], eps=1e-6, rtol=1e-6, atol=1e-6)


def test_the_program_does_not_grow_with_the_steps():
    """So compile time does not either."""

    def num_lines(num_steps):
        c = case(Untied(num_steps), "LSTM")
        stored, _, carry = c.arguments
        inputs = np.zeros((num_steps, B, D), np.float32)
        run = jax.grad(lambda s: pulled(c.run(s, inputs, carry)))
        return len(str(jax.make_jaxpr(run)(stored)).splitlines())

    assert num_lines(16) == num_lines(128)

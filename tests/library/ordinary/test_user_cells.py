"""Cells that users bring: each is what `nnx.RNN` makes of it, and inert in padding."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import RNN, Tied, Untied, unroll
from tests.cases import with_slow
from tests.library.ordinary.cases import (
    Case,
    D,
    H,
    T,
    assert_same,
    generic,
    graded,
    or_refused,
    plain,
)
from tests.library.ordinary.user_cells import (
    LENGTHS,
    USER_CELLS,
    BatchMean,
    DrawnStart,
    Frozen,
    NoStart,
    SharedZoneout,
)

B = len(LENGTHS)
SHARINGS = {"Tied": Tied(), "Untied": Untied(T)}
# A fused way and a scan each, and for some a set of weights a step.
WAYS = [(name, "Tied", "auto") for name in USER_CELLS]
WAYS += [
    (name, "Tied", implementation)
    for name in ("peephole", "unit", "countdown", "softmax", "normalising")
    for implementation in ("fused", "scan")
]
WAYS += [
    (name, "Untied", "auto")
    for name in ("peephole", "zoneout", "learned start", "complex", "log domain")
]
# A carry of one array, of several, of other shapes and types; learned, given, random.
KINDS = {"layer norm", "convolution", "learned start", "complex and real"}
KINDS |= {"countdown", "dictionaries", "no start", "unit"}
OF_A_KIND = [(name, "Tied", "auto") for name in KINDS]
OF_A_KIND += [("unit", "Tied", "fused"), ("zoneout", "Untied", "auto")]


@functools.cache
def case(name, sharing, implementation="auto"):
    cell = USER_CELLS[name]
    options = {"batch": B, "implementation": implementation}
    return Case(SHARINGS[sharing], cell.make, cell.features, **options)


@functools.cache
def compiled(name, sharing, implementation):
    """Returns a run with gradients, of (state, inputs, initial carry), lengths."""
    c = case(name, sharing, implementation)

    def run(state, inputs, carry, lengths):
        return c.run(state, inputs, initial_carry=carry, seq_lengths=lengths)

    return jax.jit(graded(run, derived(name)))


def derived(name):
    """What has a gradient: an initial carry too, where one is given."""
    return (0, 1) if USER_CELLS[name].carry is None else (0, 1, 2)


def carry_of(name, lengths):
    make = USER_CELLS[name].carry
    return None if make is None else make(lengths)


@pytest.mark.parametrize("name", with_slow(USER_CELLS, KINDS))
def test_tied_it_is_flax(name):
    """With lengths that are all of the steps, which Flax is not told."""
    c, lengths = case(name, "Tied"), np.full(B, T, np.int32)
    arguments = (c.state, c.inputs, carry_of(name, lengths))

    def by_flax(state, inputs, carry):
        return c.by_flax(state, inputs, initial_carry=carry)

    expected = jax.jit(graded(by_flax, derived(name)))(*arguments)
    assert_same(compiled(name, "Tied", "auto")(*arguments, lengths), expected)


@functools.cache
def alone(name, sharing):
    """Returns what the sequences of LENGTHS are, one by one, and their gradients."""
    c = case(name, sharing)
    run = functools.partial(c.alone, lengths=LENGTHS)
    function = jax.jit(graded(run, derived(name)))
    return function(c.state, c.inputs, carry_of(name, LENGTHS))


@pytest.mark.parametrize(
    ("name", "sharing", "implementation"), with_slow(WAYS, OF_A_KIND)
)
def test_lengths(name, sharing, implementation):
    """Sequences run alone; what stands in the padding changes no bit."""
    c, carry = case(name, sharing, implementation), carry_of(name, LENGTHS)
    run = compiled(name, sharing, implementation)
    real = np.arange(T)[None] < np.array(LENGTHS)[:, None]
    real = real.reshape(B, T, *(1,) * (c.inputs.ndim - 2))

    def filled(filling):
        inputs = np.where(real, c.inputs, np.float32(filling))
        return run(c.state, inputs, carry, np.array(LENGTHS, np.int32))

    if implementation == "fused":
        clean = or_refused(lambda: filled(0), "does not apply")
        if clean is None:
            return
    else:
        clean = filled(0)
    assert_same(clean, alone(name, sharing))
    for filling in (1e30, np.nan, np.inf):
        for a, b in zip(plain(filled(filling)), plain(clean), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["layer norm", "convolution", "zoneout"])
def test_reverse(name):
    c = case(name, "Tied")
    lengths = jnp.array([2, 1, T])
    options = {"seq_lengths": lengths, "reverse": True, "keep_order": True}
    carry, outputs = c.run(c.state, c.inputs, **options)
    expected_carry, expected = c.by_flax(c.state, c.inputs, **options)
    real = np.arange(T)[None] < lengths[:, None]
    real = real.reshape(B, T, *(1,) * (expected.ndim - 2))
    assert_same((carry, outputs), (expected_carry, jnp.where(real, expected, 0.0)))


@pytest.mark.parametrize("sharing", SHARINGS)
def test_filters_find_parameters_by_their_type(sharing):
    """A frozen parameter stays one, and no gradient of the others' moves it."""
    c = case("frozen", sharing)
    trained = nnx.All(nnx.Param, nnx.Not(Frozen))
    frozen, rest = nnx.state(c.rnn, Frozen), nnx.state(c.rnn, trained)
    lead = () if sharing == "Tied" else (T,)
    assert [leaf.shape for leaf in jax.tree.leaves(frozen)] == [(*lead, H, H)]
    assert len(jax.tree.leaves(rest)) == 2  # the kernel and the bias of the others

    def loss(rnn, inputs):
        return jnp.sum(rnn(inputs) ** 2)

    gradient = nnx.grad(loss, argnums=nnx.DiffState(0, trained))(c.rnn, c.inputs)
    assert jax.tree.structure(gradient) == jax.tree.structure(rest)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_parameters_keep_what_is_said_of_them(sharing):
    """The metadata of a variable, from which Flax reads shardings."""
    (kernel,) = (
        variable
        for _, variable in nnx.iter_graph(case("frozen", sharing).rnn)
        if isinstance(variable, nnx.Param) and variable.shape[-2:] == (H, H)
    )
    assert kernel.get_metadata().get("origin") == "a paper"


@pytest.mark.parametrize("streams", [{"carry": 5}, {"default": 5}], ids=str)
def test_a_drawn_initial_carry(streams):
    """The numbers that Flax draws, of all streams or of the one."""
    c = Case(Tied(), DrawnStart, batch=B)
    for rngs in (lambda: nnx.Rngs(**streams), lambda: nnx.Rngs(**streams).carry):
        assert_same(
            c.run(c.state, c.inputs, rngs=rngs()),
            c.by_flax(c.state, c.inputs, rngs=rngs()),
        )


def test_rngs_for_dropout_alone_are_none_for_the_carry():
    c = Case(Tied(), DrawnStart, batch=B)
    found = c.run(c.state, c.inputs, rngs=nnx.Rngs(dropout=5))
    assert_same(found, c.run(c.state, c.inputs))


def test_an_initial_carry_that_is_not_given_is_asked_for():
    rnn = RNN(NoStart, rngs=nnx.Rngs(0))
    kinds = (ValueError, TypeError, NotImplementedError)
    with pytest.raises(kinds, match=r"NoStart.*initial_carry"):
        rnn(jnp.zeros((B, T, D)))


def test_an_output_without_batch():
    """It is what `lax.scan` makes of it; with lengths there is nothing to mask."""
    c = Case(Tied(), BatchMean, batch=B)
    inputs = jnp.swapaxes(c.inputs, 0, 1)
    carry = jnp.asarray(generic((B, H), 4))

    def step(weights, carry, x):
        return c.cell_with(weights)(carry, x)

    run = functools.partial(unroll, step, Tied(), c.rnn.stored, inputs, carry)
    expected = jax.lax.scan(functools.partial(step, c.rnn.stored), carry, inputs)
    assert_same(run(), expected)
    assert_same(
        c.rnn(inputs, initial_carry=carry, time_major=True, return_carry=True), expected
    )
    for lengths in (np.array(LENGTHS), 2):
        with pytest.raises(ValueError, match=r"output|step returns"):
            run(lengths=np.full(B, lengths))
    with pytest.raises(ValueError, match=r"output|step returns|time_major"):
        c.rnn(c.inputs, initial_carry=carry)


def test_a_carry_without_batch():
    """One key for the batch: a loop as any other, but none that can stop for one."""
    c = Case(Tied(), SharedZoneout, batch=B)
    assert_same(
        *(jax.jit(graded(run))(c.state, c.inputs) for run in (c.run, c.by_flax))
    )
    with pytest.raises(ValueError, match=r"carry has shape .* must begin with the"):
        c.run(c.state, c.inputs, seq_lengths=np.array(LENGTHS))

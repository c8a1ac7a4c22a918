"""The fused unroll against its oracle, the scan; and what makes it fused."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from rnnshare import (
    RNN,
    AffineCell,
    Cyclic,
    LowRank,
    LSTMCell,
    Partition,
    Scaled,
    Segments,
    Tied,
    TimeInput,
    Untied,
    unroll,
)
from rnnshare.sharing.drawing import equations_of
from rnnshare.sharing.products import groups_well
from tests.library.law_cases import (
    LENGTHS,
    B,
    Case,
    D,
    H,
    T,
    assert_close,
    case,
    generic,
    generic_like,
    gradient_of,
    pulled,
)


class Leaky(AffineCell):
    """A cell that does not say its derivative, nor output what it carries."""

    gates = ("h",)
    recurrent_bias = True

    @staticmethod
    def activate(carry, from_input, from_hidden):
        h = 0.5 * carry + 0.5 * jnp.sin(from_input) * jnp.cos(from_hidden)
        return h, h * h


class Flipped(LSTMCell):
    """A cell with another function than its base, whose derivative is not its own."""

    @staticmethod
    def activate(carry, from_input, from_hidden):
        (c, h), _ = LSTMCell.activate(carry, from_input, -from_hidden)
        return (c, h), h


FUSING = {
    "Tied": Tied(),
    "Untied": Untied(T),
    "Untied-mean": Untied(4, beyond="mean"),
    "Segments": Segments(T, 4),
    "Segments-equal": Segments(T, 3),
    "Cyclic": Cyclic(4),
    "Cyclic-equal": Cyclic(3),
    "LowRank": LowRank(T, 2),
    "Scaled-of-Cyclic": Scaled(T, base=Cyclic(2)),
    "TimeInput": TimeInput(3, period=5),
    "Partition": Partition({"input.kernel": Untied(T), "bias": Segments(T, 2)}),
}
MADE = {"Leaky": Leaky, "Flipped": Flipped}


@functools.cache
def made(sharing, cell):
    if cell in MADE:
        return Case(FUSING[sharing], functools.partial(MADE[cell], D, H))
    return case(FUSING[sharing], cell)


def both_ways(c, *arguments, **options):
    return [
        gradient_of(functools.partial(c.run, implementation=name, **options))(
            *arguments
        )
        for name in ("fused", "scan")
    ]


PAIRS = [(sharing, cell) for sharing in FUSING for cell in ("GRU", "LSTM")]
PAIRS += [
    (sharing, cell)
    for sharing in ("Tied", "Untied", "Cyclic", "LowRank")
    for cell in ("Elman", "IRNN", *MADE)
]


@pytest.mark.parametrize(("sharing", "cell"), PAIRS)
def test_fused_is_the_scan(sharing, cell):
    """Results and gradients, with lengths."""
    c = made(sharing, cell)
    assert_close(*both_ways(c, *c.arguments, lengths=LENGTHS))


@pytest.mark.parametrize(
    ("sharing", "cell"), [("Tied", "LSTM"), ("Untied", "Leaky"), ("Cyclic", "GRU")]
)
@pytest.mark.parametrize(
    "options",
    [{"reverse": True}, {"reverse": True, "lengths": LENGTHS}, {"remat": True},
     {"unroll": 3}, {"lengths": 4}],
    ids=str,
)  # fmt: skip
def test_ways_to_run(sharing, cell, options):
    c = made(sharing, cell)
    assert_close(*both_ways(c, *c.arguments, **options))


@pytest.mark.parametrize("batch", [(), (1,), (2, 3)], ids=str)
@pytest.mark.parametrize("sharing", ["Tied", "Untied", "Segments", "Cyclic"])
def test_batch_shapes(sharing, batch):
    c = made(sharing, "LSTM")
    carry = (generic((*batch, H), 5), generic((*batch, H), 6))
    arguments = (c.arguments[0], generic((T, *batch, D), 4), carry)
    assert_close(*both_ways(c, *arguments))
    lengths = np.arange(np.prod(batch, dtype=int), dtype=np.int32).reshape(batch)
    assert_close(*both_ways(c, *arguments, lengths=lengths))


@pytest.mark.parametrize("start", [0, 3, 5])
@pytest.mark.parametrize("sharing", [Segments(32, 5), Cyclic(5), Untied(32)], ids=repr)
def test_chunks(sharing, start):
    c = case(sharing, "GRU")
    assert_close(*both_ways(c, *c.arguments, start=start))


@pytest.mark.parametrize("cell", ["Elman", "IRNN", "GRU", "LSTM"])
def test_cells_know_their_derivative(cell):
    """What a cell says of its derivative is that of `activate`, in float64."""
    module = case("Tied", cell).blueprint.bind()
    with jax.enable_x64(True):
        width = module.num_gates * H
        carry = module.initialize_carry((B, D), None)
        shapes = (carry, *[jax.ShapeDtypeStruct((B, width), float)] * 2)
        at, tangents = (
            jax.tree.map(lambda x: x.astype(float), generic_like(shapes, seed))
            for seed in (1, 2)
        )
        results, residuals = module.forward_with_residuals(*at)
        expected = jax.jvp(module.pointwise, at, tangents)
        along = module.jvp_from_residuals(residuals, *tangents)
        assert_close((results, along), expected, 1e-12)
        if module.reads_sum_only:
            carry, a, u = at
            moved = module.pointwise(carry, a + u, jnp.zeros_like(u))
            assert_close(results, moved, 1e-12)


@pytest.mark.parametrize(
    ("sharing", "cell"), [("Tied", "LSTM"), ("Untied", "Leaky"), ("Cyclic", "GRU")]
)
def test_to_second_order(sharing, cell):
    """Finite differences in float64, in both modes and of the gradient too."""
    c = made(sharing, cell)
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda x: jnp.asarray(x, np.float64), c.arguments)
        short = (wide[0], wide[1][:, :1], jax.tree.map(lambda x: x[:1], wide[2]))

        @jax.jit
        def run(*arguments):
            return pulled(c.run(*arguments, implementation="fused"))

        check_grads(run, short, order=2, modes=["fwd", "rev"], rtol=1e-5, atol=1e-6)


def test_a_cell_with_another_function_takes_nothing_back():
    for name in ("forward_with_residuals", "jvp_from_residuals"):
        assert getattr(Flipped, name) is getattr(AffineCell, name)
    assert not Flipped.reads_sum_only and not Flipped.is_cudnn_lstm
    assert LSTMCell.reads_sum_only and LSTMCell.is_cudnn_lstm


def test_derivatives_agree_with_those_of_the_scan():
    """Forward mode, and the Hessian's products, to rounding."""
    c = made("Segments", "LSTM")
    stored, inputs, carry = c.arguments
    direction = generic_like(stored, 7)
    found = []
    for name in ("fused", "scan"):

        def loss(stored, name=name):
            return pulled(c.run(stored, inputs, carry, implementation=name))

        along = jax.jvp(loss, (stored,), (direction,))
        forward_over_reverse = jax.jvp(jax.grad(loss), (stored,), (direction,))
        reverse_over_forward = jax.grad(
            lambda s, loss=loss: jax.jvp(loss, (s,), (direction,))[1]
        )(stored)
        assert_close(reverse_over_forward, forward_over_reverse[1])
        found.append((along, forward_over_reverse))
    assert_close(*found)


def test_no_gradient_per_example_under_vmap():
    """Nor is a kernel's gradient added up step by step in a loop."""
    count, width = 5, 4 * H
    c = made("Tied", "LSTM")
    stored, _, carry = c.arguments
    inputs = generic((count, T, D), 3)
    carry = jax.tree.map(lambda x: x[0], carry)

    def losses(stored, name):
        def one(x):
            return c.run(stored, x, carry, implementation=name)

        return pulled(jax.vmap(one)(inputs))

    found, values = {}, []
    for name in ("fused", "scan"):
        gradient = jax.grad(functools.partial(losses, name=name))
        values.append(gradient(stored))
        results = [
            (equation.primitive.name, out.aval.shape)
            for equation in equations_of(jax.make_jaxpr(gradient)(stored).jaxpr)
            for out in equation.outvars
        ]
        assert not any(shape == (count, H, width) for _, shape in results)
        found[name] = ("scan", (H, width)) in results
    assert found == {"fused": False, "scan": True}
    assert_close(*values)


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

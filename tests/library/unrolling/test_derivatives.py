"""The derivatives of the fused unroll, to second order and under vmap."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from rnnshare import AffineCell, LSTMCell
from rnnshare.sharing.drawing import equations_of
from tests.cases import with_slow
from tests.library.law_cases import (
    B,
    D,
    H,
    T,
    assert_close,
    case,
    generic,
    generic_like,
    pulled,
)
from tests.library.unrolling.fused_cases import Flipped, made


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
    ("sharing", "cell"),
    with_slow(
        [("Tied", "LSTM"), ("Untied", "Leaky"), ("Cyclic", "GRU")], [("Tied", "LSTM")]
    ),
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

        @jax.jit
        def derivatives(stored, name=name):
            def loss(stored):
                return pulled(c.run(stored, inputs, carry, implementation=name))

            def slope(stored):
                return jax.jvp(loss, (stored,), (direction,))[1]

            along = jax.jvp(loss, (stored,), (direction,))
            forward_over_reverse = jax.jvp(jax.grad(loss), (stored,), (direction,))
            return along, forward_over_reverse, jax.grad(slope)(stored)

        along, forward_over_reverse, reverse_over_forward = derivatives(stored)
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

"""Any cell in parallel over time against the scan; and what does not converge."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from rnnshare import RNN, GRUCell, LowRank, Untied
from rnnshare.sharing.drawing import equations_of
from rnnshare.unrolling import Newton
from tests.cases import with_slow
from tests.library.law_cases import (
    LENGTHS,
    B,
    D,
    H,
    T,
    assert_close,
    case,
    generic,
    gradient_of,
    pulled,
)
from tests.library.unrolling.convergence_table import CELLS as TABLE_CELLS
from tests.library.unrolling.convergence_table import STEPS, convergence, sharings

OPTIONS = {
    "whole": {},
    "lengths": {"lengths": LENGTHS},
    "reverse": {"lengths": LENGTHS, "reverse": True},
    "one length": {"lengths": 4, "unroll": 2},
}
WAYS = list(
    itertools.product(
        ("Tied", "Untied", "Segments", "Cyclic", "Mixture", "LowRank", "Hypernetwork"),
        ("Elman", "GRU", "LSTM", "LRU", "nnx.OptimizedLSTM"),
        OPTIONS,
    )
)
KEPT = [("Untied", "LSTM", "reverse")]


@pytest.mark.parametrize(("sharing", "cell", "how"), with_slow(WAYS, KEPT))
def test_both_are_the_scan(sharing, cell, how):
    """Results and gradients, of float32: 1e-6 of the largest, and Newton's 1e-4."""
    c = case(sharing, cell)
    ways = ("parallel_backward", "parallel", "scan")
    backward, newton, scan = (
        gradient_of(functools.partial(c.run, implementation=name, **OPTIONS[how]))(
            *c.arguments
        )
        for name in ways
    )
    assert_close(backward, scan, 1e-6)
    assert_close(newton, scan, 1e-4)


@pytest.mark.parametrize(
    "diagonal", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_long_sequences_at_the_default_initialisation(diagonal):
    """In float64, where the only difference is the tolerance."""
    solver = Newton(1e-9, 200, "diagonal" if diagonal else "full")
    with jax.enable_x64(True):
        rnn = RNN(functools.partial(GRUCell, D, 8, param_dtype=np.float64), Untied(64),
                  rngs=nnx.Rngs(0))  # fmt: skip
        graphdef, state = nnx.split(rnn)
        inputs = jnp.asarray(generic((B, 64, D), 1, np.float64))

        def gradients(implementation):
            def loss(state, inputs):
                model = nnx.merge(graphdef, state)
                model.implementation = implementation
                return pulled(model(inputs, seq_lengths=np.array([64, 0, 40])))

            return jax.jit(jax.value_and_grad(loss, (0, 1)))(state, inputs)

        assert_close(gradients(solver), gradients("scan"), 1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("start", [0, 3])
@pytest.mark.parametrize("batch", [(), (2, 3)])
@pytest.mark.parametrize("sharing", [Untied(32), LowRank(32)], ids=repr)
def test_chunks_and_batch_axes(sharing, batch, start):
    c = case(sharing, "LSTM")
    inputs = generic((T, *batch, D), 4)
    carry = (generic((*batch, H), 5), generic((*batch, H), 6))
    lengths = np.arange(np.prod(batch, dtype=int), dtype=np.int32).reshape(batch)
    for options in ({"start": start}, {"start": start, "lengths": lengths}):
        found, expected = (
            gradient_of(functools.partial(c.run, implementation=name, **options))(
                c.arguments[0], inputs, carry
            )
            for name in ("parallel", "scan")
        )
        assert_close(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("num_steps", STEPS)
@pytest.mark.parametrize("sharing", sharings(4))
@pytest.mark.parametrize("cell", TABLE_CELLS)
def test_iterations_at_the_default_initialisation_are_few(cell, sharing, num_steps):
    """Tied and untied alike; an issue of how fast a cell forgets, and not of T."""
    ends = convergence(cell, sharing, num_steps, "full")
    assert ends.converged
    assert 3 <= ends.iterations <= 8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["parallel_backward", "parallel"])
def test_derivatives_to_second_order_in_both_modes(name):
    c = case("Untied", "LSTM")
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda x: jnp.asarray(x, np.float64), c.arguments)
        way = Newton(tolerance=1e-10) if name == "parallel" else name

        @jax.jit
        def run(*arguments):
            return pulled(c.run(*arguments, lengths=LENGTHS, implementation=way))

        check_grads(run, wide, order=2, modes=["fwd", "rev"], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["parallel_backward", "parallel"])
def test_padding_is_inert_and_no_steps_are_none(name):
    c = case("Untied", "GRU")
    stored, inputs, carry = c.arguments
    run = gradient_of(functools.partial(c.run, lengths=LENGTHS, implementation=name))
    is_real = np.arange(T)[:, None, None] < LENGTHS[:, None]
    clean = run(stored, np.where(is_real, inputs, np.float32(0)), carry)
    dirty = run(stored, np.where(is_real, inputs, np.float32(np.nan)), carry)
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)
    last, outputs = c.run(stored, inputs[:0], carry, implementation=name)
    np.testing.assert_array_equal(last, carry)
    assert outputs.shape == (0, B, H)


def test_no_steps_and_no_sequences_have_a_gradient():
    c = case("Untied", "GRU")
    stored, inputs, carry = c.arguments

    def gradient(inputs, carry):
        def loss(carry):
            return pulled(c.run(stored, inputs, carry, implementation="parallel"))

        return jax.grad(loss)(carry)

    expected = jax.grad(lambda c: pulled((c,)))(carry)
    assert_close(gradient(inputs[:0], carry), expected)
    assert gradient(inputs[:, :0], carry[:0]).shape == (0, H)


def test_a_layer_takes_a_solver():
    make = functools.partial(GRUCell, D, H)
    layers = [
        RNN(make, implementation=Newton(tolerance=1e-6), rngs=nnx.Rngs(0))
        for _ in range(2)
    ]
    graphdefs = [nnx.split(layer)[0] for layer in layers]
    assert graphdefs[0] == graphdefs[1]
    assert hash(graphdefs[0]) == hash(graphdefs[1])
    assert "implementation=Newton(tolerance=1e-06" in repr(layers[0])


def test_it_is_never_chosen(monkeypatch):
    c = case("Tied", "nnx.GRU")
    for backend in ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        jaxpr = jax.make_jaxpr(c.run)(*c.arguments)
        names = {e.primitive.name for e in equations_of(jaxpr.jaxpr)}
        assert not names & {"while", "custom_jvp_call", "custom_linear_solve"}

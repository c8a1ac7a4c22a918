"""Where a parallel implementation does not converge, or does not apply."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare import ElmanCell, Tied, unroll
from rnnshare.sharing.drawing import equations_of
from rnnshare.unrolling import Newton, newton, newton_convergence
from tests.library.law_cases import (
    B,
    Case,
    D,
    H,
    T,
    assert_close,
    case,
    generic,
    pulled,
)


def diverging(num_steps=48, width=16, log=True):
    """Returns an Elman cell of the largest Lyapunov exponent far above 0, to be run."""
    c = Case(Tied(), functools.partial(ElmanCell, D, width))
    stored = jax.tree.map(jnp.asarray, c.arguments[0])
    kernel = 4 * np.random.default_rng(0).normal(size=(width, width)) / np.sqrt(width)
    stored["recurrent"]["kernel"] = jnp.asarray(kernel, jnp.float32)
    arguments = (stored, generic((num_steps, 2, D), 2), generic((2, width), 3))
    return c, arguments, Newton(max_iterations=8, log=log)


def test_what_does_not_converge_is_the_scan_and_says_so(caplog):
    c, arguments, solver = diverging()

    @jax.jit
    def found(*arguments):
        return c.run(*arguments, implementation=solver)

    results = found(*arguments)
    jax.effects_barrier()
    assert "did not converge: after 8 of them" in caplog.text
    assert "The scan ran instead" in caplog.text
    assert_close(results, c.run(*arguments, implementation="scan"), 1e-6)
    with pytest.raises(AssertionError):  # or nothing would have been asked of it
        assert_close(results[1], _without_fall_back(c, arguments, solver), 0.1)


def _without_fall_back(c, arguments, solver):
    """Returns what the iterations end with."""
    stored, inputs, carry = arguments

    def advance(before):
        kernels = stored["input"]["kernel"], stored["recurrent"]["kernel"]
        bias = stored["input"]["bias"].reshape(1, 1, -1)
        return jnp.tanh(inputs @ kernels[0] + bias + before @ kernels[1])

    return newton.newton_carries(advance, carry, len(inputs), False, solver)[0]


def test_convergence_is_told_ahead():
    c, (stored, inputs, carry), solver = diverging()
    ends = jax.jit(
        lambda stored, inputs, carry: newton_convergence(
            c.step, c.sharing, stored, inputs, carry, solver=solver
        )
    )
    bad = ends(stored, inputs, carry)
    assert (bool(bad.converged), int(bad.iterations)) == (False, 8)
    calm = jax.tree.map(lambda w: jnp.float32(0.05) * w, stored)
    good = ends(calm, inputs, carry)
    assert good.converged
    assert 1 < good.iterations < 8
    assert good.error <= solver.tolerance
    # A carry that is no number ends them at once.
    nan = ends(stored, inputs, np.full_like(carry, np.nan))
    assert (bool(nan.converged), int(nan.iterations)) == (False, 1)


def test_the_log_can_be_left_out(caplog):
    c, arguments, solver = diverging(num_steps=24, log=False)
    jaxpr = jax.make_jaxpr(functools.partial(c.run, implementation=solver))(*arguments)
    assert "debug_callback" not in {e.primitive.name for e in equations_of(jaxpr.jaxpr)}


@pytest.mark.slow
def test_a_step_may_mix_sequences_and_close_over_what_is_trained():
    """As one that normalises over the batch does."""
    inputs, carry = generic((T, B, H), 1), generic((B, H), 2)

    def gradient(name):
        def loss(scale, kernel):
            def step(kernel, h, x):
                h = jnp.tanh(scale * (h @ kernel) + x)
                h -= jnp.mean(h, 0, keepdims=True)
                return h, h

            return pulled(
                unroll(step, Tied(), kernel, inputs, carry, implementation=name)
            )

        return jax.grad(jax.jit(loss), (0, 1))(jnp.float32(0.5), generic((H, H), 3))

    found, expected = gradient("parallel"), gradient("scan")
    assert_close(found, expected, 1e-4)


def test_sequences_that_mix_are_right_beside_one_of_a_large_gradient():
    """Where two of three exchange what they carry, and the third has 1e4 of it."""
    inputs, carry = generic((T, 3, H), 1), generic((3, H), 2)
    sizes = jnp.array([[1e4], [1.0], [1.0]])

    def step(kernel, h, x):
        other = jnp.stack([jnp.zeros(H), h[2], h[1]])
        h = jnp.tanh(h @ kernel + other + x)
        return h, h

    def gradient(name):
        def loss(carry):
            kernel = generic((H, H), 3)
            run = unroll(step, Tied(), kernel, inputs, carry, implementation=name)
            return jnp.sum(sizes * run[0])

        return jax.jit(jax.grad(loss))(carry)

    found, expected = gradient("parallel_backward"), gradient("scan")
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-4, atol=1e-6)


def test_products_that_overflow_are_not_used():
    """Of 40 at each of 100 steps, where the loss reads the first few."""
    inputs, carry = jnp.full((100, 1, 1), 0.1), jnp.zeros((1, 1))

    def step(gain, h, x):
        h = jnp.sin(gain * h + x)
        return h, h

    def gradient(name):
        def loss(gain):
            return jnp.sum(
                unroll(step, Tied(), gain, inputs, carry, implementation=name)[1][:3]
            )

        return jax.jit(jax.value_and_grad(loss))(jnp.float32(40))

    assert_close(gradient("parallel_backward"), gradient("scan"), 1e-4)

    def saturating(gain, h, x):
        h = jnp.tanh(gain * h + x)
        return h, h

    told = newton_convergence(saturating, Tied(), jnp.float32(40), inputs, carry)
    assert not told.converged and not np.isfinite(told.error)


def test_under_vmap_each_falls_back_for_itself():
    c, (stored, inputs, carry), solver = diverging(log=False)
    two = jax.tree.map(lambda w: jnp.stack([w, jnp.float32(0.05) * w]), stored)
    found, expected = (
        jax.jit(
            jax.vmap(
                functools.partial(c.run, implementation=name), in_axes=(0, None, None)
            )
        )(two, inputs, carry)
        for name in (solver, "scan")
    )
    assert_close(found, expected)


def test_matrices_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(newton, "device_memory", lambda: 1_000.0)
    c = case("Tied", "LSTM")
    needed = T * B * (2 * H) ** 2 * 4
    message = rf"of 6 steps of 3 sequences, with 8 numbers .* take {needed:,} bytes, "
    message += "and the device has 1,000. Use implementation='scan'"
    with pytest.raises(ValueError, match=message):
        c.run(*c.arguments, implementation="parallel")
    backward = functools.partial(c.run, implementation="parallel_backward")
    jax.eval_shape(backward, *c.arguments)  # it has none until it is differentiated
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(jax.grad(lambda *a: pulled(backward(*a))), *c.arguments)
    diagonal = functools.partial(c.run, implementation=Newton(jacobian="diagonal"))
    jax.eval_shape(diagonal, *c.arguments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Newton(tolerance=0), "tolerance is 0. Use a number above 0"),
        (lambda: Newton(max_iterations=0), "max_iterations is 0. Use an integer of at"),
        (lambda: Newton(jacobian="half"), "is 'half'. Use 'full' or 'diagonal'"),
    ],
)
def test_no_such_solver(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("inputs", "carry", "message"),
    [
        ({"a": np.zeros((3, 2, 1))}, np.zeros((2, 1)), "not one array"),
        (np.zeros((3, 2, 1)), np.zeros(1), r"does not begin with .* \(2,\)"),
        (
            np.zeros((3, 2, 1)),
            np.zeros((2, 1), int),
            "not of one dtype of real numbers",
        ),
        (np.zeros((3, 2, 1)), np.zeros((2, 1), complex), "not of one dtype of real"),
    ],
)
def test_what_it_does_not_apply_to(inputs, carry, message):
    def step(weights, carry, x):
        return carry, carry

    with pytest.raises(ValueError, match=message):
        unroll(step, Tied(), 0.0, inputs, carry, implementation="parallel")
    with pytest.raises(ValueError, match=message):
        newton_convergence(step, Tied(), 0.0, inputs, carry)

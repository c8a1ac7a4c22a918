"""LSTMs with a path cut, and gradients at the carry: references, oracles, errors."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import ElmanCell, LSTMCell, Untied, unroll
from rnnshare.cells.ablated import (
    NoCellPathLSTMCell,
    NoHiddenPathLSTMCell,
    NoPathLSTMCell,
)
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.models.rnn import step_of
from rnnshare.sharing.measures import carry_gradients, nudged, step_norms
from tests.cases import with_slow
from tests.library.law_cases import (
    Case,
    assert_close,
    assert_equal,
    generic,
    generic_like,
)

T, B, D, H = 6, 3, 3, 4  # those of `Case`
# Which paths there are: (by the cell state, by the recurrent map).
ABLATED = {
    NoCellPathLSTMCell: (0, 1),
    NoHiddenPathLSTMCell: (1, 0),
    NoPathLSTMCell: (0, 0),
}
every_ablated = pytest.mark.parametrize("cell", ABLATED)


# Ablated cells


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(paths, weights, inputs, carry):
    """One ablated LSTM over time, step by step, from the equations."""
    by_cell, by_hidden = paths
    (c, h), outputs = carry, []
    w, b = weights["input"]["kernel"], weights["input"]["bias"]
    for t, x in enumerate(inputs):
        z = x @ w[t] + b[t] + by_hidden * (h @ weights["recurrent"]["kernel"][t])
        i, f, g, o = np.split(z, 4, -1)
        c = by_cell * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return (c, h), np.stack(outputs)


@every_ablated
def test_numpy_float64(cell):
    case = Case(Untied(T), functools.partial(cell, D, H))
    wide = jax.tree.map(lambda x: np.asarray(x, np.float64), case.arguments)
    with jax.enable_x64(True):
        for how in ("fused", "scan"):
            found = case.run(*jax.tree.map(jnp.asarray, wide), implementation=how)
            assert_close(found, reference(ABLATED[cell], *wide), 1e-12)


@pytest.mark.parametrize("cell", with_slow(ABLATED, [*ABLATED][:1]))
def test_gradients_flow_along_the_paths_that_are_left(cell):
    fused, scan = (
        Case(Untied(T), functools.partial(cell, D, H), how).gradient(*case_arguments())
        for how in ("fused", "scan")
    )
    assert_close(fused, scan)
    _, (weights, _, carry) = fused
    by_cell, by_hidden = ABLATED[cell]
    gates = {
        name: np.split(np.asarray(leaf), 4, -1)
        for name, leaf in (
            ("input", weights["input"]["kernel"]),
            ("bias", weights["input"]["bias"]),
            ("recurrent", weights["recurrent"]["kernel"]),
        )
    }
    for name, parts in gates.items():
        for gate, part in zip("ifgo", parts, strict=True):
            read = (gate != "f" or by_cell) and (name != "recurrent" or by_hidden)
            assert np.all(np.any(part.reshape(T, -1), 1) == bool(read)), (name, gate)
    assert [bool(np.any(leaf)) for leaf in carry] == [bool(by_cell), bool(by_hidden)]


def case_arguments():
    return Case(Untied(T), functools.partial(LSTMCell, D, H)).arguments


def test_the_draws_are_those_of_the_lstm():
    assert all(cell.__init__ is LSTMCell.__init__ for cell in ABLATED)
    ours, theirs = (
        pure_params(cell(D, H, rngs=nnx.Rngs(5))) for cell in (NoPathLSTMCell, LSTMCell)
    )
    assert_equal(ours, theirs)


# Gradients at the carry


def carry_case(cell):
    """Returns step, stored, inputs, carry and what the last output is pulled by."""
    blueprint = Blueprint.of(functools.partial(cell, D, H))
    case = Case(Untied(T), functools.partial(cell, D, H))
    stored, inputs, carry = jax.tree.map(
        lambda x: jnp.asarray(np.asarray(x, np.float64)), case.arguments
    )
    return step_of(blueprint), stored, inputs, carry, jnp.asarray(generic((B, H), 7))


def gradients_of(step, stored, inputs, carry, pull, **options):
    """Returns the gradients at the carry, and the loss as a function of the nudges."""

    def loss(nudges):
        _, outputs = unroll(
            nudged(step), Untied(T), stored, (inputs, nudges), carry, **options
        )
        return jnp.sum(outputs[-1] * pull.astype(outputs.dtype))

    return jax.jit(functools.partial(carry_gradients, loss, num_steps=T))(carry), loss


@pytest.mark.parametrize("cell", with_slow([ElmanCell, LSTMCell], [LSTMCell]))
def test_gradients_at_the_carry_are_products_of_the_steps_jacobians(cell):
    with jax.enable_x64(True):
        step, stored, inputs, carry, pull = carry_case(cell)
        found, _ = gradients_of(step, stored, inputs, carry, pull)
        jacobians = jax.jit(jax.jacfwd(lambda carry, w, x: step(w, carry, x), 0))
        flat, unflatten = jax.flatten_util.ravel_pytree(carry)
        states = [carry]
        for t in range(T):
            w = jax.tree.map(lambda leaf, t=t: leaf[t], stored)
            states.append(step(w, states[-1], inputs[t])[0])
        gradient = np.zeros(flat.size)  # of the carry after the last step
        for t in reversed(range(T)):
            w = jax.tree.map(lambda leaf, t=t: leaf[t], stored)
            of_carry, of_output = jacobians(states[t], w, inputs[t])
            gradient = gradient @ matrix(of_carry, flat.size)
            if t == T - 1:
                rows = matrix(of_output, flat.size)
                gradient = gradient + np.ravel(pull).astype(np.float64) @ rows
            ours = jax.tree.map(lambda g, t=t: g[t], found)
            assert_close(ours, unflatten(jnp.asarray(gradient)), 1e-12)
            assert np.any(gradient != 0)


def matrix(jacobian, size):
    """Returns a Jacobian by the carry as a matrix [outputs, carry]."""

    def columns(tree, count):
        return np.concatenate(
            [np.reshape(leaf, (count, -1)) for leaf in jax.tree.leaves(tree)], axis=1
        )

    # The leaves of a carry pair hold the derivatives by each leaf of the pair.
    rows = jacobian if isinstance(jacobian, tuple) else (jacobian,)
    if isinstance(rows[0], tuple):
        return np.concatenate([columns(row, B * H) for row in rows])
    found = columns(jacobian, B * H)
    assert found.shape == (B * H, size)
    return found


def test_gradients_at_the_carry_are_finite_differences():
    with jax.enable_x64(True):
        step, stored, inputs, carry, pull = carry_case(NoHiddenPathLSTMCell)
        found, loss = gradients_of(step, stored, inputs, carry, pull)
        nudges = jax.tree.map(jnp.zeros_like, found)
        direction = jax.tree.map(
            lambda leaf: jnp.asarray(leaf, jnp.float64), generic_like(nudges, 9)
        )
        run = jax.jit(loss)

        def moved(by):
            return run(jax.tree.map(lambda n, d: n + by * d, nudges, direction))

        slope = (moved(1e-5) - moved(-1e-5)) / 2e-5
        along = sum(
            np.sum(g * d)
            for g, d in zip(jax.tree.leaves(found), direction, strict=True)
        )
        assert float(along) == pytest.approx(float(slope), rel=1e-8)
        assert abs(along) > 1e-3


def test_nudges_of_zero_change_nothing_and_padding_has_no_gradient():
    step, stored, inputs, carry, pull = carry_case(LSTMCell)
    plain = unroll(step, Untied(T), stored, inputs, carry)
    zeros = jax.tree.map(lambda leaf: jnp.zeros((T, *leaf.shape), leaf.dtype), carry)
    assert_close(unroll(nudged(step), Untied(T), stored, (inputs, zeros), carry), plain)
    lengths = np.array([T, 2, 0])

    def loss(nudges):
        (_, h), _ = unroll(
            nudged(step), Untied(T), stored, (inputs, nudges), carry, lengths=lengths
        )
        return jnp.sum(h * pull)

    found = carry_gradients(loss, carry, T)
    is_real = np.arange(T)[:, None] < lengths
    for leaf in found:
        assert np.all(np.any(leaf != 0, -1) == is_real)
    assert step_norms(found).shape == (T,)
    with pytest.raises(ValueError, match=r"num_steps is 0\. Use at least 1"):
        carry_gradients(loss, carry, 0)

"""Cells whose weights read the carry: references, sizes and starts."""

import functools

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from flax import nnx

from rnnshare import ElmanCell, GRUCell, LSTMCell, num_parameters
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.cells.state_dependent import StateMixtureCell
from rnnshare.models.rnn import step_of
from tests.cases import with_slow
from tests.library.cells.state_cell_cases import (
    MAKES,
    B,
    D,
    E,
    H,
    K,
    M,
    T,
    generic_case,
    set_weights,
)
from tests.library.law_cases import assert_close, assert_equal, generic


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(carry, a):
    i, f, g, o = np.split(a, 4, -1)
    c = sigmoid(f) * carry[0] + sigmoid(i) * np.tanh(g)
    return c, sigmoid(o) * np.tanh(c)


def affine(maps, x):
    return x @ maps["kernel"] + maps.get("bias", 0)


def hyper_lstm_step(weights, carry, x):
    """One step, use by use and gate by gate."""
    (c, h), hyper = carry
    maps = weights["hyper"]
    both = np.concatenate([x, h], -1)
    hyper = lstm(
        hyper, affine(maps["input"], both) + hyper[1] @ maps["recurrent"]["kernel"]
    )
    z = affine(weights["embed"], hyper[1])
    gates = []
    for gate in range(4):
        scale = []
        for use in range(3):
            first = (4 * use + gate) * E
            scale.append(z[:, first : first + E] @ weights["scales"][use, gate])
        columns = slice(gate * H, (gate + 1) * H)
        a = x @ weights["main"]["input"]["kernel"][:, columns]
        u = h @ weights["main"]["recurrent"]["kernel"][:, columns]
        b = weights["main"]["input"]["bias"][columns]
        gates.append((1 + scale[0]) * a + (1 + scale[1]) * u + b + scale[2])
    main = lstm((c, h), np.concatenate(gates, -1))
    return (main, hyper), main[1]


def mixture_step(weights, carry, x, name):
    """One step, example by example, by mixed weights."""
    h = carry[1] if name == "LSTM" else carry
    logits = affine(weights["gate"], h)
    mixing = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)

    def mixed(maps, x):
        rows = [
            affine({n: np.tensordot(a, w, 1) for n, w in maps.items()}, row)
            for a, row in zip(mixing, x, strict=True)
        ]
        return np.stack(rows)

    a = mixed(weights["templates"]["input"], x)
    u = mixed(weights["templates"]["recurrent"], h)
    if name == "LSTM":
        carry = lstm(carry, a + u)
        return carry, carry[1]
    if name == "IRNN":
        h = np.maximum(a + u, 0)
        return h, h
    (a_r, a_z, a_n), (u_r, u_z, u_n) = np.split(a, 3, -1), np.split(u, 3, -1)
    r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)
    h = (1 - z) * np.tanh(a_n + r * u_n) + z * h
    return h, h


@pytest.mark.parametrize("name", with_slow(MAKES, {"HyperLSTM", "GRU"}))
def test_numpy_float64(name):
    rnn, inputs, carry = generic_case(name)
    step = step_of(rnn.cell)
    reference = hyper_lstm_step
    if name != "HyperLSTM":
        reference = functools.partial(mixture_step, name=name)
    weights, inputs, carry = jax.tree.map(
        lambda x: np.asarray(x, np.float64), (rnn.stored, inputs, carry)
    )
    expected = carry
    with jax.enable_x64(True):
        weights_, found = jax.tree.map(jnp.asarray, (weights, carry))
        for t in range(T):
            found, y = jax.jit(step)(weights_, found, jnp.asarray(inputs[:, t]))
            expected, expected_y = reference(weights, expected, inputs[:, t])
            assert y.dtype == jnp.float64
            assert_close((found, y), (expected, expected_y), 1e-12)


def count(make):
    return num_parameters(Blueprint.of(make).shapes)


def test_parameter_formulas():
    main, hyper = 4 * H * (D + H + 1), 4 * M * (D + H + M + 1)
    assert count(MAKES["HyperLSTM"]) == main + hyper + 12 * E * (M + 1 + H)
    assert count(MAKES["LSTM"]) == K * main + K * (H + 1)
    assert count(MAKES["GRU"]) == K * 3 * H * (D + H + 2) + K * (H + 1)
    assert count(MAKES["IRNN"]) == 2 * H * (D + H + 1) + 2 * (H + 1)


def test_hyper_lstm_starts_as_the_lstm_of_its_main_weights():
    cell = MAKES["HyperLSTM"](rngs=nnx.Rngs(0))
    inputs = jnp.asarray(generic((B, T, D), 0))
    carry, outputs = nnx.RNN(cell)(inputs, return_carry=True)
    assert_close(
        (carry[0], outputs), nnx.RNN(cell.main)(inputs, return_carry=True), 1e-6
    )
    assert jnp.any(carry[1][1] != 0)

    @nnx.jit
    def gradient(cell):
        return nnx.grad(lambda cell: jnp.sum(nnx.RNN(cell)(inputs) ** 2))(cell)

    first = gradient(cell)
    assert jnp.all(jnp.any(first.scales[...] != 0, axis=(2, 3)))
    assert not any(
        jnp.any(leaf) for leaf in jax.tree.leaves((first.embed, first.hyper))
    )
    cell.scales[...] -= 0.1 * first.scales[...]
    second = gradient(cell)
    assert all(jnp.any(leaf) for leaf in jax.tree.leaves((second.embed, second.hyper)))


@pytest.mark.parametrize(
    "cell",
    with_slow([LSTMCell, GRUCell, ElmanCell.irnn], [LSTMCell]),
    ids=lambda c: c.__qualname__,
)
def test_mixture_of_one_is_the_plain_cell(cell):
    mixture = StateMixtureCell(D, H, cell=cell, num_templates=1, rngs=nnx.Rngs(0))
    plain = cell(D, H, rngs=nnx.Rngs(1))
    set_weights(plain, jax.tree.map(lambda w: w[0], pure_params(mixture)["templates"]))
    inputs = jnp.asarray(generic((B, T, D), 0))
    ours, theirs = (nnx.RNN(c)(inputs, return_carry=True) for c in (mixture, plain))
    assert_close(ours, theirs, 1e-6)


def test_templates_are_fresh_cells_and_differ():
    templates = pure_params(MAKES["LSTM"](rngs=nnx.Rngs(0)))["templates"]
    u = templates["recurrent"]["kernel"].reshape(K, H, 4, H)
    assert_close(jnp.einsum("khgi,khgj->kgij", u, u), np.tile(np.eye(H), (K, 4, 1, 1)))
    assert len(np.unique(u[:, 0, 0, 0])) == K
    assert_equal(templates["input"]["bias"], np.tile(np.eye(4)[1].repeat(H), (K, 1)))

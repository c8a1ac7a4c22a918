"""Weights in PyTorch's and Keras's layouts, against these frameworks' formulas.

The formulas are those of their documentations, written in NumPy and float64.
"""

import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import RNN, ElmanCell, GRUCell, LSTMCell, Untied, expand
from rnnshare.bridge import from_keras, from_torch, to_keras, to_torch

T, B, D, H = 6, 3, 2, 4
X = np.random.default_rng(0).standard_normal((B, T, D), np.float32)
CELLS = {"lstm": (LSTMCell, 4), "gru": (GRUCell, 3), "rnn": (ElmanCell, 1)}
by_kind = pytest.mark.parametrize("kind", CELLS)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def arrays(*shapes):
    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape).astype(np.float32) / 2 for shape in shapes]


def torch_state(kind, end="_l0"):
    gates = CELLS[kind][1] * H
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    values = arrays((gates, D), (gates, H), gates, gates)
    return {f"{name}{end}": value for name, value in zip(names, values, strict=True)}


def torch_outputs(kind, state):
    """Runs PyTorch's equations, of torch.nn.LSTM, GRU and RNN."""
    w, u, b, c = (value.astype(np.float64) for value in state.values())
    h, cell, outputs = np.zeros((B, H)), np.zeros((B, H)), []
    for x in X.swapaxes(0, 1):
        ours, past = x @ w.T + b, h @ u.T + c
        if kind == "rnn":
            h = np.tanh(ours + past)
        elif kind == "gru":
            (r, z, n), (hr, hz, hn) = (np.split(a, 3, 1) for a in (ours, past))
            z = sigmoid(z + hz)
            h = (1 - z) * np.tanh(n + sigmoid(r + hr) * hn) + z * h
        else:
            i, f, g, o = np.split(ours + past, 4, 1)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(cell)
        outputs.append(h)
    return np.stack(outputs, 1)


def keras_arrays(kind):
    gates = CELLS[kind][1] * H
    return arrays((D, gates), (H, gates), (2, gates) if kind == "gru" else gates)


def keras_outputs(kind, given):
    """Runs Keras's equations, of LSTM, GRU (reset_after=True) and SimpleRNN."""
    w, u, b = (value.astype(np.float64) for value in given)
    h, cell, outputs = np.zeros((B, H)), np.zeros((B, H)), []
    for x in X.swapaxes(0, 1):
        if kind == "rnn":
            h = np.tanh(x @ w + h @ u + b)
        elif kind == "gru":
            z, r, n = np.split(x @ w + b[0], 3, 1)
            hz, hr, hn = np.split(h @ u + b[1], 3, 1)
            z = sigmoid(z + hz)
            h = z * h + (1 - z) * np.tanh(n + sigmoid(r + hr) * hn)
        else:
            i, f, g, o = np.split(x @ w + h @ u + b, 4, 1)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(cell)
        outputs.append(h)
    return np.stack(outputs, 1)


def run(kind, weights):
    rnn = RNN(functools.partial(CELLS[kind][0], D, H), rngs=nnx.Rngs(0))
    rnn.load(weights)
    return rnn(X)


@by_kind
def test_a_torch_layer_comes_in(kind):
    state = torch_state(kind)
    y = run(kind, from_torch(state))
    np.testing.assert_allclose(y, torch_outputs(kind, state), rtol=0, atol=1e-6)


@by_kind
def test_a_keras_layer_comes_in(kind):
    given = keras_arrays(kind)
    y = run(kind, from_keras(given))
    np.testing.assert_allclose(y, keras_outputs(kind, given), rtol=0, atol=1e-6)


@by_kind
def test_our_cell_goes_out(kind):
    rnn = RNN(functools.partial(CELLS[kind][0], D, H), rngs=nnx.Rngs(7))
    rnn.load(jax.tree.map(lambda w: w + 0.1, rnn.stored))  # no bias is zero
    y = rnn(X)
    out, back = to_torch(rnn.stored), to_keras(rnn.stored)
    assert {n: a.shape for n, a in out.items()} == {
        n: a.shape for n, a in torch_state(kind).items()
    }
    np.testing.assert_allclose(y, torch_outputs(kind, out), rtol=0, atol=1e-6)
    assert [a.shape for a in back] == [a.shape for a in keras_arrays(kind)]
    np.testing.assert_allclose(y, keras_outputs(kind, back), rtol=0, atol=1e-6)
    for again in (from_torch(out), from_keras(back)):
        jax.tree.map(np.testing.assert_array_equal, again, rnn.stored)


@by_kind
def test_layers_directions_cells_and_no_bias(kind):
    state = torch_state(kind)
    wanted = from_torch(state)
    for end, options in (("_l2", {"layer": 2}), ("_l0_reverse", {"suffix": "_reverse"}),
                         ("", {})):  # fmt: skip
        other = {name.replace("_l0", end): value for name, value in state.items()}
        jax.tree.map(
            np.testing.assert_array_equal, from_torch(other, **options), wanted
        )
    assert set(to_torch(wanted, layer=None)) == {n[:-3] for n in state}
    bare = {name: a for name, a in state.items() if "bias" not in name}
    assert not np.any(from_torch(bare)["input"]["bias"])
    assert not np.any(from_keras(keras_arrays(kind)[:2])["input"]["bias"])


def test_a_recurrent_bias_is_not_lost():
    weights = from_torch(torch_state("lstm"))
    weights["recurrent"]["bias"] = jnp.ones(4 * H)
    *_, bias = to_keras(weights)
    np.testing.assert_allclose(bias, weights["input"]["bias"] + 1)


def test_bfloat16_goes_out_as_float32():
    half = jax.tree.map(
        lambda w: w.astype(jnp.bfloat16), from_torch(torch_state("gru"))
    )
    assert {a.dtype for a in to_torch(half).values()} == {np.dtype(np.float32)}


def test_an_untied_model_goes_out_step_by_step():
    rnn = RNN(functools.partial(LSTMCell, D, H), Untied(T), rngs=nnx.Rngs(0))
    steps = expand(rnn.sharing, rnn.stored)
    each = [jax.tree.map(operator.itemgetter(t), steps) for t in range(T)]
    cells = [to_torch(weights, layer=None) for weights in each]
    h = c = np.zeros((B, H))
    for x, state in zip(X.swapaxes(0, 1), cells, strict=True):
        w, u, b, other = state.values()
        i, f, g, o = np.split(x @ w.T + b + h @ u.T + other, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    np.testing.assert_allclose(rnn(X)[:, -1], h, rtol=0, atol=1e-6)


STATE = torch_state("lstm")
OURS = from_torch(STATE)
BARE = torch_state("lstm", "")  # of an nn.LSTMCell
OLD_GRU = [np.zeros((2, 12)), np.zeros((4, 12)), np.zeros(12)]


@pytest.mark.parametrize(
    ("function", "given", "error"),
    [
        (from_torch, {}, "There is no weight_ih_l0 among no arrays"),
        (functools.partial(from_torch, layer=1), STATE, "no weight_ih_l1 among"),
        (functools.partial(from_torch, layer=1), BARE, "no weight_ih_l1"),
        (from_torch, STATE | {"weight_hr_l0": np.zeros((2, H))}, "proj_size"),
        (from_torch, STATE | {"weight_hh_l0": np.zeros((16, 3))}, "are no LSTMCell"),
        (from_torch, STATE | {"bias_hh_l0": np.zeros(3)}, r"\(3,\)"),
        (from_keras, [np.zeros((2, 12))], "1 arrays were given"),
        (from_keras, OLD_GRU, "reset_after"),
        (from_keras, [np.zeros((2, 8)), np.zeros((4, 8)), np.zeros(8)], "4, 3 or 1"),
        (to_torch, {"kernel": np.zeros((2, 3))}, "These are no weights of an LSTMCell"),
        (to_keras, 3, "These are no weights"),
        (to_torch, jax.tree.map(lambda w: jnp.stack([w] * T), OURS), "one step at a"),
    ],
)  # fmt: skip
def test_what_no_such_layer_has_is_refused(function, given, error):
    with pytest.raises(ValueError, match=error):
        function(given)

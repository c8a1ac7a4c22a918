"""Cells whose weights read the carry: references, starts, RNNs, gradients, errors."""

import functools

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from flax import nnx

from rnnshare import RNN, ElmanCell, GRUCell, LSTMCell, Tied, Untied, num_parameters
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.cells.state_dependent import HyperLSTMCell, StateMixtureCell
from rnnshare.models.rnn import step_of
from tests.library.law_cases import (
    assert_close,
    assert_equal,
    generic,
    generic_like,
    gradient_of,
)

T, B, D, H, M, E, K = 4, 3, 3, 5, 2, 3, 3
LENGTHS = np.array([0, 3, 4], np.int32)
MAKES = {
    "HyperLSTM": functools.partial(
        HyperLSTMCell, D, H, hyper_features=M, embedding_size=E
    ),
    "LSTM": functools.partial(StateMixtureCell, D, H, num_templates=K),
    "GRU": functools.partial(StateMixtureCell, D, H, cell=GRUCell, num_templates=K),
    "IRNN": functools.partial(
        StateMixtureCell, D, H, cell=ElmanCell.irnn, num_templates=2
    ),
}
every_cell = pytest.mark.parametrize("name", MAKES)


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


def generic_case(name, sharing=None):
    """Returns an RNN with generic weights, generic inputs and a generic carry."""
    rnn = RNN(MAKES[name], Tied() if sharing is None else sharing, rngs=nnx.Rngs(0))
    fresh = rnn.cell.bind().initialize_carry((B, D))
    set_weights(rnn, generic_like(rnn.stored, 1))
    return rnn, jnp.asarray(generic((B, T, D), 2)), generic_like(fresh, 3)


def set_weights(module, weights):
    structure = jax.tree.structure(nnx.state(module, nnx.Param))
    nnx.update(module, structure.unflatten(map(jnp.asarray, jax.tree.leaves(weights))))


def pull(results):
    """Returns a scalar of all that a run returns."""
    return sum(
        jnp.sum(leaf * generic(leaf.shape, i, leaf.dtype))
        for i, leaf in enumerate(jax.tree.leaves(results))
    )


@every_cell
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
    "cell", [LSTMCell, GRUCell, ElmanCell.irnn], ids=lambda c: c.__qualname__
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


@pytest.mark.parametrize("name", ["HyperLSTM", "LSTM"])
def test_tied_is_flax_rnn(name):
    rnn, inputs, carry = generic_case(name)
    twin = MAKES[name](rngs=nnx.Rngs(1))
    assert jax.tree.structure(rnn.stored) == jax.tree.structure(pure_params(twin))
    set_weights(twin, rnn.stored)
    options = {"return_carry": True, "initial_carry": jax.tree.map(jnp.asarray, carry)}
    # Flax freezes no carry at a length of 0.
    for lengths in (None, np.maximum(LENGTHS, 1)):
        told = None if lengths is None else jnp.asarray(lengths)
        theirs = nnx.RNN(twin)(inputs, seq_lengths=told, **options)
        ours = rnn(inputs, seq_lengths=lengths, **options)
        whole = np.full(B, T) if lengths is None else lengths
        is_real = (np.arange(T) < whole[:, None])[..., None]
        assert_close(ours, (theirs[0], np.where(is_real, theirs[1], 0)))


@pytest.mark.parametrize(
    ("name", "sharing"),
    [
        ("HyperLSTM", Tied()),
        ("HyperLSTM", Untied(T)),
        ("LSTM", Tied()),
        ("GRU", Untied(T)),
    ],
    ids=str,
)
def test_padding_is_inert_and_every_leaf_has_a_gradient(name, sharing):
    rnn, inputs, carry = generic_case(name, sharing)
    graphdef, state = nnx.split(rnn)

    def run(state, inputs, carry):
        rnn = nnx.merge(graphdef, state)
        return rnn(inputs, seq_lengths=LENGTHS, initial_carry=carry, return_carry=True)

    is_real = (np.arange(T) < LENGTHS[:, None])[..., None]
    both = gradient_of(run)
    clean = both(state, jnp.where(is_real, inputs, 0), carry)
    assert_equal(both(state, jnp.where(is_real, inputs, jnp.nan), carry), clean)
    (final, outputs), (weights, of_inputs, of_carry) = clean
    assert not np.any(np.where(is_real, 0, outputs))
    assert_equal([leaf[0] for leaf in jax.tree.leaves(final)],
                 [leaf[0] for leaf in jax.tree.leaves(carry)])  # fmt: skip
    for path, leaf in jax.tree.leaves_with_path((weights, of_carry)):
        assert jnp.all(jnp.isfinite(leaf)), path
        assert jnp.any(leaf != 0), path
    assert np.all(np.any(of_inputs != 0, -1) == is_real[..., 0])
    if sharing != Tied():  # every step reads weights of its own
        per_step = [leaf for leaf in jax.tree.leaves(weights) if leaf.shape[0] == T]
        assert len(per_step) == len(jax.tree.leaves(weights))
        assert all(jnp.any(row != 0) for leaf in per_step for row in leaf)


@pytest.mark.parametrize("name", ["HyperLSTM", "GRU"])
def test_gradients_in_float64(name):
    rnn, inputs, carry = generic_case(name)
    graphdef, state = nnx.split(rnn)

    def loss(state, inputs, carry):
        run = nnx.merge(graphdef, state)(inputs, initial_carry=carry, return_carry=True)
        return pull(run)

    with jax.enable_x64(True):
        arguments = jax.tree.map(
            lambda x: jnp.asarray(np.asarray(x, np.float64)),
            (state, inputs[:2, :2], jax.tree.map(lambda x: x[:2], carry)),
        )
        jax.test_util.check_grads(jax.jit(loss), arguments, 1, ["fwd", "rev"])


@pytest.mark.parametrize("name", ["HyperLSTM", "GRU"])
def test_bfloat16_in_bfloat16_out(name):
    rnn, inputs, carry = generic_case(name)
    graphdef, state = nnx.split(rnn)

    def run(inputs):
        return nnx.merge(graphdef, state)(
            inputs, initial_carry=carry, return_carry=True
        )

    low = inputs.astype(jnp.bfloat16)
    results = run(low)
    assert {leaf.dtype for leaf in jax.tree.leaves(results)} == {
        jnp.dtype(jnp.bfloat16)
    }
    products = [line for line in str(jax.make_jaxpr(run)(low)).splitlines()
                if "dot_general" in line]  # fmt: skip
    assert products
    assert not any("f32" in line.replace("bf16", "") for line in products)
    low_results = jax.tree.map(lambda x: x.astype(jnp.float32), results)
    assert_close(low_results, run(inputs), 0.08)
    told = RNN(functools.partial(MAKES[name], dtype=jnp.bfloat16), rngs=nnx.Rngs(0))
    assert jax.eval_shape(told, inputs).dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(told.stored)} == {
        jnp.dtype(jnp.float32)
    }


@pytest.mark.parametrize("name", ["HyperLSTM", "LSTM"])
def test_a_carry_may_be_drawn_and_batches_have_any_number_of_axes(name):
    rnn, inputs, _ = generic_case(name)
    cell = rnn.cell.bind()
    draw = nnx.initializers.normal()
    carry = cell.initialize_carry((2, B, D), nnx.Rngs(carry=0), draw)
    leaves = jax.tree.leaves(carry)
    assert all(leaf.shape[:2] == (2, B) and jnp.all(leaf != 0) for leaf in leaves)
    doubled = rnn(jnp.stack([inputs, inputs]))
    assert_close(doubled, jnp.stack([rnn(inputs)] * 2))
    assert_close(rnn(inputs[0]), rnn(inputs)[0])


ERRORS = {
    "hidden": (
        lambda: HyperLSTMCell(D, 0, rngs=nnx.Rngs(0)),
        ValueError,
        "HyperLSTMCell: hidden_features is 0. Use at least 1.",
    ),
    "hyper": (
        lambda: HyperLSTMCell(D, H, hyper_features=0, rngs=nnx.Rngs(0)),
        ValueError,
        "HyperLSTMCell: hyper_features is 0. Use at least 1.",
    ),
    "embedding": (
        lambda: HyperLSTMCell(D, H, embedding_size=-1, rngs=nnx.Rngs(0)),
        ValueError,
        "HyperLSTMCell: embedding_size is -1. Use at least 1.",
    ),
    "input": (
        lambda: StateMixtureCell(0, H, rngs=nnx.Rngs(0)),
        ValueError,
        "StateMixtureCell: in_features is 0. Use at least 1.",
    ),
    "templates": (
        lambda: StateMixtureCell(D, H, num_templates=0, rngs=nnx.Rngs(0)),
        ValueError,
        "StateMixtureCell: num_templates is 0. Use at least 1.",
    ),
    "cell": (
        lambda: StateMixtureCell(D, H, cell=nnx.GRUCell, rngs=nnx.Rngs(0)),
        TypeError,
        "but cell makes a GRUCell. Use ElmanCell, GRUCell or LSTMCell of rnnshare.",
    ),
    "features": (
        lambda: RNN(MAKES["LSTM"], rngs=nnx.Rngs(0))(jnp.zeros((B, T, D + 1))),
        ValueError,
        r"StateMixtureCell takes in_features=3, but the inputs have shape \(3, 4, 4\)",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, text = ERRORS[name]
    with pytest.raises(kind, match=text):
        call()

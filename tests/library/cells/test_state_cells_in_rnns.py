"""Cells whose weights read the carry, in an RNN: gradients, padding, errors."""

import functools

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from flax import nnx

from rnnshare import RNN, Tied, Untied
from rnnshare.cells.blueprint import pure_params
from rnnshare.cells.state_dependent import HyperLSTMCell, StateMixtureCell
from tests.cases import with_slow
from tests.library.cells.state_cell_cases import (
    LENGTHS,
    MAKES,
    B,
    D,
    H,
    T,
    generic_case,
    set_weights,
)
from tests.library.law_cases import assert_close, assert_equal, generic, gradient_of


def pull(results):
    """Returns a scalar of all that a run returns."""
    return sum(
        jnp.sum(leaf * generic(leaf.shape, i, leaf.dtype))
        for i, leaf in enumerate(jax.tree.leaves(results))
    )


@pytest.mark.parametrize("name", with_slow(["HyperLSTM", "LSTM"], {"HyperLSTM"}))
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
    with_slow(
        [
            ("HyperLSTM", Tied()),
            ("HyperLSTM", Untied(T)),
            ("LSTM", Tied()),
            ("GRU", Untied(T)),
        ],
        [("HyperLSTM", Untied(T)), ("LSTM", Tied())],
    ),
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


@pytest.mark.parametrize("name", with_slow(["HyperLSTM", "GRU"], {"HyperLSTM"}))
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


@pytest.mark.parametrize("name", with_slow(["HyperLSTM", "LSTM"], {"HyperLSTM"}))
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

"""What cuDNN's LSTM is given, by JAX's reference of it: no test here has a GPU."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import rnn

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
)


def reference(x, h, c, weights, lengths, *sizes):
    """Takes and returns what `rnn.lstm` does; it reads lengths as cuDNN does."""
    unpacked = rnn.unpack_lstm_weights(weights, *sizes[:3], sizes[4])
    return rnn.lstm_ref(x, h, c, *unpacked, lengths, *sizes)


@pytest.fixture
def on_gpu(monkeypatch):
    monkeypatch.setattr(rnn, "lstm", reference)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


@pytest.mark.parametrize(
    "options",
    [
        *({"lengths": LENGTHS}, {"reverse": True, "lengths": LENGTHS}),
        *(
            pytest.param(options, marks=pytest.mark.slow)
            for options in ({}, {"reverse": True}, {"lengths": 4}, {"remat": True})
        ),
    ],
    ids=str,
)
def test_cudnn_is_the_scan(on_gpu, options):
    c = case("Tied", "LSTM")
    arguments = jax.tree.map(jnp.asarray, c.arguments)
    found, expected = (
        gradient_of(functools.partial(c.run, implementation=name, **options))(
            *arguments
        )
        for name in ("cudnn", "scan")
    )
    assert_close(found, expected)


def test_batch_axes(on_gpu):
    c = case("Tied", "LSTM")
    inputs = jnp.asarray(generic((T, 2, B, D), 1))
    carry = tuple(jnp.asarray(generic((2, B, H), i)) for i in (2, 3))
    lengths = np.array([[1, 0, 6], [6, 3, 2]], np.int32)
    found, expected = (
        c.run(c.arguments[0], inputs, carry, lengths=lengths, implementation=name)
        for name in ("cudnn", "scan")
    )
    assert_close(found, expected)


def test_it_says_why_not(on_gpu, monkeypatch):
    def fails(c, arguments, message):
        with pytest.raises(ValueError, match=message + ".* Use 'auto' or 'scan'"):
            c.run(*arguments, implementation="cudnn")

    for sharing, cell, message in [
        ("Tied", "GRU", "not that of an LSTMCell"),
        ("Tied", "nnx.LSTM", "not that of an LSTMCell"),
        ("Untied", "LSTM", "more than one weight set"),
    ]:
        c = case(sharing, cell)
        fails(c, c.arguments, message)
    c = case("Tied", "LSTM")
    half = jax.tree.map(lambda x: jnp.asarray(x, jnp.bfloat16), c.arguments)
    fails(c, half, r"takes float32 .* not bfloat16")
    monkeypatch.undo()
    fails(c, c.arguments, "JAX runs on cpu")

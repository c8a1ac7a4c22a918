"""Programs that are compiled in less time compute the same."""

import functools

import chex
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from rnnshare import RNN, LSTMCell, Untied
from rnnshare.unrolling.compiling import short_compilation


@pytest.fixture(autouse=True)
def no_flags(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "")


def test_this_xla_knows_them_and_results_are_the_same():
    make_cell = functools.partial(LSTMCell, 3, 4)
    rnn = RNN(make_cell, Untied(5), rngs=nnx.Rngs(0))
    graphdef, stored = nnx.split(rnn)
    inputs = jax.random.normal(jax.random.key(1), (2, 5, 3))

    def loss(stored):
        return jnp.mean(nnx.merge(graphdef, stored)(inputs) ** 2)

    quick, usual = (
        jax.jit(jax.value_and_grad(loss), compiler_options=options)(stored)
        for options in (short_compilation(), None)
    )
    chex.assert_trees_all_close(quick, usual, rtol=1e-5, atol=1e-6)


def test_what_the_caller_told_xla_is_left(monkeypatch):
    usual = short_compilation()
    assert usual.pop("xla_backend_optimization_level") == "1"
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=3")
    assert short_compilation() == usual

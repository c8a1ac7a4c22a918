"""A token that is none has no embedding, and least of all another token's."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import LSTMCell, SequenceModel
from rnnshare.models import BagOfSteps
from tests.cases import with_slow

MODELS = {
    "model": lambda: SequenceModel(LSTMCell, 3, 4, 2, rngs=nnx.Rngs(0), num_tokens=5),
    "bag": lambda: BagOfSteps(3, 4, 2, rngs=nnx.Rngs(0), num_tokens=5),
    "one": lambda: SequenceModel(LSTMCell, 3, 4, 2, rngs=nnx.Rngs(0), num_tokens=1),
}
TOKENS = np.array([[1, 4, 2, 0], [3, 3, 1, 2]], np.int32)


@pytest.mark.parametrize("name", ["model", "bag"])
@pytest.mark.parametrize("wrong", [-1, 5])
def test_a_known_token_out_of_range_is_refused(name, wrong):
    tokens = TOKENS.copy()
    tokens[1, 2] = wrong
    with pytest.raises(
        ValueError, match=rf"the token {wrong}, but num_tokens=5 allows"
    ):
        MODELS[name]()(jnp.asarray(tokens))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("wrong", [-1, 5])
def test_a_traced_token_out_of_range_is_nan(name, wrong):
    graphdef, state = nnx.split(MODELS[name]())
    run = jax.jit(lambda tokens: nnx.merge(graphdef, state)(tokens))
    tokens = np.zeros_like(TOKENS) if name == "one" else TOKENS.copy()
    assert np.all(np.isfinite(run(tokens)))
    tokens[1, 2] = wrong
    answers = run(tokens)
    assert np.all(np.isfinite(answers[0])) and np.all(np.isnan(answers[1]))


@pytest.mark.parametrize(
    ("name", "dtype"),
    with_slow(
        itertools.product(["model", "bag"], [np.int8, np.uint8, np.int32]),
        [("model", np.uint8), ("bag", np.int32)],
    ),
)
def test_tokens_in_the_padding_are_unread(name, dtype):
    graphdef, state = nnx.split(MODELS[name]())
    lengths = np.array([3, 1])

    def loss(state, tokens):
        model = nnx.merge(graphdef, state)
        return jnp.sum(model(tokens, seq_lengths=lengths) ** 2)

    padded = TOKENS.astype(dtype)
    padded[0, 3], padded[1, 1:] = 100, np.array([-1, 77, 5]).astype(dtype)
    run = jax.jit(jax.value_and_grad(loss))
    for a, b in zip(
        jax.tree.leaves(run(state, TOKENS.astype(dtype))),
        jax.tree.leaves(run(state, padded)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_tokens_are_integers():
    with pytest.raises(TypeError, match="tokens must be integers, but are float32"):
        MODELS["model"]()(jnp.ones((2, 4)))

"""The laws of the encoder-decoder: single steps, sharings, gradients."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import ElmanCell, LSTMCell, Tied, Untied, expand
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.models.encoder_decoder import EncoderDecoder
from rnnshare.models.rnn import step_of
from rnnshare.tasks.translation import Pair
from tests.cases import with_slow

T, U, B, S, O, E, H = 6, 4, 5, 7, 3, 4, 5  # noqa: E741


SHARINGS = {
    "tied": (Tied(), Tied()),
    "untied": (Untied(T), Untied(U)),
    "mixed": (Tied(), Untied(U)),
}


@functools.cache
def make(cell=LSTMCell, sharing="untied", seed=0, **options):
    return EncoderDecoder(
        cell, S, O, E, H, *SHARINGS[sharing], rngs=nnx.Rngs(seed), **options
    )


def sequences(seed=0):
    rng = np.random.default_rng(seed)
    source = rng.integers(0, S, (B, T)).astype(np.int32)
    target = rng.integers(0, O, (B, U)).astype(np.int32)
    return Pair(source, target), np.array([T, 1, 3, T, 4], np.int32)


@jax.jit
def run(model, inputs, lengths):
    """Returns the logits, and what is decoded greedily."""
    logits = model(inputs, seq_lengths=lengths)
    return logits, model.decode(inputs.source, U, seq_lengths=lengths)


@jax.jit
def gradient(model, inputs, lengths):
    def loss(model):
        return jnp.sum(jnp.sin(model(inputs, seq_lengths=lengths)))

    return nnx.to_pure_dict(nnx.grad(loss)(model))


def by_hand(model, source, length, target=None):
    """Translates one sequence step by step; returns logits [U, O] and tokens [U].

    Fed the target where there is one, else its own tokens.
    """
    each = {
        part: jax.device_get(_expand(layer.sharing, layer.stored, count))
        for part, layer, count in (
            ("encoder", model.encoder, T),
            ("decoder", model.decoder, U),
        )
    }
    step = _step(model.encoder.cell)
    embedded = [np.asarray(e.embedding[...]) for e in
                (model.source_embedding, model.target_embedding)]  # fmt: skip
    read = {name: np.asarray(w[...]) for name, w in model.readout.weights.items()}

    def weights(part, t):
        return jax.tree.map(lambda w: w[t], each[part])

    zeros = np.zeros(H, np.float32)
    carry = (zeros, zeros) if _is_lstm(model) else zeros
    order = range(length)
    for t in reversed(order) if model.reverse_source else order:
        carry, _ = step(weights("encoder", t), carry, embedded[0][source[t]])
    token, logits, tokens = O, [], []
    for u in range(U):
        carry, h = step(weights("decoder", u), carry, embedded[1][token])
        logits.append(np.asarray(h) @ read["kernel"] + read["bias"])
        tokens.append(int(np.argmax(logits[-1])))
        token = tokens[-1] if target is None else int(target[u])
    return np.stack(logits), np.array(tokens)


def assert_decided(logits):
    """The largest is so by more than rounding: two programs choose the same token."""
    second, first = np.moveaxis(np.sort(logits, axis=-1)[..., -2:], -1, 0)
    assert np.min(first - second) > 1e-4


_expand = jax.jit(expand, static_argnums=(0, 2))


@functools.cache
def _step(cell):
    return jax.jit(step_of(cell))


def _is_lstm(model):
    return isinstance(model.encoder.cell.bind(), LSTMCell)


@pytest.mark.parametrize(
    ("cell", "sharing", "reverse"),
    [
        (LSTMCell, "untied", True),
        (ElmanCell, "mixed", False),
    ],
)
def test_it_is_what_single_steps_make(cell, sharing, reverse):
    model = make(cell, sharing, reverse_source=reverse)
    inputs, lengths = sequences()
    logits, tokens = run(model, inputs, lengths)
    assert logits.shape == (B, U, O) and tokens.shape == (B, U)
    for i in range(B):
        forced, _ = by_hand(model, inputs.source[i], lengths[i], inputs.target[i])
        np.testing.assert_allclose(logits[i], forced, rtol=1e-5, atol=1e-6)
        own, greedy = by_hand(model, inputs.source[i], lengths[i])
        assert_decided(own)
        np.testing.assert_array_equal(tokens[i], greedy)


@pytest.mark.parametrize("sharing", ["tied", "untied"])
def test_fed_its_own_answer_it_gives_it_again_and_only_then(sharing):
    """Exact match by the logits of the right answer is that of greedy decoding."""
    for seed in range(2):
        model = make(sharing=sharing, seed=seed)
        inputs, lengths = sequences(seed)
        _, own = run(model, inputs, lengths)
        targets = np.where(np.arange(B)[:, None] < 3, own, inputs.target)
        logits, _ = run(model, Pair(inputs.source, targets), lengths)
        assert_decided(logits)
        np.testing.assert_array_equal(jnp.argmax(logits[:3], -1), own[:3])
        by_logits = (jnp.argmax(logits, -1) == targets).all(1)
        np.testing.assert_array_equal(by_logits, (own == targets).all(1))


def test_untied_weights_that_are_equal_are_the_tied_ones():
    tied, untied = make(sharing="tied"), make(sharing="untied", seed=1)
    params = pure_params(tied)
    for part, sharing in zip(("encoder", "decoder"), SHARINGS["untied"], strict=True):
        stored = params[part]["weights"]
        params[part] = {"weights": expand(Tied(), stored, sharing.num_steps)}
    untied = Blueprint.of(lambda rngs: untied).bind(params)
    inputs, lengths = sequences()
    (logits, tokens), (others, other_tokens) = (
        run(model, inputs, lengths) for model in (tied, untied)
    )
    np.testing.assert_allclose(logits, others, rtol=1e-6, atol=1e-6)
    fed = tied, Pair(inputs.source, tokens), lengths
    assert_decided(run(*fed)[0])
    np.testing.assert_array_equal(tokens, other_tokens)
    # The tied gradient is the sum over steps of the untied one.
    one, each = (gradient(model, inputs, lengths) for model in (tied, untied))
    for part in ("encoder", "decoder"):
        jax.tree.map(
            lambda g, e: np.testing.assert_allclose(g, e.sum(0), rtol=1e-4, atol=1e-5),
            one[part],
            each[part],
        )


@pytest.mark.parametrize("sharing", with_slow(SHARINGS, {"untied"}))
def test_every_leaf_is_trained_and_the_padding_is_not(sharing):
    model = make(sharing=sharing)
    inputs, lengths = sequences()

    found = gradient(model, inputs, lengths)
    for leaf in jax.tree.leaves(found):
        assert float(jnp.abs(leaf).max()) > 0
    other = np.where(np.arange(T) < lengths[:, None], inputs.source, S - 1)
    again = gradient(model, Pair(other, inputs.target), lengths)
    jax.tree.map(np.testing.assert_array_equal, found, again)
    if sharing == "untied":  # no sequence has a fifth step
        cut = gradient(model, inputs, np.minimum(lengths, 4))
        for leaf in jax.tree.leaves(cut["encoder"]):
            assert not leaf[4:].any() and leaf[:4].any()


def test_no_logits_depend_on_later_tokens():
    model = make()
    inputs, lengths = sequences()
    changed = inputs.target.copy()
    changed[:, 2:] = (changed[:, 2:] + 1) % O
    one, other = (
        run(model, Pair(inputs.source, target), lengths)[0]
        for target in (inputs.target, changed)
    )
    np.testing.assert_array_equal(one[:, :3], other[:, :3])
    assert not np.allclose(one[:, 3], other[:, 3])


def test_equal_models_are_traced_once():
    inputs, lengths = sequences()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def logits_of(model, inputs, lengths):
        return model(inputs, seq_lengths=lengths)

    found = [logits_of(make(seed=seed), inputs, lengths) for seed in range(2)]
    assert not np.allclose(*found)

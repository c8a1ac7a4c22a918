"""Lengths, starts and numbers of steps in every integer type: none wraps around."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnshare import (
    RNN,
    Cyclic,
    ElmanCell,
    Segments,
    SequenceModel,
    Sharing,
    Tied,
    Untied,
    map_steps,
)
from rnnshare.models.sequence_model import BagOfSteps
from tests.cases import with_slow
from tests.library.ordinary.cases import assert_same, generic, generic_module

# More steps than int8 counts, and than uint8.
TRACED = [("int8", 130), ("int8", 300), ("uint8", 300), ("int16", 300), ("uint32", 300)]
CASES = [(*case, "traced") for case in TRACED] + [("uint8", 300, "eager")]
NARROW = [("int8", "traced"), ("uint8", "traced"), ("uint8", "eager")]


def layer(sharing: Sharing) -> RNN:
    """Returns Elman's cell of one unit, with generic weights."""
    return generic_module(
        lambda: RNN(functools.partial(ElmanCell, 1, 1), sharing, rngs=nnx.Rngs(0))
    )


def by_hand(rnn, inputs, lengths, row_of=lambda t: ..., reverse=False):
    """Returns outputs and last the carry, [B, T + 1, 1], by NumPy.

    `row_of(t)` is where the weights of step t stand.
    """
    stored = jax.tree.map(np.asarray, rnn.stored)
    carry = np.zeros((len(inputs), 1), np.float32)
    outputs = np.zeros_like(inputs)
    for b, length in enumerate(lengths):
        order = range(int(length))
        for t in reversed(order) if reverse else order:
            affine, recurrent = stored["input"], stored["recurrent"]
            at = row_of(t)
            w, bias, u = (
                leaf[at].ravel()
                for leaf in (affine["kernel"], affine["bias"], recurrent["kernel"])
            )
            carry[b] = np.tanh(inputs[b, t] * w + bias + carry[b] * u)
            outputs[b, t] = carry[b]
    return np.concatenate([outputs, carry[:, None]], axis=1)


def called(mode, run, *arguments):
    """Returns what a run returns, or a run with its carry, as `by_hand` does."""
    results = jax.jit(run)(*arguments) if mode == "traced" else run(*arguments)
    if not isinstance(results, tuple):
        return results
    carry, outputs = results
    return np.concatenate([outputs, carry[:, None]], axis=1)


def lengths_of(dtype, T):
    longest = min(T, int(np.iinfo(dtype).max))
    return np.array([0, 5, longest], dtype)


@pytest.mark.parametrize(
    ("dtype", "T", "mode", "reverse"),
    with_slow(
        [(*case, False) for case in CASES] + [(*CASES[i], True) for i in (1, 4)],
        [(*CASES[i], False) for i in (1, 2, 5)] + [(*CASES[1], True)],
    ),
)
def test_lengths(dtype, T, mode, reverse):
    rnn, inputs, lengths = layer(Tied()), generic((3, T, 1), 2), lengths_of(dtype, T)

    def run(inputs, lengths):
        options = {"reverse": reverse, "keep_order": True, "return_carry": True}
        return rnn(inputs, seq_lengths=lengths, **options)

    expected = by_hand(rnn, inputs, lengths, reverse=reverse)
    assert_same(called(mode, run, inputs, lengths), expected)


@pytest.mark.parametrize(
    ("dtype", "mode"), with_slow([*NARROW, ("uint32", "traced")], NARROW[:1])
)
def test_order_of_computation(dtype, mode):
    """With reverse, outputs in the order in which they were computed."""
    T = 130
    rnn, inputs, lengths = layer(Tied()), generic((3, T, 1), 2), lengths_of(dtype, T)

    def run(inputs, lengths):
        return rnn(inputs, seq_lengths=lengths, reverse=True)

    outputs = by_hand(rnn, inputs, lengths, reverse=True)[:, :T]
    for b, n in enumerate(map(int, lengths)):
        outputs[b, :n] = outputs[b, :n][::-1]
    assert_same(called(mode, run, inputs, lengths), outputs)


STARTS = {"uint8": 200, "int8": 100, "int16": 32_700, "uint32": 7}
ANYWHERE = {
    "Cyclic": (Cyclic(7), lambda t: t % 7),
    "hold": (Untied(150, beyond="hold"), lambda t: min(t, 149)),
    "cycle": (Untied(9, beyond="cycle"), lambda t: t % 9),
    "Segments": (
        Segments(400, 300, beyond="hold"),
        lambda t: min(t, 399) * 300 // 400,
    ),
}


STARTED = [(name, dtype, "traced") for name in ANYWHERE for dtype in ("int8", "uint8")]
STARTED += [("Cyclic", "int16", "traced"), ("Cyclic", "uint32", "traced")]
STARTED += [("Segments", "uint8", "eager")]
# Every sharing in the narrowest type, and a wider one.
STARTED_OF_A_KIND = {*STARTED[::2], STARTED[-1]}


@pytest.mark.parametrize(
    ("name", "dtype", "mode"), with_slow(STARTED, STARTED_OF_A_KIND)
)
def test_start(name, dtype, mode):
    sharing, row_of = ANYWHERE[name]
    T, start = 130, np.dtype(dtype).type(STARTS[dtype])
    rnn, inputs = layer(sharing), generic((1, T, 1), 2)

    def run(inputs, start):
        return rnn(inputs, start=start, return_carry=True)

    expected = by_hand(rnn, inputs, [T], lambda t: row_of(int(start) + t))
    assert_same(called(mode, run, inputs, start), expected)


@pytest.mark.parametrize(("dtype", "mode"), [("uint8", "traced"), ("int16", "eager")])
def test_num_steps(dtype, mode):
    """A chunk of a sequence whose steps are told by a NumPy integer."""
    num_steps, T = np.dtype(dtype).type(240), 130
    rnn, inputs = layer(Untied(240)), generic((1, T, 1), 2)

    def run(inputs, start):
        return rnn(inputs, start=start, num_steps=num_steps, return_carry=True)

    start = np.dtype(dtype).type(110)
    expected = by_hand(rnn, inputs, [T], lambda t: 110 + t)
    assert_same(called(mode, run, inputs, start), expected)


@pytest.mark.parametrize(("dtype", "mode"), NARROW)
def test_stretch(dtype, mode):
    rnn, T = layer(Untied(100, beyond="stretch")), 130
    inputs, length = generic((2, T, 1), 2), np.dtype(dtype).type(120)

    def run(inputs, length):
        return rnn(inputs, seq_lengths=length, return_carry=True)

    expected = by_hand(rnn, inputs, [120] * 2, lambda t: t * 100 // 120)
    assert_same(called(mode, run, inputs, length), expected)


@pytest.mark.parametrize(("dtype", "T", "mode"), [CASES[i] for i in (0, 2, 5)])
def test_map_steps(dtype, T, mode):
    inputs, lengths = generic((T, 3, 1), 2), lengths_of(dtype, T)
    stored = generic((T,), 3)

    def run(inputs, lengths):
        return map_steps(lambda w, x: w * x, Untied(T), stored, inputs, lengths=lengths)

    real = np.arange(T)[:, None] < lengths.astype(int)[None]
    expected = real[..., None] * stored[:, None, None] * inputs
    assert_same(called(mode, run, inputs, lengths), expected.astype(np.float32))


# Of `make test` is every model in another type.
READ = [(name, *narrow) for name in ("last", "every", "bag") for narrow in NARROW]


@pytest.mark.parametrize(("name", "dtype", "mode"), with_slow(READ, READ[::4]))
def test_models(name, dtype, mode):
    """Against themselves with lengths that are int32, as everywhere else."""
    T = 130

    def make():
        if name == "bag":
            return BagOfSteps(1, 2, 1, rngs=nnx.Rngs(0))
        return SequenceModel(ElmanCell, 1, 1, 1, readout=name, rngs=nnx.Rngs(0))

    model = generic_module(make)
    inputs, lengths = generic((3, T, 1), 2), lengths_of(dtype, T)

    def run(inputs, lengths):
        return model(inputs, seq_lengths=lengths)

    expected = jax.jit(run)(jnp.asarray(inputs), lengths.astype(np.int32))
    assert np.all(np.isfinite(expected))
    assert_same(called(mode, run, jnp.asarray(inputs), lengths), expected)


@pytest.mark.parametrize("mode", ["eager", "traced"])
@pytest.mark.parametrize("sharing", [Tied(), Cyclic(7), Untied(4)], ids=repr)
def test_a_start_that_is_no_integer(sharing, mode):
    """Under `Tied` too, which reads it not."""
    rnn, inputs = layer(sharing), generic((1, 3, 1), 2)

    def run(start):
        return rnn(inputs, start=start)

    for start in (np.float32(1), np.bool_(True)):
        with pytest.raises(TypeError, match="start"):
            called(mode, run, start)


@pytest.mark.parametrize("mode", ["eager", "traced"])
def test_lengths_that_are_no_integers(mode):
    rnn, inputs = layer(Tied()), generic((2, 3, 1), 2)
    for lengths in (np.array([1.0, 2.0], np.float32), np.array([True, False])):
        with pytest.raises(TypeError, match="lengths must be integers"):
            called(mode, lambda n: rnn(inputs, seq_lengths=n), lengths)

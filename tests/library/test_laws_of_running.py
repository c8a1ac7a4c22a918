"""The laws of how a sharing is run: in chunks, in reverse, with lengths, mapped."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnshare import expand
from tests.library.law_cases import (
    FEW_PAIRS,
    LENGTHS,
    B,
    D,
    H,
    T,
    assert_close,
    assert_equal,
    case,
    generic,
    gradient_of,
)
from tests.library.law_parameters import OF_RUNNING, in_turn, parameters


@pytest.fixture(params=parameters(FEW_PAIRS, OF_RUNNING))
def few(request):
    return case(*request.param)


# Laws that a sharing obeys in `make test` in turn; with chunks each of them is run.
REVERSE, WINDOWS, VMAP, REMAT, UNROLL, EAGER = TURNS = range(6)


def turn(number):
    cases = in_turn(FEW_PAIRS, OF_RUNNING, number, len(TURNS))
    return pytest.mark.parametrize("few", cases, indirect=True)


def test_l4_streaming(few):
    """Chunks with `start` and the carry handed on are the whole, lengths and all."""
    stored, inputs, carry = few.arguments
    if not few.is_causal:
        with pytest.raises(ValueError, match=r"so start must be 0"):
            few.run(stored, inputs[1:], carry, start=1)
        return

    def chunk(inputs, carry, lengths, start):
        return few.run(stored, inputs, carry, lengths=lengths, start=start)

    runs = [(jax.jit(chunk, static_argnames="start"), (0, 1, 4, T))]
    if few.may_start_anywhere:  # by one program
        runs.append((jax.jit(chunk), (0, 2, 4, T)))
    whole = runs[0][0](inputs, carry, LENGTHS, start=0)
    for run, places in runs:
        state, outputs = carry, []
        for start, stop in itertools.pairwise(places):
            left = np.clip(LENGTHS - start, 0, stop - start)
            state, y = run(inputs[start:stop], state, left, start=start)
            outputs.append(y)
        assert_close((state, np.concatenate(outputs)), whole)


@turn(WINDOWS)
def test_l14_truncation(few):
    """Windows joined are the whole; one window of T steps has the full gradient.

    Where a window begins is traced, as in the training loop.
    """

    def windows(window, stored, inputs, carry):
        def one(carry, scanned):
            start, x = scanned
            return few.run(stored, x, carry, start=start, num_steps=T)

        starts = window * jnp.arange(T // window)
        parts = inputs.reshape(T // window, window, B, D)
        carry, outputs = jax.lax.scan(one, carry, (starts, parts))
        return carry, outputs.reshape(T, B, -1)

    if not few.is_causal:
        with pytest.raises(ValueError, match="stretches its weights over a whole"):
            windows(2, *few.arguments)
        return
    whole, gradients = few.gradient(*few.arguments)
    assert_close(jax.jit(functools.partial(windows, 2))(*few.arguments), whole)
    at_once = gradient_of(functools.partial(windows, T))(*few.arguments)
    assert_close(at_once, (whole, gradients))


@turn(REVERSE)
def test_l5_in_reverse(few):
    """Each sequence runs from its last real step to its first, its weights in place."""
    stored, inputs, carry = few.arguments
    if not few.is_causal:
        with pytest.raises(ValueError, match="over the batch's one length"):
            few.run(stored, inputs, carry, lengths=LENGTHS, reverse=True)
        return
    run = gradient_of(
        lambda *args: few.run(*args[:3], lengths=args[3], reverse=True),
    )
    is_real = np.arange(T)[:, None, None] < LENGTHS[:, None]
    clean = run(stored, np.where(is_real, inputs, np.float32(0)), carry, LENGTHS)
    dirty = np.where(is_real, inputs, np.float32(np.nan))
    assert_equal(run(stored, dirty, carry, LENGTHS), clean)
    (final, outputs), _ = clean
    backwards = jax.jit(functools.partial(few.run, reverse=True))
    for i, n in enumerate(LENGTHS):
        if n == 0:
            assert_equal(*(jax.tree.map(lambda x: x[0], t) for t in (final, carry)))
        else:
            h, y = backwards(stored, inputs[:n], carry)
            mine = jax.tree.map(lambda x, i=i: x[i], (final, h))
            assert_close(*mine)
            assert_close(outputs[:n, i], y[:, i])


def test_l5_untied_gradients_beyond_the_last_real_step_are_zero():
    c = case("Untied", "LSTM")
    lengths = np.array([2, 0, 4], np.int32)
    _, (grads, *_) = c.gradient_with_lengths(*c.arguments, lengths)
    for leaf in jax.tree.leaves(grads):
        assert not np.any(leaf[4:])
        assert np.all(np.any(np.reshape(leaf[:4], (4, -1)), axis=1))


@pytest.mark.slow  # one such batch is of test_fused
@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.data())
def test_l5_any_lengths_and_batch_axes(data):
    """Several batch axes with lengths are the loop over their sequences."""
    batch = tuple(data.draw(st.lists(st.integers(1, 3), min_size=0, max_size=2)))
    num_inputs = data.draw(st.integers(1, 5))
    size = int(np.prod(batch))
    lengths = data.draw(
        st.lists(st.integers(0, num_inputs), min_size=size, max_size=size)
    )
    c = case(data.draw(st.sampled_from(["Tied", "Untied", "Segments"])), "Elman")
    stored, *_ = c.arguments
    inputs = generic((num_inputs, *batch, D), seed=5)
    carry = generic((*batch, H), seed=6)
    final, outputs = c.run(
        stored, inputs, carry, lengths=np.array(lengths, np.int32).reshape(batch)
    )
    for index, n in zip(np.ndindex(*batch), lengths, strict=True):
        assert not np.any(outputs[(slice(n, None), *index)])
        h = carry[index]
        for t in range(n):
            weights = jax.tree.map(lambda w, t=t: w[t], expand(c.sharing, stored, T))
            h, y = c.step(weights, h, inputs[(t, *index)])
            assert_close(outputs[(t, *index)], y)
        assert_close(final[index], h)


HOW = {REMAT: {"remat": True}, UNROLL: {"unroll": 4}, EAGER: "eager"}
RUNS = [
    pytest.param(*case.values, how, id=f"{case.id}-{how}", marks=case.marks)
    for number, how in HOW.items()
    for case in in_turn(FEW_PAIRS, OF_RUNNING, number, len(TURNS))
]


@pytest.mark.parametrize(("pair", "how"), RUNS)
def test_l6_ways_to_run(pair, how):
    """Remat, unrolling and jit change nothing beyond rounding."""
    few = case(*pair)
    expected = few.gradient(*few.arguments)
    if how == "eager":
        results, transpose = jax.vjp(few.run, *few.arguments)
        pull = jax.tree.map(
            lambda leaf, i: generic(leaf.shape, i),
            results,
            jax.tree.unflatten(
                jax.tree.structure(results), range(len(jax.tree.leaves(results)))
            ),
        )
        assert_close((results, transpose(pull)), expected)
    else:
        run = gradient_of(functools.partial(few.run, **how))
        assert_close(run(*few.arguments), expected)


@turn(VMAP)
def test_l7_vmap_is_the_loop(few):
    """Over the batch, and over stored weights."""
    stored, inputs, carry = few.arguments
    run = jax.jit(few.run)
    over_batch = jax.jit(jax.vmap(few.run, in_axes=(None, 1, 0), out_axes=(0, 1)))
    assert_close(over_batch(stored, inputs, carry), run(stored, inputs, carry))
    two = jax.tree.map(lambda w: np.stack([w, np.float32(0.5) * w]), stored)
    both = jax.jit(jax.vmap(few.run, in_axes=(0, None, None)))(two, inputs, carry)
    for i in range(2):
        mine, one = jax.tree.map(lambda leaf, i=i: leaf[i], (both, two))
        assert_close(mine, run(one, inputs, carry))

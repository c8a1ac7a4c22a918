"""Formal languages against definitions in plain Python, string by string."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare import tasks
from rnnshare.tasks import NON_REGULAR, REGULAR
from tests.cases import with_slow

EVERY = (*REGULAR, *NON_REGULAR)
every = pytest.mark.parametrize("language", EVERY, ids=lambda c: c.__name__)
MODULAR = "01234+-*"


def expected(language, symbols):
    """Returns the answer to a list of symbols, by the definition's words."""
    n = len(symbols)
    if language is tasks.EvenPairs:
        unequal = sum(a != b for a, b in itertools.pairwise(symbols))
        return [int(unequal % 2 == 0)]
    if language is tasks.Parity:
        return [symbols.count(1) % 2]
    if language is tasks.CycleNavigation:
        place = 0
        for symbol in symbols:
            place = (place + {0: 0, 1: 1, 2: -1}[symbol]) % 5
        return [place]
    if language is tasks.ModularArithmetic:
        return [eval("".join(MODULAR[s] for s in symbols)) % 5]
    if language is tasks.ReverseString:
        return symbols[::-1]
    if language is tasks.DuplicateString:
        return symbols + symbols
    if language is tasks.OddsFirst:
        return symbols[::2] + symbols[1::2]
    stack = []
    for symbol in symbols:
        if symbol == 2:
            stack = stack[:-1]
        else:
            stack.append(symbol % 3 if symbol >= 3 else symbol)
    return [*stack[::-1], 2][: n + 1]


def strings_of(task, batch):
    """Yields the symbols of each string, and the answer that is asked."""
    is_regular = isinstance(task, REGULAR)
    for i, steps in enumerate(batch.lengths.tolist()):
        one_hot = batch.inputs[i]
        assert not np.any(one_hot[steps:])
        np.testing.assert_array_equal(one_hot[:steps].sum(-1), 1)
        symbols = one_hot[:steps].argmax(-1)
        if is_regular:
            yield symbols.tolist(), [int(batch.targets[i])]
        else:
            is_string = symbols < task.num_symbols
            count = int(is_string.sum())
            assert is_string[:count].all()
            assert not batch.mask[i, :count].any() and not batch.mask[i, steps:].any()
            yield symbols[:count].tolist(), batch.targets[i][batch.mask[i]].tolist()


@every
def test_answers_are_those_of_the_definition(language):
    task = language(9)
    batch = jax.device_get(
        jax.jit(task.sample, static_argnums=1)(jax.random.key(1), 400)
    )
    assert batch.inputs.shape == (400, task.num_steps, task.in_features)
    seen = set()
    for symbols, answer in strings_of(task, batch):
        assert answer == expected(language, symbols), symbols
        seen.add(len(symbols))
    odd = language is tasks.ModularArithmetic
    assert seen == set(range(1, 10, 2 if odd else 1))


@pytest.mark.parametrize("language", with_slow(REGULAR, REGULAR[::3]))
def test_the_beginnings_of_a_string_are_strings(language):
    task = language(9)
    batch = jax.device_get(task.of_every_length(60))
    symbols = batch.inputs.argmax(-1)
    assert len({str(row) for row in symbols.tolist()}) > 50
    for length in range(1, 10):
        read = task.read_lengths(length)
        assert read == (length - (length + 1) % 2 if language is
                        tasks.ModularArithmetic else length)  # fmt: skip
        for row, answer in zip(symbols, batch.targets[:, length - 1], strict=True):
            assert [answer] == expected(language, row[:read].tolist())


def test_stack_draws_are_those_of_the_paper():
    """A stack of at least one symbol, then actions; one symbol alone is a stack."""
    batch = jax.device_get(tasks.StackManipulation(7).sample(jax.random.key(0), 500))
    sizes = set()
    for symbols, _ in strings_of(tasks.StackManipulation(7), batch):
        is_action = [s >= 2 for s in symbols]
        assert is_action == sorted(is_action) and not is_action[0]
        if len(symbols) == 7:
            sizes.add(is_action.count(False))
        if len(symbols) > 1:
            assert is_action[-1]
    assert sizes == set(range(1, 7))


@every
def test_longer_strings_at_any_traced_length(language):
    longer = dataclasses.replace(language(3), max_length=12)
    draw = jax.jit(longer.of_length, static_argnums=1)
    for length in (1, 7, 12):
        batch = jax.device_get(draw(jnp.int32(length), 5))
        for symbols, answer in strings_of(longer, batch):
            even = language is tasks.ModularArithmetic and length % 2 == 0
            assert len(symbols) == length - even
            assert answer == expected(language, symbols)
    assert draw._cache_size() == 1


@pytest.mark.parametrize("language", with_slow(EVERY, EVERY[::3]))
def test_chance_by_simulation(language):
    """The best constant answer, found on 20,000 strings of one length."""
    task = dataclasses.replace(language(1), max_length=5)
    for length in (1, 2, 5):
        batch = task.of_length(jnp.int32(length), 20_000)
        guesses = range(task.out_features)
        found = []
        for guess in guesses:
            shape = (*batch.targets.shape, task.out_features)
            outputs = jnp.broadcast_to(jax.nn.one_hot(guess, shape[-1]), shape)
            found.append(float(jnp.mean(task.accuracy_each(outputs, batch))))
        assert max(found) == pytest.approx(task.chance(length), abs=0.015), length
    mean = np.mean([task.chance(n) for n in range(1, 6)])
    assert task.baselines["chance"]["accuracy"] == pytest.approx(mean)


def test_a_curriculum_lets_strings_grow():
    task = tasks.Parity(40, curriculum=0.5)
    sample = jax.jit(task.sample_at, static_argnums=1)
    longest = [
        int(sample(jax.random.key(0), 1_000, jnp.float32(p)).lengths.max())
        for p in (0.0, 0.05, 0.25, 0.5, 0.9)
    ]
    assert longest == [1, 4, 20, 40, 40]
    full = task.sample(jax.random.key(0), 4_000).lengths
    counts = np.bincount(np.asarray(full), minlength=41)[1:]
    assert counts.min() > 60 and counts.sum() == 4_000


def test_accuracy_is_over_each_strings_own_answer():
    task = tasks.ReverseString(2)
    batch = task.draw(jax.random.key(0), jnp.array([1, 2]))
    right = jax.nn.one_hot(batch.targets, 2)
    assert task.accuracy_each(right, batch).tolist() == [1.0, 1.0]
    half = right.at[1, 3].set(1 - right[1, 3])
    assert task.accuracy_each(half, batch).tolist() == [1.0, 0.5]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_length": 0}, "Parity: max_length is 0. Use an integer of at least 1"),
        ({"max_length": 4, "curriculum": 1.5}, "curriculum is 1.5. Use a part of the"),
    ],
)
def test_errors_say_the_way_out(options, error):
    with pytest.raises(ValueError, match=error):
        tasks.Parity(**options)

"""Formal languages as tasks: strings of every length, answered once or step by step.

Each task has strings of up to `max_length` symbols, one-hot, padded; trained at one
`max_length`, a model is tested at any other, `of_length`. The regular tasks ask for
one class at the string's end. The others answer with a string: after the input comes an
*answer* symbol for every step that is asked.

Shape letters: B batch, N max_length, T steps.

Reference: Deletang et al., 2023, "Neural networks and the Chomsky hierarchy".
"""

import abc
import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import (
    Batch,
    Classification,
    as_pytree,
    check_counts,
    held_out_key,
)
from rnnshare.tasks.classes import rightness
from rnnshare.tasks.draws import one_hot, randint, uniform


@dataclasses.dataclass(frozen=True)
class FormalTask(Classification):
    """Strings whose lengths are drawn from U(min_length, max_length).

    Attributes:
      max_length: N.
      min_length: of the shortest string.
      num_held_out: strings in each held-out set.
      curriculum: the part of the training over which the longest string grows from the
        shortest to N; 0: all lengths from the start.
    """

    max_length: int
    min_length: int = 1
    num_held_out: int = 1_000
    curriculum: float = 0.0
    num_symbols: ClassVar[int]

    def __post_init__(self):
        check_counts(self, max_length=1, min_length=1, num_held_out=1)
        if self.min_length > self.max_length:
            raise ValueError(
                f"{type(self).__name__}: min_length is {self.min_length}, above "
                f"max_length, {self.max_length}."
            )
        if not 0 <= self.curriculum <= 1:
            raise ValueError(
                f"{type(self).__name__}: curriculum is {self.curriculum}. Use a part "
                "of the training, between 0 and 1."
            )

    @property
    def name(self) -> str:  # type: ignore[override]
        """The language and its longest string; its shortest, where that is not 1."""
        shortest = "" if self.min_length == 1 else f"{self.min_length}_to_"
        return f"{self.language()}_{shortest}{self.max_length}"

    @classmethod
    def language(cls) -> str:
        """The class's name, as flags and files write it."""
        words = (f"_{c.lower()}" if c.isupper() else c for c in cls.__name__)
        return "".join(words)[1:]

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """T: of the longest string, and its answer."""
        return int(self.steps_of(np.int64(self.max_length)))

    def steps_of(self, lengths):
        """Returns the steps that strings of these lengths take, with their answers."""
        return lengths

    @abc.abstractmethod
    def draw(self, key: jax.Array, lengths: jax.Array) -> Batch:
        """Returns one string of each length, int[B], padded to T steps."""

    @abc.abstractmethod
    def chance(self, length: int) -> float:
        """Returns the accuracy of the best constant answer, for strings of a length."""

    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """Draws strings of all lengths."""
        return self.sample_at(key, batch_size, jnp.float32(1))

    def sample_at(self, key: jax.Array, batch_size: int, progress: jax.Array) -> Batch:
        """Draws strings; at a progress in [0, 1], as long as the curriculum allows."""
        span = jnp.float32(self.max_length - self.min_length + 1)
        if self.curriculum:
            grown = jnp.ceil(jnp.clip(progress / self.curriculum, 0, 1) * span)
            span = jnp.maximum(grown, 1.0)
        for_lengths, for_strings = jax.random.split(key)
        drawn = (uniform(for_lengths, (batch_size,)) * span).astype(jnp.int32)
        lengths = jnp.minimum(self.min_length + drawn, self.max_length)
        return self.draw(for_strings, lengths)

    def held_out(self, split: str) -> Batch:
        """Returns a fixed draw of all lengths up to N."""
        return self.sample(held_out_key(split), self.num_held_out)

    def of_length(self, length: jax.Array, examples: int) -> Batch:
        """Returns a fixed draw of strings of one length, at most N, padded to T.

        The length may be traced: one compilation serves all. Strings longer than those
        of the training come from `dataclasses.replace(task, max_length=...)`.
        """
        key = jax.random.fold_in(held_out_key("test"), length)
        return self.draw(key, jnp.full(examples, length, jnp.int32))

    def accuracy_each(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Returns float32[B], the fraction of each string's answer that is right."""
        right = rightness(outputs, batch.targets, batch.mask)
        if batch.mask is None:
            return right
        right = jnp.where(batch.mask, right, 0.0)
        return jnp.sum(right, -1) / jnp.sum(batch.mask, -1).astype(jnp.float32)

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """The best constant answer, over all lengths, and the solution."""
        lengths = range(self.min_length, self.max_length + 1)
        chance = float(np.mean([self.chance(length) for length in lengths]))
        return {"chance": {"accuracy": chance}, "oracle": {"accuracy": 1.0}}


class Regular(FormalTask):
    """A language that a finite automaton decides: one class at the string's end."""

    @property
    def in_features(self) -> int:  # type: ignore[override]
        """The symbols, one-hot."""
        return self.num_symbols

    @abc.abstractmethod
    def answer(self, symbols: jax.Array, lengths: jax.Array) -> jax.Array:
        """Returns int[B], the classes of strings int[B, N] of these lengths."""

    def symbols(self, key: jax.Array, count: int) -> jax.Array:
        """Returns `count` strings int[B, N], before they are cut to their lengths."""
        return randint(key, (count, self.max_length), 0, self.num_symbols)

    def read_lengths(self, lengths):
        """Returns how much of a string is read that should have these lengths."""
        return lengths

    def of_every_length(self, examples: int) -> Batch:
        """Returns a fixed draw of strings of N symbols, each a string of every length.

        The first n symbols of a string are a string of length n, so a model that
        answers at every step is measured at all lengths by one pass.

        Returns:
          inputs [B, N, D], and targets int[B, N]: entry n - 1 is the class of the
          first n symbols, due after `read_lengths(n)` of them.
        """
        symbols = self.symbols(held_out_key("test"), examples)

        def answers(length: jax.Array) -> jax.Array:
            return self.answer(symbols, jnp.full(examples, length)).astype(jnp.int32)

        read = self.read_lengths(jnp.arange(1, self.max_length + 1))
        targets = jax.vmap(answers, out_axes=1)(read)
        return Batch(one_hot(symbols, self.num_symbols), targets)

    def draw(self, key: jax.Array, lengths: jax.Array) -> Batch:  # noqa: D102
        lengths = self.read_lengths(lengths)
        symbols = self.symbols(key, len(lengths))
        answers = self.answer(symbols, lengths).astype(jnp.int32)
        inputs = one_hot(symbols, self.num_symbols)
        real = jnp.arange(self.max_length)[None] < lengths[:, None]
        return Batch(jnp.where(real[..., None], inputs, 0.0), answers, lengths)

    def chance(self, length: int) -> float:
        """Returns one over the number of classes: they are equally likely."""
        del length
        return 1 / self.out_features


@as_pytree()
@dataclasses.dataclass(frozen=True)
class EvenPairs(Regular):
    """Is the number of unequal neighbours even? It is if the ends are equal."""

    num_symbols = 2
    out_features = 2

    def answer(self, symbols, lengths):  # noqa: D102
        last = jnp.take_along_axis(symbols, lengths[:, None] - 1, axis=1)[:, 0]
        return symbols[:, 0] == last

    def chance(self, length: int) -> float:
        """Returns 1/2; a string of one symbol always ends as it begins."""
        return 1.0 if length == 1 else 0.5


@as_pytree()
@dataclasses.dataclass(frozen=True)
class Parity(Regular):
    """Is the number of ones odd?"""

    num_symbols = 2
    out_features = 2

    def answer(self, symbols, lengths):  # noqa: D102
        return jnp.sum(_cut(symbols, lengths), 1) % 2


@as_pytree()
@dataclasses.dataclass(frozen=True)
class CycleNavigation(Regular):
    """Where on a cycle of five places do steps of 0, +1 and -1 from place 0 end?"""

    num_symbols = 3
    out_features = 5

    def answer(self, symbols, lengths):  # noqa: D102
        moves = jnp.where(symbols == 2, -1, symbols)
        return jnp.sum(_cut(moves, lengths), 1) % 5

    def chance(self, length: int) -> float:
        """Returns the chance of the likeliest place."""
        places = np.eye(5)[0]
        for _ in range(length):
            places = (places + np.roll(places, 1) + np.roll(places, -1)) / 3
        return float(places.max())


@as_pytree()
@dataclasses.dataclass(frozen=True)
class ModularArithmetic(Regular):
    """The value modulo 5 of digits joined by +, - and *, products first.

    Such strings are of odd length: an even length stands for the odd one before it.
    """

    num_symbols = 8  # five digits, plus, minus, times
    out_features = 5

    def symbols(self, key, count):  # noqa: D102
        digits, operators = jax.random.split(key)
        shape = (count, self.max_length)
        is_digit = (jnp.arange(self.max_length) % 2 == 0)[None]
        return jnp.where(
            is_digit,
            randint(digits, shape, 0, 5),
            randint(operators, shape, 5, 8),
        )

    def read_lengths(self, lengths):  # noqa: D102
        return lengths - (lengths + 1) % 2

    def answer(self, symbols, lengths):
        """Returns the sum of the products between two signs."""
        digits, operators = symbols[:, ::2], symbols[:, 1::2]
        count = digits.shape[1]
        # The operator before each digit; a plus before the first.
        before = jnp.pad(operators, ((0, 0), (1, 0)), constant_values=5)[:, :count]
        starts = before != 7
        signed = jnp.where(before == 6, -digits, digits)

        def join(left, right):
            (a, _), (b, fresh) = left, right
            return jnp.where(fresh, b, a * b % 5), left[1] | fresh

        products, _ = jax.lax.associative_scan(join, (signed, starts), axis=1)
        real = jnp.arange(count)[None] < (lengths[:, None] + 1) // 2
        ends = jnp.pad((starts | ~real)[:, 1:], ((0, 0), (0, 1)), constant_values=True)
        return jnp.sum(jnp.where(ends & real, products, 0), 1) % 5

    def chance(self, length: int) -> float:
        """Returns the chance of the likeliest value: products make 0 likelier."""
        states = np.zeros((5, 5))  # of the sum so far, and the product that is open
        states[0] = 1 / 5
        for _ in range((length - 1) // 2):
            after = np.zeros((5, 5))
            for total, product in np.ndindex(5, 5):
                mass = states[total, product] / 15
                closed = (total + product) % 5
                for digit in range(5):
                    after[closed, digit] += mass
                    after[closed, -digit % 5] += mass
                    after[total, product * digit % 5] += mass
            states = after
        values = np.zeros(5)
        for total, product in np.ndindex(5, 5):
            values[(total + product) % 5] += states[total, product]
        return float(values.max())


class Transduction(FormalTask):
    """A string for a string: `accuracy` is a symbol's, over the steps of the answer."""

    num_symbols = 2
    readout = "every"
    num_answers: ClassVar[int] = 2

    @property
    def in_features(self) -> int:  # type: ignore[override]
        """The symbols and the answer symbol, one-hot."""
        return self.num_symbols + 1

    @property
    def out_features(self) -> int:  # type: ignore[override]
        """The symbols of an answer."""
        return self.num_answers

    def steps_of(self, lengths):  # noqa: D102
        return 2 * lengths

    @abc.abstractmethod
    def transduce(
        self, key: jax.Array, lengths: jax.Array, places: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Draws strings and their answers.

        Args:
          key: of the draw.
          lengths: int[B, 1].
          places: int[1, T], of the answer's symbols; negative ones are not asked for.

        Returns:
          Strings int[B, N], answers int[B, T], and bool[B, T], the answers that count.
        """

    def draw(self, key: jax.Array, lengths: jax.Array) -> Batch:  # noqa: D102
        column, total = lengths[:, None], self.steps_of(lengths)[:, None]
        steps = jnp.arange(self.num_steps)[None]
        strings, answers, counts = self.transduce(key, column, steps - column)
        strings = jnp.pad(
            strings, ((0, 0), (0, self.num_steps - self.max_length)),
        )  # fmt: skip
        inputs = jnp.where(steps < column, strings, self.num_symbols)
        inputs = one_hot(inputs, self.in_features)
        inputs = jnp.where((steps < total)[..., None], inputs, 0.0)
        asked = (steps >= column) & (steps < total) & counts
        return Batch(inputs, jnp.where(asked, answers, 0), total[:, 0], asked)

    def chance(self, length: int) -> float:
        """Returns 1/2: every symbol of the answer is a fair coin."""
        del length
        return 1 / 2

    def _coins(self, key: jax.Array, lengths: jax.Array) -> jax.Array:
        return randint(key, (len(lengths), self.max_length), 0, 2)


@as_pytree()
@dataclasses.dataclass(frozen=True)
class ReverseString(Transduction):
    """The string from its end to its beginning: needs a stack."""

    def transduce(self, key, lengths, places):  # noqa: D102
        strings = self._coins(key, lengths)
        return strings, _pick(strings, lengths - 1 - places), places >= 0


@as_pytree()
@dataclasses.dataclass(frozen=True)
class DuplicateString(Transduction):
    """The string twice: needs a queue, or the like."""

    def steps_of(self, lengths):  # noqa: D102
        return 3 * lengths

    def transduce(self, key, lengths, places):  # noqa: D102
        strings = self._coins(key, lengths)
        return strings, _pick(strings, places % lengths), places >= 0


@as_pytree()
@dataclasses.dataclass(frozen=True)
class OddsFirst(Transduction):
    """The first, third, fifth... symbol, then the second, fourth..."""

    def transduce(self, key, lengths, places):  # noqa: D102
        strings = self._coins(key, lengths)
        odds = (lengths + 1) // 2
        where = jnp.where(places < odds, 2 * places, 2 * (places - odds) + 1)
        return strings, _pick(strings, where), places >= 0


@as_pytree()
@dataclasses.dataclass(frozen=True)
class StackManipulation(Transduction):
    """A stack, bottom first, and what is done to it: read out what is left of it.

    Symbols 0, 1: the stack's content; 2: pop, which an empty stack ignores; 3, 4: push
    0, push 1. The stack's size is U(1, n - 1) of a string of n. The answer is the stack
    from the top, and the end as symbol 2; what follows does not count.
    """

    num_symbols = 5
    num_answers = 3

    def steps_of(self, lengths):  # noqa: D102
        return 2 * lengths + 1

    def transduce(self, key, lengths, places):  # noqa: D102
        for_size, for_stack, for_actions = jax.random.split(key, 3)
        shape = (len(lengths), self.max_length)
        drawn = uniform(for_size, (len(lengths), 1))
        size = 1 + (drawn * (lengths - 1).astype(jnp.float32)).astype(jnp.int32)
        size = jnp.clip(size, 1, jnp.maximum(lengths - 1, 1))
        where = jnp.arange(self.max_length)[None]
        strings = jnp.where(
            where < size,
            randint(for_stack, shape, 0, 2),
            randint(for_actions, shape, 2, 5),
        )
        moves = jnp.where(strings == 2, -1, 1)
        moves = jnp.where(where < lengths, moves, 0)
        # An empty stack ignores a pop: the walk is reflected at 0.
        walk = jnp.cumsum(moves, 1)
        depth = walk - jnp.minimum(jax.lax.cummin(walk, axis=1), 0)
        final = depth[:, -1:]
        # The symbol at height h was pushed at the last step that came up to h + 1.
        height = final - 1 - places
        pushed = (moves == 1)[:, None] & (depth[:, None] == height[..., None] + 1)
        last = jnp.max(jnp.where(pushed, where[:, None], -1), -1)
        symbols = _pick(strings, last)
        symbols = jnp.where(symbols >= 3, symbols - 3, symbols)
        answers = jnp.where(height >= 0, symbols, 2)
        return strings, answers, (places >= 0) & (height >= -1)

    def chance(self, length: int) -> float:
        """Returns the accuracy of answering 0 throughout, or the end throughout."""
        sizes = range(1, length) if length > 1 else (1,)
        coin = end = 0.0
        for size in sizes:
            depths = np.zeros(length + 2)
            depths[size] = 1.0
            for _ in range(length - size):
                pushed, popped = np.roll(depths, 1) * 2 / 3, np.roll(depths, -1) / 3
                popped[0] += depths[0] / 3
                pushed[0] = popped[-1] = 0.0
                depths = pushed + popped
            left = np.arange(len(depths))
            coin += float(depths @ (left / (2 * (left + 1)))) / len(sizes)
            end += float(depths @ (1 / (left + 1))) / len(sizes)
        return max(coin, end)


REGULAR = (EvenPairs, Parity, CycleNavigation, ModularArithmetic)
NON_REGULAR = (ReverseString, DuplicateString, OddsFirst, StackManipulation)


def _cut(values: jax.Array, lengths: jax.Array) -> jax.Array:
    """Returns values [B, N], 0 from each length on."""
    real = jnp.arange(values.shape[1])[None] < lengths[:, None]
    return jnp.where(real, values, 0)


def _pick(strings: jax.Array, where: jax.Array) -> jax.Array:
    """Returns strings [B, N] at places [B, T], which are clipped to the string."""
    where = jnp.clip(jnp.broadcast_to(where, (len(strings), where.shape[1])), 0,
                     strings.shape[1] - 1)  # fmt: skip
    return jnp.take_along_axis(strings, where, axis=1)

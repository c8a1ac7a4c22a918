"""A string for a string: what no finite automaton answers."""

import abc
import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import Batch, as_pytree
from rnnshare.tasks.draws import one_hot, randint, uniform
from rnnshare.tasks.formal.base import FormalTask


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
        # A row for each size of the stack at first: the chances of its sizes now.
        depths = np.eye(max(length - 1, 1), length + 2, 1)
        for step in range(1, length):
            walks = depths[:step]  # of larger stacks it is still content
            pushed, popped = np.zeros((2, *walks.shape))
            pushed[:, 1:] = walks[:, :-1] * 2 / 3
            popped[:, :-1] = walks[:, 1:] / 3
            popped[:, 0] += walks[:, 0] / 3
            depths[:step] = pushed + popped
        left, chances = np.arange(length + 2), depths.mean(0)
        coin = float(chances @ (left / (2 * (left + 1))))
        end = float(chances @ (1 / (left + 1)))
        return max(coin, end)


NON_REGULAR = (ReverseString, DuplicateString, OddsFirst, StackManipulation)


def _pick(strings: jax.Array, where: jax.Array) -> jax.Array:
    """Returns strings [B, N] at places [B, T], which are clipped to the string."""
    where = jnp.clip(jnp.broadcast_to(where, (len(strings), where.shape[1])), 0,
                     strings.shape[1] - 1)  # fmt: skip
    return jnp.take_along_axis(strings, where, axis=1)

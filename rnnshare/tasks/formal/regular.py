"""Languages that a finite automaton decides: one class at the string's end."""

import abc
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import Batch, as_pytree, held_out_key
from rnnshare.tasks.draws import one_hot, randint
from rnnshare.tasks.formal.base import FormalTask


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
        one_step = np.fft.fft([1 / 3, 1 / 3, 0, 0, 1 / 3])  # a convolution a step
        return float(np.fft.ifft(one_step**length).real.max())


@as_pytree()
@dataclasses.dataclass(frozen=True)
class ModularArithmetic(Regular):
    """The value modulo 5 of digits joined by `+`, `-` and `*`, products first.

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


REGULAR = (EvenPairs, Parity, CycleNavigation, ModularArithmetic)


def _cut(values: jax.Array, lengths: jax.Array) -> jax.Array:
    """Returns values [B, N], 0 from each length on."""
    real = jnp.arange(values.shape[1])[None] < lengths[:, None]
    return jnp.where(real, values, 0)

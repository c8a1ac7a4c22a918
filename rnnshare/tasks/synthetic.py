"""Tasks that are drawn, not read: copy memory and adding."""

import dataclasses
import math

import jax
import jax.numpy as jnp

from rnnshare.tasks.base import (
    Batch,
    Classification,
    Task,
    as_pytree,
    check_counts,
    held_out_key,
)
from rnnshare.tasks.draws import one_hot, randint, uniform


@as_pytree()
@dataclasses.dataclass(frozen=True)
class CopyMemory(Classification):
    """Recall symbols after a wait: n symbols, blanks, a signal, and n steps to answer.

    The input is one-hot: symbols 0..m-1, blank m, signal m + 1. The targets are blank
    until the last n steps, which ask for the symbols in their order. All steps are in
    the loss; `accuracy` is that of the recalled steps.

    Attributes:
      num_blanks: steps between the last symbol and the first recalled one.
      num_recalled: n.
      num_symbols: m.
      num_held_out: examples in each held-out set.

    Reference: Arjovsky, Shah, Bengio, 2016, "Unitary evolution recurrent neural
    networks", after Hochreiter, Schmidhuber, 1997.
    """

    num_blanks: int
    num_recalled: int = 10
    num_symbols: int = 8
    num_held_out: int = 1_000
    readout = "every"

    def __post_init__(self):
        check_counts(self, num_blanks=1, num_recalled=1, num_symbols=2, num_held_out=1)

    @property
    def name(self) -> str:  # type: ignore[override]
        """`copy_memory_` and the number of blanks."""
        return f"copy_memory_{self.num_blanks}"

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """The symbols, the wait, and the recall."""
        return self.num_blanks + 2 * self.num_recalled

    @property
    def in_features(self) -> int:  # type: ignore[override]
        """Symbols, blank and signal, one-hot."""
        return self.num_symbols + 2

    @property
    def out_features(self) -> int:  # type: ignore[override]
        """Symbols and blank."""
        return self.num_symbols + 1

    def sample(self, key: jax.Array, batch_size: int) -> Batch:  # noqa: D102
        blank, signal = self.num_symbols, self.num_symbols + 1
        shape = (batch_size, self.num_recalled)
        symbols = randint(key, shape, 0, self.num_symbols)
        tokens = jnp.full((batch_size, self.num_steps), blank, symbols.dtype)
        recall = self.num_steps - self.num_recalled
        targets = tokens.at[:, recall:].set(symbols)
        tokens = tokens.at[:, : self.num_recalled].set(symbols)
        tokens = tokens.at[:, recall - 1].set(signal)
        return Batch(one_hot(tokens, self.in_features), targets)

    def held_out(self, split: str) -> Batch:  # noqa: D102
        return self.sample(held_out_key(split), self.num_held_out)

    def metrics(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        """Returns `loss` of all steps, and `accuracy` of the recalled ones."""
        recalled = slice(self.num_steps - self.num_recalled, None)
        asked = Batch(None, batch.targets[:, recalled])
        accuracy = super().metrics(outputs[:, recalled], asked)["accuracy"]
        return {"loss": self.loss(outputs, batch), "accuracy": accuracy}

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """The best without memory guesses: `n log(m) / T` nats and `1 / m`."""
        loss = self.num_recalled * math.log(self.num_symbols) / self.num_steps
        return {
            "no memory": {"loss": loss, "accuracy": 1 / self.num_symbols},
            "oracle": {"loss": 0.0, "accuracy": 1.0},
        }


@as_pytree()
@dataclasses.dataclass(frozen=True)
class Adding(Task):
    """Add two marked numbers: values U(0, 1), one mark in each half of the sequence.

    The loss is the squared error of the one answer.

    Attributes:
      num_steps: T.
      num_held_out: examples in each held-out set.

    Reference: Hochreiter, Schmidhuber, 1997, "Long short-term memory".
    """

    num_steps: int
    num_held_out: int = 1_000
    in_features = 2
    out_features = 1

    def __post_init__(self):
        check_counts(self, num_steps=2, num_held_out=1)

    @property
    def name(self) -> str:  # type: ignore[override]
        """`adding_` and the number of steps."""
        return f"adding_{self.num_steps}"

    def sample(self, key: jax.Array, batch_size: int) -> Batch:  # noqa: D102
        for_values, for_first, for_second = jax.random.split(key, 3)
        values = uniform(for_values, (batch_size, self.num_steps))
        half = self.num_steps // 2
        first = randint(for_first, (batch_size,), 0, half)
        second = randint(for_second, (batch_size,), half, self.num_steps)
        marks = one_hot(first, self.num_steps)
        marks += one_hot(second, self.num_steps)
        targets = jnp.sum(values * marks, axis=1, keepdims=True)
        return Batch(jnp.stack([values, marks], axis=-1), targets)

    def held_out(self, split: str) -> Batch:  # noqa: D102
        return self.sample(held_out_key(split), self.num_held_out)

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Returns the mean squared error."""
        return jnp.mean((outputs.astype(jnp.float32) - batch.targets) ** 2)

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """The best constant is 1, its error the variance of a sum of two: `2 / 12`."""
        return {"no memory": {"loss": 2 / 12}, "oracle": {"loss": 0.0}}

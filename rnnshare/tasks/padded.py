"""Copy memory and adding of any length in arrays of one: all waits, one program.

The length is an array, and what stands after it is padding, so tasks that differ in
their wait share one compilation.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import Batch, as_pytree, masked_mean
from rnnshare.tasks.classes import rightness
from rnnshare.tasks.draws import one_hot, randint, uniform
from rnnshare.tasks.synthetic import Adding, CopyMemory


@as_pytree("length")
@dataclasses.dataclass(frozen=True, eq=False)
class PaddedAdding(Adding):
    """`Adding` of `length` steps, padded to `num_steps`.

    Attributes:
      length: int32[], the real steps, 2..num_steps; all by default.
    """

    length: Any = None

    def __post_init__(self):
        super().__post_init__()
        _fill(self, "length", "num_steps", 2)

    @property
    def name(self) -> str:  # type: ignore[override]
        """`adding_`, the real steps, `_of_` and the steps with the padding."""
        return f"adding_{int(self.length)}_of_{self.num_steps}"

    def sample(self, key: jax.Array, batch_size: int) -> Batch:  # noqa: D102
        for_values, for_first, for_second = jax.random.split(key, 3)
        values = uniform(for_values, (batch_size, self.num_steps))
        half = self.length // 2
        first = randint(for_first, (batch_size,), 0, half)
        second = randint(for_second, (batch_size,), half, self.length)
        marks = one_hot(first, self.num_steps)
        marks += one_hot(second, self.num_steps)
        targets = jnp.sum(values * marks, axis=1, keepdims=True)
        lengths = jnp.broadcast_to(jnp.asarray(self.length), (batch_size,))
        return Batch(jnp.stack([values, marks], axis=-1), targets, lengths)


@as_pytree("wait")
@dataclasses.dataclass(frozen=True, eq=False)
class PaddedCopyMemory(CopyMemory):
    """`CopyMemory` of `wait` blanks, padded to `num_blanks`; real steps are scored.

    Attributes:
      wait: int32[], the real blanks, 1..num_blanks; all by default.
    """

    wait: Any = None

    def __post_init__(self):
        super().__post_init__()
        _fill(self, "wait", "num_blanks", 1)

    @property
    def name(self) -> str:  # type: ignore[override]
        """`copy_memory_`, the real blanks, `_of_` and those with the padding."""
        return f"copy_memory_{int(self.wait)}_of_{self.num_blanks}"

    def sample(self, key: jax.Array, batch_size: int) -> Batch:  # noqa: D102
        blank, signal = self.num_symbols, self.num_symbols + 1
        shape = (batch_size, self.num_recalled)
        symbols = randint(key, shape, 0, self.num_symbols)
        tokens = jnp.full((batch_size, self.num_steps), blank, symbols.dtype)
        tokens = tokens.at[:, : self.num_recalled].set(symbols)
        recall = jnp.asarray(self.wait) + self.num_recalled
        targets = jax.lax.dynamic_update_slice(
            jnp.full_like(tokens, blank), symbols, (jnp.zeros_like(recall), recall)
        )
        step = jnp.arange(self.num_steps)[None]
        tokens = jnp.where(step == recall - 1, signal, tokens)
        length = recall + self.num_recalled
        return Batch(
            one_hot(tokens, self.in_features),
            targets,
            jnp.broadcast_to(length, (batch_size,)),
            jnp.broadcast_to(step < length, tokens.shape),
        )

    def metrics(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        """Returns `loss` of the real steps, and `accuracy` of the recalled ones."""
        recalled = batch.targets < self.num_symbols
        right = rightness(outputs, batch.targets, recalled)
        accuracy = masked_mean(right, recalled)
        return {"loss": self.loss(outputs, batch), "accuracy": accuracy}

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """The best without memory guesses: `n log(m) / T` nats and `1 / m`."""
        found = super().baselines
        length = int(self.wait) + 2 * self.num_recalled
        found["no memory"]["loss"] = (
            self.num_recalled * math.log(self.num_symbols) / length
        )
        return found


def _fill(task: Any, name: str, most: str, least: int) -> None:
    """Makes an array of a length, so that tasks of other lengths share a program."""
    length, longest = getattr(task, name), getattr(task, most)
    if length is None:
        length = longest
    if isinstance(length, int | float):
        if not isinstance(length, int) or not least <= length <= longest:
            raise ValueError(
                f"{type(task).__name__}: {name} is {length}. Use a whole number in "
                f"{least}..{longest}, {most} being the longest."
            )
        object.__setattr__(task, name, np.int32(length))

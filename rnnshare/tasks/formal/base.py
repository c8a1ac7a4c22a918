"""What all formal languages share: strings of every length, padded, and their draw."""

import abc
import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import (
    Batch,
    Classification,
    check_counts,
    held_out_key,
)
from rnnshare.tasks.classes import rightness
from rnnshare.tasks.draws import uniform


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

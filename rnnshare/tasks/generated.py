"""Training sets of N examples that are drawn again when they are needed, not stored.

Example i is a pure function of (data seed, i), so a set of any size takes no memory,
and tasks that differ in N share one compilation.

Shape letters: B batch, T time, D input features, N examples.
"""

import abc
import dataclasses
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import SPLITS, Batch, Task, as_pytree, check_split
from rnnshare.tasks.draws import randint

_Self = TypeVar("_Self", bound="GeneratedTask")


@as_pytree("num_examples", "seed")
@dataclasses.dataclass(frozen=True, eq=False)
class GeneratedTask(Task):
    """A task whose training set is N draws of `example`.

    Attributes:
      num_examples: int32[], N.
      seed: uint32[], of all sets: another seed has another training set, validation set
        and test set of the same distribution.
      num_held_out: examples in each held-out set; of the training set, so many are
        measured, over again where there are fewer.
    """

    num_examples: Any
    seed: Any
    num_held_out: int = 1_000

    def __post_init__(self):
        if isinstance(self.num_examples, int):
            if self.num_examples < 1:
                raise ValueError(
                    f"{type(self).__name__}: num_examples is {self.num_examples}. Use "
                    "at least 1."
                )
            # Arrays, so that tasks of other sizes share one compilation.
            object.__setattr__(self, "num_examples", np.int32(self.num_examples))
            object.__setattr__(self, "seed", np.uint32(self.seed))

    @abc.abstractmethod
    def example(self, key: jax.Array, split: str) -> Batch:
        """Draws one example, leaves without a batch axis; some splits may differ."""

    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """Draws training examples with replacement."""
        return self.training_examples(self.draw_numbers(key, batch_size))

    def held_out(self, split: str) -> Batch:  # noqa: D102
        check_split(split)
        if split == "train":
            return self.training_examples(self.measured_numbers())
        return self._examples(split, jnp.arange(self.num_held_out))

    def draw_numbers(self, key: jax.Array, batch_size: int) -> jax.Array:
        """Draws the numbers of training examples, int32[B], with replacement."""
        return randint(key, (batch_size,), 0, self.num_examples)

    def measured_numbers(self) -> jax.Array:
        """Returns the numbers of the training examples that are measured."""
        return jnp.arange(self.num_held_out) % jnp.asarray(self.num_examples)

    def training_examples(self, numbers: jax.Array) -> Batch:
        """Returns the training examples of numbers int32[B]."""
        return self._examples("train", numbers)

    def _examples(self, split: str, numbers: jax.Array) -> Batch:
        base = jax.random.fold_in(jax.random.key(self.seed), SPLITS.index(split))

        def one(number: jax.Array) -> Batch:
            return self.example(jax.random.fold_in(base, number), split)

        return jax.vmap(one)(numbers)

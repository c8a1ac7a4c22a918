"""Tasks of sequences in memory: a class at every step, and values."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from rnnshare.tasks.base import Batch, Metrics, Regression, as_pytree
from rnnshare.tasks.pools import ArrayTask, InMemory


@as_pytree("train", "validation", "test")
@dataclasses.dataclass(frozen=True, eq=False)
class StepClassification(ArrayTask):
    """A class at every step, of sequences that are held in memory; see `ArrayTask`."""

    readout = "every"


@as_pytree("train", "validation", "test", "scale")
@dataclasses.dataclass(frozen=True, eq=False)
class ArrayRegression(InMemory, Regression):
    """Values to predict, of sequences that are held in memory.

    The loss is the mean squared error, in units of the training targets' variance.

    Attributes:
      train, validation, test: the sets, disjoint; targets float32[N, O] or, with an
        answer at every step, [N, T, O], standardised by the training set.
      scale: float32[O], what a target was divided by.
      name: of the data.
      out_features: O.
      sha256: of the data.
      readout: 'last' or 'every', where an answer is due.
      num_tokens: how many tokens there are, if the inputs are int[N, T].
    """

    train: Batch
    validation: Batch
    test: Batch
    scale: Any
    name: str
    out_features: int
    sha256: str
    readout: str = "last"
    num_tokens: int | None = None

    num_steps = ArrayTask.num_steps
    in_features = ArrayTask.in_features

    def metrics(self, outputs: jax.Array, batch: Batch) -> Metrics:
        """Returns `loss`, `unexplained`, and of one output `rmse` in its own unit."""
        found = super().metrics(outputs, batch)
        if self.out_features == 1:
            found["rmse"] = jnp.sqrt(found["loss"]) * jnp.asarray(self.scale)[0]
        return found

"""What differs between the replicas of one loop, and all that is known of one."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Counts(NamedTuple):
    """How many steps a replica skipped, or how often it went back; int32[] each."""

    total: jax.Array
    in_row: jax.Array

    @classmethod
    def none(cls) -> "Counts":
        """Returns those of a replica that begins."""
        return cls(jnp.int32(0), jnp.int32(0))


class Replica(NamedTuple):
    """What differs between the replicas of one loop; a pytree.

    Attributes:
      task: a `rnnshare.tasks.Task`, its arrays as leaves; or one that holds its sets.
      seed: uint32; draws the parameters, the batches and the dropout.
      learning_rate: float32.
    """

    task: Any
    seed: jax.Array | np.ndarray
    learning_rate: jax.Array | np.ndarray


class TrainState(NamedTuple):
    """A plain pytree: all that a replica's training is at some step."""

    step: jax.Array
    params: Any
    optimizer_state: Any
    best_params: Any  # the last ones if the recipe keeps those
    best_loss: jax.Array  # on validation; the largest number before the first
    best_step: jax.Array  # that best_params are of
    num_worse: jax.Array  # validations since the best one
    stopped: jax.Array
    diverged: jax.Array  # the step, from 1 on, at which it did; 0: none
    nonfinite: Counts | None = None  # None where the recipe stops

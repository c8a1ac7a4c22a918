"""The training of one model as pure functions: init, step, chunk, finish.

A chunk of steps, with its validation, is one scan. Batch i is a pure function of
(seed, i), the same for every model. `rnnshare.training.fit` compiles and runs these.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from rnnshare.blueprint import Blueprint, pure_params

Metrics = dict[str, jax.Array]
# Streams of random numbers, each folded into the replica's seed.
_PARAMS, _DATA, _DROPOUT = range(3)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
      num_steps: optimiser steps at most; a multiple of validate_every.
      batch_size: sequences a step.
      validate_every: steps in a chunk; after each the model is validated, and the best
        parameters so far are kept.
      patience: stop after this many validations without a better loss; None: never.
      clip_norm: gradients are scaled down to this global norm; None: not at all.
      optimizer: `optimizer(learning_rate)` makes any optax optimiser.
      stop_loss: stop when the validation loss is below; None: never.
      keep: which parameters are returned and measured: 'best', of the least validation
        loss, or 'last', of the last step, as where nothing is to stop over-fitting.
    """

    num_steps: int = 2_000
    batch_size: int = 32
    validate_every: int = 100
    patience: int | None = 10
    clip_norm: float | None = 1.0
    optimizer: Callable[[Any], optax.GradientTransformation] = optax.adam
    stop_loss: float | None = None
    keep: str = "best"

    def __post_init__(self):
        for name in ("num_steps", "batch_size", "validate_every", "patience"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise ValueError(f"Recipe: {name} is {count}. Use at least 1.")
        if self.num_steps % self.validate_every:
            raise ValueError(
                f"Recipe: num_steps={self.num_steps} is not a multiple of "
                f"validate_every={self.validate_every}, so the last chunk would be cut."
            )
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(
                f"Recipe: clip_norm is {self.clip_norm}. Use a positive norm, or None."
            )
        if self.keep not in ("best", "last"):
            raise ValueError(f"Recipe: keep is {self.keep!r}. Use 'best' or 'last'.")

    def make_optimizer(self, learning_rate: Any) -> optax.GradientTransformation:
        """Returns the optimiser, behind the clipping."""
        optimizer = self.optimizer(learning_rate)
        if self.clip_norm is None:
            return optimizer
        return optax.chain(optax.clip_by_global_norm(self.clip_norm), optimizer)


class Replica(NamedTuple):
    """What differs between the replicas of one loop; a pytree.

    Attributes:
      task: a `rnnshare.tasks.Task`, its arrays as leaves.
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
    best_loss: jax.Array  # on validation; inf before the first
    best_step: jax.Array  # that best_params are of
    num_worse: jax.Array  # validations since the best one
    stopped: jax.Array


@dataclasses.dataclass(frozen=True)
class Loop:
    """The pure functions of one replica's training; `fit` compiles and runs them.

    Attributes:
      make_model: `make_model(rngs=...)` returns a module that is called as
        `SequenceModel` is.
      recipe: how to train it.
    """

    make_model: Callable[..., nnx.Module]
    recipe: Recipe

    @functools.cached_property
    def blueprint(self) -> Blueprint:
        """The model without its parameters."""
        return Blueprint.of(self.make_model)

    def init(self, replica: Replica) -> TrainState:
        """Returns the state before the first step."""
        model = self.make_model(rngs=nnx.Rngs(_stream(replica, _PARAMS)))
        params = pure_params(model)
        return TrainState(
            step=jnp.int32(0),
            params=params,
            optimizer_state=self._optimizer(replica).init(params),
            best_params=params,
            best_loss=jnp.float32(jnp.inf),
            best_step=jnp.int32(0),
            num_worse=jnp.int32(0),
            stopped=jnp.bool(False),
        )

    def step(
        self, replica: Replica, state: TrainState, _: None = None
    ) -> tuple[TrainState, jax.Array]:
        """Takes one optimiser step; returns the loss before it as well."""
        key = jax.random.fold_in(_stream(replica, _DATA), state.step)
        progress = state.step.astype(jnp.float32) / self.recipe.num_steps
        batch = replica.task.sample_at(key, self.recipe.batch_size, progress)
        dropout = jax.random.fold_in(_stream(replica, _DROPOUT), state.step)

        def loss_of(params: Any) -> jax.Array:
            outputs = self.blueprint.bind(params)(
                batch.inputs, seq_lengths=batch.lengths, rngs=nnx.Rngs(dropout=dropout)
            )
            return replica.task.loss(outputs, batch)

        loss, gradient = jax.value_and_grad(loss_of)(state.params)
        # optax mixes dtypes on purpose; a caller's strict promotion is not for it.
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer_state = self._optimizer(replica).update(
                gradient, state.optimizer_state, state.params
            )
        return state._replace(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            optimizer_state=optimizer_state,
        ), loss

    def chunk(self, replica: Replica, state: TrainState) -> tuple[TrainState, Metrics]:
        """Trains to the next validation, unless stopped; returns what it measured."""

        def run(state: TrainState) -> tuple[TrainState, Metrics]:
            state, losses = jax.lax.scan(
                functools.partial(self.step, replica),
                state,
                length=self.recipe.validate_every,
            )
            measured = self.measure(replica, state.params, "validation")
            return self._keep_best(state, measured["loss"]), {
                "train_loss": jnp.mean(losses),
                **{f"validation_{name}": value for name, value in measured.items()},
            }

        def rest(state: TrainState) -> tuple[TrainState, Metrics]:
            shapes = jax.eval_shape(run, state)[1]
            return state, jax.tree.map(lambda x: jnp.full(x.shape, jnp.nan), shapes)

        return jax.lax.cond(state.stopped, rest, run, state)

    def measure(self, replica: Replica, params: Any, split: str) -> Metrics:
        """Returns the task's metrics on a held-out split."""
        batch = replica.task.held_out(split)
        outputs = self.blueprint.bind(params)(batch.inputs, seq_lengths=batch.lengths)
        return replica.task.metrics(outputs, batch)

    def finish(self, replica: Replica, state: TrainState) -> Metrics:
        """Measures the parameters that are kept on every split."""
        return {
            f"{split}_{name}": value
            for split in ("train", "validation", "test")
            for name, value in self.measure(replica, state.best_params, split).items()
        }

    def _optimizer(self, replica: Replica) -> optax.GradientTransformation:
        return self.recipe.make_optimizer(replica.learning_rate)

    def _keep_best(self, state: TrainState, loss: jax.Array) -> TrainState:
        better = loss < state.best_loss  # never so for a NaN
        kept = jnp.bool(True) if self.recipe.keep == "last" else better
        num_worse = jnp.where(better, 0, state.num_worse + 1)
        recipe = self.recipe
        stopped = jnp.bool(False)
        if recipe.patience is not None:
            stopped |= num_worse >= recipe.patience
        if recipe.stop_loss is not None:
            stopped |= loss < recipe.stop_loss
        return state._replace(
            best_params=jax.tree.map(
                functools.partial(jnp.where, kept), state.params, state.best_params
            ),
            best_loss=jnp.where(better, loss, state.best_loss),
            best_step=jnp.where(kept, state.step, state.best_step),
            num_worse=num_worse,
            stopped=stopped,
        )


def _stream(replica: Replica, number: int) -> jax.Array:
    return jax.random.fold_in(jax.random.key(replica.seed), number)

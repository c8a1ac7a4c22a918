"""The one training loop: tied, untied and everything between, one seed or many.

A chunk of steps, with its validation, is one compiled program. A loop trains
*replicas*: the same model and recipe with other seeds, learning rates and resampled
data, laid over the devices of a mesh. Each replica runs the same program by itself
(`lax.map`, not `vmap`), so its numbers do not depend on which others run.

Batch i of a replica is a pure function of (seed, i), the same for every model.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

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
    """

    num_steps: int = 2_000
    batch_size: int = 32
    validate_every: int = 100
    patience: int | None = 10
    clip_norm: float | None = 1.0
    optimizer: Callable[[Any], optax.GradientTransformation] = optax.adam

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
    best_params: Any
    best_loss: jax.Array  # on validation; inf before the first
    best_step: jax.Array
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
        batch = replica.task.sample(key, self.recipe.batch_size)
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
        """Measures the best parameters on every split."""
        return {
            f"{split}_{name}": value
            for split in ("train", "validation", "test")
            for name, value in self.measure(replica, state.best_params, split).items()
        }

    def _optimizer(self, replica: Replica) -> optax.GradientTransformation:
        return self.recipe.make_optimizer(replica.learning_rate)

    def _keep_best(self, state: TrainState, loss: jax.Array) -> TrainState:
        better = loss < state.best_loss  # never so for a NaN
        num_worse = jnp.where(better, 0, state.num_worse + 1)
        patience = self.recipe.patience
        return state._replace(
            best_params=jax.tree.map(
                functools.partial(jnp.where, better), state.params, state.best_params
            ),
            best_loss=jnp.where(better, loss, state.best_loss),
            best_step=jnp.where(better, state.step, state.best_step),
            num_worse=num_worse,
            stopped=jnp.bool(False) if patience is None else num_worse >= patience,
        )


class Fitted(NamedTuple):
    """What `fit` returns: for each replica in order.

    Attributes:
      params: the best parameters, nested dictionaries of arrays.
      metrics: train, validation and test metrics of the best parameters, `best_step`,
        the step that they are of, and `steps_trained`.
    """

    params: list[Any]
    metrics: list[dict[str, float]]


def fit(
    make_model: Callable[..., nnx.Module],
    recipe: Recipe,
    replicas: Sequence[tuple[Any, int, float]],
    *,
    mesh: Mesh | None = None,
    on_chunk: Callable[[int, list[dict[str, float]]], None] | None = None,
) -> Fitted:
    """Trains a model once for each (task, seed, learning rate).

    Args:
      make_model: `make_model(rngs=...)`; a hashable one that compares equal (a frozen
        dataclass) shares its compilation with earlier calls.
      recipe: how to train.
      replicas: the tasks must agree but for their arrays, as resampled splits do.
      mesh: a mesh of one axis to lay the replicas over; all devices by default.
      on_chunk: called after each chunk with the step and each replica's measurements,
        of those that were still training.

    Returns:
      Best parameters and final metrics of each replica.

    Raises:
      ValueError: on a seed outside [0, 2**32) or a learning rate that is not positive.
    """
    mesh = jax.make_mesh((jax.device_count(),), ("replica",)) if mesh is None else mesh
    programs = _compile(Loop(make_model, recipe), mesh)
    stacked = jax.device_put(
        _stack(replicas, mesh.size),
        NamedSharding(mesh, PartitionSpec(mesh.axis_names)),
    )
    count = len(replicas)
    state = programs["init"](stacked)
    stopped = np.zeros(count, bool)
    for step in range(0, recipe.num_steps, recipe.validate_every):
        state, measured = programs["chunk"](stacked, state)
        if on_chunk is not None:
            rows = zip(_rows(measured, count), stopped, strict=True)
            on_chunk(
                step + recipe.validate_every, [row for row, done in rows if not done]
            )
        stopped = jax.device_get(state.stopped)[:count]
        if np.all(stopped):
            break
    metrics = _rows(programs["finish"](stacked, state), count)
    best, best_step, trained = jax.device_get(
        (state.best_params, state.best_step, state.step)
    )
    for i, row in enumerate(metrics):
        row.update(best_step=int(best_step[i]), steps_trained=int(trained[i]))
    return Fitted([_slice(best, i) for i in range(count)], metrics)


def _slice(tree: Any, i: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[i], tree)


@functools.lru_cache(maxsize=64)
def _compile(loop: Loop, mesh: Mesh) -> dict[str, Callable[..., Any]]:
    """Returns the loop's programs over a stack of replicas, jitted."""
    spec = PartitionSpec(mesh.axis_names)

    def over_replicas(function: Callable[..., Any]) -> Callable[..., Any]:
        def mapped(*stacked: Any) -> Any:
            return jax.lax.map(lambda args: function(*args), stacked)

        return jax.jit(
            jax.shard_map(
                mapped, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False
            )
        )

    return {
        "init": over_replicas(loop.init),
        "chunk": over_replicas(loop.chunk),
        "finish": over_replicas(loop.finish),
    }


def _stack(replicas: Sequence[tuple[Any, int, float]], multiple: int) -> Replica:
    """Returns the replicas as one pytree [S, ...], S filled up to a multiple."""
    if not replicas:
        raise ValueError("There is nothing to train: replicas is empty.")
    for _, seed, learning_rate in replicas:
        if not 0 <= seed < 2**32:
            raise ValueError(f"seed is {seed}. Use an integer in [0, 2**32).")
        if not 0 < learning_rate < np.inf:
            raise ValueError(f"learning_rate is {learning_rate}. Use a positive one.")
    tasks, seeds, rates = zip(*replicas, strict=True)
    structures = {jax.tree.structure(task) for task in tasks}
    if len(structures) > 1:
        raise ValueError(
            f"The replicas' tasks differ in more than their arrays: {structures}. "
            "Train them by separate calls."
        )
    fill = -len(replicas) % multiple
    index = [*range(len(replicas)), *[len(replicas) - 1] * fill]
    return Replica(
        jax.tree.map(lambda *leaves: np.stack([leaves[i] for i in index]), *tasks),
        np.array([seeds[i] for i in index], np.uint32),
        np.array([rates[i] for i in index], np.float32),
    )


def _rows(metrics: Metrics, count: int) -> list[dict[str, float]]:
    values = jax.device_get(metrics)
    return [
        {name: float(value[i]) for name, value in values.items()} for i in range(count)
    ]


def _stream(replica: Replica, number: int) -> jax.Array:
    return jax.random.fold_in(jax.random.key(replica.seed), number)

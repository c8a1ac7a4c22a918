"""The training of one model as pure functions: init, step, chunk, finish.

A chunk of steps, with its validation, is one scan. Batch i is a pure function of
(seed, i), the same for every model. `rnnshare.training.fit` compiles and runs these.

A batch is one optimiser step, or where gradients are truncated one a window.

A replica diverges at the first step whose loss is not finite. It is trained no further,
and has no final metrics: neither those of the parameters that it began with nor those
of a step before. What stands in for a number that there is not is finite, so that JAX's
own search for NaN and infinities (`jax_debug_nans`) finds none but those of a training.

The counters are int32 and the measurements float32, `jax_enable_x64` or not; parameters
and the optimiser's state keep the dtypes that they are made with.
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

from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.training import optimizers
from rnnshare.training.truncation import Truncation, Window

Metrics = dict[str, jax.Array]
# Streams of random numbers, each folded into the replica's seed.
_PARAMS, _DATA, _DROPOUT = range(3)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
      num_steps: batches at most, each an optimiser step (with a truncation, one a
        window); a multiple of validate_every.
      batch_size: sequences a step.
      validate_every: steps in a chunk; after each the model is validated, and the best
        parameters so far are kept.
      patience: stop after this many validations without a better loss; None: never.
      clip_norm: gradients are scaled down to this global norm; None: not at all.
      optimizer: `optimizer(learning_rate)` makes any optax optimiser, its schedule
        included; see `rnnshare.training.optimizers` for what its update is given.
      stop_loss: stop when the validation loss is below; None: never.
      keep: which parameters are returned and measured: 'best', of the least validation
        loss, or 'last', of the last step, as where nothing is to stop over-fitting.
      truncation: how far gradients flow back; None: through the whole sequence.
    """

    num_steps: int = 2_000
    batch_size: int = 32
    validate_every: int = 100
    patience: int | None = 10
    clip_norm: float | None = 1.0
    optimizer: Callable[[Any], optax.GradientTransformation] = optax.adam
    stop_loss: float | None = None
    keep: str = "best"
    truncation: Truncation | None = None

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
        if not callable(self.optimizer):
            raise TypeError(
                f"Recipe: optimizer is {self.optimizer!r}. Use a function of the "
                "learning rate, such as optax.adam."
            )
        if not isinstance(self.truncation, Truncation | None):
            raise TypeError(
                f"Recipe: truncation is {self.truncation!r}. Use a Truncation, such as "
                "Truncation(window=32), or None."
            )
        if self.keep not in ("best", "last"):
            raise ValueError(f"Recipe: keep is {self.keep!r}. Use 'best' or 'last'.")

    def make_optimizer(
        self, learning_rate: Any
    ) -> optax.GradientTransformationExtraArgs:
        """Returns the optimiser, behind the clipping."""
        optimizer = optimizers.as_transformation(self.optimizer(learning_rate))
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
    best_loss: jax.Array  # on validation; the largest number before the first
    best_step: jax.Array  # that best_params are of
    num_worse: jax.Array  # validations since the best one
    stopped: jax.Array
    diverged: jax.Array  # the first step, from 1 on, whose loss is not finite; 0: none


@dataclasses.dataclass(frozen=True)
class Loop:
    """The pure functions of one replica's training; `fit` compiles and runs them.

    Attributes:
      make_model: `make_model(rngs=...)` returns a module that is called as
        `SequenceModel` is.
      recipe: how to train it.
      rates: the learning rates of all replicas, where the recipe's optimiser has to be
        made of each; see `optimizers.rates_to_tell_apart`.
    """

    make_model: Callable[..., nnx.Module]
    recipe: Recipe
    rates: tuple[float, ...] = ()

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
            optimizer_state=optimizers.init(self._optimizer(replica), params),
            best_params=params,
            best_loss=jnp.float32(jnp.finfo(jnp.float32).max),
            best_step=jnp.int32(0),
            num_worse=jnp.int32(0),
            stopped=jnp.bool(False),
            diverged=jnp.int32(0),
        )

    def step(
        self, replica: Replica, state: TrainState, _: None = None
    ) -> tuple[TrainState, jax.Array]:
        """Trains on one batch; returns the loss before its update as well.

        Of windows it is the mean, to which one with nothing to score adds 0.
        """
        key = jax.random.fold_in(_stream(replica, _DATA), state.step)
        progress = state.step.astype(jnp.float32) / self.recipe.num_steps
        batch = replica.task.sample_at(key, self.recipe.batch_size, progress)
        dropout = jax.random.fold_in(_stream(replica, _DROPOUT), state.step)
        learnt = state.params, state.optimizer_state
        truncation = self.recipe.truncation
        if truncation is None:
            learnt, loss, _ = self.update(replica, learnt, batch, dropout)
        else:
            truncation.check(replica.task, self.blueprint.bind())
            windows = truncation.cut(batch)
            first = jax.tree.map(lambda leaf: leaf[0], windows.batch)
            initial = self.initial_carry(learnt[0], first)

            def update(scanned: Any, window: Window) -> tuple[Any, jax.Array]:
                learnt, carry = scanned
                learnt, loss, final = self.update(
                    replica,
                    learnt,
                    window.batch,
                    jax.random.fold_in(dropout, window.start),
                    initial_carry=carry,
                    return_carry=True,
                    start=window.start,
                    num_steps=replica.task.num_steps,
                )
                return (learnt, truncation.next_carry(initial, final)), loss

            (learnt, _), losses = jax.lax.scan(update, (learnt, initial), windows)
            loss = jnp.mean(losses)
        params, optimizer_state = learnt
        return state._replace(
            step=state.step + 1, params=params, optimizer_state=optimizer_state
        ), loss

    def update(
        self, replica: Replica, learnt: Any, batch: Any, dropout: Any, **carrying: Any
    ) -> tuple[Any, jax.Array, Any]:
        """Takes one optimiser step; returns the loss before it and the final carry.

        Args:
          replica: whose.
          learnt: parameters and the optimiser's state, which come back after the step.
          batch: what to learn from.
          dropout: a key.
          **carrying: of a window, what the model is called with: `initial_carry`,
            `return_carry=True`, `start` and `num_steps`.
        """
        params, optimizer_state = learnt

        def loss_of(params: Any) -> tuple[jax.Array, Any]:
            outputs = self.blueprint.bind(params)(
                batch.inputs,
                seq_lengths=batch.lengths,
                rngs=nnx.Rngs(dropout=dropout),
                **carrying,
            )
            carry = None
            if carrying:
                outputs, carry = outputs
            return replica.task.loss(outputs, batch), carry

        (loss, carry), gradient = jax.value_and_grad(loss_of, has_aux=True)(params)
        learnt = optimizers.update(
            self._optimizer(replica),
            gradient,
            optimizer_state,
            params,
            value=loss,
            value_fn=lambda params: loss_of(params)[0],
        )
        return learnt, jnp.asarray(loss, jnp.float32), carry

    def initial_carry(self, params: Any, batch: Any) -> Any:
        """Returns the carry that the model begins a batch with."""
        return self.blueprint.bind(params).initialize_carry(batch.inputs)

    def chunk(self, replica: Replica, state: TrainState) -> tuple[TrainState, Metrics]:
        """Trains to the next validation; returns what it measured.

        One that is stopped rests, and measures nothing: its metrics are 0.
        """

        def run(state: TrainState) -> tuple[TrainState, Metrics]:
            state, losses = jax.lax.scan(
                functools.partial(self.step, replica),
                state,
                length=self.recipe.validate_every,
            )
            measured = self.measure(replica, state.params, "validation")
            state = self._keep_best(state, measured["loss"])
            return self._stop_if_diverged(state, losses, measured["loss"]), {
                "train_loss": jnp.mean(losses),
                **{f"validation_{name}": value for name, value in measured.items()},
            }

        def rest(state: TrainState) -> tuple[TrainState, Metrics]:
            shapes = jax.eval_shape(run, state)[1]
            return state, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

        return jax.lax.cond(state.stopped, rest, run, state)

    def measure(self, replica: Replica, params: Any, split: str) -> Metrics:
        """Returns the task's metrics on a held-out split."""
        batch = replica.task.held_out(split)
        outputs = self.blueprint.bind(params)(batch.inputs, seq_lengths=batch.lengths)
        found = replica.task.metrics(outputs, batch)
        return {name: jnp.asarray(found[name], jnp.float32) for name in found}

    def finish(self, replica: Replica, state: TrainState) -> Metrics:
        """Measures the parameters that are kept on every split.

        They say nothing of a replica that diverged.
        """
        return {
            f"{split}_{name}": value
            for split in ("train", "validation", "test")
            for name, value in self.measure(replica, state.best_params, split).items()
        }

    def _optimizer(self, replica: Replica) -> optax.GradientTransformationExtraArgs:
        make, rate = self.recipe.make_optimizer, replica.learning_rate
        return optimizers.by_rate(make, self.rates, rate) if self.rates else make(rate)

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

    def _stop_if_diverged(
        self, state: TrainState, losses: jax.Array, validation_loss: jax.Array
    ) -> TrainState:
        """Marks and stops a replica of which a loss is not finite.

        Args:
          state: after a chunk.
          losses: float32[validate_every], those of the chunk's batches.
          validation_loss: float32[], that after the chunk.
        """
        bad = ~jnp.isfinite(losses)
        before = state.step - self.recipe.validate_every
        first = before + 1 + jnp.argmax(bad).astype(jnp.int32)
        if_validated = jnp.where(jnp.isfinite(validation_loss), 0, state.step)
        found = jnp.where(jnp.any(bad), first, if_validated)
        diverged = jnp.where(state.diverged > 0, state.diverged, found)
        return state._replace(diverged=diverged, stopped=state.stopped | (diverged > 0))


def _stream(replica: Replica, number: int) -> jax.Array:
    return jax.random.fold_in(jax.random.key(replica.seed), number)

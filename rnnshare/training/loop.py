"""The training of one model as pure functions: init, step, chunk, finish.

A chunk of steps, with its validation, is one scan. Batch i is a pure function of
(seed, i), the same for every model; it is one optimiser step, or where gradients are
truncated one a window. `rnnshare.training.fit` compiles and runs these.

A replica diverges at the first step whose loss is not finite, or else at the validation
after which a metric, a parameter or the optimiser's state is not; a gradient that is
not finite is found by what it leaves there. It is trained no further, and has no final
metrics: neither those of the parameters that it began with nor those of a step before.
`Recipe.on_nonfinite` may have it go on. What stands in for a number that there is not
is finite, so that JAX's own search for NaN and infinities (`jax_debug_nans`) finds none
but those of a training.

The counters are int32 and the measurements float32, `jax_enable_x64` or not; parameters
and the optimiser's state keep the dtypes that they are made with.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.training import nonfinite, optimizers
from rnnshare.training.layout import ONE_DEVICE, Layout
from rnnshare.training.recipe import Recipe as Recipe
from rnnshare.training.state import Counts, Replica, TrainState
from rnnshare.training.truncation import Window

Metrics = dict[str, jax.Array]
# Streams of random numbers, each folded into the replica's seed.
_PARAMS, _DATA, _DROPOUT, _OTHER_DATA = range(4)


@dataclasses.dataclass(frozen=True)
class Loop:
    """The pure functions of one replica's training; `fit` compiles and runs them.

    Attributes:
      make_model: `make_model(rngs=...)` returns a module that is called as
        `SequenceModel` is.
      recipe: how to train it.
      rates: the learning rates of all replicas, where the recipe's optimiser has to be
        made of each; see `optimizers.rates_to_tell_apart`.
      gradient_norms: measure in each chunk the mean norm of its gradients.
      layout: how a replica lies over its devices.
    """

    make_model: Callable[..., nnx.Module]
    recipe: Recipe
    rates: tuple[float, ...] = ()
    gradient_norms: bool = False
    layout: Layout = ONE_DEVICE

    @functools.cached_property
    def blueprint(self) -> Blueprint:
        """The model without its parameters."""
        return Blueprint.of(self.make_model)

    def init(self, replica: Replica) -> TrainState:
        """Returns the state before the first step."""
        params = pure_params(self.make_model(rngs=nnx.Rngs(_stream(replica, _PARAMS))))
        state = TrainState(
            step=jnp.int32(0),
            params=params,
            optimizer_state=optimizers.init(self._optimizer(replica), params),
            best_params=params,
            best_loss=jnp.float32(jnp.finfo(jnp.float32).max),
            best_step=jnp.int32(0),
            num_worse=jnp.int32(0),
            stopped=jnp.bool(False),
            diverged=jnp.int32(0),
            nonfinite=None if self._policy == "stop" else Counts.none(),
        )
        return self.layout.stacks(state)

    def step(self, replica: Replica, state: TrainState) -> tuple[TrainState, jax.Array]:
        """Trains on one batch; returns the loss before its update as well.

        Of windows it is the mean, to which one with nothing to score adds 0.
        """
        state, (loss, _) = self._watched_step(replica, state)
        return state, loss

    def _watched_step(
        self, replica: Replica, state: TrainState, _: None = None
    ) -> tuple[TrainState, tuple[jax.Array, Any]]:
        """Returns beside the loss the gradient's norm, or nothing."""
        skips = self._policy == "skip"

        def look(*seen: Any) -> tuple[Any, Any]:
            norm = nonfinite.norm(seen[-1]) if self.gradient_norms else ()
            return nonfinite.all_finite_in(*seen) if skips else (), norm

        after, loss, (finite, norm) = self.try_step(replica, state, look)
        after = nonfinite.skipping(state, after, finite) if skips else after
        return after, (loss, norm)

    def try_step(
        self,
        replica: Replica,
        state: TrainState,
        look: Callable[[Any, jax.Array, Any], Any] = lambda *_: None,
    ) -> tuple[TrainState, jax.Array, Any]:
        """Trains on one batch, finite or not.

        Args:
          replica: whose.
          state: before.
          look: `look(batch, loss, gradient)` of the batch, or of each window.

        Returns:
          The state after it, the loss, and what `look` returned, of windows [W, ...].
        """
        key = jax.random.fold_in(self._data_stream(replica, state), state.step)
        progress = state.step.astype(jnp.float32) / self.recipe.num_steps
        size, truncation = self.recipe.batch_size, self.recipe.truncation
        batch = self.layout.rows(replica.task.sample_at(key, size, progress))
        dropout = jax.random.fold_in(_stream(replica, _DROPOUT), state.step)
        learnt = state.params, state.optimizer_state
        if truncation is None:
            learnt, loss, _, gradient = self._update(replica, learnt, batch, dropout)
            looked = look(batch, loss, gradient)
        else:
            truncation.check(replica.task, self.blueprint.bind())
            windows = truncation.cut(batch)
            first = jax.tree.map(lambda leaf: leaf[0], windows.batch)
            initial = self.initial_carry(learnt[0], first)

            def update(scanned: Any, window: Window) -> tuple[Any, Any]:
                learnt, carry = scanned
                learnt, loss, final, gradient = self._update(
                    replica,
                    learnt,
                    window.batch,
                    jax.random.fold_in(dropout, window.start),
                    initial_carry=carry,
                    return_carry=True,
                    start=window.start,
                    num_steps=replica.task.num_steps,
                )
                looked = look(window.batch, loss, gradient)
                return (learnt, truncation.next_carry(initial, final)), (loss, looked)

            scanned = learnt, initial
            (learnt, _), (losses, looked) = jax.lax.scan(update, scanned, windows)
            loss = jnp.mean(losses)
        params, optimizer_state = learnt
        after = state._replace(
            step=state.step + 1, params=params, optimizer_state=optimizer_state
        )
        return self.layout.stacks(after), loss, looked

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
        return self._update(replica, learnt, batch, dropout, **carrying)[:3]

    def _update(
        self, replica: Replica, learnt: Any, batch: Any, dropout: Any, **carrying: Any
    ) -> tuple[Any, jax.Array, Any, Any]:
        """Returns the gradient as well."""
        params, optimizer_state = learnt

        def loss_of(params: Any) -> tuple[jax.Array, Any]:
            outputs = self.blueprint.bind(self.layout.gathered(params))(
                batch.inputs,
                seq_lengths=batch.lengths,
                rngs=nnx.Rngs(dropout=dropout),
                **carrying,
            )
            outputs, carry = outputs if carrying else (outputs, None)
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
        return learnt, jnp.asarray(loss, jnp.float32), carry, gradient

    def initial_carry(self, params: Any, batch: Any) -> Any:
        """Returns the carry that the model begins a batch with."""
        return self.blueprint.bind(params).initialize_carry(batch.inputs)

    def chunk(self, replica: Replica, state: TrainState) -> tuple[TrainState, Metrics]:
        """Trains to the next validation; returns what it measured.

        One that is stopped rests, and measures nothing: its metrics are 0.
        """

        @functools.partial(jax.jit, inline=True)  # so that it is traced once
        def run(before: TrainState) -> tuple[TrainState, Metrics]:
            state, (losses, norms) = jax.lax.scan(
                functools.partial(self._watched_step, replica),
                before,
                length=self.recipe.validate_every,
            )
            measured = self.measure(replica, state.params, "validation")
            state = self._keep_best(state, measured["loss"])
            policy = self._policy
            state = nonfinite.judged(policy, before, state, losses, measured)
            counted = {}
            if state.nonfinite is not None:
                counted[nonfinite.COLUMNS[policy]] = state.nonfinite.total
            mean = nonfinite.mean if policy == "skip" else jnp.mean
            if self.gradient_norms:
                counted["gradient_norm"] = mean(norms)
            return state, {
                "train_loss": mean(losses),
                **{f"validation_{name}": value for name, value in measured.items()},
                **counted,
            }

        def rest(state: TrainState) -> tuple[TrainState, Metrics]:
            shapes = jax.eval_shape(run, state)[1]
            return state, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

        return jax.lax.cond(state.stopped, rest, run, state)

    def measure(self, replica: Replica, params: Any, split: str) -> Metrics:
        """Returns the task's metrics on a held-out split."""
        batch = self.layout.rows(replica.task.held_out(split))
        model = self.blueprint.bind(self.layout.gathered(params))
        outputs = model(batch.inputs, seq_lengths=batch.lengths)
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
        recipe = self.recipe
        kept = jnp.bool(True) if recipe.keep == "last" else better
        num_worse = jnp.where(better, 0, state.num_worse + 1)
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

    @property
    def _policy(self) -> str:
        return self.recipe.on_nonfinite

    def _data_stream(self, replica: Replica, state: TrainState) -> jax.Array:
        """Returns the key of the batches: another one each time a replica goes back."""
        stream = _stream(replica, _DATA)
        if self._policy != "rollback":
            return stream
        assert state.nonfinite is not None  # for the type checker
        count = state.nonfinite.total
        other = jax.random.fold_in(_stream(replica, _OTHER_DATA), count)
        return jnp.where(count > 0, other, stream)


def _stream(replica: Replica, number: int) -> jax.Array:
    return jax.random.fold_in(jax.random.key(replica.seed), number)

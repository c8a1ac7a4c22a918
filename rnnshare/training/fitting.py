"""The one training loop: tied, untied and everything between, one seed or many.

`fit` trains *replicas*: the same model and recipe with other seeds, learning rates and
resampled data, one on each device of a mesh; a device whose replica is done, or has
stopped early, takes the next. Every replica runs the same program by itself, so its
numbers do not depend on which others run, nor on how many devices there are.

A large accelerator takes several replicas at once (`per_device`), under `vmap`: XLA
then fuses a replica's arithmetic in other ways, and the last bits differ.
"""

import functools
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rnnshare.training.checkpoints import Checkpoints
from rnnshare.training.interrupts import Interrupted, deferred
from rnnshare.training.loop import Loop, Metrics, Recipe, Replica, TrainState
from rnnshare.training.resuming import Keeper, Progress

__all__ = ["Fitted", "Loop", "Recipe", "Replica", "TrainState", "fit"]

Row = dict[str, Any]  # numbers, or None where there is none
Triple = tuple[Any, int, float]  # task, seed, learning rate


class Fitted(NamedTuple):
    """What `fit` returns: for each replica in order.

    Attributes:
      params: the best parameters (the last, if the recipe keeps those), nested
        dictionaries of arrays.
      metrics: their train, validation and test metrics, `best_step`, the step that they
        are of, `steps_trained`, and `diverged`: the first step, counted from 1, whose
        training loss (or the validation loss after it) is not finite, or None. The
        metrics of a replica that diverged are NaN.
    """

    params: list[Any]
    metrics: list[Row]


def fit(
    make_model: Callable[..., nnx.Module],
    recipe: Recipe,
    replicas: Sequence[Triple],
    *,
    mesh: Mesh | None = None,
    per_device: int = 1,
    compiler_options: Mapping[str, str] | None = None,
    on_chunk: Callable[[int, dict[int, Row]], None] | None = None,
    on_result: Callable[[int, Row], None] | None = None,
    checkpoints: Checkpoints | str | pathlib.Path | None = None,
    checkpoint_every: float = 30.0,
) -> Fitted:
    """Trains a model once for each (task, seed, learning rate).

    Args:
      make_model: `make_model(rngs=...)`; a hashable one that compares equal (a frozen
        dataclass) shares its compilation with earlier calls.
      recipe: how to train.
      replicas: the tasks must agree but for their arrays, as resampled splits do.
      mesh: a mesh of one axis to lay the replicas over; all devices by default.
      per_device: how many replicas a device trains at once. Its memory grows with them,
        and a small model's time hardly does on a GPU; a CPU gains nothing.
      compiler_options: of XLA, as `jax.jit` takes them.
      on_chunk: called after each chunk with the step and what was measured, by the
        index of the replica, of those that were still training.
      on_result: called with the index of a replica and its final metrics, as soon as
        it is done.
      checkpoints: where the training is kept, and gone on with when it is called again
        (on a CPU with the same numbers, bit for bit); one folder a training. It may
        have more steps then, or other devices, and nothing else that differs. What was
        measured before is told to `on_chunk` and `on_result` again.
      checkpoint_every: seconds between two checkpoints, which are after a chunk; 0:
        after each.

    Returns:
      Best parameters and final metrics of each replica.

    Raises:
      ValueError: on a seed outside [0, 2**32), a learning rate that is not positive,
        no replica a device, or checkpoints of another training.
      Interrupted: if a signal came, inside `handle_signals`: after the chunk, and a
        checkpoint of it.
    """
    _check(replicas)
    if per_device < 1:
        raise ValueError(f"fit: per_device is {per_device}. Use at least 1.")
    mesh = jax.make_mesh((jax.device_count(),), ("replica",)) if mesh is None else mesh
    per_device = min(per_device, math.ceil(len(replicas) / mesh.size))
    loop = Loop(make_model, recipe)
    programs = _compile(
        loop,
        mesh,
        per_device,
        type(replicas[0][0]),  # type: ignore[arg-type]
        tuple(sorted((compiler_options or {}).items())),
    )
    keeper = None
    if checkpoints is not None:
        if not isinstance(checkpoints, Checkpoints):
            checkpoints = Checkpoints(checkpoints)
        keeper = Keeper(checkpoints, checkpoint_every, loop, replicas)
    progress = Progress() if keeper is None else keeper.load()
    on_chunk = on_chunk or (lambda step, rows: None)
    on_result = on_result or (lambda index, row: None)
    for step, rows in progress.told:
        on_chunk(step, rows)
    for index, row in progress.rows.items():
        on_result(index, row)
    slots = _Slots(programs, recipe, mesh, per_device, replicas, progress)
    with deferred() as requested:
        while len(progress.rows) < len(replicas):
            slots.fill()
            for step, rows in slots.run_chunk():
                if keeper is not None:
                    progress.told.append((step, rows))
                on_chunk(step, rows)
            for index, state, row in slots.take_finished():
                if keeper is None:  # nobody goes on from it
                    state = state._replace(params=None, optimizer_state=None)
                progress.states[index], progress.rows[index] = state, row
                on_result(index, row)
            done = len(progress.rows) == len(replicas)
            if keeper is not None and (done or keeper.due or requested() is not None):
                progress.states |= slots.states()
                keeper.save(progress)
            signum = requested()
            if signum is not None and not done:
                raise Interrupted(signum)
    order = range(len(replicas))
    return Fitted(
        [progress.states[i].best_params for i in order],
        [progress.rows[i] for i in order],
    )


class _Slots:
    """Places for replicas, `per_device` on each device of a mesh; some may rest."""

    def __init__(
        self,
        programs: dict[str, Callable[..., Any]],
        recipe: Recipe,
        mesh: Mesh,
        per_device: int,
        replicas: Sequence[Triple],
        progress: Progress,
    ):
        count = mesh.size * per_device
        self._programs = programs
        self._recipe = recipe
        self._sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
        self._replicas = replicas
        # Those that were begun go on first, in the order that they are in.
        self._begun = {
            index: state
            for index, state in progress.states.items()
            if index not in progress.rows
        }
        self._waiting = [*self._begun] + [
            index for index in range(len(replicas)) if index not in progress.states
        ]
        self._index: list[int | None] = [None] * count  # of each slot's replica
        self._held = [0] * count  # a resting slot holds its last replica's data
        self._steps = np.zeros(count, int)
        self._stacked: Any = None
        self._state: Any = None

    def fill(self) -> None:
        """Gives every empty slot the next replica, while there are any."""
        new = np.zeros(len(self._index), bool)
        for slot, index in enumerate(self._index):
            if index is None and self._waiting:
                self._index[slot] = self._held[slot] = self._waiting.pop(0)
                self._steps[slot], new[slot] = 0, True
        if new.any():
            held = _stack([self._replicas[i] for i in self._held])
            self._stacked = jax.device_put(held, self._sharding)
            fresh = self._with_begun(self._programs["init"](self._stacked), new)
            if self._state is None:
                self._state = fresh
            else:
                which = jax.device_put(new, self._sharding)
                self._state = self._programs["select"](which, fresh, self._state)
        rests = np.array([index is None for index in self._index])
        if rests.any():
            stopped = jax.device_get(self._state.stopped) | rests
            stopped = jax.device_put(stopped, self._sharding)
            self._state = self._state._replace(stopped=stopped)

    def _with_begun(self, fresh: TrainState, new: np.ndarray) -> TrainState:
        """Returns the states of new replicas; of those begun before, theirs."""
        begun = [
            (slot, self._begun.pop(index))
            for slot, index in enumerate(self._index)
            if index is not None and new[slot] and index in self._begun
        ]
        if not begun:
            return fresh
        leaves, structure = jax.tree.flatten(jax.device_get(fresh))
        for slot, state in begun:
            self._steps[slot] = state.step
            leaves = [
                _replace(leaf, slot, row)
                for leaf, row in zip(leaves, jax.tree.leaves(state), strict=True)
            ]
        return jax.device_put(jax.tree.unflatten(structure, leaves), self._sharding)

    def states(self) -> dict[int, TrainState]:
        """Returns the states of the replicas that are being trained, on the host."""
        host = jax.device_get(self._state)
        return {
            index: _copy(host, slot)
            for slot, index in enumerate(self._index)
            if index is not None
        }

    def run_chunk(self) -> list[tuple[int, dict[int, Row]]]:
        """Trains to the next validation; returns what was measured, by the step."""
        self._state, measured = self._programs["chunk"](self._stacked, self._state)
        self._steps += self._recipe.validate_every
        told: dict[int, dict[int, Row]] = {}
        for index, step, row in zip(
            self._index, self._steps.tolist(), _rows(measured), strict=True
        ):
            if index is not None:
                told.setdefault(step, {})[index] = row
        return sorted(told.items(), key=lambda item: item[0])

    def take_finished(self) -> list[tuple[int, TrainState, Row]]:
        """Returns index, state and metrics of replicas that are done; empties."""
        stopped = jax.device_get(self._state.stopped)
        done = stopped | (self._steps >= self._recipe.num_steps)
        slots = [s for s, i in enumerate(self._index) if i is not None and done[s]]
        if not slots:
            return []
        metrics = _rows(self._programs["finish"](self._stacked, self._state))
        host = jax.device_get(self._state)
        found = []
        for slot in slots:
            state = _copy(host, slot)
            row = {
                **metrics[slot],
                "best_step": int(state.best_step),
                "steps_trained": int(state.step),
                "diverged": int(state.diverged) or None,
            }
            index = self._index[slot]
            assert index is not None  # for the type checker
            found.append((index, state, row))
            self._index[slot] = None
        return found


@functools.lru_cache(maxsize=64)
def _compile(
    loop: Loop,
    mesh: Mesh,
    per_device: int,
    task_type: type,
    options: tuple[tuple[str, str], ...],
) -> dict[str, Callable[..., Any]]:
    """Returns the loop's programs, jitted: `per_device` replicas on each device.

    Each type of task has programs of its own: JAX takes pytrees of two classes for the
    same if their fields are equal, and now and then runs the program of the other.
    """
    del task_type
    spec = PartitionSpec(mesh.axis_names)

    def one_by_one(function: Callable[..., Any]) -> Callable[..., Any]:
        # Not under vmap: batched LAPACK waits for ever for XLA's threads on a CPU.
        return lambda *stacked: jax.lax.map(lambda one: function(*one), stacked)

    def on_devices(
        function: Callable[..., Any], together: Callable[..., Any] = jax.vmap
    ) -> Callable[..., Any]:
        def alone(*stacked: Any) -> Any:
            return jax.tree.map(lambda leaf: leaf[None], function(*_slice(stacked, 0)))

        on_device = alone if per_device == 1 else together(function)

        return jax.jit(
            jax.shard_map(
                on_device, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False
            ),
            compiler_options=dict(options),
        )

    return {
        "init": on_devices(loop.init, one_by_one),
        "select": on_devices(_select),
        "chunk": on_devices(loop.chunk),
        "finish": on_devices(loop.finish),
    }


def _check(replicas: Sequence[Triple]) -> None:
    if not replicas:
        raise ValueError("There is nothing to train: replicas is empty.")
    for _, seed, learning_rate in replicas:
        if not 0 <= seed < 2**32:
            raise ValueError(f"seed is {seed}. Use an integer in [0, 2**32).")
        if not 0 < learning_rate < np.inf:
            raise ValueError(f"learning_rate is {learning_rate}. Use a positive one.")
    structures = {(type(task), jax.tree.structure(task)) for task, _, _ in replicas}
    if len(structures) > 1:
        raise ValueError(
            f"The replicas' tasks differ in more than their arrays: {structures}. "
            "Train them by separate calls."
        )


def _stack(held: Sequence[Triple]) -> Replica:
    """Returns the replicas as one pytree [count, ...]."""
    tasks, seeds, rates = zip(*held, strict=True)
    return Replica(
        jax.tree.map(lambda *leaves: np.stack(leaves), *tasks),
        np.array(seeds, np.uint32),
        np.array(rates, np.float32),
    )


def _select(which: jax.Array, new: TrainState, old: TrainState) -> TrainState:
    return jax.tree.map(functools.partial(jnp.where, which), new, old)


def _rows(metrics: Metrics) -> list[Row]:
    values = jax.device_get(metrics)
    count = len(next(iter(values.values())))
    return [
        {name: float(value[i]) for name, value in values.items()} for i in range(count)
    ]


def _replace(stacked: Any, slot: int, row: Any) -> Any:
    """Returns an array [count, ...] with another row: NumPy's, or one of typed keys."""
    if not isinstance(stacked, np.ndarray):
        return stacked.at[slot].set(row)
    stacked = stacked.copy()
    stacked[slot] = row
    return stacked


def _slice(tree: Any, i: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[i], tree)


def _copy(tree: Any, i: int) -> Any:
    """Returns a slice of host arrays that does not keep the others in memory."""
    return jax.tree.map(lambda leaf: leaf[i].copy(), tree)

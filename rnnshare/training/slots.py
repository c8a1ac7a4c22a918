"""Places for replicas on the devices of a mesh."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rnnshare.training import nonfinite, replaying
from rnnshare.training.loop import Metrics, Recipe, Replica, TrainState
from rnnshare.training.streams import tell

Row = dict[str, Any]  # numbers, or None where there is none
Triple = tuple[Any, int, float]  # task, seed, learning rate


class Slots:
    """Places for replicas, `per_device` on each device of a mesh; some may rest."""

    def __init__(
        self,
        programs: dict[str, Callable[..., Any]],
        recipe: Recipe,
        mesh: Mesh,
        per_device: int,
        replicas: Sequence[Triple],
        done: Sequence[int] = (),
        begun: Mapping[int, TrainState] | None = None,
    ):
        """Makes the places; nothing is trained yet.

        Args:
          programs: of `programs.compile_programs`; and `hold`, that of
            `programs.compile_holding`, if the tasks' sets are to be held.
          recipe: how to train.
          mesh: of one axis.
          per_device: how many replicas a device trains at once.
          replicas: all of them.
          done: indices of those that are not to be trained.
          begun: the states, on the host, of those that go on from them.
        """
        count = mesh.size * per_device
        self._programs = programs
        self._recipe = recipe
        self._sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
        self._replicas = replicas
        # Those that were begun go on first, in the order that they are in.
        self._begun = dict(begun or {})
        new = [i for i in range(len(replicas)) if i not in {*done, *self._begun}]
        self._waiting = [*self._begun, *new]
        self._index: list[int | None] = [None] * count  # of each slot's replica
        self._held = [0] * count  # a resting slot holds its last replica's data
        self._steps = np.zeros(count, int)
        self._stacked: Any = None
        self._state: Any = None
        self._before: Any = None  # the state before the last chunk
        self._measured: list[Row] = []  # after it
        self._named: set[int] = set()  # replicas of which a skipped step was told

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
            if "hold" in self._programs:
                self._stacked = self._programs["hold"](self._stacked)
            fresh = self._with_begun(self._programs["init"](self._stacked), new)
            going_on = [i is not None for i in self._index] & ~new
            if not going_on.any():  # and what rests may have any state
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
        """Trains to the next validation; returns what was measured, by the step.

        Nothing was of a replica that went back to the one before.
        """
        self._before = self._state
        self._state, measured = self._programs["chunk"](self._stacked, self._before)
        self._measured = _rows(measured)
        steps = jax.device_get(self._state.step)
        told: dict[int, dict[int, Row]] = {}
        for slot, index in enumerate(self._index):
            if index is not None and steps[slot] != self._steps[slot]:
                told.setdefault(int(steps[slot]), {})[index] = self._measured[slot]
        self._steps = steps.copy()
        return sorted(told.items(), key=lambda item: item[0])

    def tell_faults(self) -> None:
        """Says on stderr what was not finite in the last chunk, a line a replica.

        The first skipped step of a replica stands for all; its metrics count them.
        """
        before, after = jax.device_get(
            [(s.step, s.diverged, s.nonfinite) for s in (self._before, self._state)]
        )
        replayed = None
        for slot, index in enumerate(self._index):
            if index is None:
                continue
            diverged = int(after[1][slot])
            total = new = 0
            if after[2] is not None:
                total = int(after[2].total[slot])
                new = total - int(before[2].total[slot])
            if not diverged and (not new or index in self._named):
                continue
            if replayed is None:
                replay = self._programs["replay"]
                replayed = jax.device_get(replay(self._stacked, self._before))
            if self._recipe.on_nonfinite == "skip":
                self._named.add(index)
            step, looked = _slice(replayed, slot)
            name = replaying.name_first(looked, self._measured[slot])
            _, seed, rate = self._replicas[index]
            then = nonfinite.consequence(
                self._recipe.on_nonfinite, diverged, int(before[0][slot]), total
            )
            tell(
                f"seed {seed}, learning rate {float(rate):g}, step {step}: "
                f"{name or 'a number'} is not finite; {then}"
            )

    def take_finished(self) -> list[tuple[int, TrainState, Row]]:
        """Returns index, state and metrics of replicas that are done; empties.

        What one that diverged has learnt is as it was before the chunk: it is finite.
        """
        stopped = jax.device_get(self._state.stopped)
        done = stopped | (self._steps >= self._recipe.num_steps)
        slots = [s for s, i in enumerate(self._index) if i is not None and done[s]]
        if not slots:
            return []
        metrics = _rows(self._programs["finish"](self._stacked, self._state))
        host, before, found = jax.device_get(self._state), None, []
        for slot in slots:
            state = _copy(host, slot)
            measured = metrics[slot]
            if state.diverged:
                measured = dict.fromkeys(measured, math.nan)
                before = jax.device_get(self._before) if before is None else before
                names = ("step", "stopped", "diverged", "nonfinite")
                state = _copy(before, slot)._replace(
                    **{name: getattr(state, name) for name in names}
                )
            row = {
                **measured,
                "best_step": int(state.best_step),
                "steps_trained": int(state.step),
                "diverged": int(state.diverged) or None,
            }
            if state.nonfinite is not None:
                name = nonfinite.COLUMNS[self._recipe.on_nonfinite]
                row[name] = int(state.nonfinite.total)
            index = self._index[slot]
            assert index is not None  # for the type checker
            bad = None if state.diverged else replaying.first_metric(measured)
            if bad is not None:
                tell(f"seed {self._replicas[index][1]}: {bad} is not finite in the end")
            found.append((index, state, row))
            self._index[slot] = None
        return found


def _stack(held: Sequence[Triple]) -> Replica:
    """Returns the replicas as one pytree [count, ...]."""
    tasks, seeds, rates = zip(*held, strict=True)
    return Replica(
        jax.tree.map(lambda *leaves: np.stack(jax.device_get(leaves)), *tasks),
        np.array(seeds, np.uint32),
        np.array(rates, np.float32),
    )


def _rows(metrics: Metrics) -> list[Row]:
    values = jax.device_get(metrics)
    count = len(next(iter(values.values())))
    return [
        {name: value[i].item() for name, value in values.items()} for i in range(count)
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

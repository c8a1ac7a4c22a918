"""What `fit` has done so far, as a checkpoint holds it, and how it goes on from there.

The states are host arrays by the index of the replica, so that a training goes on with
other devices, or with another number of replicas a device.
"""

import dataclasses
import hashlib
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from rnnshare.training.checkpoints import Checkpoint, Checkpoints
from rnnshare.training.identity import key_of
from rnnshare.training.layout import ONE_DEVICE
from rnnshare.training.loop import Loop, Replica, TrainState

Row = dict[str, Any]


@dataclasses.dataclass
class Progress:
    """How far the replicas of one `fit` have come.

    Attributes:
      states: of each replica that was begun, by its index, on the host.
      rows: the final metrics of those that are done.
      told: what was measured after each chunk, as `on_chunk` was called.
    """

    states: dict[int, TrainState] = dataclasses.field(default_factory=dict)
    rows: dict[int, Row] = dataclasses.field(default_factory=dict)
    told: list[tuple[int, dict[int, Row]]] = dataclasses.field(default_factory=list)

    @property
    def step(self) -> int:
        """The steps of all replicas."""
        return sum(int(state.step) for state in self.states.values())


class Keeper:
    """Saves the progress of one `fit` now and then, and finds it again."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        every: float,
        loop: Loop,
        replicas: Sequence[tuple[Any, int, float]],
        names: Sequence[str] | None = None,
    ):
        """Describes what is trained, which a checkpoint must be of.

        Args:
          checkpoints: where they are.
          every: seconds between two.
          loop: what is trained.
          replicas: the task, seed and learning rate of each.
          names: of the replicas, see `fit`; then only those that are being trained are
            kept, and found again by their names, whichever others there are.

        Raises:
          ValueError: if a replica has no name of its own.
        """
        if names is not None and not len({*names}) == len(names) == len(replicas):
            raise ValueError(
                f"fit: there are {len({*names})} different names of {len(replicas)} "
                "replicas. Give each its own."
            )
        self._checkpoints = checkpoints
        self._every = every
        self._loop = loop
        self._replicas = replicas
        self._names = names
        self._trained = {} if names is not None else _described(loop, replicas)
        self._last = -1  # step that was saved or found
        self._saved_at = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return time.monotonic() - self._saved_at >= self._every

    def save(self, progress: Progress) -> None:
        """Writes a checkpoint."""
        states, begun = progress.states, list[Any](progress.states)
        facts: Row = {"rows": progress.rows, "told": progress.told}
        if self._names is not None:
            states = {i: s for i, s in states.items() if i not in progress.rows}
            begun, facts = [self._names[index] for index in states], {}
        if not states:
            return
        facts |= {"trained": self._trained, "begun": begun}
        self._last = max(progress.step, self._last + 1)
        by_place = dict(zip(map(str, range(len(begun))), states.values(), strict=True))
        self._checkpoints.save(self._last, by_place, facts)
        self._saved_at = time.monotonic()

    def load(self) -> Progress:
        """Returns the progress of the newest good checkpoint, or none.

        A replica that was done because its steps were goes on if there are more now.

        Raises:
          ValueError: if it is of another training, or has more steps than are asked
            for.
        """
        found = self._checkpoints.newest()
        if found is None:
            return Progress()
        self._last = found.step
        begun = found.facts["begun"]
        if self._names is not None:
            place = {name: index for index, name in enumerate(self._names)}
            known = [(i, place[n]) for i, n in enumerate(begun) if n in place]
            states = self._restored(found) if known else []
            return Progress({index: states[i] for i, index in known})
        there = found.facts["trained"]
        differ = [
            f"{name} is {there.get(name)} there, but {here} here"
            for name, here in self._trained.items()
            if there.get(name) != here
        ]
        if differ:
            raise ValueError(
                f"{found.path} is of another training: {'; '.join(differ)}. Name "
                "another folder for its checkpoints."
            )
        progress = Progress(
            dict(zip(begun, self._restored(found), strict=True)),
            {int(index): row for index, row in found.facts["rows"].items()},
            [
                (step, {int(index): row for index, row in rows.items()})
                for step, rows in found.facts["told"]
            ],
        )
        num_steps = self._loop.recipe.num_steps
        for index, state in progress.states.items():
            if state.step > num_steps:
                raise ValueError(
                    f"{found.path} has {state.step} steps, more than num_steps="
                    f"{num_steps}. Ask for as many or more."
                )
            if state.step < num_steps and not state.stopped:
                progress.rows.pop(index, None)
        return progress

    def _restored(self, found: Checkpoint) -> list[TrainState]:
        """Returns the states of a checkpoint in the order of what was begun."""
        # Of the shapes alone: how they lie over devices is the programs' concern.
        loop = dataclasses.replace(self._loop, layout=ONE_DEVICE)
        like = jax.eval_shape(loop.init, self._replica(0))
        places = [str(i) for i in range(len(found.facts["begun"]))]
        restored = found.restore(dict.fromkeys(places, like))
        return [restored[place] for place in places]

    def _replica(self, index: int) -> Replica:
        task, seed, learning_rate = self._replicas[index]
        return Replica(
            task, np.array(seed, np.uint32), np.array(learning_rate, np.float32)
        )


def _described(loop: Loop, replicas: Sequence[tuple[Any, int, float]]) -> Row:
    """Returns, as JSON, what must be the same for a training to go on.

    What cannot be described (`rnnshare.training.describe`) is None, and not compared
    but for the shapes of the parameters and of the optimiser's state.
    """
    recipe = loop.recipe
    fields = [f.name for f in dataclasses.fields(recipe) if f.name != "num_steps"]
    tasks = {id(task): task for task, _, _ in replicas}
    keys = {name: _key_or_none(task) for name, task in tasks.items()}
    of_tasks = ",".join(str(keys[id(task)]) for task, _, _ in replicas)
    return {
        "model": _key_or_none(loop.make_model),
        "tasks": hashlib.sha256(of_tasks.encode()).hexdigest()[:20],
        "seeds": [int(seed) for _, seed, _ in replicas],
        "learning_rates": [float(rate) for _, _, rate in replicas],
        **{name: _shown(getattr(recipe, name)) for name in fields},
    }


def _shown(value: Any) -> Any:
    """Returns a number or a word as it is, anything else by its key."""
    plain = value is None or isinstance(value, bool | int | float | str)
    return value if plain else _key_or_none(value)


def _key_or_none(value: Any) -> str | None:
    try:
        return key_of(value)
    except TypeError:
        return None

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

from rnnshare.training.checkpoints import Checkpoints
from rnnshare.training.identity import key_of
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
    ):
        """Describes what is trained, which a checkpoint must be of.

        Args:
          checkpoints: where they are.
          every: seconds between two.
          loop: what is trained.
          replicas: the task, seed and learning rate of each.
        """
        self._checkpoints = checkpoints
        self._every = every
        self._loop = loop
        self._replicas = replicas
        self._trained = _described(loop, replicas)
        self._saved_at = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return time.monotonic() - self._saved_at >= self._every

    def save(self, progress: Progress) -> None:
        """Writes a checkpoint."""
        facts = {
            "trained": self._trained,
            "begun": list(progress.states),
            "rows": progress.rows,
            "told": progress.told,
        }
        states = {str(index): state for index, state in progress.states.items()}
        self._checkpoints.save(progress.step, states, facts)
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
        begun = found.facts["begun"]
        like = jax.eval_shape(self._loop.init, self._replica(0))
        restored = found.restore({str(index): like for index in begun})
        progress = Progress(
            {index: restored[str(index)] for index in begun},
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

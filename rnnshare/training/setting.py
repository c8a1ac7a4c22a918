"""A setting of a study: one model on one task by one recipe, and the key of its row."""

import dataclasses
import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from flax import nnx

from rnnshare.cells.blueprint import Blueprint
from rnnshare.models.sequence_model import SequenceModel
from rnnshare.sharing.base import Sharing, num_parameters
from rnnshare.sharing.templates import Tied
from rnnshare.tasks import Task
from rnnshare.training.identity import (
    describe,
    describe_fields,
    key_of,
    key_of_described,
)
from rnnshare.training.loop import Recipe
from rnnshare.training.names import Call, public_name
from rnnshare.training.optimizers import check_learning_rate
from rnnshare.training.rows import Row

# Of the rows, and a part of their keys: another one has other columns or another
# meaning, or the training of what it names has changed.
SCHEMA = 2


@dataclasses.dataclass(frozen=True)
class ModelFor:
    """Makes the `SequenceModel` of a task: a factory that hashes and compares.

    Attributes:
      cell: a cell class, `cell(in_features, hidden_features, rngs=...)`.
      hidden_features: H.
      sharing: of each layer's weights.
      num_layers: RNN layers, all of the same sharing.
      readout_sharing: of the read-out's weights.
      dropout: fraction dropped between layers while training.
      in_features, out_features, readout, num_tokens: what the task asks for.
      remat: what is made again in the backward pass; see `SequenceModel`.
    """

    cell: Callable[..., nnx.RNNCellBase]
    hidden_features: int
    sharing: Sharing
    num_layers: int
    readout_sharing: Sharing
    dropout: float
    in_features: int
    out_features: int
    readout: str
    num_tokens: int | None
    remat: bool | int | str = False

    def __call__(self, *, rngs: nnx.Rngs) -> SequenceModel:
        """Draws the model."""
        return SequenceModel(
            self.cell,
            self.in_features,
            self.hidden_features,
            self.out_features,
            [self.sharing] * self.num_layers,
            rngs=rngs,
            num_tokens=self.num_tokens,
            readout=self.readout,
            readout_sharing=self.readout_sharing,
            dropout=self.dropout,
            remat=self.remat,
        )


@dataclasses.dataclass(frozen=True)
class Setting:
    """One model on one task, trained by one recipe at one learning rate.

    Attributes:
      make_task: `make_task(split)` returns the task, resampled by the split's number.
      cell: a cell class.
      sharing: how the layers' weights are shared.
      hidden_features: H.
      learning_rate: of the recipe's optimiser.
      recipe: how to train.
      num_layers, readout_sharing, dropout, remat: see `SequenceModel`.
    """

    make_task: Callable[[int], Task]
    cell: Callable[..., nnx.RNNCellBase]
    sharing: Sharing
    hidden_features: int = 64
    learning_rate: float = 1e-3
    recipe: Recipe = Recipe()
    num_layers: int = 1
    readout_sharing: Sharing = Tied()
    dropout: float = 0.0
    remat: bool | int | str = False

    def __post_init__(self):
        check_learning_rate(self.learning_rate)

    def make_model(self) -> ModelFor:
        """Returns the model's factory, which is the same for all splits of a task."""
        task = self.make_task(0)
        return ModelFor(
            cell=self.cell,
            hidden_features=self.hidden_features,
            sharing=self.sharing,
            num_layers=self.num_layers,
            readout_sharing=self.readout_sharing,
            dropout=self.dropout,
            in_features=task.in_features,
            out_features=task.out_features,
            readout=task.readout,
            num_tokens=task.num_tokens,
            remat=self.remat,
        )

    def num_parameters(self) -> int:
        """Returns how many scalars are trained."""
        return num_parameters(list(Blueprint.of(self.make_model()).shapes))

    def key(self, replicate: "Replicate") -> str:
        """Returns what the row of this setting on a replicate is recognised by.

        It covers every field that is not at its default, of the setting and of all that
        it holds; in place of `make_task` the task that it makes.

        Raises:
          TypeError: if a field has no description that outlasts the process, as a
            lambda; see `rnnshare.training.describe`.
        """
        return keys_of([self], [replicate])[0][0]

    def columns(self) -> Row:
        """Returns what names this setting to a reader of rows: strings and numbers."""
        truncation = self.recipe.truncation
        return {
            "task": self.make_task(0).name,
            "make_task": _name(self.make_task),
            "cell": _name(self.cell),
            "sharing": repr(self.sharing),
            "hidden_features": self.hidden_features,
            "num_layers": self.num_layers,
            "readout_sharing": repr(self.readout_sharing),
            "dropout": self.dropout,
            **({} if self.remat is False else {"remat": self.remat}),
            "learning_rate": self.learning_rate,
            **{
                f.name: getattr(self.recipe, f.name) for f in dataclasses.fields(Recipe)
            },
            "optimizer": _name(self.recipe.optimizer),
            "truncation": truncation and repr(truncation),
        }


class Replicate(NamedTuple):
    """One repetition of a setting: a seed, and the split of the data that it uses."""

    seed: int
    split: int = 0


def keys_of(
    settings: Sequence[Setting], replicates: Sequence[Replicate]
) -> list[list[str]]:
    """Returns the key of each setting on each replicate; describes each task once."""
    # The digest holds for as long as the task lives: it is a key of no other one.
    digests: dict[int, tuple[weakref.ref[Any], str]] = {}
    made: dict[tuple[Any, Any], str] = {}

    def key_of_task(make_task: Callable[[int], Task], split: int) -> str:
        if (make_task, split) not in made:
            task = make_task(split)
            alive, digest = digests.get(id(task), (None, ""))
            if alive is None or alive() is not task:
                digest = key_of(task)
                digests[id(task)] = weakref.ref(task), digest
            made[make_task, split] = digest
        return made[make_task, split]

    found = []
    for setting in settings:
        kind = public_name(type(setting))  # a subclass may make another model
        fields = describe_fields(setting, leave_out=("make_task",))
        own = describe([SCHEMA, kind, fields])  # once for all replicates
        found.append(
            [
                key_of_described(
                    [*own, key_of_task(setting.make_task, r.split), describe(r)]
                )
                for r in replicates
            ]
        )
    return found


def _name(function: Any) -> str:
    if isinstance(function, functools.partial | Call):
        options = [*map(_shown, function.args)]
        options += [f"{k}={_shown(v)}" for k, v in sorted(function.keywords.items())]
        return f"{_name(function.func)}({', '.join(options)})"
    return getattr(function, "__qualname__", type(function).__name__)


def _shown(value: Any) -> str:
    return _name(value) if callable(value) else repr(value)

"""A study: the training loop over a grid of settings and replicates, as rows.

Rows are appended as they finish, and skipped when the same study is started again.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from rnnshare.cells.blueprint import Blueprint
from rnnshare.models.sequence_model import SequenceModel
from rnnshare.sharing.base import Sharing, num_parameters
from rnnshare.sharing.templates import Tied
from rnnshare.tasks import Task
from rnnshare.training.fitting import Recipe, fit
from rnnshare.training.rows import JsonLines, Row, json_line


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
      num_layers, readout_sharing, dropout: see `SequenceModel`.
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
        )

    def num_parameters(self) -> int:
        """Returns how many scalars are trained."""
        return num_parameters(list(Blueprint.of(self.make_model()).shapes))

    def columns(self) -> Row:
        """Returns what names this setting in a row: strings and numbers."""
        truncation = self.recipe.truncation
        return {
            "task": self.make_task(0).name,
            "cell": _name(self.cell),
            "sharing": repr(self.sharing),
            "hidden_features": self.hidden_features,
            "num_layers": self.num_layers,
            "readout_sharing": repr(self.readout_sharing),
            "dropout": self.dropout,
            "learning_rate": self.learning_rate,
            **dataclasses.asdict(self.recipe),
            "optimizer": _name(self.recipe.optimizer),
            "truncation": truncation and repr(truncation),
        }


class Replicate(NamedTuple):
    """One repetition of a setting: a seed, and the split of the data that it uses."""

    seed: int
    split: int = 0


def run(
    settings: Sequence[Setting],
    replicates: Sequence[Replicate],
    rows: JsonLines,
    *,
    mesh: jax.sharding.Mesh | None = None,
    per_device: int = 1,
    compiler_options: Mapping[str, str] | None = None,
    on_group: Callable[[Setting, int, int], None] | None = None,
) -> list[Row]:
    """Trains every setting on every replicate, and returns their rows in that order.

    Settings whose models, recipes and shapes of data are the same are trained together:
    they share one compilation and fill the devices between them. A row that the file
    already has is not run again; a row does not depend on which others run.

    Args:
      settings: the grid.
      replicates: the same for all settings, so that their rows are paired.
      rows: where rows are appended as they finish.
      mesh: see `rnnshare.training.fit`.
      per_device: see there too.
      compiler_options: and there.
      on_group: called for each group of settings that differ in the learning rate
        alone, before what is trained with it, with the first of the group, how many
        runs it holds, and how many are left to do.

    Returns:
      One row a setting and replicate: the setting's columns, the replicate, the number
      of parameters, and the final metrics.
    """
    done = {_key_of_row(row): row for row in rows.rows}
    programs: dict[Any, list[list[Setting]]] = {}
    for members in _alike(settings):
        programs.setdefault(_program_of(members[0]), []).append(members)
    for groups in programs.values():
        pairs = []
        for members in groups:
            wanted = [(s, r) for s in dict.fromkeys(members) for r in replicates]
            left = [(s, r) for s, r in wanted if _key(s, r) not in done]
            if on_group is not None:
                on_group(members[0], len(wanted), len(left))
            pairs += left
        if pairs:
            _train(
                pairs,
                rows,
                mesh=mesh,
                per_device=per_device,
                compiler_options=compiler_options,
            )
    done.update((_key_of_row(row), row) for row in rows.rows)
    return [done[_key(s, r)] for s in settings for r in replicates]


def _alike(settings: Sequence[Setting]) -> list[list[Setting]]:
    """Returns the settings in groups that differ in the learning rate alone."""
    groups: dict[Setting, list[Setting]] = {}
    for setting in settings:
        same = dataclasses.replace(setting, learning_rate=1.0)
        groups.setdefault(same, []).append(setting)
    return list(groups.values())


def _program_of(setting: Setting) -> Any:
    """Returns what settings have in common that are trained by one program."""
    task = setting.make_task(0)
    shapes = tuple((np.shape(x), np.result_type(x)) for x in jax.tree.leaves(task))
    structure = jax.tree.structure(task)
    return setting.make_model(), setting.recipe, type(task), structure, shapes


def _train(
    pairs: Sequence[tuple[Setting, Replicate]], rows: JsonLines, **options: Any
) -> None:
    """Trains settings of one program; appends each row when it is done."""
    one = pairs[0][0]
    size = {"num_parameters": one.num_parameters()}

    def keep(index: int, metrics: Row) -> None:
        rows.append(_columns(*pairs[index]) | size | metrics)

    fit(
        one.make_model(),
        one.recipe,
        [(s.make_task(r.split), r.seed, s.learning_rate) for s, r in pairs],
        on_result=keep,
        **options,
    )


def tune(
    candidates: Sequence[Setting],
    replicates: Sequence[Replicate],
    rows: JsonLines,
    **options: Any,
) -> Setting:
    """Returns the candidate of the least mean validation loss over the replicates.

    Use replicates of their own, so that the choice and the final runs are apart.
    A run that diverged counts as infinite; of equal candidates the first wins.
    """
    measured = run(candidates, replicates, rows, **options)
    losses = [
        np.inf if row["validation_loss"] is None else row["validation_loss"]
        for row in measured
    ]
    means = np.mean(np.reshape(losses, (len(candidates), len(replicates))), axis=1)
    return candidates[int(np.argmin(means))]


SCHEMA = 2


def key_of(setting: Setting, replicate: Replicate) -> str:
    import hashlib

    return hashlib.sha256(_key(setting, replicate).encode()).hexdigest()[:20]


def _columns(setting: Setting, replicate: Replicate) -> Row:
    return setting.columns() | replicate._asdict()


def _key(setting: Setting, replicate: Replicate) -> str:
    """Returns what a row is recognised by, as `_key_of_row` returns it."""
    return _key_of_row(_columns(setting, replicate))


def _key_of_row(row: Row) -> str:
    return json_line({name: row.get(name) for name in _COLUMN_NAMES})


_COLUMN_NAMES = (
    *("task", "cell", "sharing", "hidden_features", "num_layers", "readout_sharing"),
    *("dropout", "learning_rate", "optimizer", "seed", "split"),
    *(f.name for f in dataclasses.fields(Recipe) if f.name != "optimizer"),
)


def _name(function: Any) -> str:
    from rnnshare.training.identity import Call

    if isinstance(function, Call):
        function = functools.partial(function.function, **function.kwargs)
    if isinstance(function, functools.partial):
        options = [repr(value) for value in function.args]
        options += [f"{k}={v!r}" for k, v in sorted(function.keywords.items())]
        return f"{_name(function.func)}({', '.join(options)})"
    return getattr(function, "__qualname__", type(function).__name__)

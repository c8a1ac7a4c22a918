"""A study: the training loop over a grid of settings and replicates, as rows.

Rows are appended as they finish, and what has a row is not run again when the same
study is started again. A row is recognised by its key, the digest of all that made it;
the columns beside it that name the setting are for people.
"""

import contextlib
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import jax
import numpy as np

from rnnshare.training.groups import Grid, Pairs, by_key, name_of, train
from rnnshare.training.locks import FolderLock, LockedError
from rnnshare.training.memory import release_memory
from rnnshare.training.rows import JsonLines, Row
from rnnshare.training.setting import SCHEMA, Replicate, Setting
from rnnshare.training.streams import tell
from rnnshare.training.workers import (
    Executor,
    merge_workers,
    train_by,
    workers_of,
)

Candidate = TypeVar("Candidate")  # a setting, or a tuple of settings


def run(
    settings: Sequence[Setting],
    replicates: Sequence[Replicate],
    rows: JsonLines,
    *,
    mesh: jax.sharding.Mesh | None = None,
    per_device: int = 1,
    compiler_options: Mapping[str, str] | None = None,
    on_group: Callable[[Setting, int, int], None] | None = None,
    checkpoint_every: float = 30.0,
    executor: Executor | None = None,
) -> list[Row]:
    """Trains every setting on every replicate, and returns their rows in that order.

    Settings whose models, recipes and shapes of data are the same are trained together:
    they share one compilation and fill the devices between them. A row that the file
    already has is not run again; a row does not depend on which others run. Rows of
    another `SCHEMA` are not read, which one line on stderr says.

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
      checkpoint_every: seconds between checkpoints of what is being trained, in a
        folder beside the rows (`trained.checkpoints` of `trained.jsonl`), from which
        the same study goes on; it is removed when the rows are there.
      executor: whose `submit(function, *args)` runs the trainings of one program, with
        as many devices as this process has: one of concurrent.futures that spawns its
        processes, a Dask client, one of submitit. A worker writes a file of its own, in
        a folder beside the rows (`trained.workers`) that all of them see. The files
        are merged into `rows` at the end, or by the next call, if this one is ended.

    Returns:
      One row a setting and replicate: `schema` and `key`, the setting's columns, the
      replicate, the number of parameters, the versions and XLA's level of optimisation
      that it was run at, and the final metrics. Those of a run that diverged are None,
      and `diverged` is the step at which it did; else that is None.

    Raises:
      TypeError: if a setting cannot be described, as `Setting.key` says, or, for an
        executor, not be pickled.
      ValueError: if two settings have one key but are not equal, or there are an
        executor and a mesh, which is of this process's devices.
      LockedError: at once, if another `run` trains into the same file.
      WorkerError: if a worker failed or was killed; the rows of all others are there.
    """
    if executor is not None and mesh is not None:
        raise ValueError(
            "run: a mesh is of this process's devices, but an executor trains in "
            "others. Leave one of the two out."
        )
    grid = Grid(settings, replicates)
    _tell_of_other_schemas(rows)
    options: dict[str, Any] = {
        "per_device": per_device,
        "compiler_options": compiler_options and dict(compiler_options),
        "checkpoint_every": checkpoint_every,
    }
    to_submit: dict[str, Pairs] = {}
    with contextlib.ExitStack() as stack:
        if any(group.left(by_key(rows)) for group in grid.groups):
            stack.enter_context(_lock_of(rows))
            rows.refresh()  # what the last writer left
            merge_workers(rows)
        elif workers_of(rows.path).is_dir():  # of a run that was killed at its end
            with contextlib.suppress(LockedError, OSError), _lock_of(rows):
                rows.refresh()
                merge_workers(rows)
        done = by_key(rows)
        for groups in grid.programs:
            pairs: dict[str, tuple[Setting, Replicate]] = {}
            for group in groups:
                left = group.left(done)
                if on_group is not None:
                    on_group(group.setting, len(group.pairs), len(left))
                pairs |= left
            if pairs and executor is not None:
                to_submit[name_of(groups)] = pairs
            elif pairs:
                train(pairs, rows, mesh=mesh, **options)
                release_memory(at_most_every=10.0)
        if executor is not None and to_submit:
            train_by(executor, to_submit, rows, options)
    return grid.rows(rows)


def _lock_of(rows: JsonLines) -> FolderLock:
    """Returns the lock of a file of rows, whichever link to it was named."""
    path = rows.path.resolve()
    return FolderLock(path.parent, path.name)


def tune(
    candidates: Sequence[Candidate],
    replicates: Sequence[Replicate],
    rows: JsonLines,
    *,
    by: str | Callable[[list[Row]], Any] = "validation_loss",
    **options: Any,
) -> Candidate:
    """Returns the best candidate, by trainings on the replicates.

    Use replicates of their own, so that the choice and the final runs are apart. A
    candidate that diverged, on any replicate, is chosen only if all of them did: then
    it is one that did so on the fewest, which one line on stderr says. Of equal
    candidates the first wins.

    Args:
      candidates: settings, or groups (tuples) of settings that are judged together,
        such as one rate over a grid of tasks.
      replicates: see `run`.
      rows: see there.
      by: what is least of the best: a metric, its mean over the runs; or a function of
        a candidate's rows.
      **options: see there too.
    """
    return choose(candidates, run(members(candidates), replicates, rows, **options), by)


def members(candidates: Sequence[Any]) -> list[Setting]:
    """Returns the settings of candidates, group by group."""
    groups = (each if isinstance(each, tuple) else (each,) for each in candidates)
    return [setting for group in groups for setting in group]


def choose(
    candidates: Sequence[Candidate],
    rows: Sequence[Row],
    by: str | Callable[[list[Row]], Any] = "validation_loss",
) -> Candidate:
    """Returns the best candidate by its rows; see `tune`.

    Args:
      candidates: settings, or groups of settings.
      rows: of all their settings in order, as `run` returns them.
      by: what is least of the best.
    """
    repeats, left, ranks = len(rows) // len(members(candidates)), list(rows), []
    for candidate in candidates:
        count = len(members([candidate])) * repeats
        own, left = left[:count], left[count:]
        ranks.append((count_diverged(own), by(own) if callable(by) else _mean(own, by)))
    best = min(range(len(candidates)), key=ranks.__getitem__)  # the first of equals
    if ranks[best][0]:
        one = members([candidates[best]])
        tell(
            f"tune: each of {len(candidates)} candidates diverged; the chosen one, of "
            f"learning rate {one[0].learning_rate:g}, did on {ranks[best][0]} of "
            f"{len(one) * repeats} runs. Try lower rates."
        )
    return candidates[best]


def _mean(rows: Sequence[Row], metric: str) -> float:
    """Returns the mean of a metric over the runs that did not diverge; inf if none."""
    values = [row[metric] for row in rows if row.get("diverged") is None]
    known = [np.inf if value is None else value for value in values]
    return float(np.mean(known)) if known else np.inf


def count_diverged(rows: Iterable[Row]) -> int:
    """Returns how many rows are of runs that diverged, and so have no metrics."""
    return sum(row.get("diverged") is not None for row in rows)


# Whose rows of another schema were told of.
_told: weakref.WeakSet[JsonLines] = weakref.WeakSet()


def _tell_of_other_schemas(rows: JsonLines) -> None:
    count = sum(row.get("schema") != SCHEMA for row in rows.rows)
    if count and rows not in _told:
        _told.add(rows)
        tell(
            f"{rows.path}: {count} of {len(rows.rows)} rows are not of schema {SCHEMA}"
            ", so they are not read, and what they measured is trained anew."
        )

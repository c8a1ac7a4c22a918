"""A study: the training loop over a grid of settings and replicates, as rows.

Rows are appended as they finish, and what has a row is not run again when the same
study is started again. A row is recognised by its key, the digest of all that made it;
the columns beside it that name the setting are for people.
"""

import dataclasses
import os
import re
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from typing import Any, TypeVar

import jax
import numpy as np

from rnnshare.training.checkpoints import Checkpoints
from rnnshare.training.fitting import fit
from rnnshare.training.identity import key_of
from rnnshare.training.memory import release_memory
from rnnshare.training.rows import JsonLines, Row
from rnnshare.training.setting import SCHEMA, Replicate, Setting, keys_of
from rnnshare.training.streams import tell

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

    Returns:
      One row a setting and replicate: `schema` and `key`, the setting's columns, the
      replicate, the number of parameters, the versions and XLA's level of optimisation
      that it was run at, and the final metrics. Those of a run that diverged are None,
      and `diverged` is the step at which it did; else that is None.

    Raises:
      TypeError: if a setting cannot be described, as `Setting.key` says.
      ValueError: if two settings have one key but are not equal.
    """
    keys = keys_of(settings, replicates)
    _refuse_twins(settings, keys)
    _tell_of_other_schemas(rows)
    done = {row["key"]: row for row in rows.rows if row.get("schema") == SCHEMA}
    programs: dict[Any, list[list[int]]] = {}
    for members in _alike(settings):
        program = _program_of(settings[members[0]])
        programs.setdefault(program, []).append(members)
    for groups in programs.values():
        pairs: dict[str, tuple[Setting, Replicate]] = {}
        for members in groups:
            wanted = {
                key: (settings[index], replicate)
                for index in members
                for key, replicate in zip(keys[index], replicates, strict=True)
            }
            left = {key: pair for key, pair in wanted.items() if key not in done}
            if on_group is not None:
                on_group(settings[members[0]], len(wanted), len(left))
            pairs |= left
        if pairs:
            _train(
                pairs,
                rows,
                mesh=mesh,
                per_device=per_device,
                compiler_options=compiler_options,
                checkpoint_every=checkpoint_every,
            )
            release_memory(at_most_every=10.0)
    done = {row["key"]: row for row in rows.rows if row.get("schema") == SCHEMA}
    return [done[key] for of_setting in keys for key in of_setting]


def _alike(settings: Sequence[Setting]) -> list[list[int]]:
    """Returns indices of settings in groups that differ in the learning rate alone."""
    groups: dict[Setting, list[int]] = {}
    for index, setting in enumerate(settings):
        same = dataclasses.replace(setting, learning_rate=1.0)
        groups.setdefault(same, []).append(index)
    return list(groups.values())


def _program_of(setting: Setting) -> Any:
    """Returns what settings have in common that are trained by one program."""
    task = setting.make_task(0)
    shapes = tuple((np.shape(x), np.result_type(x)) for x in jax.tree.leaves(task))
    structure = jax.tree.structure(task)
    return setting.make_model(), setting.recipe, type(task), structure, shapes


def _train(
    pairs: Mapping[str, tuple[Setting, Replicate]], rows: JsonLines, **options: Any
) -> None:
    """Trains settings of one program, by key; appends each row when it is done."""
    keys, held = list(pairs), list(pairs.values())
    one = held[0][0]
    common = {
        "num_parameters": one.num_parameters(),
        **{name: _version(name) for name in ("jax", "rnnshare")},
        "xla_level": _xla_level(options.get("compiler_options")),
    }

    path = rows.path.with_name(f"{rows.path.name.removesuffix('.jsonl')}.checkpoints")
    checkpoints, waiting = Checkpoints(path), {*range(len(held))}

    def keep(index: int, metrics: Row) -> None:
        waiting.discard(index)
        if not waiting:  # before the last row, so that no kill leaves them behind
            checkpoints.clear()
        setting, replicate = held[index]
        columns = setting.columns() | replicate._asdict()
        named = {"schema": SCHEMA, "key": keys[index]} | columns
        rows.append(named | common | metrics)

    fit(
        one.make_model(),
        one.recipe,
        [(s.make_task(r.split), r.seed, s.learning_rate) for s, r in held],
        on_result=keep,
        checkpoints=checkpoints,
        names=[key_of(key, common) for key in keys],  # by other versions: another one
        **options,
    )


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


def _refuse_twins(settings: Sequence[Setting], keys: Sequence[Sequence[str]]) -> None:
    """Raises if settings that are not equal would be taken for one another's row."""
    first: dict[str, int] = {}
    for index, of_setting in enumerate(keys):
        for key in of_setting:
            other = first.setdefault(key, index)
            if settings[other] != settings[index]:
                raise ValueError(
                    f"run: settings {other} and {index} train the same, but are not "
                    "equal, as two functools.partial never are. Give each once, or "
                    "make what differs equal: two rnnshare.training.Call of one "
                    "function and arguments are."
                )


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


def _version(package: str) -> str | None:
    """Returns a package's version, or None where it was not installed but copied."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _xla_level(compiler_options: Mapping[str, str] | None) -> int | None:
    """Returns XLA's level of optimisation, or None where nobody has set it."""
    name = "xla_backend_optimization_level"
    given = re.findall(rf"--{name}=(\d+)", os.environ.get("XLA_FLAGS", ""))
    level = (compiler_options or {}).get(name, given[-1] if given else None)
    return None if level is None else int(level)

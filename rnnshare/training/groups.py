"""The trainings of a study, in the groups that are compiled and trained together."""

import dataclasses
import hashlib
import itertools
import os
import re
import weakref
from collections.abc import Container, Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any, NamedTuple

import jax
import numpy as np

from rnnshare.training.checkpoints import Checkpoints
from rnnshare.training.fitting import fit
from rnnshare.training.identity import key_of
from rnnshare.training.rows import JsonLines, Row
from rnnshare.training.setting import SCHEMA, Replicate, Setting, keys_of
from rnnshare.unrolling.compiling import LEVEL

Pairs = Mapping[str, tuple[Setting, Replicate]]  # by the keys of their rows


class Group(NamedTuple):
    """Settings that differ in the learning rate alone, on the replicates of a study.

    Attributes:
      setting: the first of them.
      pairs: what is trained, by key.
    """

    setting: Setting
    pairs: Pairs

    def left(self, done: Container[str]) -> Pairs:
        """Returns what is not done, by the keys that are."""
        return {key: pair for key, pair in self.pairs.items() if key not in done}


class Grid:
    """Settings on replicates: their keys, and which of them share a program.

    Attributes:
      keys: of each setting on each replicate.
      programs: for each program, the groups whose trainings it runs.
    """

    def __init__(self, settings: Sequence[Setting], replicates: Sequence[Replicate]):
        """Describes the settings.

        Raises:
          TypeError: if a setting cannot be described, as `Setting.key` says.
          ValueError: if two settings have one key but are not equal.
        """
        self.keys = keys_of(settings, replicates)
        _refuse_twins(settings, self.keys)
        programs: dict[Any, list[Group]] = {}
        for members in _alike(settings):
            pairs = {
                key: (settings[index], replicate)
                for index in members
                for key, replicate in zip(self.keys[index], replicates, strict=True)
            }
            group = Group(settings[members[0]], pairs)
            programs.setdefault(_program_of(group.setting), []).append(group)
        self.programs = list(programs.values())

    @property
    def groups(self) -> list[Group]:
        """Those of all programs."""
        return list(itertools.chain(*self.programs))

    def rows(self, rows: JsonLines) -> list[Row]:
        """Returns the row of every setting on every replicate, in that order."""
        done = by_key(rows)
        return [done[key] for of_setting in self.keys for key in of_setting]


# Of a file: its list of rows, how many of them were read, and these by their keys.
_read: weakref.WeakKeyDictionary[JsonLines, tuple[list[Row], int, dict[str, Row]]]
_read = weakref.WeakKeyDictionary()


def by_key(rows: JsonLines) -> dict[str, Row]:
    """Returns the rows of this `SCHEMA` by their keys; a later call adds to it."""
    read, count, found = _read.get(rows, ([], 0, {}))
    if read is not rows.rows or count > len(rows.rows):
        count, found = 0, {}
    new = rows.rows[count:]
    found |= {row["key"]: row for row in new if row.get("schema") == SCHEMA}
    _read[rows] = rows.rows, len(rows.rows), found
    return found


def name_of(groups: Sequence[Group]) -> str:
    """Returns what some groups are recognised by, whichever of them are done."""
    keys = sorted(key for group in groups for key in group.pairs)
    return hashlib.sha256(" ".join(keys).encode()).hexdigest()[:20]


def train(pairs: Pairs, rows: JsonLines, **options: Any) -> None:
    """Trains settings of one program; appends the row of each when it is done.

    Args:
      pairs: what is trained.
      rows: where the rows go, beside the checkpoints.
      **options: of `rnnshare.training.fit`.
    """
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


def _alike(settings: Sequence[Setting]) -> Iterator[list[int]]:
    """Yields indices of settings in groups that differ in the learning rate alone."""
    groups: dict[Setting, list[int]] = {}
    for index, setting in enumerate(settings):
        same = dataclasses.replace(setting, learning_rate=1.0)
        groups.setdefault(same, []).append(index)
    yield from groups.values()


def _program_of(setting: Setting) -> Any:
    """Returns what settings have in common that are trained by one program."""
    task = setting.make_task(0)
    shapes = tuple((np.shape(x), np.result_type(x)) for x in jax.tree.leaves(task))
    structure = jax.tree.structure(task)
    return setting.make_model(), setting.recipe, type(task), structure, shapes


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


def _version(package: str) -> str | None:
    """Returns a package's version, or None where it was not installed but copied."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _xla_level(compiler_options: Mapping[str, str] | None) -> int | None:
    """Returns XLA's level of optimisation, or None where nobody has set it."""
    given = re.findall(rf"--{LEVEL}=(\d+)", os.environ.get("XLA_FLAGS", ""))
    level = (compiler_options or {}).get(LEVEL, given[-1] if given else None)
    return None if level is None else int(level)

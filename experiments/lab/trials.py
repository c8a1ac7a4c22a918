"""The `Lab`: what a study may ask for; every answer is kept as a row.

Trainings go to `trained.jsonl`, all else to `kept.jsonl` of the study's folder: curves,
gradients, times of races, raw values, so that every verdict can be judged again.
"""

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
import pathlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.lab import cluster
from experiments.lab.machine import layout
from rnnshare.sharing.base import Sharing
from rnnshare.training import SCHEMA, FolderLock, JsonLines, Replicate, Setting, study
from rnnshare.training.groups import Grid, by_key
from rnnshare.training.rows import Row

TUNING_SEED = 1_000  # tuning has seeds and splits of its own,
FRESH_SEED = 2_000  # and so has the confirmation of what was chosen by its result


class MissingRowError(ValueError):
    """A row that a verdict rests on is not kept."""


class Lab:
    """Trains, measures and keeps, in one folder.

    Attributes:
      folder: of the study's rows.
      judge_only: raise `MissingRowError` instead of making a row.
      num_made: rows that were made, not read.
      asked: the labs of other experiments that were asked for, by name.
    """

    def __init__(self, folder: str | pathlib.Path, *, judge_only: bool = False):
        """Opens the folder, which need not exist."""
        self.folder = pathlib.Path(folder)
        self.judge_only = judge_only
        self.num_made = 0
        self.asked: dict[str, Lab] = {}
        self._first = self  # that was not asked for, and whose session it is
        self._locks: dict[pathlib.Path, FolderLock] | None = None  # of a session

    @functools.cached_property
    def trained(self) -> JsonLines:
        """The file of trainings."""
        return JsonLines(self.folder / "trained.jsonl")

    @functools.cached_property
    def others(self) -> JsonLines:
        """The file of all other rows."""
        return JsonLines(self.folder / "kept.jsonl")

    @functools.cached_property
    def _known(self) -> dict[str, Row]:
        return {row["key"]: row for row in self.others.rows if "key" in row}

    @contextlib.contextmanager
    def clock(self) -> Iterator[None]:
        """Counts a session that makes rows, whether it comes to its end or not.

        Unless it only judges, it is the one writer of its folder, and of those of the
        labs that it asks.

        Raises:
          LockedError: if another process writes there.
        """
        began = time.perf_counter()
        self._locks = None if self.judge_only else {}
        try:
            self._lock()
            yield
        finally:
            made = self.num_made or any(o.num_made for o in self.asked.values())
            if made and not self.judge_only:
                took = round(time.perf_counter() - began, 3)
                JsonLines(self.folder / "sessions.jsonl").append({"seconds": took})
            for lock in (self._locks or {}).values():
                lock.release()
            self._locks = None

    def _lock(self) -> None:
        """Locks the folder in a session, before anything in it is read."""
        locks = self._first._locks
        if locks is not None and self.folder not in locks:
            locks[self.folder] = FolderLock(self.folder).take()

    @property
    def seconds(self) -> float:
        """How long the sessions took that made the rows."""
        rows = JsonLines(self.folder / "sessions.jsonl").rows
        return float(sum(row["seconds"] for row in rows))

    def of(self, name: str) -> "Lab":
        """Returns the lab of another experiment's rows, of the same preset."""
        if name not in self.asked:
            self.asked[name] = self.at(self.folder.parent / name)
            self.asked[name]._first = self._first
            self.asked[name]._lock()
        return self.asked[name]

    def at(self, folder: pathlib.Path) -> "Lab":
        """Returns such a lab of another folder."""
        return Lab(folder, judge_only=self.judge_only)

    def train(
        self, settings: Sequence[Setting], repeats: Sequence[Replicate]
    ) -> list[Row]:
        """Trains every setting on every repeat, as `rnnshare.training.run` does.

        Args:
          settings: the grid.
          repeats: the same for all settings, so that their rows are paired.

        Returns:
          One row a setting and repeat, in that order.

        Raises:
          MissingRowError: if `judge_only` and a row is missing.
        """
        if self.judge_only:
            return self._judged(Grid(settings, repeats))
        before = len(self.trained.rows)
        with cluster.opened(self.folder.absolute()) as executor:
            found = study.run(
                settings, repeats, self.trained, on_group=log_group, executor=executor,
                **layout(),
            )  # fmt: skip
        self.num_made += len(self.trained.rows) - before
        return found

    def _judged(self, grid: Grid) -> list[Row]:
        """Returns the rows of a grid, or raises if one is missing."""
        done = by_key(self.trained)
        for group in grid.groups:
            if left := len(group.left(done)):
                raise MissingRowError(
                    f"{self.trained.path} lacks {left} of {len(group.pairs)} rows of "
                    f"{describe(group.setting)}. Train them: leave --judge_again out."
                )
        return grid.rows(self.trained)

    def tune(
        self,
        candidates: Sequence[Any],
        budget: int,
        *,
        by: str | Callable[[list[Row]], Any] = "validation_loss",
        first: int = TUNING_SEED,
    ) -> Any:
        """Returns the best candidate, by trainings on seeds of their own.

        Args:
          candidates: settings or groups of them, see `study.tune`.
          budget: trainings of each setting times candidates: an arm with more
            candidates has fewer seeds for each, at least 1.
          by: what is least of the best, see there.
          first: the first tuning seed.
        """
        if len(candidates) == 1:
            return candidates[0]
        repeats = replicates(max(1, budget // len(candidates)), first)
        rows = self.train(study.members(candidates), repeats)
        return study.choose(candidates, rows, by)

    def kept(
        self, key: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]
    ) -> Row:
        """Returns what `make` returned when it was first asked for.

        Args:
          key: all that the result depends on, as JSON.
          make: measures; returns columns of numbers, strings and lists.
        """
        (row,) = self.kept_each([key], lambda missing: [(key, make())])
        return row

    def kept_each(
        self,
        keys: Sequence[Mapping[str, Any]],
        make: Callable[
            [list[Mapping[str, Any]]],
            Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]],
        ],
    ) -> list[Row]:
        """Returns a row a key; what is missing is made together, kept one by one.

        Args:
          keys: see `kept`.
          make: `make(missing)` yields (key, columns) of every missing key.

        Raises:
          MissingRowError: if `judge_only` and a row is missing.
        """
        missing = self.lacks(keys)
        if missing and self.judge_only:
            raise MissingRowError(
                f"{self.others.path} lacks {len(missing)} of {len(keys)} rows, such as "
                f"{dict(missing[0])}. Measure them: leave --judge_again out."
            )
        if missing:
            for key, columns in make(missing):
                name = digest(key)
                self.others.append({**key, **columns, "schema": SCHEMA, "key": name})
                self._known[name] = self.others.rows[-1]
                self.num_made += 1
        return [self._known[digest(key)] for key in keys]

    def lacks(self, keys: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Returns the keys whose rows are not kept."""
        return [key for key in keys if digest(key) not in self._known]


def digest(key: Mapping[str, Any]) -> str:
    """Returns what a kept row is recognised by."""
    text = json.dumps(key, sort_keys=True, allow_nan=False, default=np.generic.item)
    return hashlib.sha256(f"{SCHEMA} {text}".encode()).hexdigest()[:20]


def replicates(count: int, first: int = 0) -> list[Replicate]:
    """Returns paired replicates: each seed has a split of its own."""
    return [Replicate(i, i) for i in range(first, first + count)]


def column(
    rows: Sequence[Row], name: str = "test_loss", missing: float = np.inf
) -> Any:
    """Returns a metric over rows, float64; `missing` where a run diverged."""
    return np.array([missing if row[name] is None else row[name] for row in rows])


def soonest(rows: Sequence[Row]) -> tuple[int, int, float]:
    """Returns the rank of some runs that stop at a goal, by which less is better.

    It is by how soon they were there: the number of runs that were not, then the steps,
    then the losses, each summed over the runs.
    """
    losses = column(rows, "validation_loss")
    short = ~(losses < [row["stop_loss"] for row in rows])
    steps = sum(row["steps_trained"] for row in rows)
    return int(short.sum()), steps, float(losses.sum())


def grid(
    base: Setting, rates: Sequence[float], sharings: Sequence[Sharing] | None = None
) -> list[Setting]:
    """Returns a setting at each rate, under each of some sharings (or its own)."""
    return [
        dataclasses.replace(base, sharing=sharing, learning_rate=rate)
        for sharing in sharings or [base.sharing]
        for rate in rates
    ]


def tune_each(
    lab: Lab, arms: Mapping[Any, Sequence[Setting]], budget: int
) -> dict[Any, Setting]:
    """Returns {arm: its best candidate}; each arm is chosen by as many trainings.

    All are trained first, with those that share a program together.

    Args:
      lab: tunes them.
      arms: {arm: candidates}.
      budget: of each arm, see `Lab.tune`.
    """
    for count in sorted({len(several) for several in arms.values()} - {1}):
        alike = [several for several in arms.values() if len(several) == count]
        repeats = replicates(max(1, budget // count), TUNING_SEED)
        lab.train([*itertools.chain(*alike)], repeats)
    return {arm: lab.tune(several, budget) for arm, several in arms.items()}


def describe(setting: Setting) -> str:
    """Returns a setting in a few words."""
    cell = getattr(setting.cell, "__name__", setting.cell)
    return f"{setting.make_task(0).name}, {cell}, {setting.sharing}"


def log_group(setting: Setting, count: int, left: int) -> None:
    """Says on stderr what is being trained."""
    done = "" if left else " (kept from before)"
    text = f"{describe(setting)}: {left or count} runs{done}"
    print(text, file=sys.stderr, flush=True)

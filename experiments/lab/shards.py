"""A shard: what one of several processes, as of a job array, trains of a study.

Shard i of n trains every n-th program of the first stage that has not all of its rows,
as the workers of `rnnshare.training.workers` do, and ends. When all have, the rows are
merged, and the shards go on with the next stage. What is measured and not trained is
the task of shard 0 alone, so that times are those of one machine.
"""

import functools
import pathlib
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from experiments.lab.machine import layout
from experiments.lab.trials import FRESH_SEED, TUNING_SEED, Lab, log_group
from rnnshare.training import FolderLock, JsonLines, Replicate, Setting, workers
from rnnshare.training.groups import Grid, by_key, name_of
from rnnshare.training.rows import Row


class WaitingError(Exception):
    """A shard has done its part of a stage, and the next needs those of the others."""


class ShardLab(Lab):
    """A lab that makes a shard's part of the first stage that is not whole.

    It writes to folders of its own alone, so that the shards share the study's folder.

    Attributes:
      shard: i and n.
    """

    def __init__(self, folder: str | pathlib.Path, shard: tuple[int, int]):
        """Opens the folder, which need not exist."""
        super().__init__(folder)
        self.shard = shard
        self._own = workers.workers_of(self.folder / "kept.jsonl") / "shard_0"

    @functools.cached_property
    def others(self) -> JsonLines:
        """The file of what shard 0 measures, until it is merged."""
        return JsonLines(self._own / workers.ROWS)

    @functools.cached_property
    def _known(self) -> dict[str, Row]:
        kept = JsonLines(self.folder / "kept.jsonl").rows
        return {row["key"]: row for row in [*kept, *self.others.rows] if "key" in row}

    def at(self, folder: pathlib.Path) -> "ShardLab":
        """Returns the same shard of another study."""
        return ShardLab(folder, self.shard)

    def train(
        self, settings: Sequence[Setting], repeats: Sequence[Replicate]
    ) -> list[Row]:
        """Returns the rows if all are there; else trains this shard's part.

        Raises:
          WaitingError: when it has.
          LockedError: if another process trains the same.
        """
        grid, done = Grid(settings, repeats), by_key(self.trained)
        if not any(group.left(done) for group in grid.groups):
            return grid.rows(self.trained)
        index, count = self.shard
        folder = workers.workers_of(self.trained.path).absolute()
        for groups in grid.programs[index::count]:
            left: dict[str, Any] = {}
            for group in groups:
                left |= group.left(done)
                log_group(group.setting, len(group.pairs), len(group.left(done)))
            if left:
                here, options = workers.Parent.here(), layout()
                workers.train_group(left, folder / name_of(groups), here, options)
        raise WaitingError(
            f"{self.folder}: shard {index}/{count} has trained its part of "
            f"{_words(grid, repeats)}"
        )

    def kept_each(
        self,
        keys: Sequence[Mapping[str, Any]],
        make: Callable[
            [list[Mapping[str, Any]]],
            Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]],
        ],
    ) -> list[Row]:
        """Returns the rows; shard 0 makes those that are missing, and goes on.

        Raises:
          WaitingError: of another shard, if there are any.
        """
        missing = self.lacks(keys)
        if not missing:
            return super().kept_each(keys, make)
        if self.shard[0]:
            raise WaitingError(
                f"{self.folder}: shard {self.shard[0]}/{self.shard[1]} needs "
                f"{len(missing)} rows that shard 0 measures, such as {dict(missing[0])}"
            )
        with FolderLock(self._own):
            return super().kept_each(keys, make)


def _words(grid: Grid, repeats: Sequence[Replicate]) -> str:
    """Returns what a stage trains, in words."""
    first, last = repeats[0].seed, repeats[-1].seed
    use = ""
    if TUNING_SEED <= first < FRESH_SEED:
        use = ", which choose what is trained next"
    number = sum(len(group.pairs) for group in grid.groups)
    return f"a stage of {number} trainings on seeds {first} to {last}{use}"


def run_shard(
    experiment: Any, preset: str, root: pathlib.Path, shard: tuple[int, int]
) -> None:
    """Makes a shard's part of an experiment's first unfinished stage; says what waits.

    Args:
      experiment: which.
      preset: its name.
      root: the workdir.
      shard: i and n.
    """
    lab = ShardLab(root / preset / experiment.name, shard)
    plain = ["python", "-m", f"experiments.{experiment.name}", f"--preset={preset}"]
    try:
        experiment.measure(experiment.plans[preset], lab)
    except WaitingError as waits:
        merge = ["python", "-m", "experiments.merge", f"--workdir={root}"]
        print(
            f"{waits}. What comes next waits for the merge of the rows of all shards: "
            f"{shlex.join(merge)}. Then start the shards again."
        )
    else:
        command = shlex.join([*plain, f"--workdir={root}"])
        print(f"{lab.folder} has all rows. The verdicts are told by: {command}")

"""The folder of one training: what it is of, how far it has come, what it leaves.

setting.json         what is trained
metrics.jsonl        a row a seed and validation, then one a seed
params/seed_N.npz    the parameters of each seed; params.npz: of the first
checkpoints/         what the same command goes on from
"""

import contextlib
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rnnshare.training.checkpoints import Checkpoints
from rnnshare.training.files import write_atomically
from rnnshare.training.lines import json_line, read_line
from rnnshare.training.locks import FolderLock
from rnnshare.training.rows import JsonLines, Row, save_params

_SETTING, _METRICS = "setting.json", "metrics.jsonl"


class RunFolder:
    """One training's folder, which this process alone writes to; see `opened`.

    Attributes:
      folder: it.
      checkpoints: for `rnnshare.training.fit`.
      finished: whether an earlier process has trained all that is asked for.
    """

    def __init__(self, folder: pathlib.Path, seeds: Sequence[int]):
        """Reads what is there."""
        self.folder = folder
        self.checkpoints = Checkpoints(folder / "checkpoints")
        self._seeds = seeds
        self._metrics = JsonLines(folder / _METRICS, _place)
        self._known = {_place(row) for row in self._metrics.rows}
        self.finished = {(seed, None) for seed in seeds} <= self._known

    def add(self, index: int, step: int, row: Row) -> bool:
        """Keeps what was measured of a seed; returns False if it was kept before."""
        return self._add({"seed": self._seeds[index], "step": step, **row})

    def finish(self, params: Sequence[Any], metrics: Sequence[Row]) -> None:
        """Keeps the parameters and the final metrics of every seed."""
        if self.finished:
            return
        for seed, of_seed in zip(self._seeds, params, strict=True):
            save_params(self.folder / "params" / f"seed_{seed}.npz", of_seed)
        save_params(self.folder / "params.npz", params[0])
        for seed, final in zip(self._seeds, metrics, strict=True):
            self._add({"seed": seed, "final": final})

    def _add(self, row: Row) -> bool:
        if _place(row) in self._known:
            return False
        self._metrics.append(row)
        self._known.add(_place(row))
        return True


@contextlib.contextmanager
def opened(
    folder: pathlib.Path,
    names: Mapping[str, Any],
    seeds: Sequence[int],
    *,
    restart: bool = False,
) -> Iterator[RunFolder]:
    """Opens the folder of a training, new or begun by the same command.

    Args:
      folder: which is made if missing.
      names: what is trained, as JSON; `num_steps` may be more than it was.
      seeds: of the replicas, in order.
      restart: move what is there aside, and begin anew.

    Raises:
      ValueError: if another process writes there, or it holds another training: then
        a table on stderr shows what differs.
    """
    if restart and folder.exists():
        with FolderLock(folder) as lock:
            lock.move(_unused(folder))
    with FolderLock(folder):
        _agree(folder, read_line(json_line(names).encode()))
        yield RunFolder(folder, seeds)


def _agree(folder: pathlib.Path, here: dict[str, Any]) -> None:
    """Writes the setting, or raises if another one is there."""
    path = folder / _SETTING
    there = _read(path) if path.exists() else here
    differ = [n for n in {**there, **here} if there.get(n) != here.get(n)]
    if differ == ["num_steps"] and there["num_steps"] < here["num_steps"]:
        # What was final is so no longer.
        metrics = JsonLines(folder / _METRICS, _place)
        rows = [row for row in metrics.rows if "final" not in row]
        write_atomically(metrics.path, "".join(map(json_line, rows)))
    elif differ:
        table = [("name", "there", "here")]
        table += [(n, str(there.get(n, "-")), str(here.get(n, "-"))) for n in differ]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for line in table:
            cells = (cell.ljust(w) for cell, w in zip(line, widths, strict=True))
            print("  ".join(cells).rstrip(), file=sys.stderr)
        raise ValueError(
            f"{folder} holds another run, as the table shows. Name another --workdir, "
            "or give --restart, which moves it aside."
        )
    if differ or not path.exists():
        write_atomically(path, json_line(here))


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        return read_line(path.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{path} is no setting: it {error}. Name another --workdir, or give "
            "--restart, which moves this one aside."
        ) from None


def _place(row: Row) -> tuple[Any, Any]:
    """Returns the seed and the step of a row; None is that of the final one."""
    return row.get("seed"), row.get("step")


def _unused(folder: pathlib.Path) -> pathlib.Path:
    """Returns the path beside the folder that the old one is moved to."""
    count = 1
    while (aside := folder.with_name(f"{folder.name}.{count}")).exists():
        count += 1
    return aside

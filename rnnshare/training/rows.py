"""What a run leaves behind: strict JSON lines, and lines of progress.

Its parameters are files of `params_files`.
"""

import contextlib
import json
import math
import os
import pathlib
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, cast

import jax
import numpy as np

from rnnshare.training.files import named_in_errors, sync
from rnnshare.training.params_files import load_params as load_params
from rnnshare.training.params_files import save_params as save_params
from rnnshare.training.streams import Lasting, tell

Row = dict[str, Any]


def json_line(row: Mapping[str, Any]) -> str:
    """Returns a row as one line of strict JSON; a number that is not finite is null."""

    def strict(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: strict(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [strict(item) for item in value]
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return value

    return json.dumps(strict(row), allow_nan=False) + "\n"


class JsonLines:
    """A file of rows that is only ever appended to, one strict JSON object a line.

    Each row is on disk when `append` returns. A line that was cut short by a crash is
    dropped when the file is opened again. `pandas.read_json(path, lines=True)` reads
    the file.
    """

    def __init__(self, path: str | pathlib.Path):
        """Opens the file at `path`, which need not exist.

        Raises:
          ValueError: if a line other than a last, unfinished one is no JSON object.
        """
        self.path = pathlib.Path(path)
        self.rows: list[Row] = []
        if not self.path.exists():
            return
        whole, newline, tail = self.path.read_bytes().rpartition(b"\n")
        for number, line in enumerate(whole.splitlines() if newline else [], 1):
            try:
                self.rows.append(json.loads(line))
            except ValueError as error:
                raise ValueError(
                    f"{self.path}, line {number} is not JSON ({error}). Mend or remove "
                    "the file; nothing was written to it."
                ) from None
        if tail:  # what another process appends meanwhile is none
            os.truncate(self.path, len(whole) + len(newline))

    def append(self, row: Mapping[str, Any]) -> None:
        """Writes a row."""
        line = json_line(row)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with named_in_errors(self.path), self.path.open("ab") as file:
            before = file.tell()
            try:
                file.write(line.encode())
                sync(file)
            except BaseException:  # of a line that was cut short, nothing stays
                os.truncate(self.path, before)
                raise
        self.rows.append(json.loads(line))


def environment() -> dict[str, str]:
    """Returns versions and hardware, for a report."""
    from importlib import metadata

    names = ("rnnshare", "jax", "flax", "optax", "numpy")
    versions = {name: metadata.version(name) for name in names}
    device = jax.devices()[0]
    return {
        "device": f"{jax.device_count()} x {device.device_kind}",
        "cores": str(os.cpu_count()),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **versions,
    }


@contextlib.contextmanager
def progress(total: int, label: str) -> Iterator[Callable[[int, str], None]]:
    """Shows progress on stderr: a bar on a terminal, else plain lines.

    A stderr that is closed meanwhile is no error. The bar is full at the end, also of
    what ended before its total.

    Args:
      total: steps in all.
      label: what is running.

    Yields:
      `update(step, note)`, to be called as steps are done.
    """
    stream = Lasting(sys.stderr)
    if not stream.isatty():
        yield lambda step, note: tell(f"{label}: {step}/{total} {note}")
        return

    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(file=cast(IO[str], stream))
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=total, note="")
        yield lambda step, note: bar.update(task, completed=step, note=note)
        if done := bar.tasks[0].completed:
            bar.update(task, total=done)

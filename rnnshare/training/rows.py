"""What a run leaves behind: strict JSON lines, and lines of progress.

A line is as `lines` says; parameters are files of `params_files`.
"""

import contextlib
import os
import pathlib
import platform
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, cast

import jax

from rnnshare.training.files import append_whole, write_atomically
from rnnshare.training.lines import DamagedLineError, read_line
from rnnshare.training.lines import Row as Row
from rnnshare.training.lines import json_line as json_line
from rnnshare.training.params_files import load_params as load_params
from rnnshare.training.params_files import save_params as save_params
from rnnshare.training.streams import Lasting, tell


class JsonLines:
    """A file of rows that is only ever appended to, one strict JSON object a line.

    Each row is on disk when `append` returns, with a check value that `rows` is
    without. `pandas.read_json(path, lines=True)` reads the file.

    A last line that a crash cut short is no row. A damaged line is named in a warning,
    and is no row either, so that what it held is made again. Opening a file writes
    nothing to it; the next `append` removes both, and keeps the damaged lines in a file
    beside it that ends in `.damaged`.
    """

    def __init__(
        self,
        path: str | pathlib.Path,
        identity: Callable[[Row], Any] = lambda row: row.get("key"),
    ):
        """Opens the file at `path`, which need not exist.

        Args:
          path: of the file.
          identity: what there is one row of, or None; a line that repeats another with
            its identity is damage, and read once.

        Raises:
          ValueError: if a line is JSON, but no object.
        """
        self.path = pathlib.Path(path)
        self.rows: list[Row] = []
        self._identity = identity
        self._to_mend = False
        self._size = 0
        self.refresh(stacklevel=3)

    def refresh(self, stacklevel: int = 2) -> None:
        """Reads the file again if another writer has changed its length."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if size == self._size:
            return
        content = self.path.read_bytes() if size else b""
        self.rows, _, damaged = self._read(content)
        self._size = len(content)
        self._to_mend = bool(damaged) or content[-1:] not in (b"", b"\n")
        if damaged:
            listed = "; ".join(f"line {n} {why}" for n, why in damaged[:4])
            more = f"; and {len(damaged) - 4} more" if len(damaged) > 4 else ""
            warnings.warn(
                f"{self.path} is damaged: {listed}{more}. What they held is not "
                "read, so it is made again.",
                RuntimeWarning,
                stacklevel=stacklevel,
            )

    def append(self, row: Mapping[str, Any]) -> None:
        """Writes a row.

        Raises:
          OSError: naming the file, as on a full disk; of the row nothing is kept.
        """
        line = json_line(row).encode()
        if self._to_mend:
            self._mend()
        append_whole(self.path, line)
        self._size += len(line)
        self.rows.append(read_line(line))

    def _read(self, content: bytes) -> tuple[list[Row], bytes, list[tuple[int, str]]]:
        """Returns the rows, their lines, and what is wrong with which other ones."""
        rows, lines, damaged = [], [], []
        seen: dict[bytes, int] = {}
        for number, line in enumerate(content.split(b"\n")[:-1], 1):
            try:
                row = read_line(line)
                first = seen.setdefault(line, number)
                if first != number and self._identity(row) is not None:
                    raise DamagedLineError(f"repeats line {first}")
            except DamagedLineError as error:
                damaged.append((number, str(error)))
            except ValueError as error:
                raise ValueError(
                    f"{self.path}, line {number} {error}. Mend or remove the file; "
                    "nothing was written to it."
                ) from None
            else:
                rows.append(row)
                lines.append(line + b"\n")
        return rows, b"".join(lines), damaged

    def _mend(self) -> None:
        """Leaves whole lines alone in the file; sets damaged ones aside."""
        content = self.path.read_bytes()
        _, good, damaged = self._read(content)
        lines = content.split(b"\n")
        if damaged:
            aside = self.path.with_name(self.path.name + ".damaged")
            append_whole(aside, b"".join(lines[n - 1] + b"\n" for n, _ in damaged))
            write_atomically(self.path, good)
        else:
            good = content[: len(content) - len(lines[-1])]
            os.truncate(self.path, len(good))
        self._to_mend, self._size = False, len(good)


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

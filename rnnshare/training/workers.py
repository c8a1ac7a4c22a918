"""Trainings in other processes and on other machines, by anybody's executor.

A worker trains settings of one program, and writes its rows and checkpoints into a
folder of its own: `trained.workers/NAME` beside `trained.jsonl`, where `NAME` is a
digest of what the program trains. The folder is locked while the worker is alive. Its
rows are merged into the study's file at the end, or when the study is run again,
whatever has ended it.
"""

import contextlib
import multiprocessing
import os
import pathlib
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import jax

from rnnshare.training import memory, orphans
from rnnshare.training.groups import Pairs, train
from rnnshare.training.locks import FolderLock, LockedError
from rnnshare.training.names import WAY_OUT
from rnnshare.training.rows import JsonLines, json_line
from rnnshare.training.setting import Setting

ROWS = "rows.jsonl"  # of one worker
_FLAGS, _DEVICES = "XLA_FLAGS", "jax_num_cpu_devices"


class WorkerError(RuntimeError):
    """A worker has not trained all that it was given."""


class Executor(Protocol):
    """What runs functions elsewhere, as those of concurrent.futures do."""

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Any:
        """Runs a function; returns a future, whose `result()` waits for its end."""


class Parent(NamedTuple):
    """What a worker takes over from the process that submits it.

    Attributes:
      pid: its number.
      xla_flags: what it tells XLA.
      config: JAX's configuration: devices, precision, the cache of programs.
      keeps_memory: whether `keep_memory` was called there.
    """

    pid: int
    xla_flags: str
    config: dict[str, Any]
    keeps_memory: bool

    @classmethod
    def here(cls) -> "Parent":
        """Returns what this process hands on."""
        flags, config = os.environ.get(_FLAGS, ""), dict(jax.config.values)
        return cls(os.getpid(), flags, config, memory.is_kept())

    def take_over(self) -> None:
        """Makes this process compute as the parent does; one of a pool ends with it.

        Raises:
          RuntimeError: if it cannot: it was forked, or has started JAX otherwise.
        """
        kind = getattr(multiprocessing.current_process(), "_start_method", "")
        if kind == "fork" and os.getpid() != self.pid:
            raise RuntimeError(
                "the executor forks its processes, which JAX's threads do not survive. "
                "Let it spawn them, as ProcessPoolExecutor(mp_context="
                "multiprocessing.get_context('spawn')) does"
            )
        here = jax.config.values
        changed = {k: v for k, v in self.config.items() if here.get(k) != v}
        try:
            if self.xla_flags != os.environ.get(_FLAGS, ""):
                # JAX refuses to change this as soon as it has read the flags.
                jax.config.update(_DEVICES, 1 + abs(here[_DEVICES]))
                changed[_DEVICES] = self.config[_DEVICES]
                os.environ[_FLAGS] = self.xla_flags
            for name, value in changed.items():
                jax.config.update(name, value)
        except RuntimeError as error:
            raise RuntimeError(
                "the worker has started JAX with other devices or XLA_FLAGS than the "
                "process that runs the study. Give it workers that have not used JAX"
            ) from error
        if self.keeps_memory and not memory.is_kept():
            memory.keep_memory()
        if os.getpid() != self.pid:
            orphans.end_with_parent()


def train_group(
    pairs: Pairs, folder: pathlib.Path, parent: Parent, options: Mapping[str, Any]
) -> None:
    """Trains in a worker what its folder has no rows of; the settings of one program.

    Args:
      pairs: what is trained, by key.
      folder: the worker's own, which it locks.
      parent: of the process that asks for it.
      options: of `rnnshare.training.fit`.

    Raises:
      LockedError: if another worker trains the same, as of a run that was killed.
    """
    parent.take_over()
    with FolderLock(folder):
        rows = JsonLines(folder / ROWS)
        known = {row.get("key") for row in rows.rows}
        left = {key: pair for key, pair in pairs.items() if key not in known}
        if left:
            train(left, rows, **options)
            memory.release_memory(at_most_every=10.0)


def train_by(
    executor: Executor,
    programs: Mapping[str, Pairs],
    rows: JsonLines,
    options: Mapping[str, Any],
) -> None:
    """Trains in workers, and merges what they leave.

    Args:
      executor: that runs them.
      programs: what each program trains, by the name of its worker.
      rows: of the study.
      options: of `rnnshare.training.fit`.

    Raises:
      TypeError: if a setting cannot be pickled.
      WorkerError: if a worker failed or was killed.
    """
    for pairs in programs.values():
        _refuse_what_does_not_pickle(pairs)
    parent, futures = Parent.here(), dict[str, Any]()
    errors: dict[str, Exception] = {}  # by the name of the worker
    try:
        for name, pairs in programs.items():
            folder = workers_of(rows.path).absolute() / name
            folder.mkdir(parents=True, exist_ok=True)
            args = (train_group, pairs, folder, parent, options)
            with _collected(errors, name):
                futures[name] = executor.submit(*args)
        for name, future in futures.items():
            with _collected(errors, name):
                future.result()
    except BaseException:  # Ctrl-C
        for future in futures.values():
            if hasattr(future, "cancel"):
                future.cancel()
        raise
    finally:
        merge_workers(rows)
    done = {row.get("key") for row in rows.rows}
    lost = {
        name: left
        for name, pairs in programs.items()
        if (left := [pair for key, pair in pairs.items() if key not in done])
    }
    if lost:
        first = next((name for name in lost if name in errors), next(iter(lost)))
        error, setting = errors.get(first), lost[first][0][0]
        why = _in_a_line(error) if error else "no rows are in their folders"
        raise WorkerError(
            f"{rows.path}: {sum(map(len, lost.values()))} trainings were not done by "
            f"their workers. Of {_named(setting)}: {why}. All other rows are kept; the "
            "same call goes on from them."
        ) from error


def merge_workers(rows: JsonLines) -> int:
    """Takes in what workers have left beside a file of rows, of which it is the writer.

    `run` does so by itself. The folder of a worker that is done is removed; that of one
    still alive, or with checkpoints to go on from, stays.

    Args:
      rows: of the study.

    Returns:
      How many rows are new.
    """
    folder, before = workers_of(rows.path), len(rows.rows)
    if not folder.is_dir():
        return 0
    known = set(map(_identity, rows.rows))
    for worker in sorted(path for path in folder.iterdir() if path.is_dir()):
        with contextlib.ExitStack() as stack:
            alive = False
            try:
                stack.enter_context(FolderLock(worker))
            except LockedError:
                alive = True
            for row in JsonLines(worker / ROWS).rows:
                if _identity(row) not in known:
                    rows.append(row)
                    known.add(_identity(row))
            if not alive:
                (worker / ROWS).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it has checkpoints
            worker.rmdir()
    with contextlib.suppress(OSError):  # workers are left
        folder.rmdir()
    return len(rows.rows) - before


def _identity(row: Mapping[str, Any]) -> str:
    """Returns what there is one row of: of another schema's rows the whole row."""
    key, schema = row.get("key"), row.get("schema")
    return json_line(row) if key is None else f"{schema} {key}"


def workers_of(path: pathlib.Path) -> pathlib.Path:
    """Returns the folder of the workers' folders beside a file of rows."""
    return path.with_name(f"{path.name.removesuffix('.jsonl')}.workers")


def _refuse_what_does_not_pickle(pairs: Pairs) -> None:
    for setting, _ in pairs.values():
        try:
            pickle.dumps(setting)
        except (AttributeError, TypeError, pickle.PicklingError) as error:
            raise TypeError(
                f"run: an executor's workers cannot be sent {setting}: {error}. "
                f"{WAY_OUT}"
            ) from error


@contextlib.contextmanager
def _collected(errors: dict[str, Exception], name: str) -> Iterator[None]:
    """Keeps an error for when all workers have ended."""
    try:
        yield
    except Exception as error:
        errors.setdefault(name, error)


def _named(setting: Setting) -> str:
    """Returns what tells a setting from those of other programs."""
    columns = setting.columns()
    return ", ".join(str(columns[name]) for name in ("task", "cell", "sharing"))


def _in_a_line(error: Exception) -> str:
    """Returns what went wrong, of a text that may hold a worker's traceback."""
    lines = [line for line in str(error).splitlines() if line.strip(" -")]
    named = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
    found = named[-1:] or [": ".join([type(error).__name__, *lines[:1]]), *lines[1:2]]
    return " ".join(line.strip() for line in found).rstrip(".")

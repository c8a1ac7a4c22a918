"""One writer a folder."""

import contextlib
import json
import os
import pathlib
import socket
import time
import warnings
from typing import IO, Any

from rnnshare.training.files import named_in_errors

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK_NAME = ".lock"


class LockedError(ValueError):
    """Another writer holds a folder."""


class FolderLock:
    """Keeps a folder for one writer, from `with` to its end or to the process's.

    The kernel holds the lock (`flock` on the folder's `.lock`) and lets go of it when
    the process ends, however it does: there is no stale lock to reclaim, and no race
    to reclaim it. What stands in the file says who holds it; nobody trusts it for more
    than that. A process that forks shares its lock with its children, and the folder
    stays kept until the last of them ends.

    It excludes other uses in the same process too, so that two trainings in one
    notebook do not mix their rows. Linux keeps the lock across the hosts of an NFS
    mount, but not where that is mounted with `nolock` or `local_lock`; where a file
    system has no locks at all, a warning says so.
    """

    def __init__(self, folder: str | pathlib.Path, file: str = ""):
        """Names the folder, which need not exist; nothing is done yet.

        Args:
          folder: to keep.
          file: in it, to keep that alone; its lock is another one than the folder's.
        """
        self.folder = pathlib.Path(folder)
        self._kept = file
        self._file: IO[str] | None = None

    def __enter__(self) -> "FolderLock":
        """Takes the lock."""
        return self.take()

    def __exit__(self, *_: Any) -> None:
        """Releases it."""
        self.release()

    def take(self) -> "FolderLock":
        """Takes the lock; makes the folder if it is missing.

        Raises:
          LockedError: at once, if another holds it: its process, host, and the way out.
        """
        path = self.folder / self._lock_name
        with named_in_errors(path):
            while self._file is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._file = self._try(path)
        return self

    def release(self) -> None:
        """Gives the folder back, and removes the file."""
        if self._file is not None:
            # While it is locked still: who opened it meanwhile sees that it is gone.
            with contextlib.suppress(OSError):
                (self.folder / self._lock_name).unlink()
            self._file.close()
            self._file = None

    def move(self, folder: pathlib.Path) -> None:
        """Renames the folder that is kept; the lock goes with it."""
        self.folder = self.folder.rename(folder)

    @property
    def _lock_name(self) -> str:
        return f".{self._kept}.lock" if self._kept else LOCK_NAME

    def _try(self, path: pathlib.Path) -> IO[str] | None:
        """Returns the locked file; None if it, or its folder, was removed meanwhile.

        The file that was locked may be one that its last holder has removed since: then
        it is no longer what others lock.
        """
        try:
            file = path.open("a+", encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            _lock(file, self.folder / self._kept)
            if not _is_at(file, path):
                file.close()
                return None
            file.truncate(0)
            file.write(json.dumps(_this_process()))
            file.flush()
        except BlockingIOError:
            holder = _holder(file)
            file.close()
            raise LockedError(
                f"{self.folder / self._kept} is being written by {holder}. Wait for it "
                f"or end it, or name another {'file' if self._kept else 'folder'}."
            ) from None
        except BaseException:
            file.close()
            raise
        return file


def _lock(file: IO[str], kept: pathlib.Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        warnings.warn(
            f"{kept} cannot be locked ({error.strerror}). Start no second program "
            "that writes there.",
            RuntimeWarning,
            stacklevel=4,
        )


def _is_at(file: IO[str], path: pathlib.Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _this_process() -> dict[str, Any]:
    pid = os.getpid()
    return {"pid": pid, "host": socket.gethostname(), "started": start_of(pid)}


def start_of(pid: int) -> int | None:
    """Returns when a process of this host began, in ticks; None: unknown or no more."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        # The name, in parentheses, may hold anything; field 22 is the start.
        return int(stat.rpartition(")")[2].split()[19])
    return None


def _holder(file: IO[str]) -> str:
    """Returns who holds the lock, who may be about to write it."""
    for _ in range(20):
        file.seek(0)
        if text := file.read():
            break
        time.sleep(0.01)
    return _describe(text)


def _describe(text: str) -> str:
    """Returns who holds a lock, in words; a pid that was given anew is not it."""
    try:
        holder = json.loads(text)
        pid, host, started = (holder[key] for key in ("pid", "host", "started"))
    except (ValueError, TypeError, KeyError):
        return "another process"  # which has not said yet who it is
    named = f"process {pid} on {host}"
    if host != socket.gethostname() or started is None:
        return named
    if pid == os.getpid() and started == start_of(pid):
        return f"this process ({pid} on {host})"
    return named if start_of(pid) == started else f"a child of the ended {named}"

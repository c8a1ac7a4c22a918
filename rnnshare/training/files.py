"""Files that are whole at every moment: written beside, synced, and moved in place."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

_PARTIAL = ".partial"


def write_atomically(path: str | pathlib.Path, content: bytes | str) -> None:
    """Writes a file so that a reader, or a crash, meets the old or the new, whole.

    It is on disk when this returns. Two processes must not write one path at a time.

    Args:
      path: of the file; its folder is made if missing.
      content: bytes, or text that is written as UTF-8.

    Raises:
      OSError: naming `path`, where it cannot be written, as on a full disk; what stood
        there stands there still.
    """
    path = pathlib.Path(path)
    data = content.encode() if isinstance(content, str) else content
    partial = path.with_name(path.name + _PARTIAL)
    with named_in_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_synced(partial, data)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_synced(path: pathlib.Path, data: bytes) -> None:
    """Writes a file that is on disk when this returns."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: pathlib.Path) -> None:
    """Makes what was moved into or out of a folder last through a power cut."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def named_in_errors(path: pathlib.Path) -> Iterator[None]:
    """Names the file in an error of the system that names none, as ENOSPC's does."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename == str(path):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error

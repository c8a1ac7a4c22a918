"""Files that are whole at every moment: written beside, synced, and moved in place."""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import IO, Any


def write_atomically(path: str | pathlib.Path, content: bytes | str) -> None:
    """Writes a file as `replacing` does.

    Args:
      path: of the file; its folder is made if missing.
      content: bytes, or text that is written as UTF-8.
    """
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def replacing(path: str | pathlib.Path) -> Iterator[IO[bytes]]:
    """Writes a file so that a reader, or a crash, meets the old or the new, whole.

    It is on disk at the end. A link stays one: what it leads to is replaced. Two
    processes must not write one path at a time.

    Args:
      path: of the file; its folder is made if missing.

    Yields:
      A file to write, which takes the path in the end, but for an exception.

    Raises:
      OSError: naming `path`, where it cannot be written, as on a full disk; what stood
        there stands there still.
    """
    path = pathlib.Path(path)
    with named_in_errors(path):
        place = path.resolve()
        partial = place.with_name(place.name + ".partial")
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                yield file
                sync(file)
            partial.replace(place)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_folder(place.parent)


def append_whole(path: pathlib.Path, content: bytes) -> None:
    """Appends to a file, made if missing, all or nothing; it is on disk at the end.

    Raises:
      OSError: naming `path`, where it cannot be written; it is as it was.
    """
    with named_in_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # No buffer: closing would write once more what could not be written.
        with path.open("ab", buffering=0) as file:
            before, left = file.tell(), memoryview(content)
            try:
                while left:
                    left = left[file.write(left) :]
                sync(file)
            except BaseException:
                os.truncate(path, before)
                raise


def sync(file: IO[Any]) -> None:
    """Puts what was written to a file on the disk."""
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

"""What befalls a process at a call of its own: it is ended, or the disk refuses."""

import errno
import io
import itertools
import os
import pathlib
import resource
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

POINTS = ("fsync", "truncate", "replace", "rename", "mkdir", "unlink", "rmdir")
# What a full disk refuses; one that is read-only refuses all.
GROWS = ("open", "fsync", "mkdir")
ERRORS = {"full": errno.ENOSPC, "readonly": errno.EROFS}


class Plan(NamedTuple):
    """What is to befall it.

    Attributes:
      how: 'kill' at a call, 'full' or 'readonly' from it on, 'limit' of the size of
        files, or None: the calls are counted.
      number: of the call, or the limit in bytes.
      after: whether the call is made before the end.
      fraction: of what was written last, which is kept.
    """

    how: str | None = None
    number: int = 0
    after: bool = False
    fraction: float = 0.0


def arm(
    plan: Plan,
    folder: pathlib.Path,
    record: pathlib.Path,
    put: Callable[..., None] = setattr,
) -> None:
    """Makes it so for the calls that concern what is below a folder.

    Args:
      plan: what.
      folder: where.
      record: a file elsewhere, for the count of the calls.
      put: `put(module, name, function)`.
    """
    if plan.how == "limit":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (plan.number, plan.number))
        return
    count = itertools.count(1)

    def armed(name: str, original: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            if not concerns(folder, name, args, options):
                return original(*args, **options)
            number = next(count)
            if plan.how is None:
                record.write_text(str(number))
            elif plan.how in ERRORS:
                refused = plan.how == "readonly" or name in GROWS
                if number >= plan.number and refused:
                    code = ERRORS[plan.how]
                    raise OSError(code, os.strerror(code))
            elif number == plan.number:
                if plan.after:
                    original(*args, **options)
                elif name == "fsync":
                    cut(args[0], plan.fraction)
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **options)

        return call

    for name in POINTS:
        put(os, name, armed(name, getattr(os, name)))
    put(io, "open", armed("open", io.open))  # which pathlib calls


def concerns(folder: pathlib.Path, name: str, args: Any, options: Any) -> bool:
    """Returns whether a call is of something below a folder, to write it."""
    if name == "open":
        mode = args[1] if len(args) > 1 else options.get("mode", "r")
        if not {*mode} & {*"wa+x"}:
            return False
    path = path_of(args[0])
    if options.get("dir_fd") is not None:
        path = path_of(options["dir_fd"]) / path
    return path.absolute().is_relative_to(folder)


def path_of(place: Any) -> pathlib.Path:
    """Returns the path of a descriptor, or of a path."""
    if isinstance(place, int):
        return pathlib.Path(f"/proc/self/fd/{place}").readlink()
    return pathlib.Path(place)


def cut(descriptor: int, fraction: float) -> None:
    """Cuts off a part of a file, or of the last line where lines are appended."""
    path = path_of(descriptor)
    if not path.is_file():
        return
    content = path.read_bytes()
    first = content.rstrip(b"\n").rfind(b"\n") + 1 if path.suffix == ".jsonl" else 0
    size = first + int(fraction * (len(content) - first))
    with path.open("r+b") as file:
        file.truncate(size)

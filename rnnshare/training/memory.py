"""Memory that a process keeps from step to step, and gives back between programs.

XLA asks the C library for a step's buffers and hands them back after it. By default
glibc takes large ones from the kernel and returns them at once, so that each step
touches fresh pages: tens of thousands of page faults, a third of a step's time.
"""

import ctypes
import functools
import gc
import math
import time
from typing import Any

# Of mallopt, by malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_released = -math.inf  # when memory was
_kept = False  # whether memory is


def keep_memory() -> bool:
    """Makes glibc keep freed memory for the next step, for the rest of the process.

    Call it before the first compilation. The process then holds the most that it ever
    used; `release_memory` gives back what is free.

    Returns:
      Whether it took: False where the C library is not glibc (musl, macOS, Windows),
      and nothing was done.
    """
    global _kept
    libc = _glibc()
    if libc is None:
        return False
    options = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_ARENA_MAX, 1))
    took = [libc.mallopt(name, value) == 1 for name, value in options]
    _kept = all(took)
    return _kept


def is_kept() -> bool:
    """Returns whether `keep_memory` was called in this process, and took."""
    return _kept


def release_memory(at_most_every: float = 0.0) -> bool:
    """Returns free memory to the system, as between the programs of a study.

    It takes as long as Python's search for garbage, a second in a large process.

    Args:
      at_most_every: seconds; nothing is done if it was called so shortly before.

    Returns:
      Whether any was: False too where the C library is not glibc.
    """
    global _released
    if time.monotonic() - _released < at_most_every:
        return False
    gc.collect()
    _released = time.monotonic()
    libc = _glibc()
    return libc is not None and libc.malloc_trim(0) == 1


@functools.cache
def _glibc() -> Any:
    """Returns the C library, or None if it is another one."""
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version, libc.mallopt, libc.malloc_trim  # noqa: B018
    except (AttributeError, OSError, TypeError):
        return None
    libc.malloc_trim.argtypes = [ctypes.c_size_t]
    return libc

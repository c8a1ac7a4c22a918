"""How much memory the machine and its devices have."""

import contextlib
import os
import pathlib

import jax


def host_memory() -> float:
    """Returns the bytes of memory that the process may have; inf if nobody says."""
    found = []
    with contextlib.suppress(AttributeError, ValueError, OSError):  # Windows
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # of a container
        with contextlib.suppress(ValueError, OSError):
            found.append(int(pathlib.Path("/sys/fs/cgroup", name).read_text()))
    return min(found, default=float("inf"))


def device_memory() -> float:
    """Returns the bytes of one device: its own, or the host's where it has none."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return stats.get("bytes_limit", host_memory())

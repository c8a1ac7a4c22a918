"""Several processes, on one host or on many, that run one program together.

`jax.distributed` connects them. Each calls the same functions in the same order, since
a program on devices of several processes waits for all of them; so what one process
alone knows (the time, a signal, a file) is the first one's for all.
"""

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils


def is_first() -> bool:
    """Whether this is the one process that writes files."""
    return jax.process_index() == 0


def to_host(tree: Any) -> Any:
    """Returns arrays on the host, whole on every process that they lie on."""

    def whole(leaf: Any) -> Any:
        here = not isinstance(leaf, jax.Array) or leaf.is_fully_addressable
        if here or leaf.is_fully_replicated:
            return jax.device_get(leaf)
        return multihost_utils.process_allgather(leaf, tiled=True)

    return jax.device_get(tree) if alone() else jax.tree.map(whole, tree)


def agreed(*numbers: int) -> tuple[int, ...]:
    """Returns the numbers of the first process, for all; they wait for one another."""
    if alone():
        return numbers
    told = multihost_utils.broadcast_one_to_all(np.array(numbers, np.int32))
    return tuple(int(number) for number in told)


def alone() -> bool:
    """Whether there is one process only."""
    return jax.process_count() == 1

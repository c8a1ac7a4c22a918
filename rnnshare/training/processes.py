"""Several processes, on one host or on many, that run one program together.

`jax.distributed` connects them. Each calls the same functions in the same order, since
a program on devices of several processes waits for all of them; so what one process
alone knows (the time, a signal, a file) is the first one's for all.
"""

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec


def is_first() -> bool:
    """Whether this is the one process that writes files."""
    return jax.process_index() == 0


def to_host(tree: Any) -> Any:
    """Returns arrays on the host, whole on every process that they lie on."""
    if alone():
        return jax.device_get(tree)
    leaves, structure = jax.tree.flatten(tree)
    apart = [i for i, leaf in enumerate(leaves) if _lies_apart(leaf)]
    if apart:
        everywhere = NamedSharding(leaves[apart[0]].sharding.mesh, PartitionSpec())
        gather = jax.jit(_same, out_shardings=everywhere)  # by one program for all
        found = gather([leaves[i] for i in apart])
        for i, leaf in zip(apart, found, strict=True):
            leaves[i] = leaf
    return jax.device_get(jax.tree.unflatten(structure, leaves))


def _same(leaves: list[jax.Array]) -> list[jax.Array]:
    return leaves


def _lies_apart(leaf: Any) -> bool:
    """Whether no process can read all of an array."""
    if not isinstance(leaf, jax.Array):
        return False
    return not (leaf.is_fully_addressable or leaf.is_fully_replicated)


def agreed(*numbers: int) -> tuple[int, ...]:
    """Returns the numbers of the first process, for all; they wait for one another."""
    if alone():
        return numbers
    told = multihost_utils.broadcast_one_to_all(np.array(numbers, np.int32))
    return tuple(int(number) for number in told)


def alone() -> bool:
    """Whether there is one process only."""
    return jax.process_count() == 1

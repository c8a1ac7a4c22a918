"""What is known of a loop while it is traced: the index arrays that are NumPy's."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def part_from_known(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Returns the leaves that are not NumPy, and the way back to the tree.

    What is NumPy is known while tracing; an argument of a function that JAX transforms
    would not stay so, and `products` groups steps by it.
    """
    leaves, structure = jax.tree.flatten(tree)
    known = [leaf if isinstance(leaf, np.ndarray) else None for leaf in leaves]
    traced = [None if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]

    def rebuild(traced: list[Any]) -> Any:
        leaves = [t if k is None else k for t, k in zip(traced, known, strict=True)]
        return jax.tree.unflatten(structure, leaves)

    return traced, rebuild

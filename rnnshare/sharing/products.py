"""Products of the inputs of all steps with the kernels of all steps.

Shape letters: T steps, K templates.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def is_laid_out(x: jax.Array) -> bool:
    """Whether the axes of an array lie over those of an explicit mesh.

    Such an array keeps its axes: one that merges a sharded axis has no sharding.
    """
    return any(axis is not None for axis in jax.typeof(x).sharding.spec)


def flat_product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Returns `x @ kernel` by two matrices; its gradient over two axes is slower."""
    if is_laid_out(x):
        return x @ kernel
    # Not -1: an axis of no features, as of a cell that reads none, leaves it open.
    y = x.reshape(math.prod(x.shape[:-1]), x.shape[-1]) @ kernel
    return y.reshape(*x.shape[:-1], kernel.shape[-1])


def batched_products(x: jax.Array, kernels: jax.Array) -> jax.Array:
    """Returns `x_n @ kernel_n`: x [N, *batch, in], kernels [N, in, out]."""
    if is_laid_out(x):
        return jnp.einsum("n...i,nio->n...o", x, kernels)
    y = x.reshape(x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1]) @ kernels
    return y.reshape(*x.shape[:-1], kernels.shape[-1])


def groups_well(index: Any) -> bool:
    """Whether the steps of an index are known, and their groups about equal in size."""
    if not isinstance(index, np.ndarray):
        return False
    sizes = np.unique_counts(index).counts
    return len(index) > 0 and bool(len(sizes) * sizes.max() <= 2 * len(index))


def grouped_products(x: jax.Array, kernels: jax.Array, index: np.ndarray) -> jax.Array:
    """Returns `x_t @ kernels[index_t]` by one product for each kernel.

    Args:
      x: [T, *batch, in].
      kernels: [K, in, out].
      index: int[T], known.
    """
    if is_laid_out(x):
        return batched_products(x, kernels[index])
    used, group, sizes = np.unique(index, return_inverse=True, return_counts=True)
    if len(used) == 1:
        return flat_product(x, kernels[int(used[0])])  # to the bit as if tied
    # Row (k, j) holds the j-th step of group k, or is padding.
    steps, starts = np.argsort(group, kind="stable"), np.cumsum(sizes) - sizes
    rank = np.empty_like(steps)
    rank[steps] = np.arange(len(index)) - np.repeat(starts, sizes)
    rows = np.full((len(used), sizes.max()), len(index))
    rows[group, rank] = np.arange(len(index))
    together = jnp.take(x, rows, axis=0, mode="fill", fill_value=0)
    if len(used) < len(kernels):
        kernels = kernels[used]
    y = batched_products(together, kernels)
    return y[group, rank]

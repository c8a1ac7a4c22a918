"""The affine maps of all steps at once, where they need no carry."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.sharing.base import Sharing, leaf_at

Path = tuple[str, ...]


def map_all_steps(
    sharing: Sharing, common: Any, per_step: Any, path: Path, x: jax.Array
) -> jax.Array:
    """Returns an affine map at all steps: `x_t W_t + b_t`.

    Args:
      sharing: how the weights are shared; one that does not support it makes the
        kernels of all steps.
      common: what its `split` returns.
      per_step: what its `split` returns.
      path: to the map in the weights of a step, {'kernel', perhaps 'bias'}.
      x: [T, *B, in].
    """
    each = functools.partial(Sharing.products, sharing)  # of each step by itself
    products: Any = sharing.products if sharing.supports_fused(per_step) else each
    y = products(common, per_step, (*path, "kernel"), x)

    def bias_of(_: Any, per_step_t: Any) -> Any:
        return leaf_at(sharing.merge(common, per_step_t), path).get("bias")

    axis: int | None = 0
    if (
        isinstance(per_step, np.ndarray)
        and len(per_step)
        and np.all(per_step == per_step[0])
    ):
        per_step, axis = per_step[0], None  # the sum over steps is that of tied
    bias = jax.vmap(bias_of, (0, axis))(jnp.arange(x.shape[0]), per_step)
    if bias is None:
        return y
    return y + bias.reshape(x.shape[0], *(1,) * (y.ndim - 2), bias.shape[-1])


def hoists(inputs: jax.Array) -> bool:
    """Whether the input map is better done before the loop, for all steps at once.

    On a CPU not, where a batch fills the products inside the loop: what is done before
    has to be written and read again.

    Args:
      inputs: [T, *B, D].
    """
    if jax.default_backend() != "cpu":
        return True
    batch = math.prod(inputs.shape[1:-1])
    return isinstance(batch, int) and batch < 8  # a symbolic one may be large

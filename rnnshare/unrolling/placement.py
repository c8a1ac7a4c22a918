"""Where the arrays of a loop lie: on explicit meshes, and inside `jax.shard_map`."""

from collections.abc import Callable
from typing import Any

import jax

from rnnshare.sharing.products import is_laid_out


def place_carry(first_step: Callable[[Any], Any], carry: Any, arrays: Any) -> Any:
    """Returns a carry of the type that a step returns it in.

    A carry of zeros lies on every device, and what a step makes of it and of sharded
    inputs lies where these do; a loop wants one type.

    Args:
      first_step: from a carry to the next one.
      carry: leaves [*batch, ...].
      arrays: what the steps read beside it.
    """
    leaves = jax.tree.leaves(arrays)
    varying = set().union(*map(_varying, leaves))
    if varying:
        carry = jax.tree.map(lambda leaf: _vary(leaf, varying), carry)
    if any(map(is_laid_out, leaves)):
        returned = jax.eval_shape(first_step, carry)
        carry = jax.tree.map(_lie_as, carry, returned)
    return carry


def _varying(leaf: Any) -> Any:
    """Returns the axes of a manual mesh over which an array differs."""
    aval = jax.typeof(leaf)  # JAX 0.10 has the first name, others the second
    return getattr(getattr(aval, "mat", aval), "varying", getattr(aval, "vma", set()))


def _vary(leaf: jax.Array, axes: set[str]) -> jax.Array:
    missing = tuple(axes - _varying(leaf))
    return jax.lax.pcast(leaf, missing, to="varying") if missing else leaf


def _lie_as(leaf: jax.Array, other: Any) -> jax.Array:
    sharding = other.sharding
    if sharding is None or jax.typeof(leaf).sharding == sharding:
        return leaf
    return jax.sharding.reshard(leaf, sharding)

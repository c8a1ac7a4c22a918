"""What a loop over time asks of its inputs, lengths and carry; masks of the padding."""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.sharing.unseen import as_int32

_INT32_MAX = 2**31 - 1


def check_lengths(
    lengths: Any, num_inputs: int, *, name: str = "lengths"
) -> jax.Array | np.ndarray:
    """Returns lengths as int32, refused if wrong and clipped if traced.

    Args:
      lengths: int[*batch].
      num_inputs: T.
      name: what the caller calls them, for the message.

    Raises:
      TypeError: if they are no integers.
      ValueError: if concrete, and one of them lies outside [0, T].
    """
    if isinstance(lengths, jax.core.Tracer) or not isinstance(num_inputs, int):
        lengths = jnp.asarray(lengths)
        if not jnp.issubdtype(lengths.dtype, jnp.integer):
            raise TypeError(f"{name} must be integers, but are {lengths.dtype}.")
        return jnp.clip(as_int32(lengths), 0, jnp.asarray(num_inputs, jnp.int32))
    array = np.asarray(lengths)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name} must be integers, but are {array.dtype}.")
    wrong = np.argwhere((array < 0) | (array > num_inputs))
    if len(wrong):
        where = tuple(int(i) for i in wrong[0])
        index = f"[{', '.join(map(str, where))}]" if where else ""
        raise ValueError(
            f"{name}{index} is {array[where]}, but the inputs have {num_inputs} steps."
        )
    return array.astype(np.int32)


def check_batch(batch: tuple[int, ...], inputs: Any, carry: Any) -> None:
    """Raises unless inputs and carry have the axes of the lengths."""
    for leaf in jax.tree.leaves(inputs):
        if np.shape(leaf)[1 : 1 + len(batch)] != batch:
            raise ValueError(
                f"lengths have shape {batch}, but the inputs are {np.shape(leaf)}: "
                "after time must come the axes of lengths. Give one length a sequence, "
                "or a scalar for all."
            )
    for leaf in jax.tree.leaves(carry):
        if np.shape(leaf)[: len(batch)] != batch:
            raise ValueError(
                f"lengths have shape {batch}, but a leaf of the carry has shape "
                f"{np.shape(leaf)}: it must begin with the axes of lengths."
            )


@functools.partial(jax.jit, static_argnums=1, inline=True)
def before(lengths: jax.Array | np.ndarray, num_inputs: int) -> jax.Array:
    """Returns bool[T, *batch]: which steps are real."""
    step = jnp.arange(num_inputs, dtype=jnp.int32)
    return step.reshape((-1,) + (1,) * lengths.ndim) < jnp.asarray(lengths)[None]


def where_real(is_real: jax.Array, tree: Any, otherwise: Any = None) -> Any:
    """Returns the tree where steps are real, else the other one (zeros by default).

    Raises:
      ValueError: if a leaf does not begin with the axes of the lengths.
    """

    def select(leaf, other):
        if leaf.shape[: is_real.ndim] != is_real.shape:
            raise ValueError(
                f"lengths have shape {is_real.shape}, but the step returns an array of "
                f"shape {leaf.shape}: it must begin with the axes of lengths. Return "
                "one value a sequence, or give no lengths."
            )
        mask = is_real.reshape(is_real.shape + (1,) * (leaf.ndim - is_real.ndim))
        return jnp.where(mask, leaf, other)

    if otherwise is None:
        otherwise = jax.tree.map(jnp.zeros_like, tree)
    return jax.tree.map(select, tree, otherwise)


@functools.partial(jax.jit, inline=True)  # one program, where nothing else is jitted
def stand_in(first: Any, begins: jax.Array) -> Any:
    """Returns what stands in for each sequence's padding: what its first step reads.

    What is computed in the padding is thrown away, but a NaN in it would still poison
    the gradient; so the step gets there what it is known to be finite at, whatever the
    cell. An empty sequence gets what another one reads; where all are empty, zeros.

    Args:
      first: inputs or carry of the first step, leaves [*batch, ...].
      begins: bool[*batch], whether the first step is real.

    Returns:
      The same for each sequence, [*batch, ...]; no gradient flows through it.
    """

    def of_leaf(x: jax.Array) -> jax.Array:
        if x.size == 0 or jnp.issubdtype(x.dtype, jax.dtypes.extended):
            return x
        number = jnp.arange(math.prod(begins.shape), dtype=jnp.int32)
        number = number.reshape(begins.shape)
        chosen = begins & (number == jnp.min(jnp.where(begins, number, _INT32_MAX)))
        axes = tuple(range(begins.ndim))
        other = jnp.sum(where_real(chosen, x), axes, dtype=x.dtype, keepdims=True)
        other = jnp.broadcast_to(other, x.shape)
        return jax.lax.stop_gradient(where_real(begins, x, other))

    return jax.tree.map(of_leaf, first)


class Padding(NamedTuple):
    """Which steps are padding, and what these read in place of what stands there.

    Attributes:
      is_real: bool[T, *batch].
      inputs, carry: what stands in for them, leaves [*batch, ...]; see `stand_in`.
    """

    is_real: jax.Array
    inputs: Any
    carry: Any


@functools.partial(jax.jit, inline=True)
def padding_of(is_real: jax.Array, inputs: Any, carry: Any = ()) -> Padding | None:
    """Returns the padding of inputs [T, *batch, ...]; None where there are no steps."""
    if is_real.shape[0] == 0:
        return None
    first = stand_in(jax.tree.map(lambda x: x[0], inputs), is_real[0])
    return Padding(is_real, first, stand_in(carry, jnp.any(is_real, 0)))


@functools.partial(jax.jit, inline=True)
def fill_padding(inputs: Any, padding: Padding | None) -> Any:
    """Returns the inputs [T, *batch, ...], their padding filled by what stands in."""
    if padding is None:
        return inputs
    filler = jax.tree.map(
        lambda f, x: jnp.broadcast_to(f, x.shape), padding.inputs, inputs
    )
    return where_real(padding.is_real, inputs, filler)


def without_padding(inputs: Any, is_real: jax.Array) -> Any:
    """Returns the inputs [T, *batch, ...], their padding filled by `stand_in`."""
    return fill_padding(inputs, padding_of(is_real, inputs))


def flip_real(tree: Any, lengths: Any) -> Any:
    """Flips the real steps of leaves [T, *B, ...], leaving the padding at the end."""

    def flip(y: jax.Array) -> jax.Array:
        if lengths is None:
            return jnp.flip(y, 0)
        if y.shape[0] == 0:
            return y
        n = jnp.asarray(lengths)[None]
        step = jnp.arange(y.shape[0], dtype=n.dtype)
        index = (n - 1 - step.reshape((-1,) + (1,) * (n.ndim - 1))) % y.shape[0]
        index = index.reshape(index.shape + (1,) * (y.ndim - index.ndim))
        return jnp.take_along_axis(y, index, axis=0)

    return jax.tree.map(flip, tree)


def count_inputs(inputs: Any) -> int:
    """Returns T, the length of the leading axis that all leaves share."""
    leaves = jax.tree.leaves(inputs)
    if not leaves:
        raise ValueError(
            "inputs hold no arrays, so there is no time axis. Pass leaves of "
            "[T, *batch, ...]; jnp.zeros([T, *batch, 0]) for a cell that reads none."
        )
    shapes = [np.shape(leaf) for leaf in leaves]
    if any(len(shape) == 0 or shape[0] != shapes[0][0] for shape in shapes):
        raise ValueError(
            "inputs must share their leading axis, time, but have the shapes "
            f"{', '.join(map(str, shapes))}."
        )
    return shapes[0][0]


def check_carry(carry: Any, new_carry: Any) -> None:
    """Raises unless a step returns a carry of the type that it was given."""
    before, after = jax.tree.map(jax.typeof, (carry, new_carry))
    if jax.tree.structure(before) != jax.tree.structure(after):  # type: ignore[operator]
        raise TypeError(
            f"The step was given a carry {before} and returned one of another "
            f"structure, {after}. It must return what it takes."
        )
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        same = old.shape == new.shape and (old.dtype == new.dtype or old.weak_type)
        if not same:
            raise TypeError(
                f"The step was given a carry of {old.str_short()} and returned one of "
                f"{new.str_short()}. Start from a carry of the type that the step "
                "computes in."
            )

"""Linear recurrences over time, `h_t = a_t h_{t-1} + b_t`, by a loop or in parallel.

The maps a_t may be numbers a unit, complex numbers as pairs of reals, or matrices:
`LinearMaps` says how they are applied, composed and transposed. A recurrence is the
solution of a linear system, `h_t - a_t h_{t-1} = b_t`, and is differentiated as one:
its tangents solve the same system, and its cotangents the transposed one, which is a
recurrence that runs the other way. So derivatives hold in both modes and to any order,
and nothing but a and h is kept for them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class LinearMaps(NamedTuple):
    """What the maps of a recurrence are.

    Attributes:
      apply: `apply(a, h)`, a pytree like h; linear in h.
      compose: `compose(later, earlier)`, the map that applies one after the other.
      transpose: `transpose(a)`, the transposed map, which is of the same kind.
    """

    apply: Callable[[Any, Any], Any]
    compose: Callable[[Any, Any], Any]
    transpose: Callable[[Any], Any]


MATRICES = LinearMaps(
    apply=lambda a, h: jnp.einsum("...ij,...j->...i", a, h),
    compose=jnp.matmul,
    transpose=lambda a: jnp.swapaxes(a, -1, -2),
)
NUMBERS = LinearMaps(jnp.multiply, jnp.multiply, lambda a: a)

Solve = Callable[[LinearMaps, Any, Any, bool], Any]


def linear_recurrence(
    maps: LinearMaps, a: Any, b: Any, carry: Any, solve: Solve, *, reverse: bool = False
) -> Any:
    """Returns h of all steps: `h_t = a_t h_{t-1} + b_t`, h_{-1} the carry.

    Args:
      maps: what a is.
      a: the maps, leaves [T, ...].
      b: leaves [T, ...], what is added.
      carry: leaves [...], what the first step applies its map to.
      solve: `by_loop` or `by_associative_scan`.
      reverse: run from the last step to the first: `h_t = a_t h_{t+1} + b_t`.

    Returns:
      h, leaves [T, ...] like b.
    """
    if jax.tree.leaves(b)[0].shape[0] == 0:
        return b
    first = -1 if reverse else 0
    given = maps.apply(jax.tree.map(lambda leaf: leaf[first], a), carry)
    b = jax.tree.map(lambda b, c: b.at[first].add(c), b, given)
    # The map that h_t enters the next step by; at the end it is applied to a zero.
    transposed = jax.tree.map(lambda a: jnp.roll(a, 1 if reverse else -1, 0), a)

    def system(h: Any) -> Any:
        through = maps.apply(a, jax.tree.map(lambda h: previous(h, reverse), h))
        return jax.tree.map(jnp.subtract, h, through)

    return jax.lax.custom_linear_solve(
        system,
        b,
        lambda _, b: solve(maps, a, b, reverse),
        lambda _, g: solve(maps, maps.transpose(transposed), g, not reverse),
    )


def by_loop(maps: LinearMaps, a: Any, b: Any, reverse: bool) -> Any:
    """Solves a recurrence that begins at zero, step by step."""

    def body(h: Any, scanned: Any) -> Any:
        a, b = scanned
        h = jax.tree.map(jnp.add, maps.apply(a, h), b)
        return h, h

    zero = jax.tree.map(lambda b: jnp.zeros_like(b[0]), b)
    return jax.lax.scan(body, zero, (a, b), reverse=reverse)[1]


def by_associative_scan(maps: LinearMaps, a: Any, b: Any, reverse: bool) -> Any:
    """Solves a recurrence that begins at zero, in O(log T) parallel rounds."""

    def combine(earlier: Any, later: Any) -> Any:
        a, b = later
        through = maps.apply(a, earlier[1])
        return maps.compose(a, earlier[0]), jax.tree.map(jnp.add, through, b)

    return jax.lax.associative_scan(combine, (a, b), reverse=reverse)[1]


def previous(h: jax.Array, reverse: bool, first: jax.Array | None = None) -> jax.Array:
    """Returns h [T, ...] of the step before each; before the first, `first` or zero."""
    first = jnp.zeros_like(h[:1]) if first is None else first[None]
    parts = [h[1:], first] if reverse else [first, h[:-1]]
    return jnp.concatenate(parts)

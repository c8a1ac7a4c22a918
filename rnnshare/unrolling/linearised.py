"""The linear recurrence of the tangents of any cell's carries, solved and verified.

The associative scan takes the steps for matrices of one sequence each. Where these are
not the step, as it mixes sequences, or their products overflow though the solution does
not, its result does not solve the recurrence; then a loop over the steps is the solver.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnshare.unrolling.newton import Advance, jacobians
from rnnshare.unrolling.recurrences import MATRICES, by_associative_scan, previous


def solve_linearised(
    advance: Advance,
    step_at: Callable[..., Advance],
    before: jax.Array,
    scanned: Any,
    own: jax.Array,
    *,
    reverse: bool,
) -> jax.Array:
    """Returns the solution of `d_t = J_t d_{t-1} + own_t`, d of no step being 0.

    Args:
      advance: from the carries before all steps, [T, *B, S], to those after.
      step_at: `step_at(*scanned_t)` is one step of it, from [*B, S] to [*B, S].
      before: [T, *B, S], where it is linearised.
      scanned: leaves [T, ...], what the steps read beside the carry.
      own: [T, *B, S].
      reverse: run from the last step to the first.

    Returns:
      [T, *B, S].
    """

    def system(d: jax.Array) -> jax.Array:
        along = previous(d, reverse)
        return d - jax.jvp(advance, (before,), (along,))[1]

    def push(d: jax.Array, at: Any) -> tuple[jax.Array, jax.Array]:
        own, before, scanned = at
        d = own + jax.jvp(step_at(*scanned), (before,), (d,))[1]
        return d, d

    def pull(through: jax.Array, at: Any) -> tuple[jax.Array, jax.Array]:
        own, before, scanned = at
        g = own + through
        return jax.vjp(step_at(*scanned), before)[1](g)[0], g

    def solver(body: Any, maps: jax.Array, reverse: bool) -> Any:
        def solve(system: Any, own: jax.Array) -> jax.Array:
            def loop() -> jax.Array:
                zero = jnp.zeros_like(own[0])
                at = (own, before, scanned)
                return jax.lax.scan(body, zero, at, reverse=reverse)[1]

            d = by_associative_scan(MATRICES, maps, own, reverse)
            return jax.lax.cond(_solves(system, d, own), lambda: d, loop)

        return solve

    _, maps = jacobians(advance, before)
    entered = MATRICES.transpose(jnp.roll(maps, 1 if reverse else -1, 0))
    forward, backward = solver(push, maps, reverse), solver(pull, entered, not reverse)
    return jax.lax.custom_linear_solve(system, own, forward, backward)


def _solves(system: Any, d: jax.Array, own: jax.Array) -> jax.Array:
    """Whether d solves a linear system, each step of each sequence but for rounding.

    By its own size: beside a large sequence, or step, a small one may be all wrong.
    """
    info, wrong = jnp.finfo(d.dtype), jnp.abs(system(d) - own)
    size = jnp.max(jnp.abs(d) + jnp.abs(own), axis=-1, keepdims=True, initial=0)
    underflow = d.shape[-1] * float(info.tiny)
    tolerance = math.sqrt(info.eps) * size + underflow
    # Each by itself: a maximum of NaNs need not be one in a compiled program.
    return jnp.all(jnp.isfinite(d)) & jnp.all(wrong <= tolerance)

"""Newton's iterations for the carries of all steps at once.

The carries of a sequence solve `h_t = f_t(h_{t-1})` for all t. From any guess of them,
Newton's method solves the linearised equations for a correction,

    d_t = J_t d_{t-1} + f_t(h_{t-1}) - h_t        J_t = f_t'(h_{t-1})

which is a linear recurrence: an associative scan runs it in O(log T) rounds. After k
iterations the first k steps are right, so T of them always are; where a cell forgets,
a few are enough. Where it is chaotic they are not, and the scan is faster.
"""

import dataclasses
import logging
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnshare.unrolling.memory import device_memory
from rnnshare.unrolling.recurrences import (
    MATRICES,
    NUMBERS,
    by_associative_scan,
    previous,
)

JACOBIANS = ("full", "diagonal")
Advance = Callable[[jax.Array], jax.Array]
_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Newton:
    """How the carries of all steps are solved for, as `implementation` of `unroll`.

    A run that has not converged is run again by the scan, so its results are right in
    any case.

    Attributes:
      tolerance: it has converged when no carry moves by more than this, relative to
        the largest carry or to 1.
      max_iterations: how many there may be. Each costs about S steps of the cell for
        every step, S the numbers in a carry, and T B S^2 numbers of memory.
      jacobian: 'full', or 'diagonal': that alone costs T B S numbers of memory, and
        takes more iterations, as it converges linearly.
      log: whether to say, by the logger 'rnnshare.unrolling.newton', that the scan ran
        instead; that calls back from the device.

    References: Lim, Zhu, Selfridge, Kasim, 2024, "Parallelizing non-linear sequential
    models over the sequence length" (DEER); Gonzalez, Warrington, Smith, Linderman,
    2024, "Towards scalable and stable parallelization of nonlinear RNNs" (diagonal).
    """

    tolerance: float = 1e-5
    max_iterations: int = 32
    jacobian: str = "full"
    log: bool = True

    def __post_init__(self):
        if not self.tolerance > 0:
            raise ValueError(
                f"Newton: tolerance is {self.tolerance!r}. Use a number above 0."
            )
        if not isinstance(self.max_iterations, int) or self.max_iterations < 1:
            raise ValueError(
                f"Newton: max_iterations is {self.max_iterations!r}. Use an integer of "
                "at least 1."
            )
        if self.jacobian not in JACOBIANS:
            raise ValueError(
                f"Newton: jacobian is {self.jacobian!r}. Use 'full' or 'diagonal'."
            )


class Convergence(NamedTuple):
    """How Newton's iterations ended.

    Attributes:
      converged: bool[], whether the last correction was within the tolerance.
      iterations: int32[], how many there were.
      error: [], the largest entry of the last correction; inf if one is not finite.
    """

    converged: jax.Array
    iterations: jax.Array
    error: jax.Array


def newton_carries(
    advance: Advance, carry: jax.Array, count: int, reverse: bool, solver: Newton
) -> tuple[jax.Array, Convergence]:
    """Returns the carries after all steps, and how the iterations ended.

    Args:
      advance: from the carries before all steps, [T, *B, S], to those after.
      carry: [*B, S], before the first step.
      count: T.
      reverse: whether the last step is the first one.
      solver: see `Newton`.
    """

    def correct(h: jax.Array) -> jax.Array:
        before = previous(h, reverse, carry)
        if solver.jacobian == "full":
            new, maps = jacobians(advance, before)
            return by_associative_scan(MATRICES, maps, new - h, reverse)
        new, maps = _diagonals(advance, before)
        return by_associative_scan(NUMBERS, maps, new - h, reverse)

    def within(h: jax.Array, error: jax.Array) -> jax.Array:
        scale = jnp.maximum(jnp.max(jnp.abs(h), initial=0), 1)
        return jnp.isfinite(error) & (error <= solver.tolerance * scale)

    def largest(d: jax.Array) -> jax.Array:
        # A maximum of NaNs need not be one in a compiled program.
        size = jnp.where(jnp.isfinite(d), jnp.abs(d), jnp.inf)
        return jnp.max(size, initial=0)

    def goes_on(state: Any) -> jax.Array:
        h, iterations, error = state
        moves = ~within(h, error) & jnp.isfinite(error)
        return (iterations == 0) | (moves & (iterations < solver.max_iterations))

    def improve(state: Any) -> Any:
        h, iterations, _ = state
        d = correct(h)
        return h + d, iterations + 1, largest(d)

    guess = jnp.broadcast_to(carry, (count, *carry.shape))
    begin = (guess, jnp.int32(0), jnp.full((), jnp.inf, carry.dtype))
    h, iterations, error = jax.lax.while_loop(goes_on, improve, begin)
    return h, Convergence(within(h, error), iterations, error)


def jacobians(advance: Advance, before: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns `advance(before)` and its Jacobian at each step and sequence.

    Sequences are taken to be apart, so one push of a unit vector at all of them gives
    a column of each one's matrix.

    Args:
      advance: from [T, *B, S] to [T, *B, S].
      before: [T, *B, S].

    Returns:
      [T, *B, S] and [T, *B, S, S].

    Raises:
      ValueError: if the matrices do not fit in the device's memory.
    """
    size = before.shape[-1]
    _check_memory(before)

    def push(unit: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.jvp(advance, (before,), (jnp.broadcast_to(unit, before.shape),))

    return jax.vmap(push, out_axes=(None, -1))(jnp.eye(size, dtype=before.dtype))


def _diagonals(advance: Advance, before: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns `advance(before)` and the diagonals of the Jacobians, [T, *B, S].

    The columns are pushed in turn: at once they would take the memory of the matrices.
    """
    new, push = jax.linearize(advance, before)

    def entry(i: jax.Array) -> jax.Array:
        unit = jax.nn.one_hot(i, before.shape[-1], dtype=before.dtype)
        column = push(jnp.broadcast_to(unit, before.shape))
        return jax.lax.dynamic_index_in_dim(column, i, -1, keepdims=False)

    found = jax.lax.map(entry, jnp.arange(before.shape[-1], dtype=jnp.int32))
    return new, jnp.moveaxis(found, 0, -1)


def say_if_not(converged: jax.Array, iterations: jax.Array, error: jax.Array) -> None:
    """Logs that the scan ran instead; called from the device."""
    if not converged:
        _logger.warning(
            "Newton's iterations did not converge: after %d of them the carries still "
            "moved by %.3g. The scan ran instead.",
            iterations,
            error,
        )


def _check_memory(before: jax.Array) -> None:
    needed = math.prod(before.shape) * before.shape[-1] * before.dtype.itemsize
    there = device_memory()
    if needed > there:
        steps, *batch, size = before.shape
        raise ValueError(
            f"The Jacobians of {steps} steps of {math.prod(batch)} sequences, with "
            f"{size} numbers in the carry of each, take {needed:,} bytes, and the "
            f"device has {there:,.0f}. Use implementation='scan', or a smaller batch."
        )

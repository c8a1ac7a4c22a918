"""`newton_convergence`: whether a cell can be run in parallel over time, told ahead."""

from typing import Any

import jax

from rnnshare.sharing.base import Sharing, Stored
from rnnshare.unrolling.newton import Convergence, Newton
from rnnshare.unrolling.padding import padding_of
from rnnshare.unrolling.parallel import find_convergence, why_not_parallel
from rnnshare.unrolling.scan import Carry, Step, StepByProducts, prepare


def newton_convergence(
    step: Step | StepByProducts,
    sharing: Sharing,
    stored: Stored,
    inputs: Any,
    carry: Carry,
    *,
    solver: Newton = Newton(),
    lengths: Any = None,
    start: int | jax.Array = 0,
    num_steps: int | None = None,
    reverse: bool = False,
) -> Convergence:
    """Returns how Newton's iterations end where `unroll` runs them, without the scan.

    `unroll(..., implementation=solver)` of the same arguments takes as many, and runs
    the scan where they have not converged.

    Args:
      step: see `unroll`; so are the others.
      sharing: see there.
      stored: see there.
      inputs: [T, *B, D].
      carry: leaves [*B, ...].
      solver: see `Newton`.
      lengths: see `unroll`.
      start: see there.
      num_steps: see there.
      reverse: see there.

    Raises:
      ValueError: as `unroll` does.
    """
    reason = why_not_parallel(inputs, carry)
    if reason is not None:
        raise ValueError(f"Newton's iterations do not apply: {reason}. Use `unroll`.")
    sharing, common, per_step, is_real = prepare(
        sharing, stored, inputs, carry, lengths, start, num_steps
    )
    return find_convergence(
        step,
        sharing,
        common,
        per_step,
        inputs,
        carry,
        solver=solver,
        padding=None if is_real is None else padding_of(is_real, inputs, carry),
        reverse=reverse,
    )

"""Which ways to unroll there are, when each applies, and which is the fastest."""

import functools
from collections.abc import Callable
from typing import Any

from rnnshare.sharing.base import Sharing
from rnnshare.unrolling.cudnn import cudnn_unroll, why_not_cudnn
from rnnshare.unrolling.fused import fused_unroll, why_no_products, why_not_fused
from rnnshare.unrolling.linear import (
    best_linear,
    is_linear,
    linear_unroll,
    why_not_linear,
)
from rnnshare.unrolling.loop import scan_unroll
from rnnshare.unrolling.newton import Newton
from rnnshare.unrolling.parallel import parallel_unroll, why_not_parallel
from rnnshare.unrolling.recurrences import by_associative_scan, by_loop

IMPLEMENTATIONS: dict[str, Callable[..., Any]] = {
    "scan": scan_unroll,
    "fused": fused_unroll,
    "cudnn": cudnn_unroll,
    "associative": functools.partial(linear_unroll, solve=by_associative_scan),
    "parallel_backward": parallel_unroll,
    "parallel": functools.partial(parallel_unroll, solver=Newton()),
}


def choose(
    implementation: str | Newton,
    step: Any,
    sharing: Sharing,
    per_step: Any,
    inputs: Any,
    carry: Any,
    remat: bool,
) -> Callable[..., Any]:
    """Returns the function that runs an implementation, or the best one for 'auto'."""
    solver = implementation
    if isinstance(solver, Newton):
        implementation = "parallel"
    if implementation == "auto":
        implementation = _best(step, sharing, per_step, inputs, carry, remat)
    elif implementation not in IMPLEMENTATIONS:
        names = ", ".join(map(repr, ("auto", *IMPLEMENTATIONS)))
        raise ValueError(
            f"implementation is {implementation!r}. Use one of {names}, or a Newton()."
        )
    reason = _why_not(implementation, step, sharing, per_step, inputs, carry)
    if reason is not None:
        raise ValueError(
            f"implementation={implementation!r} does not apply: {reason}. Use 'auto' "
            "or 'scan'."
        )
    if isinstance(solver, Newton):
        return functools.partial(parallel_unroll, solver=solver)
    if implementation == "fused" and is_linear(step):
        return functools.partial(linear_unroll, solve=by_loop)
    return IMPLEMENTATIONS[implementation]


def _best(
    step: Any, sharing: Sharing, per_step: Any, inputs: Any, carry: Any, remat: bool
) -> str:
    if remat:
        return "scan"
    if why_not_linear(step, inputs, carry) is None:
        return best_linear(sharing, per_step, inputs)
    fuses = why_not_fused(step, sharing, per_step, inputs, carry) is None
    return "fused" if fuses else "scan"


def _why_not(
    implementation: str,
    step: Any,
    sharing: Sharing,
    per_step: Any,
    inputs: Any,
    carry: Any,
) -> str | None:
    if implementation == "cudnn":
        return why_not_cudnn(step, sharing, inputs)
    if implementation in ("parallel", "parallel_backward"):
        return why_not_parallel(inputs, carry)
    if implementation == "associative":
        return why_not_linear(step, inputs, carry)
    if implementation == "fused" and is_linear(step):
        return why_not_linear(step, inputs, carry) or why_no_products(sharing, per_step)
    if implementation == "fused":
        return why_not_fused(step, sharing, per_step, inputs, carry)
    return None

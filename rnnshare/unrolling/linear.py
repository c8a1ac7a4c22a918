"""How to unroll a cell that is linear in its carry: all but the recurrence at once.

    x_t W_t + b_t                  one product for all steps
    a_t, b_t                       at every unit of every step by itself
    h_t = a_t * h_{t-1} + b_t      by a loop ('fused'), or an associative scan
    y_t                            at every step by itself; one product, if there is one

What is kept for the backward pass is a and h; it is the same recurrence run the other
way, and the gradient of a kernel one product after it.
"""

from typing import Any, Protocol

import jax
import jax.numpy as jnp

from rnnshare.sharing.base import Sharing
from rnnshare.unrolling.all_steps import Path, hoists, map_all_steps
from rnnshare.unrolling.padding import Padding, check_carry, fill_padding, where_real
from rnnshare.unrolling.recurrences import LinearMaps, Solve, linear_recurrence

Carry = Any


class LinearStep(Protocol):
    """A step whose carry comes of the last one by a linear map.

    Attributes:
      input_map, output_map: paths to the two maps in the weights of a step; the second
        is read if the cell asks for it.
    """

    input_map: Path
    output_map: Path

    def linear_cell(self, weights: Any = None) -> Any:
        """Returns the cell with the weights of a step, or with none.

        It has `one`, `coefficients`, `multiply`, `transpose` and `read`, as in
        `rnnshare.cells.LinearCell`; `coefficients` alone reads weights.
        """


def is_linear(step: Any) -> bool:
    """Whether a step is a `LinearStep`."""
    return hasattr(step, "linear_cell")


def why_not_linear(step: Any, inputs: Any, carry: Any) -> str | None:
    """Returns why a step has no linear way to unroll; None if it has one."""
    if not is_linear(step):
        return "the step is not that of a LinearCell (MinGRUCell, MinLSTMCell, LRUCell)"
    if not hasattr(inputs, "ndim"):
        return "the inputs are not one array"
    if not all(jnp.issubdtype(x.dtype, jnp.inexact) for x in jax.tree.leaves(carry)):
        return "the carry holds what has no derivative"
    return None


def best_linear(sharing: Sharing, per_step: Any, inputs: jax.Array) -> str:
    """Returns the implementation that runs a linear step fastest.

    An associative scan does up to twice the work in log T rounds, each of which reads
    and writes it all. It pays where rounds run side by side, on an accelerator, and not
    on a CPU.
    """
    if not sharing.supports_fused(per_step):
        return "scan"
    if jax.default_backend() == "cpu":
        return "fused" if hoists(inputs) else "scan"
    return "associative" if isinstance(inputs.shape[0], int) else "fused"


def with_batch_axes(a: Any, b: Any) -> Any:
    """Returns a with 1 for each batch axis of b that it has left out.

    Else the axis of time, which comes in front, would stand where one of B does.
    """
    return jax.tree.map(
        lambda a, b: jnp.expand_dims(a, tuple(range(b.ndim - jnp.ndim(a)))), a, b
    )


def linear_unroll(
    step: LinearStep,
    sharing: Sharing,
    common: Any,
    per_step: Any,
    inputs: jax.Array,
    carry: Carry,
    *,
    solve: Solve,
    padding: Padding | None = None,
    reverse: bool = False,
    remat: bool = False,
    unroll: int = 1,
) -> tuple[Carry, Any]:
    """Does what the scan of `rnnshare.unroll` does; see there.

    Args:
      step: see `LinearStep`.
      sharing: any; one that supports it, by `supports_fused`, makes no kernel a step.
      common: what its `split` returns.
      per_step: what its `split` returns.
      inputs: [T, *B, D].
      carry: leaves [*B, H].
      solve: what runs the recurrence, as `recurrences.by_associative_scan`.
      padding: its is_real bool[T, *b], b the first axes of B; None where there is none.
      reverse: run from the last step to the first.
      remat: keep nothing; the backward pass makes it again.
      unroll: has no meaning here.
    """
    del unroll
    inputs = fill_padding(inputs, padding)
    is_real = None if padding is None else padding.is_real
    cell = step.linear_cell()
    maps = LinearMaps(cell.multiply, cell.multiply, cell.transpose)

    def coefficients(per_step_t: Any, from_input: jax.Array) -> Any:
        weights = sharing.merge(common, per_step_t)
        a, b = step.linear_cell(weights).coefficients(from_input)
        return with_batch_axes(a, b), b

    def output(h: jax.Array) -> jax.Array:
        return map_all_steps(sharing, common, per_step, step.output_map, h)

    def run(carry: Carry) -> tuple[Carry, Any]:
        from_input = map_all_steps(sharing, common, per_step, step.input_map, inputs)
        a, b = jax.vmap(coefficients)(per_step, from_input)
        if is_real is not None:
            a = jax.tree.map(lambda a, b: jnp.broadcast_to(a, b.shape), a, b)
            a, b = where_real(is_real, a, cell.one), where_real(is_real, b)
        h = linear_recurrence(maps, a, b, carry, solve, reverse=reverse)
        last = carry
        if inputs.shape[0] != 0:
            last = jax.tree.map(lambda h: h[0 if reverse else -1], h)
        check_carry(carry, last)
        outputs = cell.read(h, from_input, output)
        return last, outputs if is_real is None else where_real(is_real, outputs)

    return (jax.checkpoint(run) if remat else run)(carry)

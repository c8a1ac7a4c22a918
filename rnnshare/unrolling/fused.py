"""The fused way to unroll a cell on the affine cut: products for all steps at once.

    a_t = x_t W_t + b_t                      one product for all steps
    carry, y_t = activate(carry, a_t, h U_t) the loop, with one product a step

and its derivative, in the direction of dotted stored weights, inputs and carry:

    e_t = h_{t-1} dU_t                       one product for all steps
    d carry, d y_t = J_t (d carry, d a_t, e_t + dh U_t)        a linear loop

The loop keeps J_t, the derivative of the pointwise `activate`, and nothing else. JAX
transposes the second half: the linear loop becomes the one that runs backward, and
e_t's product the gradient of the recurrent kernel, which a scan of the whole step adds
up from T small ones. As the derivative is a rule for `jvp`, it serves in both modes,
to any order and under `vmap`.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Protocol

import chex
import jax
import jax.numpy as jnp

from rnnshare.sharing.base import Sharing, leaf_at
from rnnshare.unrolling.all_steps import Path, hoists, map_all_steps
from rnnshare.unrolling.known import part_from_known
from rnnshare.unrolling.padding import Padding, check_carry, fill_padding, where_real

Carry = Any


class FusedStep(Protocol):
    """A step on the affine cut: two affine maps and a pointwise function.

    Attributes:
      input_map, recurrent_map: paths to the two maps in the weights of a step, each a
        dictionary of a kernel [in, G] and perhaps a bias [G].
    """

    input_map: Path
    recurrent_map: Path

    def pointwise_cell(self) -> Any:
        """Returns the cell without weights, for what it computes at each unit.

        That is `hidden`, `pointwise`, `reads_sum_only`, `forward_with_residuals` and
        `jvp_from_residuals`, as in `rnnshare.cells.AffineCell`.
        """


def why_not_fused(
    step: Any, sharing: Sharing, per_step: Any, inputs: Any, carry: Any
) -> str | None:
    """Returns why a step under a sharing has no fused way; None if it has one."""
    if not all(map(functools.partial(hasattr, step), FusedStep.__annotations__)):
        return "the step is not that of an AffineCell (ElmanCell, GRUCell, LSTMCell)"
    if not hasattr(inputs, "ndim"):
        return "the inputs are not one array"
    if not all(jnp.issubdtype(x.dtype, jnp.inexact) for x in jax.tree.leaves(carry)):
        return "the carry holds what has no derivative"
    return why_no_products(sharing, per_step)


def why_no_products(sharing: Sharing, per_step: Any) -> str | None:
    """Returns that a sharing has no products of all steps; None if it has them."""
    if not sharing.supports_fused(per_step):
        return f"{sharing!r} has no products of all steps at once that would pay"
    return None


def fused_unroll(
    step: FusedStep,
    sharing: Sharing,
    common: Any,
    per_step: Any,
    inputs: jax.Array,
    carry: Carry,
    *,
    padding: Padding | None = None,
    reverse: bool = False,
    remat: bool = False,
    unroll: int = 1,
) -> tuple[Carry, Any]:
    """Does what the scan of `rnnshare.unroll` does; see there.

    Args:
      step: see `FusedStep`.
      sharing: one that supports it, by `supports_fused`.
      common: what its `split` returns.
      per_step: what its `split` returns, index arrays NumPy.
      inputs: [T, *B, D].
      carry: leaves [*B, H].
      padding: its is_real bool[T, *b], b the first axes of B; None where there is none.
      reverse: run from the last step to the first.
      remat: keep nothing of the loop; the backward pass runs it again.
      unroll: see `jax.lax.scan`.
    """
    inputs = fill_padding(inputs, padding)
    traced, rebuild = part_from_known(per_step)
    rules = _Loop(
        step,
        step.pointwise_cell(),
        sharing,
        rebuild,
        functools.partial(jax.lax.scan, reverse=reverse, unroll=unroll),
    )
    loop: Any = jax.custom_jvp(rules.run)
    loop.defjvp(rules.derive)
    if remat:
        loop = jax.checkpoint(loop)
    return loop(common, traced, inputs, carry, padding)


@dataclasses.dataclass(frozen=True)
class _Loop:
    """The loop over time and its derivative, as functions of arrays.

    Attributes:
      step: where the two maps are.
      cell: what `FusedStep.pointwise_cell` returns.
      sharing: how the weights are shared.
      rebuild: `rebuild(traced)` returns the sharing's `per_step`.
      scan: `jax.lax.scan`, told the direction.
    """

    step: FusedStep
    cell: Any
    sharing: Sharing
    rebuild: Callable[[list[Any]], Any]
    scan: Callable[..., Any]

    def run(self, *arguments: Any) -> tuple[Carry, Any]:
        """Returns carry and outputs of (common, traced, inputs, carry, padding)."""

        def activate(*at: Any) -> Any:
            return self.cell.pointwise(*at), None

        results, _ = self._forward(activate, *arguments)
        return results

    def derive(self, primals: Any, tangents: Any) -> Any:
        """Returns what `run` does, and its tangents."""

        def with_residuals(carry: Carry, a: jax.Array, u: jax.Array) -> Any:
            results, residuals = self.cell.forward_with_residuals(carry, a, u)
            return results, (self.cell.hidden(carry), residuals)

        results, (before, residuals) = self._forward(with_residuals, *primals)
        common, traced, inputs, _, padding = primals
        d_common, d_traced, d_inputs, d_carry, _ = tangents

        def input_map(common: Any, traced: Any, inputs: jax.Array) -> jax.Array:
            return self._maps(self.step.input_map, common, traced, inputs)

        def recurrent_map(common: Any, traced: Any) -> jax.Array:
            return self._maps(self.step.recurrent_map, common, traced, before)

        at, along = (common, traced), (d_common, d_traced)
        _, da = jax.jvp(input_map, (*at, inputs), (*along, d_inputs))
        _, du = jax.jvp(recurrent_map, at, along)
        if self.cell.reads_sum_only:
            da, du = da + du, None
        is_real = None if padding is None else padding.is_real
        scanned = (self.rebuild(traced), residuals, da, du, is_real)
        return results, self._run_tangents(_transposed(common), d_carry, scanned)

    def _forward(
        self,
        function: Callable[..., Any],
        common: Any,
        traced: Any,
        inputs: jax.Array,
        carry: Carry,
        padding: Padding | None,
    ) -> Any:
        """Runs the loop; also returns what `function` keeps of every step."""
        hoisted = hoists(inputs)
        if hoisted:
            inputs = self._maps(self.step.input_map, common, traced, inputs)

        def body(carry: Carry, scanned: Any) -> Any:
            per_step_t, a, is_real = scanned
            if not hoisted:
                a = self._map(self.step.input_map, common, per_step_t, a)
            safe = carry
            if padding is not None:
                safe = where_real(is_real, carry, padding.carry)
            h = self.cell.hidden(safe)
            u = self._map(self.step.recurrent_map, common, per_step_t, h)
            (new, y), kept = function(safe, a, u)
            check_carry(carry, new)
            if is_real is not None:
                new, y = where_real(is_real, new, carry), where_real(is_real, y)
            return new, (y, kept)

        is_real = None if padding is None else padding.is_real
        scanned = (self.rebuild(traced), inputs, is_real)
        carry, (outputs, kept) = self.scan(body, carry, scanned)
        return (carry, outputs), kept

    def _run_tangents(self, common: Any, d_carry: Carry, scanned: Any) -> Any:
        """Runs the linear loop of the tangents."""
        kernel = (*self.step.recurrent_map, "kernel")

        def body(d_carry: Carry, scanned: Any) -> Any:
            per_step_t, residuals, da, du, is_real = scanned
            dh = self.cell.hidden(d_carry)
            through = self.sharing.product(common, per_step_t, kernel, dh)
            du = through if du is None else through + du
            new, dy = self.cell.jvp_from_residuals(residuals, d_carry, da, du)
            chex.assert_trees_all_equal_shapes_and_dtypes(new, d_carry)
            if is_real is not None:
                new, dy = where_real(is_real, new, d_carry), where_real(is_real, dy)
            return new, dy

        return self.scan(body, d_carry, scanned)

    def _map(self, path: Path, common: Any, per_step_t: Any, x: jax.Array) -> jax.Array:
        """Returns one of the affine maps at one step: [*B, G] of x [*B, in]."""
        y = self.sharing.product(common, per_step_t, (*path, "kernel"), x)
        bias = leaf_at(self.sharing.merge(common, per_step_t), path).get("bias")
        return y if bias is None else y + bias.reshape((1,) * (y.ndim - 1) + bias.shape)

    def _maps(self, path: Path, common: Any, traced: Any, x: jax.Array) -> jax.Array:
        """Returns one of the affine maps at all steps: [T, *B, G] of x [T, *B, in]."""
        return map_all_steps(self.sharing, common, self.rebuild(traced), path, x)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _Transposed:
    """A kernel that lies transposed, as the product of the backward loop reads it.

    That loop is the transpose of a product with this; with a kernel as it is stored,
    XLA transposes it anew at every step.
    """

    array: jax.Array  # [..., out, in]

    def __rmatmul__(self, x: jax.Array) -> jax.Array:
        return jax.lax.dot_general(x, self.array, (((x.ndim - 1,), (1,)), ((), ())))


def _transposed(weights: Any) -> Any:
    """Returns the weights with every kernel transposed."""

    def transpose(leaf: jax.Array) -> Any:
        return leaf if leaf.ndim < 2 else _Transposed(jnp.swapaxes(leaf, -1, -2))

    return jax.tree.map(transpose, weights)

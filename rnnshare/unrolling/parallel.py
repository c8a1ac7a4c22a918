"""Unrolling any cell in parallel over time: its backward pass, or both passes.

The tangents of the carries follow a linear recurrence, whatever the cell,

    dh_t = J_t dh_{t-1} + d f_t(h_{t-1})          J_t = f_t'(h_{t-1})

d f_t being what weights and inputs of step t add. So the backward pass is a linear
recurrence too, `g_t = J_{t+1}^T g_{t+1} + ...`, and runs as an associative scan over
the Jacobians, S x S of each step and sequence for S numbers in a carry. The carries
themselves come of the scan ('parallel_backward'), or of Newton's iterations
('parallel'); the derivative is exact at what they are.
"""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.sharing.base import Sharing
from rnnshare.unrolling.loop import masked_step
from rnnshare.unrolling.newton import (
    Convergence,
    Newton,
    jacobians,
    newton_carries,
    say_if_not,
)
from rnnshare.unrolling.padding import Padding, fill_padding
from rnnshare.unrolling.recurrences import (
    MATRICES,
    by_associative_scan,
    linear_recurrence,
    previous,
)


def why_not_parallel(inputs: Any, carry: Any) -> str | None:
    """Returns why a run cannot be parallel over time; None if it can."""
    if not hasattr(inputs, "ndim") or inputs.ndim < 2:
        return "the inputs are not one array [T, *B, D]"
    if not all(isinstance(size, int) for size in inputs.shape):
        return "the inputs have a symbolic size"
    leaves, batch = jax.tree.leaves(carry), inputs.shape[1:-1]
    if any(leaf.shape[: len(batch)] != batch for leaf in leaves):
        return f"a leaf of the carry does not begin with the axes of the batch, {batch}"
    dtypes = {leaf.dtype for leaf in leaves}
    if len(dtypes) != 1 or not jnp.issubdtype(dtypes.pop(), jnp.floating):
        return "the carry is not of one dtype of real numbers"
    return None


def parallel_unroll(
    step: Any,
    sharing: Sharing,
    common: Any,
    per_step: Any,
    inputs: jax.Array,
    carry: Any,
    *,
    solver: Newton | None = None,
    padding: Padding | None = None,
    reverse: bool = False,
    remat: bool = False,
    unroll: int = 1,
) -> tuple[Any, Any]:
    """Does what the scan of `rnnshare.unroll` does; see there.

    Args:
      step: any that treats sequences apart.
      sharing: any.
      common: what its `split` returns.
      per_step: what its `split` returns.
      inputs: [T, *B, D].
      carry: leaves [*B, ...].
      solver: what finds the carries; None for the scan.
      padding: its is_real bool[T, *b], b the first axes of B; None where there is none.
      reverse: run from the last step to the first.
      remat: has no meaning here: of a step nothing but its carry is kept.
      unroll: see `jax.lax.scan`, which runs where Newton's iterations do not.
    """
    del remat
    if inputs.shape[0] == 0:
        solver = None  # there is nothing to solve
    rules = _Carries(step, sharing, inputs.shape[1:-1], solver, reverse, unroll)
    given = rules.given(common, per_step, inputs, carry, padding)
    h = rules.find_with_derivative(*given)
    before = previous(h, reverse, rules.flat(carry))[: len(h)]
    _, outputs = rules.run_steps(*given, before)
    if inputs.shape[0] == 0:
        return carry, outputs
    return rules.unflat(h[0 if reverse else -1], carry), outputs


def find_convergence(
    step: Any,
    sharing: Sharing,
    common: Any,
    per_step: Any,
    inputs: jax.Array,
    carry: Any,
    *,
    solver: Newton,
    padding: Padding | None = None,
    reverse: bool = False,
) -> Convergence:
    """Returns how Newton's iterations end; the arguments are `parallel_unroll`'s."""
    rules = _Carries(step, sharing, inputs.shape[1:-1], solver, reverse)
    return rules.by_newton(*rules.given(common, per_step, inputs, carry, padding))[1]


@dataclasses.dataclass(frozen=True)
class _Carries:
    """The carries after all steps, flat, [T, *B, S], and their derivative.

    Methods take what `given` returns. The fields are arguments of `parallel_unroll`.
    """

    step: Any
    sharing: Sharing
    batch: tuple[int, ...]
    solver: Newton | None
    reverse: bool
    unroll: int = 1

    def given(
        self,
        common: Any,
        per_step: Any,
        inputs: Any,
        carry: Any,
        padding: Padding | None,
    ) -> tuple[Any, ...]:
        """Returns the arguments as arrays, the padding of the inputs filled."""
        inputs = fill_padding(inputs, padding)
        return common, jax.tree.map(jnp.asarray, per_step), inputs, carry, padding

    def find_with_derivative(self, *given: Any) -> jax.Array:
        """Does what `find` does; its derivative is `derive`, to any order."""
        find: Any = jax.custom_jvp(self.find)
        find.defjvp(self.derive)
        return find(*given)

    def find(self, *given: Any) -> jax.Array:
        """Returns the carries, by the scan where Newton's iterations fail."""
        if self.solver is None:
            return self.by_scan(*given)
        h, convergence = self.by_newton(*given)
        if self.solver.log:
            jax.debug.callback(say_if_not, *convergence)
        return jax.lax.cond(convergence.converged, lambda *_: h, self.by_scan, *given)

    def by_scan(self, *given: Any) -> jax.Array:
        """Returns the carries, one after the other."""
        common, per_step, inputs, carry, padding = given
        body = masked_step(self.step, self.sharing, common, padding)

        def keep(carry: Any, scanned: Any) -> tuple[Any, jax.Array]:
            carry, _ = body(carry, scanned)
            return carry, self.flat(carry)

        scanned = (per_step, inputs, _is_real(padding))
        return jax.lax.scan(
            keep, carry, scanned, reverse=self.reverse, unroll=self.unroll
        )[1]

    def by_newton(self, *given: Any) -> tuple[jax.Array, Convergence]:
        """Returns the carries that Newton's iterations end with, and how they end."""
        assert self.solver is not None  # for the type checker
        return newton_carries(
            lambda before: self.run_steps(*given, before)[0],
            self.flat(given[3]),
            given[2].shape[0],
            self.reverse,
            self.solver,
        )

    def run_steps(self, *given: Any) -> tuple[jax.Array, Any]:
        """Returns carries and outputs of all steps, each run by itself.

        Args:
          *given: as above, and `before` [T, *B, S], the carries that the steps read.
        """
        common, per_step, inputs, carry, padding, before = given
        body = masked_step(self.step, self.sharing, common, padding)

        def one(before: jax.Array, *scanned: Any) -> tuple[jax.Array, Any]:
            new, y = body(self.unflat(before, carry), scanned)
            return self.flat(new), y

        return jax.vmap(one)(before, per_step, inputs, _is_real(padding))

    def derive(self, primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
        """Returns the carries and their tangents, by the recurrence of these."""
        h = self.find_with_derivative(*primals)
        *moving, carry, padding = primals
        before = previous(h, self.reverse, self.flat(carry))

        def advance(common: Any, per_step: Any, inputs: Any, before: Any) -> jax.Array:
            return self.run_steps(common, per_step, inputs, carry, padding, before)[0]

        at, along = (*moving, before), (*tangents[:3], jnp.zeros_like(before))
        _, own = jax.jvp(advance, at, along)
        _, maps = jacobians(functools.partial(advance, *moving), before)
        d_carry = self.flat(tangents[3])
        return h, linear_recurrence(
            MATRICES, maps, own, d_carry, by_associative_scan, reverse=self.reverse
        )

    def flat(self, carry: Any) -> jax.Array:
        """Returns leaves [*B, ...] as one array [*B, S]."""
        leaves = jax.tree.leaves(carry)
        count = len(self.batch)
        return jnp.concatenate(
            [
                leaf.reshape(*leaf.shape[:count], math.prod(leaf.shape[count:]))
                for leaf in leaves
            ],
            axis=-1,
        )

    def unflat(self, h: jax.Array, like: Any) -> Any:
        """Returns [*B, S] as leaves of the shapes of a carry."""
        leaves, structure = jax.tree.flatten(like)
        sizes = [math.prod(leaf.shape[len(self.batch) :]) for leaf in leaves]
        parts = jnp.split(h, np.cumsum(sizes)[:-1], axis=-1)
        return jax.tree.unflatten(
            structure,
            [part.reshape(x.shape) for part, x in zip(parts, leaves, strict=True)],
        )


def _is_real(padding: Padding | None) -> jax.Array | None:
    return None if padding is None else padding.is_real

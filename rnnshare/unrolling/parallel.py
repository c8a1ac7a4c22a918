"""Unrolling any cell in parallel over time: its backward pass, or both passes.

The tangents of the carries follow a linear recurrence, whatever the cell,

    dh_t = J_t dh_{t-1} + d f_t(h_{t-1})          J_t = f_t'(h_{t-1})

d f_t being what weights and inputs of step t add. So the backward pass is a linear
recurrence too, `g_t = J_{t+1}^T g_{t+1} + ...`, and runs as an associative scan over
the Jacobians, S x S of each step and sequence for S numbers in a carry. The carries
themselves come of the scan ('parallel_backward'), or of Newton's iterations
('parallel'); the derivative is exact at what they are. What the associative scan finds
is put into the recurrence: where it does not solve it, as its products overflow or the
step mixes sequences, a loop does.
"""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.sharing.base import Sharing
from rnnshare.unrolling.linearised import solve_linearised
from rnnshare.unrolling.loop import masked_step, scan_unroll
from rnnshare.unrolling.newton import Convergence, Newton, newton_carries, say_if_not
from rnnshare.unrolling.padding import Padding, fill_padding
from rnnshare.unrolling.recurrences import previous


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
      step: any; one that mixes sequences is not run in parallel.
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
    given = common, per_step, inputs, carry
    if inputs.shape[0] == 0:  # there is nothing to solve
        return scan_unroll(step, sharing, *given, padding=padding)
    rules, given = _prepare(step, sharing, *given, padding, solver, reverse, unroll)
    h = rules.find_with_derivative(*given)
    before = previous(h, reverse, rules.flat(carry))
    _, outputs = rules.run_steps(*given, before)
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
    given = common, per_step, inputs, carry, padding
    rules, given = _prepare(step, sharing, *given, solver, reverse)
    return rules.by_newton(*given)[1]


def _prepare(
    step: Any,
    sharing: Sharing,
    common: Any,
    per_step: Any,
    inputs: jax.Array,
    carry: Any,
    padding: Padding | None,
    solver: Newton | None,
    reverse: bool,
    unroll: int = 1,
) -> tuple["_Carries", tuple[Any, ...]]:
    """Returns the rules, and what their methods take: arrays, the padding filled.

    What the step closes over, as a user's may, is given to it beside what is common: a
    derivative rule does not see what it is not given.
    """

    def run(common: Any, padding: Padding | None, carry: Any, scanned: Any) -> Any:
        return masked_step(step, sharing, common, padding)(carry, scanned)

    inputs, per_step = (
        fill_padding(inputs, padding),
        jax.tree.map(jnp.asarray, per_step),
    )
    first = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype),
        (per_step, inputs, _is_real(padding)),
    )
    body, closed_over = jax.closure_convert(run, common, padding, carry, first)
    rules = _Carries(body, inputs.shape[1:-1], solver, reverse, unroll)
    return rules, ((common, closed_over), per_step, inputs, carry, padding)


@dataclasses.dataclass(frozen=True)
class _Carries:
    """The carries after all steps, flat, [T, *B, S], and their derivative.

    Methods take what `_prepare` returns.

    Attributes:
      body: `body(common, padding, carry, (per_step_t, x_t, is_real_t), *closed_over)`,
        one step.
      batch: B; the others are arguments of `parallel_unroll`.
    """

    body: Any
    batch: tuple[int, ...]
    solver: Newton | None
    reverse: bool
    unroll: int = 1

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

        def keep(h: jax.Array, scanned: Any) -> tuple[jax.Array, jax.Array]:
            h, _ = self.run_step(common, carry, padding, h, *scanned)
            return h, h

        scanned = (per_step, inputs, _is_real(padding))
        return jax.lax.scan(
            keep, self.flat(carry), scanned, reverse=self.reverse, unroll=self.unroll
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

    def run_step(
        self,
        common: Any,
        carry: Any,
        padding: Padding | None,
        before: jax.Array,
        *scanned: Any,
    ) -> tuple[jax.Array, Any]:
        """Returns the flat carry and the output of one step, of the flat carry before.

        Of `carry` the shapes alone are read.
        """
        common, closed_over = common
        old = self.unflat(before, carry)
        new, y = self.body(common, padding, old, scanned, *closed_over)
        return self.flat(new), y

    def run_steps(self, *given: Any) -> tuple[jax.Array, Any]:
        """Returns carries and outputs of all steps, each run by itself.

        Args:
          *given: as above, and `before` [T, *B, S], the carries that the steps read.
        """
        common, per_step, inputs, carry, padding, before = given
        one = functools.partial(self.run_step, common, carry, padding)
        return jax.vmap(one)(before, per_step, inputs, _is_real(padding))

    def derive(self, primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
        """Returns the carries and their tangents, by the recurrence of these."""
        h = self.find_with_derivative(*primals)
        *moving, carry, padding = primals
        before = previous(h, self.reverse, self.flat(carry))

        def advance(common: Any, per_step: Any, inputs: Any, before: Any) -> jax.Array:
            return self.run_steps(common, per_step, inputs, carry, padding, before)[0]

        with jax.default_matmul_precision("highest"):  # as S products in a row need it
            begins = previous(jnp.zeros_like(h), self.reverse, self.flat(tangents[3]))
            at, along = (*moving, before), (*tangents[:3], begins)
            _, own = jax.jvp(advance, at, along)
            return h, self.solve(*primals, before, own)

    def solve(self, *given: Any) -> jax.Array:
        """Returns the solution of `d_t = J_t d_{t-1} + own_t`, d of no step being 0.

        Args:
          *given: as above, the carries that the steps read, and own, all [T, *B, S].
        """
        common, per_step, inputs, carry, padding, before, own = given
        moving = given[:-2]

        def step_at(*scanned: Any) -> Any:
            return lambda h: self.run_step(common, carry, padding, h, *scanned)[0]

        return solve_linearised(
            lambda before: self.run_steps(*moving, before)[0],
            step_at,
            before,
            (per_step, inputs, _is_real(padding)),
            own,
            reverse=self.reverse,
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

"""The loop over time that runs the whole step at each: the oracle of all others."""

import functools
from collections.abc import Callable
from typing import Any, Protocol

import jax

from rnnshare.sharing.base import Sharing
from rnnshare.unrolling.padding import Padding, check_carry, fill_padding, where_real

Carry = Any
Step = Callable[[Any, Carry, Any], tuple[Carry, Any]]


class StepByProducts(Protocol):
    """A step that reads its kernels through products alone.

    Such a step lets a sharing correct or mix `x @ kernel` instead of the kernel, where
    that is cheaper. It is a step like any other as well.
    """

    def __call__(self, weights: Any, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """The step, `(weights, carry, x) -> (carry, y)`."""

    def by_products(
        self,
        product: Callable[[tuple[str, ...], jax.Array], jax.Array],
        weights: Any,
        carry: Carry,
        x: Any,
    ) -> tuple[Carry, Any]:
        """The same, from `product(path, x)`; of the weights, only biases are read."""


def scan_unroll(
    step: Step | StepByProducts,
    sharing: Sharing,
    common: Any,
    per_step: Any,
    inputs: Any,
    carry: Carry,
    *,
    padding: Padding | None = None,
    reverse: bool = False,
    remat: bool = False,
    unroll: int = 1,
) -> tuple[Carry, Any]:
    """Scans the whole step over time, as `unroll` says.

    `common` and `per_step` are what the sharing's `split` returns; `padding` is None
    where all steps are real.
    """
    body = masked_step(step, sharing, common, padding)
    inputs = fill_padding(inputs, padding)
    if remat:
        body = jax.checkpoint(body, prevent_cse=False)  # a scan needs no such barrier
    scanned = (per_step, inputs, None if padding is None else padding.is_real)
    return jax.lax.scan(body, carry, scanned, reverse=reverse, unroll=unroll)


def masked_step(
    step: Step | StepByProducts, sharing: Sharing, common: Any, padding: Padding | None
) -> Callable[[Carry, Any], tuple[Carry, Any]]:
    """Returns one step as a scan's body, of carry and (per_step_t, x_t, is_real_t).

    In the padding the carry is frozen, and outputs are zero.

    Args:
      step: see `rnnshare.unroll`.
      sharing: see there.
      common: what its `split` returns.
      padding: what the step reads there; None where there is none.
    """

    def body(carry: Carry, scanned: Any) -> tuple[Carry, Any]:
        per_step_t, x, is_real_t = scanned
        if padding is None:
            new_carry, y = run_step(step, sharing, common, per_step_t, carry, x)
            check_carry(carry, new_carry)
            return new_carry, y
        # What is read in the padding is replaced before the step: a NaN that is
        # computed and then discarded still poisons the gradient.
        safe = where_real(is_real_t, carry, padding.carry)
        new_carry, y = run_step(step, sharing, common, per_step_t, safe, x)
        check_carry(carry, new_carry)
        return where_real(is_real_t, new_carry, carry), where_real(is_real_t, y)

    return body


def run_step(
    step: Step | StepByProducts,
    sharing: Sharing,
    common: Any,
    per_step_t: Any,
    carry: Carry,
    x: Any,
) -> tuple[Carry, Any]:
    """Runs one step with the weights that its sharing gives it."""
    by_products = getattr(step, "by_products", None)
    if by_products is None:
        return sharing.apply(step, common, per_step_t, carry, x)
    product = functools.partial(sharing.product, common, per_step_t)
    return by_products(product, sharing.merge(common, per_step_t), carry, x)

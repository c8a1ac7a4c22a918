"""`unroll`: run a cell over time under any sharing."""

import functools
from collections.abc import Callable
from typing import Any, Protocol

import jax

from rnnshare.sharing.base import Sharing, Stored
from rnnshare.sharing.unseen import bounded_to, check_chunk, resolve_steps
from rnnshare.unrolling.blocks import run_in_blocks, steps_of_block
from rnnshare.unrolling.cudnn import cudnn_unroll, why_not_cudnn
from rnnshare.unrolling.fused import fused_unroll, why_not_fused
from rnnshare.unrolling.padding import (
    Padding,
    before,
    check_batch,
    check_carry,
    check_lengths,
    count_inputs,
    fill_padding,
    padding_of,
    where_real,
    without_padding,
)
from rnnshare.unrolling.placement import place_carry

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


def unroll(
    step: Step | StepByProducts,
    sharing: Sharing,
    stored: Stored,
    inputs: Any,
    carry: Carry,
    *,
    lengths: Any = None,
    start: int | jax.Array = 0,
    num_steps: int | None = None,
    reverse: bool = False,
    remat: bool | int | str = False,
    unroll: int = 1,
    implementation: str = "auto",
) -> tuple[Carry, Any]:
    """Runs a step function over time, each step with the weights its sharing gives it.

    `carry, y_t = step(W_t, carry, x_t)` for t = 0..T-1, W_t the weights that `sharing`
    makes of `stored` at step `start + t`. There is no branch on the kind of sharing:
    what only step t sees goes in as the scan's `xs`, what all steps see as its closure.

    Nothing is cast: the step function decides the dtypes, and must return a carry of
    the shapes and dtypes that it was given.

    Args:
      step: `(weights, carry, x) -> (carry, y)`, pure; a `StepByProducts` is faster
        under a sharing that computes its weights.
      sharing: how the weights of the steps come from `stored`.
      stored: the pytree that `sharing.init` made (or of its structure).
      inputs: pytree of [T, *batch, ...]; time is axis 0.
      carry: the initial carry, a pytree; of [*batch, ...] where lengths are used.
      lengths: int[*batch] (or one integer for all), the number of real steps of each
        sequence among these inputs. After them the carry is frozen and outputs are
        zero, and nothing that stands in the padding, NaN included, reaches an output,
        a carry or a gradient.
      start: the absolute step of the first input, to run a sequence in chunks.
      num_steps: the steps of the whole sequence that these inputs are a chunk of; they
        must not pass its end. With it, `start` may be traced under every sharing whose
        steps can be told one by one.
      reverse: run from the last step to the first. Weights belong to positions: step t
        reads W_t in both directions.
      remat: what is made again in the backward pass instead of kept: with True each
        step; with an integer k the steps of each block of k, so that carries are kept
        between blocks and what is in the steps of one block alone; with 'sqrt' the
        same in blocks of about sqrt(T), for many steps: memory beside inputs and
        outputs grows as sqrt(T) then.
      unroll: how many steps to lay out in one iteration of the loop (`lax.scan`'s).
      implementation: 'scan' runs the step as it is; 'fused' (see `unrolling.fused`)
        does for all steps at once what needs no carry, for an `AffineCell` under a
        sharing that supports it; 'cudnn' (see `unrolling.cudnn`) is NVIDIA's LSTM, on
        their GPUs under `Tied`; 'auto' is fused where that is possible and `remat` not
        True, else the scan. In blocks it is asked of a block: what templates its steps
        read is known if they are those of every block. They differ in rounding only.

    Returns:
      The final carry, and the outputs [T, *batch, ...] in the order of the inputs.

    Raises:
      ValueError: if a step has no weights, lengths do not fit the inputs, `remat` is
        none of these, or the implementation is unknown or does not apply.
      TypeError: if lengths are no integers, or the step changes the carry's type.

    Reference: Chen, Xu, Zhang, Guestrin, 2016, "Training deep nets with sublinear
    memory cost", for blocks of sqrt(T).
    """
    block = steps_of_block(remat, count_inputs(inputs))
    sharing, common, per_step, is_real = _prepare(
        sharing, stored, inputs, carry, lengths, start, num_steps
    )

    def first_step(carry: Carry) -> Carry:
        one, x = jax.tree.map(lambda leaf: leaf[0], (per_step, inputs))
        return run_step(step, sharing, common, one, carry, x)[0]

    carry = place_carry(first_step, carry, (stored, inputs, is_real))
    padding = None if is_real is None else padding_of(is_real, inputs, carry)

    def run(
        per_step: Any, inputs: Any, carry: Carry, padding: Padding | None
    ) -> tuple[Carry, Any]:
        alone = remat is True
        chosen = _choose(implementation, step, sharing, per_step, inputs, carry, alone)
        return chosen(
            step,
            sharing,
            common,
            per_step,
            inputs,
            carry,
            padding=padding,
            reverse=reverse,
            remat=alone,
            unroll=unroll,
        )

    if block is None:
        return run(per_step, inputs, carry, padding)
    return run_in_blocks(run, block, per_step, inputs, carry, padding, reverse=reverse)


def _choose(
    implementation: str,
    step: Any,
    sharing: Sharing,
    per_step: Any,
    inputs: Any,
    carry: Carry,
    remat: bool,
) -> Callable[..., Any]:
    """Returns the function that runs an implementation, or the best one for 'auto'."""
    reason = None
    if implementation == "auto":
        implementation = "scan"
        if not remat and why_not_fused(step, sharing, per_step, inputs, carry) is None:
            implementation = "fused"
    elif implementation == "fused":
        reason = why_not_fused(step, sharing, per_step, inputs, carry)
    elif implementation == "cudnn":
        reason = why_not_cudnn(step, sharing, inputs)
    if reason is not None:
        raise ValueError(
            f"implementation={implementation!r} does not apply: {reason}. Use 'auto' "
            "or 'scan'."
        )
    if implementation not in IMPLEMENTATIONS:
        names = ", ".join(map(repr, ("auto", *IMPLEMENTATIONS)))
        raise ValueError(f"implementation is {implementation!r}. Use one of {names}.")
    return IMPLEMENTATIONS[implementation]


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
    inputs = fill_padding(inputs, padding)

    def body(carry, scanned):
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

    if remat:
        body = jax.checkpoint(body, prevent_cse=False)  # a scan needs no such barrier
    scanned = (per_step, inputs, None if padding is None else padding.is_real)
    return jax.lax.scan(body, carry, scanned, reverse=reverse, unroll=unroll)


IMPLEMENTATIONS: dict[str, Callable[..., Any]] = {
    "scan": scan_unroll,
    "fused": fused_unroll,
    "cudnn": cudnn_unroll,
}


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


def map_steps(
    function: Callable[[Any, Any], Any],
    sharing: Sharing,
    stored: Stored,
    inputs: Any,
    *,
    lengths: Any = None,
    start: int | jax.Array = 0,
    num_steps: int | None = None,
) -> Any:
    """Applies a function to every step at once: `unroll` for a layer without a carry.

    `y_t = function(W_t, x_t)`, in parallel over time; under `Tied`, one matrix product
    for all steps. Args, Returns and Raises are those of `unroll`, but for the carry.
    """
    sharing, common, per_step, is_real = _prepare(
        sharing, stored, inputs, (), lengths, start, num_steps
    )
    if is_real is not None:
        inputs = without_padding(inputs, is_real)

    def one(per_step_t, x):
        return sharing.apply(function, common, per_step_t, x)

    outputs = jax.vmap(one)(per_step, inputs)
    return outputs if is_real is None else where_real(is_real, outputs)


def _prepare(
    sharing: Sharing,
    stored: Stored,
    inputs: Any,
    carry: Carry,
    lengths: Any,
    start: Any,
    num_steps: int | None,
) -> tuple[Sharing, Any, Any, jax.Array | None]:
    """Checks what a loop is given; returns sharing, common, per_step and is_real."""
    num_inputs = count_inputs(inputs)
    if num_steps is not None:
        check_chunk(start, num_inputs, num_steps)
        sharing = bounded_to(sharing, num_steps)
    is_real = None
    if lengths is not None:
        lengths = check_lengths(lengths, num_inputs)
        check_batch(lengths.shape, inputs, carry)
        is_real = before(lengths, num_inputs)
    steps = resolve_steps(sharing, num_inputs, start=start, lengths=lengths)
    return sharing, *sharing.split(stored, steps), is_real

"""`unroll`: run a cell over time under any sharing."""

from collections.abc import Callable
from typing import Any

import jax

from rnnshare.sharing.base import Sharing, Stored
from rnnshare.sharing.unseen import bounded_to, check_chunk, resolve_steps
from rnnshare.unrolling.blocks import run_in_blocks, steps_of_block
from rnnshare.unrolling.implementations import choose
from rnnshare.unrolling.loop import Carry, Step, StepByProducts, run_step
from rnnshare.unrolling.newton import Newton
from rnnshare.unrolling.padding import (
    Padding,
    before,
    check_batch,
    check_lengths,
    count_inputs,
    padding_of,
    where_real,
    without_padding,
)
from rnnshare.unrolling.placement import place_carry


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
    implementation: str | Newton = "auto",
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
        does for all steps at once what needs no carry, for an `AffineCell` or a
        `LinearCell` under a sharing that supports it; 'associative' (see
        `unrolling.linear`) runs a `LinearCell` in O(log T) parallel rounds; 'cudnn'
        (see `unrolling.cudnn`) is NVIDIA's LSTM, on their GPUs under `Tied`;
        'parallel_backward' runs the backward pass of any cell in parallel over time,
        and 'parallel', or a `Newton` of other numbers, both passes (see
        `unrolling.parallel`), or a loop where the step mixes sequences; 'auto' is fused
        where that is possible and `remat` not True, else the scan, and of a
        `LinearCell` the fastest (see `best_linear`). In blocks it is asked of a block:
        what templates its steps read is known if they are those of every block. But for
        Newton's tolerance they differ in rounding only.

    Returns:
      The final carry, and the outputs [T, *batch, ...] in the order of the inputs.

    Raises:
      ValueError: if a step has no weights, lengths do not fit the inputs, `remat` is
        none of these, or the implementation is unknown, does not apply, or does not fit
        in memory.
      TypeError: if lengths are no integers, or the step changes the carry's type.

    Reference: Chen, Xu, Zhang, Guestrin, 2016, "Training deep nets with sublinear
    memory cost", for blocks of sqrt(T).
    """
    block = steps_of_block(remat, count_inputs(inputs))
    sharing, common, per_step, is_real = prepare(
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
        chosen = choose(implementation, step, sharing, per_step, inputs, carry, alone)
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
    sharing, common, per_step, is_real = prepare(
        sharing, stored, inputs, (), lengths, start, num_steps
    )
    if is_real is not None:
        inputs = without_padding(inputs, is_real)

    def one(per_step_t, x):
        return sharing.apply(function, common, per_step_t, x)

    outputs = jax.vmap(one)(per_step, inputs)
    return outputs if is_real is None else where_real(is_real, outputs)


def prepare(
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

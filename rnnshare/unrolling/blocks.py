"""The loop over time in blocks: memory that grows as sqrt(T) where T is long.

    carry_{n+1}, y_n = run(carry_n, x_n)    a loop over T / k blocks of k steps

Kept for the backward pass are the carries between blocks, T / k of them; what the k
steps of a block leave is made again when that block is differentiated. So a training
step runs the forward pass twice.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.unrolling.known import part_from_known
from rnnshare.unrolling.padding import Padding, count_inputs

Run = Callable[[Any, Any, Any, Padding | None], tuple[Any, Any]]


def steps_of_block(remat: bool | int | str, num_inputs: int) -> int | None:
    """Returns k, the steps of a block; None where `remat` asks for no blocks.

    For 'sqrt' it is the divisor of T nearest to sqrt(T), if one is within a factor of
    2, as steps that fill no block are kept, and joined to the others by copies.

    Args:
      remat: see `rnnshare.unroll`.
      num_inputs: T.

    Raises:
      ValueError: if it is none of its values, or T is symbolic, as in an export.
    """
    if isinstance(remat, bool):
        return None
    if (isinstance(remat, int | np.integer) and remat >= 2) or remat == "sqrt":
        if not isinstance(num_inputs, int):
            raise ValueError(
                f"remat={remat!r} cuts the steps into blocks, but there are "
                f"{num_inputs} of them. Use remat=True, or a known number of steps."
            )
        return _near_root(num_inputs) if remat == "sqrt" else int(remat)
    raise ValueError(
        f"remat is {remat!r}. Use False, True (each step by itself), 'sqrt', or the "
        "steps of a block, an integer of at least 2."
    )


def _near_root(num_inputs: int) -> int:
    root = math.sqrt(num_inputs)
    near = range(max(1, math.ceil(root / 2)), math.floor(2 * root) + 1)
    divisors = [k for k in near if num_inputs % k == 0]
    return min(divisors or [max(1, math.ceil(root))], key=lambda k: abs(k - root))


def run_in_blocks(
    run: Run,
    block: int,
    per_step: Any,
    inputs: Any,
    carry: Any,
    padding: Padding | None,
    *,
    reverse: bool,
) -> tuple[Any, Any]:
    """Runs a loop block by block; it keeps nothing of a block but its carry.

    Steps that fill no block, the last ones, are run by themselves.

    Args:
      run: `run(per_step, inputs, carry, padding) -> (carry, outputs)`, of any steps.
      block: k.
      per_step: leaves [T, ...]. What is NumPy stays so if it is the same in all blocks,
        as the templates of `Cyclic` are where the period divides k.
      inputs: leaves [T, *batch, ...].
      carry: leaves [*batch, ...].
      padding: its is_real bool[T, *batch]; None where there is none.
      reverse: run from the last block to the first; `run` does so with the steps.

    Returns:
      The final carry and the outputs [T, *batch, ...].
    """
    num_inputs = count_inputs(inputs)
    if num_inputs <= block:
        return run(per_step, inputs, carry, padding)
    is_real = None if padding is None else padding.is_real

    def between(begin: int, end: int) -> Any:
        return jax.tree.map(lambda leaf: leaf[begin:end], (per_step, inputs, is_real))

    def run_rest(carry: Any, steps: Any) -> tuple[Any, Any]:
        per_step, inputs, is_real = steps
        of_these = None if padding is None else padding._replace(is_real=is_real)
        return run(per_step, inputs, carry, of_these)

    def run_blocks(carry: Any, steps: Any) -> tuple[Any, Any]:
        per_step, *others = jax.tree.map(functools.partial(_fold, block), steps)
        traced, rebuild = part_from_known(jax.tree.map(_first_if_same, per_step))

        def body(carry: Any, scanned: Any) -> tuple[Any, Any]:
            traced, *others = scanned
            return run_rest(carry, (rebuild(traced), *others))

        body = jax.checkpoint(body, prevent_cse=False)  # a scan needs no such barrier
        carry, outputs = jax.lax.scan(body, carry, (traced, *others), reverse=reverse)
        return carry, jax.tree.map(lambda y: y.reshape(-1, *y.shape[2:]), outputs)

    whole = num_inputs - num_inputs % block
    parts = [(run_blocks, between(0, whole))]
    if whole < num_inputs:
        parts.append((run_rest, between(whole, num_inputs)))
    found = []
    for run_part, steps in reversed(parts) if reverse else parts:
        carry, outputs = run_part(carry, steps)
        found.append(outputs)
    if reverse:
        found.reverse()
    return carry, jax.tree.map(lambda *y: jnp.concatenate(y), *found)


def _fold(block: int, leaf: Any) -> Any:
    """Returns [T / k, k, ...] of [T, ...]."""
    return leaf.reshape(len(leaf) // block, block, *leaf.shape[1:])


def _first_if_same(blocks: Any) -> Any:
    """Returns NumPy's first block if all are the same, else the blocks, traced."""
    if isinstance(blocks, np.ndarray) and np.all(blocks == blocks[0]):
        return blocks[0]
    return jnp.asarray(blocks)

"""The size of a cell under a sharing: parameters, floating point operations, width."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.models.rnn import step_of
from rnnshare.sharing.base import Sharing, num_parameters
from rnnshare.unrolling.loop import run_step

MakeCell = Callable[..., nnx.RNNCellBase]  # cell(hidden_features, rngs=...)
SIZES = ("parameters", "flops")
_WIDEST = 2**17


def count_parameters(cell: MakeCell, sharing: Sharing, hidden_features: int) -> int:
    """Returns the scalars that a cell of width H stores under a sharing.

    Args:
      cell: `cell(hidden_features, rngs=...)`, as `functools.partial(LSTMCell, 12)`.
      sharing: any.
      hidden_features: H.
    """
    return num_parameters(_stored_shapes(cell, sharing, hidden_features))


def count_flops(
    cell: MakeCell,
    sharing: Sharing,
    hidden_features: int,
    *,
    batch_size: int = 32,
) -> float:
    """Returns the floating point operations of one step forward, for one sequence.

    Counted by XLA on the program of one step, the making of its weights included, for a
    batch, and divided by its size: weights are made once for all sequences of a batch.
    A product of [B, H] and [H, G] counts 2 B H G.

    Args:
      cell: see `count_parameters`.
      sharing: any.
      hidden_features: H.
      batch_size: B.
    """
    make = functools.partial(cell, hidden_features)
    blueprint = Blueprint.of(make)
    step, module = step_of(blueprint), blueprint.bind()
    in_features = module.in_features
    stored = _stored_shapes(cell, sharing, hidden_features)
    common, per_step = jax.eval_shape(
        lambda stored: jax.tree.map(jnp.asarray, sharing.split(stored, np.arange(1))),
        stored,
    )
    per_step = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), per_step
    )
    carry = jax.eval_shape(
        lambda: module.initialize_carry((batch_size, in_features), nnx.Rngs(0))
    )
    x = jax.ShapeDtypeStruct((batch_size, in_features), jnp.float32)
    lowered = jax.jit(functools.partial(run_step, step, sharing)).lower(
        common, per_step, carry, x
    )
    costs: Any = lowered.cost_analysis()
    return float(costs["flops"]) / batch_size


def match_width(
    cell: MakeCell,
    sharing: Sharing,
    target: float,
    by: str = "parameters",
    *,
    tolerance: float = 0.01,
) -> int:
    """Returns the width H at which a cell under a sharing has a size.

    Args:
      cell: see `count_parameters`.
      sharing: any.
      target: the size, such as `count_parameters` of another cell or sharing.
      by: 'parameters', or 'flops' (of one step and sequence, see `count_flops`).
      tolerance: the largest relative difference from the target.

    Raises:
      ValueError: if no whole width comes that near.
    """
    if by not in SIZES:
        raise ValueError(f"by is {by!r}. Use 'parameters' or 'flops'.")
    count: Any = count_parameters if by == "parameters" else count_flops

    @functools.cache
    def size(width: int) -> float:
        return count(cell, sharing, width)

    low, high = around(size, target, _WIDEST)
    best = min(low, high, key=lambda width: abs(size(width) - target))
    if not abs(size(best) - target) <= tolerance * target:
        raise ValueError(
            f"No width brings {sharing!r} within {tolerance:.1%} of {target:,.0f} "
            f"{by}: H={low} has {size(low):,.0f}, H={high} has {size(high):,.0f}. "
            "Use another target, or a larger tolerance."
        )
    return best


def around(size: Callable[[int], float], target: float, most: int) -> tuple[int, int]:
    """Returns two widths, one after the other, between whose sizes a target lies.

    Few sizes are asked for, of which each may be a model that is traced: what grows
    nearly as the square of the width is found by interpolating its root.

    Args:
      size: grows with the width.
      target: the size. The first two widths are returned if 1 has it or more, the last
        two if none has.
      most: the largest width, at least 2.
    """
    low, high, tries = 1, 2, 0
    while size(high) < target and high < most:
        guess = math.ceil(high * math.sqrt(target / max(size(high), 1)))
        low, high = high, min(max(2 * high, guess), most)
    if size(high) < target:
        return high - 1, high
    while high - low > 1:
        ends, tries = (math.sqrt(size(low)), math.sqrt(size(high))), tries + 1
        share = 0.5  # of every third try: else one end might hardly move
        if tries % 3 and ends[0] < ends[1]:
            share = (math.sqrt(target) - ends[0]) / (ends[1] - ends[0])
        middle = min(max(round(low + share * (high - low)), low + 1), high - 1)
        low, high = (middle, high) if size(middle) < target else (low, middle)
    return low, high


def _stored_shapes(cell: MakeCell, sharing: Sharing, hidden_features: int) -> Any:
    make = functools.partial(cell, hidden_features)
    return jax.eval_shape(
        lambda key: sharing.init(
            key, lambda key: pure_params(make(rngs=nnx.Rngs(key)))
        ),
        jax.random.key(0),
    )

"""The size of a cell under a sharing: parameters, floating point operations, width."""

import functools
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

    low, high = 1, 2
    while size(high) < target and high < _WIDEST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) < target else (low, middle)
    best = min(low, high, key=lambda width: abs(size(width) - target))
    if not abs(size(best) - target) <= tolerance * target:
        raise ValueError(
            f"No width brings {sharing!r} within {tolerance:.1%} of {target:,.0f} "
            f"{by}: H={low} has {size(low):,.0f}, H={high} has {size(high):,.0f}. "
            "Use another target, or a larger tolerance."
        )
    return best


def _stored_shapes(cell: MakeCell, sharing: Sharing, hidden_features: int) -> Any:
    make = functools.partial(cell, hidden_features)
    return jax.eval_shape(
        lambda key: sharing.init(
            key, lambda key: pure_params(make(rngs=nnx.Rngs(key)))
        ),
        jax.random.key(0),
    )

"""Unseen steps: what a sharing reads beyond the steps that it holds weights for.

An unseen step is an explicit choice, never an accident: every sharing that holds
weights for T steps has a field `beyond`, whose default is an error.
"""

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Steps = np.ndarray | jax.Array  # int[T]


def resolve_steps(
    sharing: Any,
    count: int,
    *,
    start: Any = 0,
    lengths: Any = None,
) -> Steps:
    """Returns which step's weights each of `count` steps from `start` on reads.

    A sharing that is defined at every step reads step t at step t. One that holds
    weights for T steps reads, at an unseen step t >= T, what its `beyond` says:

    - `error`: nothing; it raises (and so needs a static `start`).
    - `hold`: step T - 1. `cycle`: step t mod T.
    - `mean`: the mean of its weights over its T steps. `base`: the base it corrects.
      Both are the step number T here, one past the last.
    - `stretch`: every step t reads floor(t T / n), where n is the batch's one length
      (a scalar `lengths`, else `count`). Not causal; whole sequences only.

    Args:
      sharing: whose steps they are.
      count: how many, known at trace time.
      start: the first absolute step; a Python integer, or traced.
      lengths: the number of real steps, used by `stretch` alone.

    Returns:
      int[count], NumPy where start (and for `stretch` the length) is static.

    Raises:
      ValueError: if a step has no weights, or the policy cannot be followed.
    """
    static = not isinstance(start, jax.core.Tracer)
    steps: Steps
    if static:
        start = operator.index(start)
        if start < 0:
            raise ValueError(f"start is {start}, but steps are counted from 0.")
        steps = np.arange(start, start + count)
    else:
        steps = start + jnp.arange(count, dtype=start.dtype)
    limit = sharing.num_steps
    if limit is None:
        return steps
    beyond = sharing.beyond
    if beyond == "error":
        _check_seen(sharing, limit, count, start, static)
        return steps
    if beyond == "stretch":
        return _stretch(sharing, limit, count, start, static, lengths)
    if beyond == "cycle":
        return steps % limit
    last = limit - 1 if beyond == "hold" else limit
    return np.minimum(steps, last) if static else jnp.minimum(steps, last)


def _check_seen(sharing, limit: int, count: int, start: Any, static: bool) -> None:
    if not static:
        raise ValueError(
            f"{sharing!r} with beyond='error' needs a start that is known at trace "
            "time. Pass start as a Python integer (static_argnames under jit), or "
            f"choose what an unseen step reads: {_others(sharing)}."
        )
    end = start + count
    if end > limit and start == 0:
        raise ValueError(
            f"{sharing!r} holds weights for {limit} steps, but the inputs have "
            f"{count}. Use beyond='hold', or build it with num_steps={count}."
        )
    if end > limit:
        raise ValueError(
            f"unroll reads steps {start}..{end - 1} (start={start}, {count} inputs), "
            f"past the end of {sharing!r}. Use beyond='hold', or build it with "
            f"num_steps={end}."
        )


def _stretch(
    sharing, limit: int, count: int, start: Any, static: bool, lengths: Any
) -> Steps:
    if not static or start != 0:
        raise ValueError(
            f"{sharing!r} stretches its weights over a whole sequence, so start must "
            "be 0. Use beyond='hold' or 'cycle' for sequences that come in chunks."
        )
    if lengths is None:
        lengths = count
    if np.ndim(lengths) > 0:
        raise ValueError(
            f"{sharing!r} stretches its weights over the batch's one length, but "
            f"lengths has shape {np.shape(lengths)}. Use a scalar, or beyond='hold'."
        )
    if isinstance(lengths, jax.core.Tracer):
        steps = jnp.arange(count, dtype=lengths.dtype)
        return jnp.minimum(steps * limit // jnp.maximum(lengths, 1), limit - 1)
    return np.minimum(np.arange(count) * limit // max(int(lengths), 1), limit - 1)


def check_policy(sharing: Any) -> None:
    """Raises unless the sharing's `beyond` is one of its policies."""
    if sharing.beyond not in sharing.policies:
        raise ValueError(
            f"{type(sharing).__name__}: beyond is {sharing.beyond!r}. Use one of "
            f"{', '.join(map(repr, sharing.policies))}."
        )


def _others(sharing: Any) -> str:
    return ", ".join(f"beyond={name!r}" for name in sharing.policies if name != "error")

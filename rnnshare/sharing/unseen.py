"""Unseen steps: what a sharing reads beyond the steps that it holds weights for.

An unseen step is an explicit choice, never an accident: every sharing that holds
weights for T steps has a field `beyond`, whose default is an error.
"""

import dataclasses
import math
import operator
from typing import Any, NoReturn

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

    Args:
      sharing: whose steps they are.
      count: how many.
      start: the first absolute step; a Python integer, or traced.
      lengths: the number of real steps, used by `stretch` alone.

    Returns:
      int[count], NumPy where start (and for `stretch` the length) is static; int32
      where it is traced, or the number of steps is symbolic, as in an export.

    Raises:
      TypeError: if start is no integer.
      ValueError: if a step has no weights, or the policy cannot be followed.
    """
    start = as_start(start)
    if isinstance(start, int) and isinstance(count, int):
        steps: Any = np.arange(start, start + count)
    else:
        steps = start + jnp.arange(count, dtype=jnp.int32)
    return apply_beyond(sharing, steps, lengths)


def as_start(start: Any) -> Any:
    """Returns the first step as a Python integer, or traced, as int32.

    Raises:
      TypeError: if it is no integer.
      ValueError: if it is known and negative.
    """
    if isinstance(start, jax.core.Tracer):
        if not jnp.issubdtype(start.dtype, jnp.integer):
            raise TypeError(f"start must be an integer, but is {start.dtype}.")
        return as_int32(start)
    try:
        start = operator.index(start)
    except TypeError:
        raise TypeError(f"start must be an integer, but is {start!r}.") from None
    if start < 0:
        raise ValueError(f"start is {start}, but steps are counted from 0.")
    return start


def as_int32(count: jax.Array) -> jax.Array:
    """Returns integers as int32, those that do not fit as the nearest that does.

    Steps are counted in it: what is computed in a caller's narrower type wraps round.
    """
    low, high = jnp.iinfo(count.dtype).min, jnp.iinfo(count.dtype).max
    wanted = jnp.iinfo(jnp.int32)
    if low < wanted.min or high > wanted.max:
        count = jnp.clip(count, max(low, wanted.min), wanted.max)
    return count.astype(jnp.int32)


def apply_beyond(sharing: Any, steps: Steps, lengths: Any = None) -> Steps:
    """Returns which step's weights each of some consecutive absolute steps reads.

    A sharing without policies is defined at every step, or hands the steps on to its
    members; step t reads step t. One that holds weights for T steps reads, at an unseen
    step t >= T, what its `beyond` says:

    - `error`: nothing; it raises (and so needs static steps).
    - `hold`: step T - 1. `cycle`: step t mod T.
    - `mean`: the mean of its weights over its T steps, as step number T, one past the
      last.
    - `base`: step t of the base alone that it corrects.
    - `stretch`: every step t reads floor(t T / n), where n is the batch's one length
      (a scalar `lengths`, else the number of steps). Not causal; whole sequences only.

    Args:
      sharing: whose steps they are.
      steps: int[n], NumPy while they are known at trace time, else traced.
      lengths: see `resolve_steps`.

    Raises:
      ValueError: if a step has no weights, or the policy cannot be followed.
    """
    static = isinstance(steps, np.ndarray)
    if sharing.num_steps is None or sharing.delegates_steps:
        return steps
    if static and not len(steps):
        return steps
    # One that offers no choice refuses what it has no weights for.
    limit, beyond = sharing.num_steps, getattr(sharing, "beyond", "error")
    if beyond == "error":
        _check_seen(sharing, steps, static)
        return steps
    if beyond == "stretch":
        return _stretch(sharing, steps, static, lengths)
    if beyond == "cycle":
        return steps % limit
    if beyond == "base":
        return steps
    last = limit - 1 if beyond == "hold" else limit
    return np.minimum(steps, last) if static else jnp.minimum(steps, last)


def _check_seen(sharing: Any, steps: Any, static: bool) -> None:
    limit = sharing.num_steps
    if not static:
        raise ValueError(
            f"{sharing!r} with beyond='error' needs a start that is known at trace "
            "time. Pass start as a Python integer (static_argnames under jit), or "
            f"choose what an unseen step reads: {_others(sharing)}."
            if isinstance(steps.shape[0], int)
            else f"{sharing!r} with beyond='error' needs to know how many steps there "
            f"are, but the inputs have {steps.shape[0]}. Choose what an unseen step "
            f"reads: {_others(sharing)}."
        )
    count = len(steps)
    start, end = int(steps[0]), int(steps[-1]) + 1
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


def _stretch(sharing: Any, steps: Any, static: bool, lengths: Any) -> Steps:
    limit = sharing.num_steps
    if not static or steps[0] != 0:
        _refuse_stretch(sharing)
    if lengths is None:
        lengths = len(steps)
    if np.ndim(lengths) > 0:
        raise ValueError(
            f"{sharing!r} stretches its weights over the batch's one length, but "
            f"lengths has shape {np.shape(lengths)}. Use a scalar, or beyond='hold'."
        )
    if isinstance(lengths, jax.core.Tracer):
        check_int32(sharing, len(steps), limit)
        traced, n = jnp.asarray(steps, jnp.int32), jnp.maximum(lengths, 1)
        return jnp.minimum(traced * limit // n.astype(jnp.int32), limit - 1)
    return np.minimum(steps * limit // max(int(lengths), 1), limit - 1)


def check_int32(sharing: Any, *factors: int) -> None:
    """Raises if a product that indexes traced steps does not fit into 32 bits."""
    if math.prod(factors) >= 2**31:
        raise ValueError(
            f"{sharing!r} finds a step's weights by the product of {factors}, which "
            "passes 2**31 - 1. Give start and lengths as Python integers."
        )


def _refuse_stretch(sharing: Any) -> NoReturn:
    raise ValueError(
        f"{sharing!r} stretches its weights over a whole sequence, so start must "
        "be 0. Use beyond='hold' or 'cycle' for sequences that come in chunks."
    )


def bounded_to(sharing: Any, num_steps: int) -> Any:
    """Returns a sharing that reads the same in sequences of `num_steps` steps.

    Its steps are known to end there, so it may start at a traced one: nothing in it
    has to raise any more, and what has no policy for unseen steps needs none.

    Raises:
      ValueError: if a step of such a sequence has no weights, or the policy needs the
        whole sequence at once.
    """
    if sharing.policies:
        if sharing.beyond == "error":
            _check_seen(sharing, np.arange(num_steps), static=True)
            sharing = dataclasses.replace(sharing, beyond="hold")
        elif sharing.beyond == "stretch":
            _refuse_stretch(sharing)
    return sharing.map_members(lambda member: bounded_to(member, num_steps))


def check_chunk(start: Any, num_inputs: int, num_steps: int) -> None:
    """Raises if a chunk of inputs passes the end of its sequence, as far as is known.

    Raises:
      ValueError: if there are more inputs than steps, or where a static start puts them
        past the end.
    """
    first = as_start(start)
    if not isinstance(first, int):
        first = 0
    if not isinstance(num_inputs, int):
        return  # symbolic, as in an export
    if first + num_inputs > num_steps:
        raise ValueError(
            f"num_steps is {num_steps}, but the inputs are steps {first}.."
            f"{first + num_inputs - 1}. Give the number of steps of the whole sequence."
        )


def check_policy(sharing: Any) -> None:
    """Raises unless the sharing's `beyond` is one of its policies."""
    if sharing.beyond not in sharing.policies:
        raise ValueError(
            f"{type(sharing).__name__}: beyond is {sharing.beyond!r}. Use one of "
            f"{', '.join(map(repr, sharing.policies))}."
        )


def check_member(owner: Any, member: Any) -> None:
    """Raises unless a sharing can stand inside another one."""
    if not hasattr(member, "policies"):
        raise TypeError(
            f"{type(owner).__name__}: {member!r} is no Sharing. Use Tied(), or another."
        )
    if getattr(member, "beyond", None) == "stretch":
        raise ValueError(
            f"{type(owner).__name__}: {member!r} stretches over whole sequences, whose "
            "length a part does not see. Use beyond='hold' or 'cycle' inside it."
        )


def _others(sharing: Any) -> str:
    return ", ".join(f"beyond={name!r}" for name in sharing.policies if name != "error")

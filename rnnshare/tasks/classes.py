"""Classes for answers: what they cost, whether they are right, and which there are.

A class outside 0..O-1 is none: it is refused where arrays come in, and where it is met
under a trace its loss and its accuracy are NaN, for -1 would count as the last class.
What is not scored may be anything.

Shape letters: B batch, T time, O outputs.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax


def cross_entropy(
    logits: jax.Array, classes: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """Returns the cross entropy of each answer, in nats and float32.

    Args:
      logits: [..., O].
      classes: int[...]; the cost of one outside 0..O-1 is NaN, where it is scored.
      mask: bool[...], what is scored; all by default.
    """
    within = _within(logits, classes)
    losses = optax.softmax_cross_entropy_with_integer_labels(
        logits.astype(jnp.float32), jnp.where(within, classes, 0)
    )
    return _nan_where_unknown(losses, within, mask)


def is_right(logits: jax.Array, classes: jax.Array) -> jax.Array:
    """Returns which answers are right, bool[...]: the largest logit is their class's.

    An answer with a NaN among its logits is wrong, whatever `argmax` makes of it.

    Args:
      logits: [..., O].
      classes: int[...].
    """
    right = jnp.argmax(logits, -1).astype(classes.dtype) == classes
    return right & ~jnp.any(jnp.isnan(logits), -1)


def rightness(
    logits: jax.Array, classes: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """Returns float32[...]: 1 where `is_right`, else 0; its mean is the accuracy.

    Args:
      logits: [..., O].
      classes: int[...]; NaN is returned of one outside 0..O-1, where it is scored.
      mask: bool[...], what is scored; all by default.
    """
    right = is_right(logits, classes).astype(jnp.float32)
    return _nan_where_unknown(right, _within(logits, classes), mask)


def _within(logits: jax.Array, classes: jax.Array) -> jax.Array:
    return (classes >= 0) & (classes < logits.shape[-1])


def _nan_where_unknown(
    values: jax.Array, within: jax.Array, mask: jax.Array | None
) -> jax.Array:
    known = within if mask is None else within | ~jnp.asarray(mask)
    return jnp.where(known, values, jnp.nan)


def check_batch(
    owner: str, batch: Any, num_classes: int, num_tokens: int | None = None
) -> None:
    """Raises if a batch has classes or tokens that there are not, where they count.

    Arrays alone are looked at, and no tracers: a batch may be a part of a pytree.

    Args:
      owner: of the batch, for the message.
      batch: a `Batch`; its targets count where its mask is true, its tokens before the
        end of their sequence.
      num_classes: O.
      num_tokens: how many tokens there are, if the inputs are tokens.

    Raises:
      ValueError: on the first of them.
      TypeError: if classes are no integers.
    """
    targets, mask, inputs, lengths = (
        _concrete(getattr(batch, name, None))
        for name in ("targets", "mask", "inputs", "lengths")
    )
    way_out = "Number them from 0; what is not to be scored goes by the mask."
    _check_range(f"{owner}.targets", targets, "classes", num_classes, mask, way_out)
    if num_tokens is not None and inputs is not None and _is_integer(inputs):
        real = None  # what reads tokens refuses those that are no integers
        if lengths is not None:
            real = np.arange(inputs.shape[-1]) < lengths[..., None]
        way_out = "Number them from 0; padding is what stands after `lengths` steps."
        _check_range(f"{owner}.inputs", inputs, "tokens", num_tokens, real, way_out)


def _check_range(
    name: str,
    values: np.ndarray | None,
    kind: str,
    count: int,
    counted: np.ndarray | None,
    way_out: str,
) -> None:
    if values is None:
        return
    if not _is_integer(values):
        raise TypeError(f"{name} are {values.dtype}. Use integers for {kind}.")
    wrong = (values < 0) | (values >= count)
    if counted is not None:
        wrong &= counted
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        at = ", ".join(map(str, place))
        raise ValueError(
            f"{name}[{at}] is {values[place]}, but the {kind} are 0..{count - 1}. "
            f"{way_out}"
        )


def _is_integer(values: np.ndarray) -> bool:
    return np.issubdtype(values.dtype, np.integer)


def _concrete(leaf: Any) -> np.ndarray | None:
    is_traced = isinstance(leaf, jax.core.Tracer)
    if isinstance(leaf, jax.Array) and not is_traced and leaf.is_fully_addressable:
        leaf = jax.device_get(leaf)
    return leaf if isinstance(leaf, np.ndarray) else None

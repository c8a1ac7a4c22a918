"""Numbers that are not finite: which was the first, and what is done about it.

Pure functions of the states of one replica, which `rnnshare.training.loop` is made of,
and the words for what they find.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rnnshare.training.state import Counts, TrainState

ON_NONFINITE = ("stop", "skip", "rollback")
# Steps that are skipped, or returns to one state, of which a replica has diverged.
MOST_IN_ROW = {"skip": 10, "rollback": 3}
# The columns that count them in a replica's metrics.
COLUMNS = {"skip": "skipped", "rollback": "rolled_back"}


class Looked(NamedTuple):
    """Pytrees of what was looked at in a step, in the order that it comes about.

    The leaves are bool[], whether a tensor is finite; of windows bool[W].
    """

    inputs: Any
    targets: Any
    loss: Any
    gradient: Any
    params: Any = ()
    optimizer_state: Any = ()


def each_finite(tree: Any) -> Any:
    """Returns bool[] for each leaf: whether it is finite, as integers always are."""
    return each_still_finite(None, tree)


def each_still_finite(before: Any, after: Any) -> Any:
    """Returns bool[] for each leaf: whether its numbers are finite, or were not before.

    The state of an optimiser may hold an infinity on purpose, as the best loss so far.

    Args:
      before: as `after`; None: all were finite.
      after: a pytree.
    """

    def still(new: Any, old: Any = None) -> jax.Array:
        if not jnp.issubdtype(jnp.result_type(new), jnp.inexact):
            return jnp.bool(True)
        sound = jnp.isfinite(new)
        return jnp.all(sound if old is None else sound | ~jnp.isfinite(old))

    return jax.tree.map(still, after, *([] if before is None else [before]))


def all_finite(tree: Any) -> jax.Array:
    """Returns bool[]: whether every leaf is finite."""
    return every([jnp.all(jnp.isfinite(numbers)) for numbers in _flat(tree)])


def still_finite(before: Any, after: Any) -> jax.Array:
    """Returns bool[]: whether every leaf is finite, or was not before."""
    pairs = zip(_flat(before), _flat(after), strict=True)
    return every([jnp.all(jnp.isfinite(a) | ~jnp.isfinite(b)) for b, a in pairs])


def _flat(tree: Any) -> list[jax.Array]:
    """Returns what is no integer as a vector a dtype.

    One reduction compiles in a fraction of the time that one a leaf takes, which was a
    third of a training's.
    """
    found: dict[Any, list[jax.Array]] = {}
    for leaf in jax.tree.leaves(tree):
        if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
            found.setdefault(jnp.result_type(leaf), []).append(jnp.ravel(leaf))
    return [jnp.concatenate(leaves) for leaves in found.values()]


def every(flags: Any) -> jax.Array:
    """Returns whether all leaves are true, which have one shape."""
    return functools.reduce(jnp.logical_and, jax.tree.leaves(flags), jnp.bool(True))


def look(batch: Any, loss: jax.Array, gradient: Any) -> Looked:
    """Returns which tensors of a step are finite."""
    return Looked(
        each_finite(batch.inputs),
        each_finite(batch.targets),
        each_finite(loss),
        each_finite(gradient),
    )


def all_finite_in(batch: Any, loss: jax.Array, gradient: Any) -> jax.Array:
    """Returns whether the loss and the gradient of a step are finite."""
    del batch
    return all_finite((loss, gradient))


def skipping(before: TrainState, after: TrainState, finite: jax.Array) -> TrainState:
    """Returns the state after a step, which is not taken unless all is finite.

    Args:
      before: the state.
      after: that after the step.
      finite: bool[] or bool[W], whether its losses and gradients are.
    """
    finite = jnp.all(finite) & still_finite(_learnt(before), _learnt(after))
    total, in_row = _counts(before)
    in_row = jnp.where(finite, 0, in_row + 1)
    lost = (in_row >= MOST_IN_ROW["skip"]) & (before.diverged == 0)
    params, optimizer_state = _select(finite, _learnt(after), _learnt(before))
    return after._replace(
        params=params,
        optimizer_state=optimizer_state,
        nonfinite=Counts(jnp.where(finite, total, total + 1), in_row),
        diverged=jnp.where(lost, after.step, before.diverged),
    )


def judged(
    policy: str, before: TrainState, after: TrainState, losses: jax.Array, measured: Any
) -> TrainState:
    """Returns the state after a chunk, with which a replica goes on or rests.

    Args:
      policy: the recipe's `on_nonfinite`.
      before: the state at the last validation.
      after: that after the chunk.
      losses: float32[N], those of the chunk's batches.
      measured: the metrics of validation.
    """
    sound = all_finite((measured, after.params)) & still_finite(
        before.optimizer_state, after.optimizer_state
    )
    found = jnp.where(sound, 0, after.step)
    if policy != "skip":  # which took none of these steps
        bad = ~jnp.isfinite(losses)
        first = before.step + 1 + jnp.argmax(bad).astype(jnp.int32)
        found = jnp.where(jnp.any(bad), first, found)
    diverged = jnp.where(after.diverged > 0, after.diverged, found)
    gone_on = after._replace(diverged=diverged, stopped=after.stopped | (diverged > 0))
    if policy != "rollback":
        return gone_on
    total, in_row = _counts(before)
    back = before._replace(nonfinite=Counts(total + 1, in_row + 1))
    gone_on = gone_on._replace(nonfinite=Counts(total, jnp.zeros_like(in_row)))
    again = (found > 0) & (in_row < MOST_IN_ROW["rollback"])
    return _select(again, back, gone_on)


def mean(losses: jax.Array) -> jax.Array:
    """Returns the mean of those that are finite; NaN if none is."""
    finite = jnp.isfinite(losses)
    total = jnp.sum(jnp.where(finite, losses, jnp.zeros_like(losses)))
    found = total / jnp.maximum(jnp.sum(finite), 1).astype(losses.dtype)
    return jnp.where(jnp.any(finite), found, jnp.full_like(found, jnp.nan))


def norm(gradient: Any) -> jax.Array:
    """Returns the norm of a gradient, worked out in float32."""
    sizes = jax.tree.map(lambda g: jnp.abs(g).astype(jnp.float32), gradient)
    return optax.tree.norm(sizes)


def first_window(flags: Looked) -> Looked:
    """Returns the flags bool[] of the first window of bool[W] where one is false."""
    window = jnp.argmin(every(flags))
    return jax.tree.map(lambda leaf: leaf[window], flags)


def consequence(policy: str, diverged: int, step: int, total: int) -> str:
    """Returns in words what is done about it.

    Args:
      policy: the recipe's `on_nonfinite`.
      diverged: the step at which the replica did, or 0.
      step: of the last validation.
      total: how often it skipped a step, or went back.
    """
    if not diverged:
        return {
            "skip": "the step is not taken, nor is any such (the metrics count them)",
            "rollback": f"it goes back to step {step}, and on with other batches",
        }[policy]
    after = {
        "skip": f" after {total} skipped steps",
        "rollback": f" after it went back {total} times",
    }
    return f"it has diverged{after.get(policy, '')}, and is trained no further"


def _counts(state: TrainState) -> Counts:
    assert state.nonfinite is not None  # for the type checker
    return state.nonfinite


def _learnt(state: TrainState) -> tuple[Any, Any]:
    return state.params, state.optimizer_state


def _select(which: jax.Array, new: Any, old: Any) -> Any:
    return jax.tree.map(functools.partial(jnp.where, which), new, old)

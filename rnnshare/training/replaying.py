"""A chunk is run once more, step by step, to name what was not finite first."""

import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from rnnshare.training import nonfinite
from rnnshare.training.loop import Loop
from rnnshare.training.nonfinite import Looked
from rnnshare.training.state import Replica, TrainState


def replay(
    loop: Loop, replica: Replica, before: TrainState
) -> tuple[jax.Array, Looked]:
    """Returns which step of a chunk is the first where something is not finite.

    Args:
      loop: what is trained.
      replica: whose.
      before: the state before the chunk.

    Returns:
      The step, from 1 on, and which of its tensors are finite; those of the chunk's
      last step, if all are.
    """

    def try_step(state: TrainState) -> tuple[TrainState, Looked]:
        after, _, looked = loop.try_step(replica, state, nonfinite.look)
        if loop.recipe.truncation is not None:
            looked = nonfinite.first_window(looked)
        return after, looked._replace(
            params=nonfinite.each_finite(after.params),
            optimizer_state=nonfinite.each_still_finite(
                state.optimizer_state, after.optimizer_state
            ),
        )

    def goes_on(tried: tuple[TrainState, Looked]) -> jax.Array:
        state, looked = tried
        left = state.step < before.step + loop.recipe.validate_every
        return nonfinite.every(looked) & left & ~state.stopped

    shapes = jax.eval_shape(try_step, before)[1]
    start = before, jax.tree.map(lambda _: jnp.bool(True), shapes)
    state, looked = jax.lax.while_loop(goes_on, lambda tried: try_step(tried[0]), start)
    return state.step, looked


def name_first(flags: Looked, measured: Mapping[str, float]) -> str | None:
    """Returns what is not finite, in words, or None if all is.

    Args:
      flags: of one step, on the host.
      measured: the metrics of the validation after it.
    """
    words = {
        "inputs": "the batch's inputs",
        "targets": "the batch's targets",
        "loss": "the loss",
        "gradient": "the gradient of",
        "params": "the update of",
        "optimizer_state": "the optimiser's",
    }
    for keys, finite in jax.tree_util.tree_flatten_with_path(flags)[0]:
        if not finite:
            path = jax.tree_util.keystr(keys, simple=True, separator="/")
            kind, _, name = path.partition("/")
            return f"{words[kind]} {name}".rstrip()
    return first_metric(measured)


def first_metric(measured: Mapping[str, float | None]) -> str | None:
    """Returns the name of the first metric that is not finite, or None."""
    for name, value in measured.items():
        if value is not None and not math.isfinite(value):
            return name
    return None

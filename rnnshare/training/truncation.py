"""Truncated back-propagation: gradients flow back through windows of k steps.

A batch of [B, T] is run in T / k windows, with an optimiser step after each; a stream
is a batch of long sequences. `training.loop` trains so where its recipe says it.

Shape letters: B batch, T time, k window, W windows a sequence.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnshare.tasks import Batch

CARRIES = ("hand_on", "reset")


class Window(NamedTuple):
    """A window of a batch; all windows of it have the leading axis W.

    Attributes:
      batch: leaves [B, k, ...]; lengths count the steps of the window.
      start: int32[], its first step.
    """

    batch: Batch
    start: jax.Array


@dataclasses.dataclass(frozen=True)
class Truncation:
    """How far gradients flow back, and what a window begins with.

    With `window` = T the gradient is that of full back-propagation. The forward pass
    of the windows joined is that of the whole sequence, where the carry is handed on
    and the weights rest.

    Attributes:
      window: k, in steps; T is a multiple of it.
      carry: 'hand_on' begins a window with the carry that the one before it ended
        with, detached; 'reset' with the initial carry, as if nothing came before.

    Reference: Williams, Peng, 1990, "An efficient gradient-based algorithm for on-line
    training of recurrent network trajectories": k steps back, every k steps.
    """

    window: int
    carry: str = "hand_on"

    def __post_init__(self):
        if not isinstance(self.window, int) or self.window < 1:
            raise ValueError(
                f"Truncation: window is {self.window!r}. Use an integer of at least 1."
            )
        if self.carry not in CARRIES:
            raise ValueError(
                f"Truncation: carry is {self.carry!r}. Use 'hand_on' or 'reset'."
            )

    def check(self, task: Any, model: Any) -> None:
        """Raises unless a model can be trained on a task in windows."""
        name = type(getattr(task, "task", task)).__name__  # of one that is held
        if not hasattr(model, "initialize_carry"):
            raise ValueError(
                f"{type(model).__name__} has no initialize_carry, so there is no carry "
                f"to begin a window with. Train it without {self!r}."
            )
        if task.readout != "every":
            raise ValueError(
                f"{self!r} takes an optimiser step in every window, but {name} is "
                "answered at the last step only. Use a task with readout='every'."
            )
        if task.num_steps % self.window:
            raise ValueError(
                f"{self!r} cuts sequences into windows of {self.window} steps, but "
                f"those of {name} have {task.num_steps}. Use a window that "
                f"divides {task.num_steps}."
            )

    def cut(self, batch: Batch) -> Window:
        """Returns the windows of a batch, leaves [W, B, k, ...], in their order."""
        num_steps = batch.inputs.shape[1]
        count = num_steps // self.window
        starts = self.window * jnp.arange(count, dtype=jnp.int32)

        def part(leaf: jax.Array) -> jax.Array:
            shape = (len(leaf), count, self.window, *leaf.shape[2:])
            return jnp.moveaxis(jnp.reshape(leaf, shape), 1, 0)

        inputs, targets, mask = jax.tree.map(
            part, (batch.inputs, batch.targets, batch.mask)
        )
        lengths = None
        if batch.lengths is not None:
            left = jnp.asarray(batch.lengths)[None] - starts[:, None]
            lengths = jnp.clip(left, 0, self.window)
        return Window(Batch(inputs, targets, lengths, mask), starts)

    def next_carry(self, initial: Any, final: Any) -> Any:
        """Returns what the next window begins with; no gradient flows through it."""
        return jax.lax.stop_gradient(initial if self.carry == "reset" else final)

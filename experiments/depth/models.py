"""What `depth` trains: stacks of blocks under a sharing over depth.

Shape letters: B batch, T time, D input features, H hidden features, O outputs.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnnshare import Sharing, Stack
from rnnshare.cells.blueprint import Blueprint
from rnnshare.training import Setting

HEADS = 2  # of attention
EXPANSION = 2  # of an MLP: its hidden features over H
_MASKED = ("first", "second")  # kernels [T, T], of which one triangle is read


class FeatureMLP(nnx.Module):
    """Normalises, and applies the same two dense layers at every step.

    Parameters: 2 E H^2 + E H + 3 H, E the expansion.
    """

    def __init__(self, features: int, *, rngs: nnx.Rngs):
        """Draws the weights."""
        self.norm = nnx.LayerNorm(features, rngs=rngs)
        self.up = nnx.Linear(features, EXPANSION * features, rngs=rngs)
        self.down = nnx.Linear(EXPANSION * features, features, rngs=rngs)

    @staticmethod
    def size(features: int) -> int:
        """Returns how many parameters it has."""
        return features * (2 * EXPANSION * features + EXPANSION + 3)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns what is shaped as x, [B, T, H]."""
        return self.down(nnx.gelu(self.up(self.norm(x))))


class AttentionBlock(nnx.Module):
    """Causal self-attention, then an MLP; each reads a norm, and adds to what it read.

    Reference: Vaswani et al., 2017, "Attention is all you need".
    """

    __public_name__ = "experiments.AttentionBlock"  # in keys, wherever it stands

    def __init__(self, features: int, num_steps: int, *, rngs: nnx.Rngs):
        """Draws the weights, as many whatever the number of steps."""
        del num_steps
        self.norm = nnx.LayerNorm(features, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(
            HEADS, features, use_bias=False, decode=False, keep_rngs=False, rngs=rngs
        )
        self.mlp = FeatureMLP(features, rngs=rngs)

    @staticmethod
    def size(features: int, num_steps: int) -> int:
        """Returns how many parameters it has."""
        del num_steps
        return features * (4 * features + 2) + FeatureMLP.size(features)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns what is shaped as x, [B, T, H]."""
        mask = nnx.make_causal_mask(x[..., 0], dtype=bool)
        x = x + self.attention(self.norm(x), mask=mask)
        return x + self.mlp(x)


class MixerBlock(nnx.Module):
    """An MLP over time, then one over features; each adds to what it reads.

    The hidden unit t of the MLP over time reads the steps up to t, and step t the
    hidden units up to t, so it is causal: of both kernels [T, T] the upper triangle is
    read.

    Reference: Tolstikhin et al., 2021, "MLP-Mixer: an all-MLP architecture for vision".
    """

    __public_name__ = "experiments.MixerBlock"  # in keys, wherever it stands

    def __init__(self, features: int, num_steps: int, *, rngs: nnx.Rngs):
        """Draws the weights."""
        self.norm = nnx.LayerNorm(features, rngs=rngs)
        self.first = nnx.Linear(num_steps, num_steps, rngs=rngs)
        self.second = nnx.Linear(num_steps, num_steps, rngs=rngs)
        self.mlp = FeatureMLP(features, rngs=rngs)

    @staticmethod
    def size(features: int, num_steps: int) -> int:
        """Returns how many parameters it reads: none behind the mask."""
        over_time = num_steps * (num_steps + 3)
        return 2 * features + over_time + FeatureMLP.size(features)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns what is shaped as x, [B, T, H]."""
        mixed = jnp.swapaxes(self.norm(x), -1, -2)
        mixed = _over_time(self.second, nnx.gelu(_over_time(self.first, mixed)))
        x = x + jnp.swapaxes(mixed, -1, -2)
        return x + self.mlp(x)


def _over_time(layer: Any, x: jax.Array) -> jax.Array:
    """Applies a layer to [..., T], each output to the inputs up to its own step."""
    kernel, bias = jnp.triu(layer.kernel[...]), layer.bias[...]
    return x @ kernel + bias.reshape((1,) * (x.ndim - 1) + bias.shape)


BLOCKS: dict[str, Any] = {
    "Transformer": AttentionBlock,
    "Mixer": MixerBlock,
}


class StackedModel(nnx.Module):
    """Reads a sequence through a `Stack`, and answers as `SequenceModel` does.

    inputs [B, T, D] -> dense, or tokens int[B, T] -> embedding; + positions [T, H]
    -> the block, once a pass -> norm -> read-out: [B, O] at the last step, or
    [B, T, O] at every step
    """

    def __init__(self, make: "StackFor", *, rngs: nnx.Rngs):
        """Draws the weights."""
        features = make.hidden_features
        self.entry = (
            nnx.Linear(make.in_features, features, rngs=rngs)
            if make.num_tokens is None
            else nnx.Embed(make.num_tokens, features, rngs=rngs)
        )
        start = nnx.initializers.normal(0.1)
        self.positions = nnx.Param(
            start(rngs.params(), (make.num_steps, features), jnp.float32)
        )
        self.stack = Stack(
            functools.partial(make.block, features, make.num_steps),
            make.sharing,
            make.depth,
            rngs=rngs,
        )
        self.norm = nnx.LayerNorm(features, rngs=rngs)
        self.readout = nnx.Linear(features, make.out_features, rngs=rngs)
        self.every = make.readout == "every"

    def __call__(
        self, inputs: jax.Array, *, seq_lengths: Any = None, rngs: Any = None
    ) -> jax.Array:
        """Returns the answers.

        Raises:
          ValueError: if sequences have lengths of their own, which no block here knows.
        """
        del rngs
        if seq_lengths is not None:
            raise ValueError(
                "StackedModel reads whole sequences, but seq_lengths are given. Use a "
                "task whose sequences have one length."
            )
        x = self.stack(self.entry(inputs) + self.positions[...][None])
        return self.readout(self.norm(x if self.every else x[:, -1]))


@dataclasses.dataclass(frozen=True)
class StackFor:
    """Makes the `StackedModel` of a task: a factory that hashes and compares."""

    block: Callable[..., nnx.Module]
    hidden_features: int
    sharing: Sharing
    depth: int
    num_steps: int
    in_features: int
    out_features: int
    readout: str
    num_tokens: int | None

    def __call__(self, *, rngs: nnx.Rngs) -> StackedModel:
        """Draws the model."""
        return StackedModel(self, rngs=rngs)


@dataclasses.dataclass(frozen=True)
class StackSetting(Setting):
    """A stack of blocks in the place of an RNN; `cell` is the block's class.

    Attributes:
      depth: passes; `sharing` is over them.
    """

    __public_name__ = "experiments.StackSetting"  # in keys, wherever it stands

    depth: int = 4

    def make_model(self):
        """Returns the model's factory."""
        task = self.make_task(0)
        return StackFor(
            self.cell,
            self.hidden_features,
            self.sharing,
            self.depth,
            task.num_steps,
            task.in_features,
            task.out_features,
            task.readout,
            task.num_tokens,
        )

    def num_parameters(self) -> int:
        """Returns how many scalars are trained and read: no masked ones of a mixer."""
        found = 0
        for path, variable in Blueprint.of(self.make_model()).variables().items():
            shape = variable.get_value().shape
            size, masked = (
                math.prod(shape),
                path[-1] == "kernel" and path[-2] in _MASKED,
            )
            found += size * (shape[-1] + 1) // (2 * shape[-1]) if masked else size
        return found

    def columns(self):
        """Returns what names this setting in a row."""
        return super().columns() | {"depth": self.depth}


def sizes(setting: Setting, count: int = 1) -> dict[str, int]:
    """Returns how many scalars are read 'once', and how many by each recurrence.

    Args:
      setting: of a stack or of a GRU network, whatever its sharing.
      count: K, the sets of weights of the block or cell that are stored: 'shared'.
    """
    task, h = setting.make_task(0), setting.hidden_features
    once = task.out_features * (h + 1)
    if isinstance(setting, StackSetting):
        block: Any = setting.cell
        once += h * (task.num_tokens or task.in_features + 1) + h * (task.num_steps + 2)
        return {"once": once, "shared": count * block.size(h, task.num_steps)}
    d = task.in_features
    cell = 3 * h * (d + h + 2)
    return {"once": once + d * (task.num_tokens or 0), "shared": count * cell}

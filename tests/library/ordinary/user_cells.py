"""Cells as users bring them: test doubles of what the library has not."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnshare import ElmanCell
from tests.library.ordinary.affine_user_cells import (
    Countdown,
    Counting,
    PeepholeLSTM,
    UnitElman,
    along,
    normalise,
)
from tests.library.ordinary.cases import D, H, T, generic


class Cell(nnx.RNNCellBase):
    """A cell of H features that is a Flax module and nothing more."""

    num_feature_axes = 1

    def __init__(self, *, rngs):
        self.dense = nnx.Linear(D + H, H, rngs=rngs)

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        return jnp.zeros((*input_shape[:-1], H))

    def mixed(self, h, x):
        return self.dense(jnp.concatenate([h, x], axis=-1))


class LayerNormLSTM(Cell):
    def __init__(self, *, rngs):
        self.dense = nnx.Linear(D + H, 4 * H, use_bias=False, rngs=rngs)
        self.norm = nnx.LayerNorm(4 * H, rngs=rngs)

    def __call__(self, carry, x):
        c, h = carry
        i, f, g, o = jnp.split(self.norm(self.mixed(h, x)), 4, axis=-1)
        c = nnx.sigmoid(f) * c + nnx.sigmoid(i) * nnx.tanh(g)
        h = nnx.sigmoid(o) * nnx.tanh(c)
        return (c, h), h

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        zero = super().initialize_carry(input_shape)
        return zero, zero


class Zoneout(Cell):
    """Keeps units at random, by a typed key that each sequence carries."""

    def __call__(self, carry, x):
        h, keys = carry
        pairs = jax.vmap(jax.random.split)(keys)
        keys, now = pairs[:, 0], pairs[:, 1]
        keep = jax.vmap(lambda key: jax.random.bernoulli(key, 0.5, (H,)))(now)
        h = jnp.where(keep, h, nnx.tanh(self.mixed(h, x)))
        return (h, keys), h

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        keys = jax.random.split(jax.random.key(7), input_shape[:-1])
        return super().initialize_carry(input_shape), keys


class SharedZoneout(Cell):
    """The same with one key for the whole batch."""

    def __call__(self, carry, x):
        h, key = carry
        key, now = jax.random.split(key)
        keep = jax.random.bernoulli(now, 0.5, h.shape)
        h = jnp.where(keep, h, nnx.tanh(self.mixed(h, x)))
        return (h, key), h

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        return super().initialize_carry(input_shape), jax.random.key(7)


class ConvLSTM(nnx.RNNCellBase):
    """An LSTM of images [*B, 3, 3, 1], with F = 2 channels."""

    num_feature_axes = 3

    def __init__(self, *, rngs):
        conv = functools.partial(nnx.Conv, kernel_size=(3, 3), rngs=rngs)
        self.input, self.recurrent = conv(1, 8), conv(2, 8, use_bias=False)

    def __call__(self, carry, x):
        c, h = carry
        i, f, g, o = jnp.split(self.input(x) + self.recurrent(h), 4, axis=-1)
        c = nnx.sigmoid(f) * c + nnx.sigmoid(i) * nnx.tanh(g)
        h = nnx.sigmoid(o) * nnx.tanh(c)
        return (c, h), h

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        zero = jnp.zeros((*input_shape[:-1], 2))
        return zero, zero


class LearnedStart(Cell):
    """Its initial state is a parameter: that of the first step that is run."""

    def __init__(self, *, rngs):
        super().__init__(rngs=rngs)
        self.first = nnx.Param(jnp.asarray(generic((H,), 9)))

    def __call__(self, h, x):
        h = nnx.tanh(self.mixed(h, x))
        return h, h

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        return jnp.broadcast_to(self.first[...], (*input_shape[:-1], H))


class DrawnStart(Cell):
    """Draws its initial state from the stream that `nnx.RNN` hands it."""

    def __call__(self, h, x):
        h = nnx.tanh(self.mixed(h, x))
        return h, h

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        return jax.random.normal(rngs(), (*input_shape[:-1], H))


class Rotating(Cell):
    """Complex weights, carry and outputs: a diagonal linear recurrence."""

    def __init__(self, *, rngs):
        self.kernel = nnx.Param(jnp.asarray(generic((D, H), 10, np.complex64)))
        self.eigenvalues = nnx.Param(jnp.asarray(generic((H,), 11, np.complex64)))

    def __call__(self, h, x):
        h = h * along(self.eigenvalues[...], h) + x.astype(h.dtype) @ self.kernel[...]
        return h, h

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        return jnp.zeros((*input_shape[:-1], H), jnp.complex64)


class Phasor(Rotating):
    """Complex beside real: what is real, its input too, is no complex number."""

    def __call__(self, carry, x):
        h, z = carry
        z, _ = super().__call__(z, x - jnp.floor(x))
        h = nnx.tanh(jnp.real(z) + 0.5 * h)
        return (h, z), h

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        return jnp.zeros((*input_shape[:-1], H)), super().initialize_carry(input_shape)


class LogDomain(Cell):
    """Singular at an input of zero, and at a carry of zero."""

    def __call__(self, h, x):
        logs = jnp.log(jnp.abs(x)) + x / jnp.abs(x)
        scale = jnp.sqrt(jnp.sum(h * h, axis=-1, keepdims=True))
        h = nnx.tanh(self.mixed(h / scale, logs)) + h / scale
        return h, jnp.log(jnp.abs(h))

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        return jnp.ones((*input_shape[:-1], H))


class Dictionaries(Cell):
    """A dictionary as carry, and another as output."""

    def __call__(self, carry, x):
        h = nnx.tanh(self.mixed(carry["h"], x))
        total = carry["total"] + h
        return {"h": h, "total": total}, {"y": h * total, "gate": nnx.sigmoid(h)}

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        zero = super().initialize_carry(input_shape)
        return {"h": zero, "total": zero}


class Frozen(nnx.Param):
    """A parameter that is not trained, told by its type as Flax's filters do."""


class FrozenKernel(Cell):
    def __init__(self, *, rngs):
        super().__init__(rngs=rngs)
        self.reservoir = Frozen(jnp.asarray(generic((H, H), 12)), origin="a paper")

    def __call__(self, h, x):
        h = nnx.tanh(self.mixed(h, x) + h @ self.reservoir[...])
        return h, h


class NoStart(Cell):
    """Says nothing of its initial carry, as one may who always gives it."""

    initialize_carry = nnx.RNNCellBase.initialize_carry

    def __call__(self, h, x):
        h = nnx.tanh(self.mixed(h, x))
        return h, h


class BatchMean(Cell):
    """Its output is one number a step, for the whole batch."""

    def __call__(self, h, x):
        h = nnx.tanh(self.mixed(h, x))
        return h, jnp.mean(h)


@dataclasses.dataclass(frozen=True)
class UserCell:
    """A line of the table.

    Attributes:
      make: `make(rngs=...)`.
      features: the shape of one input.
      carry: a function of the lengths that returns the initial carry; None where that
        is what the cell's `initialize_carry` returns.
      is_affine: whether a fused unroll may take it.
    """

    make: Callable[..., nnx.RNNCellBase]
    features: tuple[int, ...] = (D,)
    carry: Callable[[Sequence[int]], Any] | None = None
    is_affine: bool = False


def away_from_zero(lengths: Sequence[int]) -> jax.Array:
    """A carry that is zero where no step reads it, and only there."""
    carry = 1 + np.abs(generic((len(lengths), H), 13))
    return jnp.asarray(np.where(np.array(lengths)[:, None] > 0, carry, np.float32(0)))


def counted_down(lengths: Sequence[int]) -> Any:
    return generic((len(lengths), H), 13), np.array(lengths, np.float32)[:, None]


def affine(cell: Any, **options: Any) -> UserCell:
    return UserCell(functools.partial(cell, D, H), is_affine=True, **options)


USER_CELLS = {
    "peephole": affine(PeepholeLSTM),
    "layer norm": UserCell(LayerNormLSTM),
    "zoneout": UserCell(Zoneout),
    "convolution": UserCell(ConvLSTM, (3, 3, 1)),
    "learned start": UserCell(LearnedStart),
    "complex": UserCell(Rotating),
    "complex and real": UserCell(Phasor),
    "log domain": UserCell(LogDomain, carry=away_from_zero),
    "unit": affine(UnitElman, carry=away_from_zero),
    "countdown": affine(Countdown, carry=counted_down),
    "counting": affine(Counting),
    "softmax": affine(functools.partial(ElmanCell, activation=jax.nn.softmax)),
    "normalising": affine(functools.partial(ElmanCell, activation=normalise)),
    "dictionaries": UserCell(Dictionaries),
    "frozen": UserCell(FrozenKernel),
    "no start": UserCell(
        NoStart, carry=lambda lengths: jnp.asarray(generic((len(lengths), H), 13))
    ),
}
LENGTHS = (2, 0, T)

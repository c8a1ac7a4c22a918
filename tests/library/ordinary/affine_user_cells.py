"""Cells on the affine cut as users write them: test doubles."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnnshare import AffineCell
from tests.library.ordinary.cases import T, generic


def along(vector: Any, like: jax.Array) -> jax.Array:
    """Returns a vector of features with the axes of [*B, H]."""
    return vector.reshape((1,) * (like.ndim - 1) + vector.shape)


class PeepholeLSTM(AffineCell):
    """Its pointwise part reads a parameter: gates see the cell state."""

    gates = ("i", "f", "g", "o")

    def __init__(self, in_features, hidden_features, *, rngs, **options):
        super().__init__(in_features, hidden_features, rngs=rngs, **options)
        self.peepholes = nnx.Param(jnp.asarray(generic((3, hidden_features), 8)))

    @staticmethod
    def hidden(carry):
        return carry[1]

    @property
    def pointwise(self):
        return functools.partial(self.activate, peepholes=self.peepholes[...])

    @staticmethod
    def activate(carry, from_input, from_hidden, peepholes):
        c = carry[0]
        p_i, p_f, p_o = (along(p, c) for p in peepholes)
        i, f, g, o = jnp.split(from_input + from_hidden, 4, axis=-1)
        new = nnx.sigmoid(f + p_f * c) * c + nnx.sigmoid(i + p_i * c) * nnx.tanh(g)
        h = nnx.sigmoid(o + p_o * new) * nnx.tanh(new)
        return (new, h), h

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        zero = super().initialize_carry(input_shape, rngs, carry_init)
        return zero, zero


class UnitElman(AffineCell):
    """On the affine cut, and singular at a carry of zero."""

    gates = ("h",)

    @staticmethod
    def activate(carry, from_input, from_hidden):
        unit = carry / jnp.sqrt(jnp.sum(carry * carry, axis=-1, keepdims=True))
        h = nnx.tanh(from_input + from_hidden) + unit
        return h, h


class Countdown(AffineCell):
    """Divides by the steps that are left: its last carry must not be read again."""

    gates = ("h",)

    @staticmethod
    def hidden(carry):
        return carry[0]

    @staticmethod
    def activate(carry, from_input, from_hidden):
        h, left = carry
        h = nnx.tanh(from_input + from_hidden + h / left)
        return (h, left - 1), h + jnp.log(left)

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        h = super().initialize_carry(input_shape, rngs, carry_init)
        return h, jnp.full((*input_shape[:-1], 1), float(T))


class Counting(AffineCell):
    """Beside h it carries a count and a flag, which have no derivative."""

    gates = ("h",)

    @staticmethod
    def hidden(carry):
        return carry[0]

    @staticmethod
    def activate(carry, from_input, from_hidden):
        _, count, odd = carry
        h = nnx.tanh(from_input + from_hidden) / (1 + count.astype(from_input.dtype))
        h = jnp.where(odd, -h, h)
        return (h, count + 1, ~odd), h

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        h = super().initialize_carry(input_shape, rngs, carry_init)
        shape = (*input_shape[:-1], 1)
        return h, jnp.zeros(shape, jnp.int32), jnp.zeros(shape, bool)


def normalise(z: jax.Array) -> jax.Array:
    """An activation that mixes features."""
    return z / jnp.sqrt(1e-3 + jnp.sum(z * z, axis=-1, keepdims=True))

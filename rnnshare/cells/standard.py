"""The standard cells: Elman's, the GRU and the LSTM, on the affine cut.

Shape letters: B batch (any number of axes), D input features, H hidden features,
G = gates x H gate features.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnshare.cells.affine import AffineCell
from rnnshare.cells.elementwise import is_elementwise


class ElmanCell(AffineCell):
    r"""The simple recurrent cell: `h' = f(x W + b + h U)`, f the hyperbolic tangent.

    Parameters: H (D + H + 1). With `activation=nnx.relu` and
    `recurrent_init=identity_init` it is the IRNN, which `ElmanCell.irnn` makes.

    References: Elman, 1990, "Finding structure in time"; Le, Jaitly, Hinton, 2015, "A
    simple way to initialize recurrent networks of rectified linear units" (IRNN).
    """

    gates = ("h",)
    reads_sum_only = True

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        activation: Callable[[jax.Array], jax.Array] = nnx.tanh,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """As `AffineCell`, and `activation`, f: `nnx.tanh`, `nnx.relu`, any other."""
        super().__init__(in_features, hidden_features, rngs=rngs, **options)
        self.activation = activation

    @classmethod
    def irnn(
        cls, in_features: int, hidden_features: int, *, rngs: nnx.Rngs, **options: Any
    ) -> "ElmanCell":
        """Returns the IRNN: rectified, and with an identity as recurrent kernel."""
        return cls(
            in_features,
            hidden_features,
            activation=nnx.relu,
            recurrent_init=identity_init,
            rngs=rngs,
            **options,
        )

    @property
    def pointwise(self) -> Callable[..., Any]:  # noqa: D102
        return functools.partial(self.activate, activation=self.activation)

    @staticmethod
    def activate(  # noqa: D102
        carry: jax.Array,
        from_input: jax.Array,
        from_hidden: jax.Array,
        activation: Callable[[jax.Array], jax.Array] = nnx.tanh,
    ) -> tuple[jax.Array, jax.Array]:
        h = activation(from_input + from_hidden)
        return h, h

    def forward_with_residuals(self, carry, from_input, from_hidden):  # noqa: D102
        z = from_input + from_hidden
        if not is_elementwise(self.activation, z):
            h = self.activation(z)
            return (h, h), z
        h, slope = jax.jvp(self.activation, (z,), (jnp.ones_like(z),))
        return (h, h), slope

    def jvp_from_residuals(self, residuals, carry, from_input, from_hidden):  # noqa: D102
        dz = from_input + from_hidden
        if is_elementwise(self.activation, residuals):
            h = residuals * dz
        else:  # one that mixes features, such as a softmax, has no slope a unit
            _, h = jax.jvp(self.activation, (residuals,), (dz,))
        return h, h


class GRUCell(AffineCell):
    r"""Gated recurrent unit, in the reset-after form of cuDNN and Flax.

        r = sigmoid(x W_r + b_r + h U_r + c_r)      z the same, with W_z, U_z
        n = tanh(x W_n + b_n + r * (h U_n + c_n))
        h' = (1 - z) * n + z * h

    Gates stand in the order r, z, n. Parameters: 3 H (D + H + 2): the recurrent map has
    a bias of its own, as the candidate's c_n is inside the reset.

    Reference: Cho et al., 2014, "Learning phrase representations using RNN
    encoder-decoder for statistical machine translation".
    """

    gates = ("r", "z", "n")
    recurrent_bias = True

    @staticmethod
    def activate(  # noqa: D102
        carry: jax.Array, from_input: jax.Array, from_hidden: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        _, z, n, _ = _gru_gates(from_input, from_hidden)
        h = (1 - z) * n + z * carry
        return h, h

    def forward_with_residuals(self, carry, from_input, from_hidden):  # noqa: D102
        r, z, n, hidden_n = _gru_gates(from_input, from_hidden)
        h = (1 - z) * n + z * carry
        by_n = (1 - z) * (1 - n * n)
        by_r = by_n * hidden_n * r * (1 - r)
        by_z = (carry - n) * z * (1 - z)
        return (h, h), (by_r, by_z, by_n, by_n * r, z)

    def jvp_from_residuals(self, residuals, carry, from_input, from_hidden):  # noqa: D102
        by_r, by_z, by_input_n, by_hidden_n, by_carry = residuals
        input_r, input_z, input_n = jnp.split(from_input, 3, axis=-1)
        hidden_r, hidden_z, hidden_n = jnp.split(from_hidden, 3, axis=-1)
        h = by_r * (input_r + hidden_r) + by_z * (input_z + hidden_z)
        h = h + by_input_n * input_n + by_hidden_n * hidden_n + by_carry * carry
        return h, h


def _gru_gates(from_input: jax.Array, from_hidden: jax.Array) -> tuple[jax.Array, ...]:
    """Returns r, z, n, and h U_n + c_n, which r lets through."""
    input_r, input_z, input_n = jnp.split(from_input, 3, axis=-1)
    hidden_r, hidden_z, hidden_n = jnp.split(from_hidden, 3, axis=-1)
    r = nnx.sigmoid(input_r + hidden_r)
    z = nnx.sigmoid(input_z + hidden_z)
    return r, z, nnx.tanh(input_n + r * hidden_n), hidden_n


class LSTMCell(AffineCell):
    r"""Long short-term memory.

        i = sigmoid(x W_i + b_i + h U_i)      f, o the same, with their own weights
        g = tanh(x W_g + b_g + h U_g)
        c' = f * c + i * g
        h' = o * tanh(c')

    Gates stand in the order i, f, g, o; the carry is (c, h). Parameters:
    4 H (D + H + 1). The forget gate's bias starts at 1, so that a fresh cell remembers.

    References: Hochreiter, Schmidhuber, 1997, "Long short-term memory"; Gers,
    Schmidhuber, Cummins, 2000, "Learning to forget" (f, and its bias).
    """

    gates = ("i", "f", "g", "o")
    reads_sum_only = True
    is_cudnn_lstm = True

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        forget_bias: float = 1.0,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """As `AffineCell`, and `forget_bias`, added to the forget gate's first bias."""
        super().__init__(in_features, hidden_features, rngs=rngs, **options)
        forget = slice(hidden_features, 2 * hidden_features)
        bias = self.input.bias
        assert bias is not None  # for the type checker: the input map has a bias
        bias[...] = bias[...].at[forget].add(forget_bias)

    @staticmethod
    def hidden(carry: tuple[jax.Array, jax.Array]) -> jax.Array:  # noqa: D102
        return carry[1]

    @staticmethod
    def activate(  # noqa: D102
        carry: tuple[jax.Array, jax.Array],
        from_input: jax.Array,
        from_hidden: jax.Array,
    ) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        i, f, g, o = jnp.split(from_input + from_hidden, 4, axis=-1)
        c = nnx.sigmoid(f) * carry[0] + nnx.sigmoid(i) * nnx.tanh(g)
        h = nnx.sigmoid(o) * nnx.tanh(c)
        return (c, h), h

    def forward_with_residuals(self, carry, from_input, from_hidden):  # noqa: D102
        # One tanh for all gates, as sigmoid(z) = (tanh(z / 2) + 1) / 2: few operations
        # on wide arrays are faster than many on narrow ones.
        z = from_input + from_hidden
        half, one = (np.full(self.hidden_features, x, z.dtype) for x in (0.5, 1.0))
        scale = np.concatenate([half, half, one, half])
        scale = scale.reshape((1,) * (z.ndim - 1) + scale.shape)
        t = nnx.tanh(z * scale)
        i, f, g, o = jnp.split(t * scale + (1 - scale), 4, axis=-1)
        c = f * carry[0] + i * g
        out = nnx.tanh(c)
        h = o * out
        slope = scale * scale * (1 - t * t)
        gates = slope * jnp.concatenate([g, carry[0], i, out], axis=-1)
        return ((c, h), h), (gates, f, o * (1 - out * out))

    def jvp_from_residuals(self, residuals, carry, from_input, from_hidden):  # noqa: D102
        gates, by_c, h_by_c = residuals
        i, f, g, o = jnp.split(gates * (from_input + from_hidden), 4, axis=-1)
        c = by_c * carry[0] + i + f + g
        h = o + h_by_c * c
        return (c, h), h

    def initialize_carry(  # noqa: D102
        self, input_shape, rngs=None, carry_init=None
    ) -> tuple[jax.Array, jax.Array]:
        c = super().initialize_carry(input_shape, rngs, carry_init)
        h = super().initialize_carry(input_shape, rngs, carry_init)
        return c, h


def identity_init(
    key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32, **_: Any
) -> jax.Array:
    """Returns the identity, as an initialiser of square kernels [H, H]."""
    del key
    return jnp.eye(shape[0], shape[1], dtype=dtype)

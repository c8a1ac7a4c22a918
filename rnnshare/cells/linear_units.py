"""Linear cells of the literature: the minimal GRU and LSTM, the linear recurrent unit.

Shape letters: B batch (any number of axes), D input features, H hidden features.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnnshare.cells.linear import LinearCell


class MinGRUCell(LinearCell):
    r"""The GRU without its recurrent maps: its gate and candidate read x alone.

        z = sigmoid(x W_z + b_z)
        n = g(x W_n + b_n)          g(v) = v + 1/2 where v >= 0, else sigmoid(v)
        h' = (1 - z) * h + z * n

    g keeps a carry positive that begins so. Gates stand in the order z, n. Parameters:
    2 H (D + 1).

    Reference: Feng, Tung, Ahmed, Bengio, Hajimirsadeghi, 2024, "Were RNNs all we
    needed?".
    """

    gates = ("z", "n")

    def coefficients(self, from_input):  # noqa: D102
        z, n = jnp.split(from_input, 2, axis=-1)
        return nnx.sigmoid(-z), nnx.sigmoid(z) * _positive(n)


class MinLSTMCell(LinearCell):
    r"""The LSTM without its recurrent maps, its two gates made to sum to 1.

        i = sigmoid(x W_i + b_i)        f the same, with its own weights
        n = g(x W_n + b_n)              g as in `MinGRUCell`
        h' = f / (f + i) * h + i / (f + i) * n

    Gates stand in the order i, f, n. Parameters: 3 H (D + 1).

    Reference: Feng, Tung, Ahmed, Bengio, Hajimirsadeghi, 2024, "Were RNNs all we
    needed?".
    """

    gates = ("i", "f", "n")

    def coefficients(self, from_input):  # noqa: D102
        i, f, n = jnp.split(from_input, 3, axis=-1)
        # f / (f + i) is a sigmoid of log f - log i, where gates that are 0 / 0 are not.
        difference = nnx.softplus(-i) - nnx.softplus(-f)
        return nnx.sigmoid(difference), nnx.sigmoid(-difference) * _positive(n)


def _positive(v: jax.Array) -> jax.Array:
    return jnp.where(v >= 0, v + 0.5, nnx.sigmoid(v))


class LRUCell(LinearCell):
    r"""The linear recurrent unit: H complex numbers, each turned and shrunk by its own.

        lambda = exp(-exp(nu) + i exp(theta))       |lambda| < 1, whatever nu is
        h' = lambda * h + exp(gamma) * (x B + b)    h, B and b complex
        y = Re(h' C) + x S + s

    gamma starts at log sqrt(1 - |lambda|^2), which gives h the variance of its input,
    and is trained, as nu and theta are. Complex numbers are pairs of reals: the carry
    is (real, imaginary), the gates are the real part of x B, the imaginary one, and
    x S, and C is [2 H, H]. Parameters: 3 H (D + 2) + 2 H^2. The paper's maps have no
    biases. In bfloat16 an angle is off by up to 0.03 radians, at every step again, so
    build it with dtype=jnp.float32 where inputs are bfloat16.

    Reference: Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu, De, 2023, "Resurrecting
    recurrent neural networks for long sequences".
    """

    gates = ("real", "imaginary", "skip")
    one = (1.0, 0.0)

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        min_radius: float = 0.0,
        max_radius: float = 1.0,
        max_phase: float = 2 * jnp.pi,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """As `LinearCell`, and where lambda starts: even in a part of a ring.

        Args:
          in_features: D.
          hidden_features: H.
          min_radius: the least |lambda|, at least 0.
          max_radius: the largest, at most 1.
          max_phase: the largest angle, in radians, more than 0.
          dtype: see `LinearCell`.
          param_dtype: see `LinearCell`.
          rngs: where the draws come from.
          **options: see `LinearCell`.

        Raises:
          ValueError: if the radii are no ring in the unit disc, or the phase is not
            positive.
        """
        if not 0 <= min_radius < max_radius <= 1:
            raise ValueError(
                f"LRUCell: lambda starts between the radii {min_radius} and "
                f"{max_radius}. Use 0 <= min_radius < max_radius <= 1."
            )
        if not 0 < max_phase < math.inf:  # its logarithm is what is trained
            raise ValueError(
                f"LRUCell: max_phase is {max_phase}. Use more than 0, as in 0.1 for "
                "angles that are all small."
            )
        super().__init__(
            in_features,
            hidden_features,
            dtype=dtype,
            param_dtype=param_dtype,
            rngs=rngs,
            **options,
        )
        shape = (hidden_features,)
        squares = jax.random.uniform(
            rngs.params(), shape, param_dtype, min_radius**2, max_radius**2
        )
        # Not 0 or 1 themselves, whose logarithms are infinite.
        tiny = float(jnp.finfo(param_dtype).eps)
        squares = jnp.clip(squares, tiny, 1 - tiny)
        turns = 1 - jax.random.uniform(rngs.params(), shape, param_dtype)  # not 0
        self.nu = nnx.Param(jnp.log(-0.5 * jnp.log(squares)))
        self.theta = nnx.Param(jnp.log(max_phase * turns))
        self.gamma = nnx.Param(0.5 * jnp.log1p(-squares))
        self.output = nnx.Linear(
            2 * hidden_features,
            hidden_features,
            use_bias=False,
            dtype=dtype,
            param_dtype=param_dtype,
            rngs=rngs,
        )

    def coefficients(self, from_input):  # noqa: D102
        shape = (1,) * (from_input.ndim - 1) + (self.hidden_features,)
        nu, theta, gamma = (
            p[...].astype(from_input.dtype).reshape(shape)
            for p in (self.nu, self.theta, self.gamma)
        )
        # From nu = 7 on the radius is 0 in any dtype; its derivative would be 0 * inf.
        radius = jnp.exp(-jnp.exp(jnp.minimum(nu, 10)))
        theta, gamma = jnp.exp(theta), jnp.exp(gamma)
        real, imaginary, _ = jnp.split(from_input, 3, axis=-1)
        a = (radius * jnp.cos(theta), radius * jnp.sin(theta))
        return a, (gamma * real, gamma * imaginary)

    @staticmethod
    def multiply(a, h):  # noqa: D102
        return a[0] * h[0] - a[1] * h[1], a[0] * h[1] + a[1] * h[0]

    @staticmethod
    def transpose(a):  # noqa: D102
        return a[0], -a[1]

    def read(self, h, from_input, output):  # noqa: D102
        skip = jnp.split(from_input, 3, axis=-1)[2]
        return output(jnp.concatenate(h, axis=-1)) + skip

    def initialize_carry(  # noqa: D102
        self, input_shape, rngs=None, carry_init=None
    ) -> tuple[jax.Array, jax.Array]:
        real = super().initialize_carry(input_shape, rngs, carry_init)
        return real, super().initialize_carry(input_shape, rngs, carry_init)

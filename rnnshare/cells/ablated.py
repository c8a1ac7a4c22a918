"""LSTMs with one of their two paths through time cut, or both.

The carry of an LSTM passes from step to step by the cell state, `f * c`, and by the
output, `h U`. A cell here has the parameters of `LSTMCell`, and draws the same ones;
what was cut is there and unread, so widths, starts and numbers of parameters are equal.

Shape letters: H hidden features.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from rnnshare.cells.standard import LSTMCell


class NoCellPathLSTMCell(LSTMCell):
    r"""The LSTM without its cell state: what it carries is its output alone.

        i = sigmoid(x W_i + b_i + h U_i)      o the same, with its own weights
        g = tanh(x W_g + b_g + h U_g)
        c' = i * g
        h' = o * tanh(c')

    The forget gate's weights are unread.
    """

    reads_sum_only = True

    @staticmethod
    def activate(carry, from_input, from_hidden):  # noqa: D102
        del carry
        return _without_cell(from_input + from_hidden)


class NoHiddenPathLSTMCell(LSTMCell):
    r"""The LSTM without its recurrent map: it carries its cell state alone.

        i = sigmoid(x W_i + b_i)              f, o the same, with their own weights
        g = tanh(x W_g + b_g)
        c' = f * c + i * g
        h' = o * tanh(c')

    The recurrent weights are unread.
    """

    @staticmethod
    def activate(carry, from_input, from_hidden):  # noqa: D102
        return LSTMCell.activate(carry, from_input, jnp.zeros_like(from_hidden))


class NoPathLSTMCell(LSTMCell):
    r"""The LSTM without both: each step reads its own input, and nothing is handed on.

        i = sigmoid(x W_i + b_i)              o the same, with its own weights
        g = tanh(x W_g + b_g)
        c' = i * g
        h' = o * tanh(c')

    A control: its answer knows of the last step only. The weights of the forget gate
    and of the recurrent map are unread.
    """

    @staticmethod
    def activate(carry, from_input, from_hidden):  # noqa: D102
        del carry, from_hidden
        return _without_cell(from_input)


def _without_cell(
    gates: jax.Array,
) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
    i, _, g, o = jnp.split(gates, 4, axis=-1)
    c = nnx.sigmoid(i) * nnx.tanh(g)
    h = nnx.sigmoid(o) * nnx.tanh(c)
    return (c, h), h

"""`Clocked`, what `compile_with_clock` returns, and the clock that it is made with.

The clock is a ring of T units, of which one is not 0; a step passes it on. It gates:
a gate that is open gets exactly 0 from the clock, so it loses no precision, and one
that is closed gets `-CLOSED`, so it is closed exactly.

Shape letters: T steps, B batch, D input features, H hidden features, N units of a
layer.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.cells.blueprint import Blueprint
from rnnshare.cells.standard import LSTMCell
from rnnshare.models.rnn import step_of
from rnnshare.sharing.base import Stored, num_parameters
from rnnshare.sharing.templates import Tied
from rnnshare.unrolling.scan import unroll

CLOSED = 1e6  # what the clock takes from a closed gate; beyond any input's share
SURE = 1e3  # the bias of a gate that is always open: its sigmoid is exactly 1
# tanh(SMALL x) = SMALL x to the last bit: in float32 for |x| to 10^5, in float64 to 10.
SMALL = 2.0**-30
GAIN = 1.5  # of the clock: it does not fade, and gradients grow by no more a step


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Layer:
    """A tied layer with weights.

    Attributes:
      cell: the blueprint of its cell.
      stored: the weights of one cell.
      carry: the initial carry, of [N] leaves, the same for all sequences.
    """

    cell: Blueprint = dataclasses.field(metadata={"static": True})
    stored: Stored
    carry: Any

    @property
    def num_units(self) -> int:
        """N."""
        return self.cell.bind().hidden_features


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Clocked:
    """Tied layers, one upon the other, and a linear map of the last one's outputs.

    A pytree, whose leaves are its arrays.

    Attributes:
      layers: from the inputs up.
      kernel: [N, H]; with `bias` it decodes the last layer's outputs, the same way at
        every step: a linear read-out composes with it into a linear read-out.
      bias: [H].
    """

    layers: tuple[Layer, ...]
    kernel: jax.Array
    bias: jax.Array

    def run(self, inputs: jax.Array) -> jax.Array:
        """Returns the outputs [T, *B, H] of inputs [T, *B, D], by `unroll` alone."""
        outputs, batch = inputs, inputs.shape[1:-1]
        for layer in self.layers:
            carry = jax.tree.map(
                lambda x: jnp.broadcast_to(x, (*batch, *x.shape)), layer.carry
            )
            _, outputs = unroll(
                step_of(layer.cell), Tied(), layer.stored, outputs, carry
            )
        decoded = outputs @ self.kernel
        return decoded + jnp.broadcast_to(self.bias, decoded.shape)

    @property
    def num_units(self) -> int:
        """The units of all layers."""
        return sum(layer.num_units for layer in self.layers)

    @property
    def num_parameters(self) -> int:
        """The scalars of all layers' weights, most of which are 0."""
        return num_parameters([layer.stored for layer in self.layers])

    def num_nonzero(self) -> int:
        """Returns how many of the weights are not 0."""
        leaves = jax.tree.leaves([layer.stored for layer in self.layers])
        return sum(int(np.count_nonzero(leaf)) for leaf in leaves)


def cell_like(
    kind: Any, in_features: int, units: int, like: jax.Array, **options: Any
) -> Blueprint:
    """Returns the blueprint of a cell with parameters of the dtype of `like`."""
    options |= {"param_dtype": like.dtype}
    return Blueprint.of(lambda rngs: kind(in_features, units, rngs=rngs, **options))


def ring_of(count: int, dtype: Any) -> tuple[jax.Array, jax.Array]:
    """Returns [T, T]: 1 where the row comes before the column, and 1 elsewhere."""
    ring = np.roll(np.eye(count), 1, axis=1)
    return jnp.asarray(ring, dtype), jnp.asarray(1 - ring, dtype)


def tick_of(activation: Any) -> float:
    """Returns x > 0 with `x = activation(GAIN x)`: what the clock keeps."""
    x = 1.0
    for _ in range(200):
        x = float(activation(GAIN * x))
    return x


def through_lstm(x: Any) -> Any:
    """Returns the output of an LSTM's unit with open gates that keeps nothing."""
    return np.tanh(np.tanh(x))


def lay_out(count: int, width: int, dtype: Any) -> Layer:
    """Returns an LSTM layer that lays the inputs out in time, and gives the time.

    Its outputs at step t are T blocks of D units, `SMALL x_t` in block t and 0 in the
    others, and T units, `tick_of(through_lstm)` at place t and 0 elsewhere.

    Args:
      count: T.
      width: D.
      dtype: of its weights.
    """
    ring, others = ring_of(count, dtype)
    inner, units = count * width, count * (width + 1)
    # Gates i, f, g, o: i is open, f closed; o is the clock's, of its own units open.
    small = SMALL * jnp.tile(jnp.eye(width, dtype=dtype), (1, count))
    kernel = jnp.zeros((width, 4, units), dtype).at[:, 2, :inner].set(small)
    bias = jnp.repeat(SURE * jnp.array([1.0, -1.0, 0.0, 1.0], dtype), units)
    shut = jnp.repeat(-CLOSED * others, width, axis=1)
    recurrent = jnp.zeros((units, 4, units), dtype)
    recurrent = recurrent.at[inner:, 2, inner:].set(GAIN * ring)
    recurrent = recurrent.at[inner:, 3, :inner].set(shut)
    start = jnp.zeros(units, dtype).at[-1].set(tick_of(through_lstm))
    return Layer(
        cell_like(LSTMCell, width, units, kernel),
        {
            "input": {"kernel": kernel.reshape(width, -1), "bias": bias},
            "recurrent": {"kernel": recurrent.reshape(units, -1)},
        },
        (jnp.zeros_like(start), start),
    )

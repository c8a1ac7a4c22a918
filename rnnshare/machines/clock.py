r"""A clock makes one weight set do the work of T: tied networks that equal untied ones.

`compile_with_clock` turns a layer of T weight sets, under any sharing, into layers of
one weight set each that compute the same outputs on T steps. It is a proof by
construction: on T steps and bounded inputs, a larger tied network computes what weights
per step do to any precision. In floats the outputs differ by rounding alone, as long as
what goes into a gate is small beside `CLOSED`.

*Elman*: T blocks of H units. Block t reads the block before it by U_t and the inputs by
W_t; at step t it holds h_t, and the clock shuts the others. T (H + 1) units.

*LSTM*: a first layer lays the inputs out: of its T D units, the D of step t pass x_t,
made so small that tanh is the identity to the last bit. A second holds T copies of
every unit. Copies agree in c; the output gate of copy t is open only before step t,
which reads it by U_t. T (D + 1) and T H units.

*GRU*: the first layer is that of the LSTM. A GRU has no output gate, but a copy can
die: copy t lives to be read by step t. Copies s are read by U_s - U_(s+1), and the last
by U_T, which add up to U_t over those that live. T (D + 1) and T (H + 1) units.

Shape letters: T steps, B batch, D input features, H hidden features, G gate features.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnshare.cells.blueprint import Blueprint
from rnnshare.cells.standard import ElmanCell, GRUCell, LSTMCell
from rnnshare.machines.clocked import (
    CLOSED,
    GAIN,
    SMALL,
    SURE,
    Clocked,
    Layer,
    cell_like,
    lay_out,
    ring_of,
    through_lstm,
    tick_of,
)
from rnnshare.models.rnn import MakeCell
from rnnshare.sharing.base import Sharing, Stored, expand


class _Source(NamedTuple):
    """What is compiled: a cell, the weights of T steps, and the initial carry.

    Attributes:
      cell: the cell itself, without weights.
      w: [T, D, G], and b: [T, G], the input map.
      u: [T, H, G], and c: [T, G], the recurrent map.
      carry: of [H] leaves.
    """

    cell: Any
    w: jax.Array
    b: jax.Array
    u: jax.Array
    c: jax.Array
    carry: Any


def compile_with_clock(
    make_cell: MakeCell,
    sharing: Sharing,
    stored: Stored,
    num_steps: int | None = None,
    carry: Any = None,
) -> Clocked:
    """Returns a tied network with a clock that equals a network of T weight sets.

    On any inputs [T, *B, D] its outputs are those of `unroll` under the sharing. The
    clock of an `ElmanCell` and an `LSTMCell` goes round: on longer inputs they go on as
    `Cyclic(T)` does. Differentiable, and `vmap` maps it.

    Args:
      make_cell: makes an `ElmanCell` (of tanh or ReLU), an `LSTMCell` or a `GRUCell`.
      sharing: any; its `expand` says what the T weight sets are.
      stored: what it maps.
      num_steps: T; by default the number of steps that the sharing holds weights for.
      carry: the initial carry, of [H] leaves; zero by default.

    Returns:
      The tied network; how large it is stands above.

    Raises:
      TypeError: if the cell, or the activation of an ElmanCell, is another.
      ValueError: if T is needed and not given, or the carry does not fit.
    """
    cell = Blueprint.of(make_cell).bind()
    if type(cell) not in (ElmanCell, LSTMCell, GRUCell):
        raise TypeError(
            f"compile_with_clock has no clock for {type(cell).__name__}. Use an "
            "ElmanCell, an LSTMCell or a GRUCell."
        )
    weights = expand(sharing, stored, num_steps)
    w, u = weights["input"]["kernel"], weights["recurrent"]["kernel"]
    b = weights["input"]["bias"]
    fresh = jax.tree.map(
        lambda x: x.astype(u.dtype), cell.initialize_carry((cell.in_features,))
    )
    carry = fresh if carry is None else carry
    shapes, wanted = (jax.tree.map(jnp.shape, tree) for tree in (carry, fresh))
    if shapes != wanted:
        raise ValueError(
            f"carry has the shapes {shapes}, but {type(cell).__name__} with "
            f"hidden_features={cell.hidden_features} carries {wanted}. Give one carry "
            "without a batch: a compiled network starts every sequence with it."
        )
    c = weights["recurrent"].get("bias", jnp.zeros_like(b))
    source = _Source(cell, w, b, u, c, carry)
    if isinstance(cell, ElmanCell):
        return _elman(source)
    return _lstm(source) if isinstance(cell, LSTMCell) else _gru(source)


def _elman(source: _Source) -> Clocked:
    """Returns a ring of blocks, of which the clock shuts all but one."""
    cell, w, b, u, _, h = source
    count, width, inner = len(u), u.shape[1], u.shape[0] * u.shape[1]
    rectified = cell.activation is nnx.relu
    if not rectified and cell.activation not in (nnx.tanh, jnp.tanh):
        raise TypeError(
            "compile_with_clock takes an ElmanCell of nnx.tanh or nnx.relu, but its "
            f"activation is {cell.activation!r}, and how to shut that is not known."
        )
    gain, tick = (1.0, 1.0) if rectified else (GAIN, tick_of(np.tanh))
    rest = 0.0 if rectified else -1.0  # what a unit is that is shut
    ring, others = ring_of(count, u.dtype)
    blocks = (ring[:, :, None, None] * u[None]).transpose(0, 2, 1, 3)
    recurrent = jnp.zeros((inner + count, inner + count), u.dtype)
    recurrent = recurrent.at[:inner, :inner].set(blocks.reshape(inner, inner))
    recurrent = recurrent.at[inner:, :inner].set(
        jnp.repeat(-CLOSED * others, width, axis=1)
    )
    recurrent = recurrent.at[inner:, inner:].set(gain * ring)
    kernel = jnp.pad(_side_by_side(w), ((0, 0), (0, count)))
    # At step 0 the last block has h; the clock is before step 0.
    start = jnp.zeros(inner + count, u.dtype).at[-1].set(tick)
    layer = Layer(
        cell_like(ElmanCell, w.shape[1], inner + count, u, activation=cell.activation),
        {
            "input": {"kernel": kernel, "bias": jnp.pad(b.reshape(-1), (0, count))},
            "recurrent": {"kernel": recurrent},
        },
        start.at[inner - width : inner].set(h),
    )
    decode = jnp.pad(_every_copy(count, width, u.dtype), ((0, count), (0, 0)))
    bias = jnp.full(width, -(count - 1) * rest, u.dtype)
    return Clocked((layer,), decode, bias)


def _lstm(source: _Source) -> Clocked:
    """Returns T copies of every unit, one of which shows itself at a time."""
    _, w, _, u, _, (c, h) = source
    count, width, units = len(u), u.shape[1], u.shape[0] * u.shape[1]
    _, others = ring_of(count, u.dtype)
    shut = jnp.zeros((count, 4, count), u.dtype).at[:, 3].set(-CLOSED * others)
    kernel = _copies(source, shut).reshape(-1, 4 * units)
    recurrent = _repeat(u.reshape(units, 4, 1, width), count)
    layer = Layer(
        cell_like(LSTMCell, len(kernel), units, u),
        {
            "input": {"kernel": kernel, "bias": jnp.zeros(4 * units, u.dtype)},
            "recurrent": {"kernel": recurrent.reshape(units, 4 * units)},
        },
        (jnp.tile(c, count), jnp.pad(h, (0, units - width))),
    )
    decode = _every_copy(count, width, u.dtype)
    first = lay_out(count, w.shape[1], u.dtype)
    return Clocked((first, layer), decode, jnp.zeros(width, u.dtype))


def _gru(source: _Source) -> Clocked:
    """Returns T copies of every unit, which die in turn, and a clock of their own."""
    _, w, _, u, c, h = source
    count, width, inner = len(u), u.shape[1], u.shape[0] * u.shape[1]
    units = inner + count
    # Copy s dies at step s: z = 0 and n = -1, so it is -1 from then on. One lives.
    dies = np.tril(np.ones((count, count)))
    dies[:, -1] = 0.0
    shut = jnp.asarray(-CLOSED * dies, u.dtype)[:, None]
    shut = jnp.concatenate([jnp.zeros_like(shut), shut, shut], axis=1)
    kernel = _copies(source, shut)
    kernel = jnp.pad(kernel.reshape(-1, 3, inner), ((0, 0), (0, 0), (0, count)))
    kernel = kernel.at[-count:, 2, inner:].set(jnp.eye(count, dtype=u.dtype))
    bias = jnp.zeros((3, units), u.dtype).at[1, inner:].set(-SURE)
    # Of step t the recurrent map reads the clock of step t - 1. It brings the recurrent
    # biases, and makes up for the dead: step t reads them, all -1, by U_0 - U_t.
    ring, _ = ring_of(count, u.dtype)
    tick = np.tanh(tick_of(through_lstm))
    by_time = ring @ ((c + jnp.sum(u[:1] - u, axis=1)) / tick)
    read = u - jnp.concatenate([u[1:], jnp.zeros_like(u[:1])])
    rows = jnp.concatenate([read.reshape(inner, -1), by_time])
    rows = _repeat(rows.reshape(units, 3, 1, width), count).reshape(units, 3, inner)
    rows = jnp.pad(rows, ((0, 0), (0, 0), (0, count)))
    start = jnp.pad(jnp.tile(h, count), (0, count)).at[-1].set(tick)
    layer = Layer(
        cell_like(GRUCell, len(kernel), units, u),
        {
            "input": {"kernel": kernel.reshape(-1, 3 * units), "bias": bias.ravel()},
            "recurrent": {
                "kernel": rows.reshape(units, 3 * units),
                "bias": jnp.zeros(3 * units, u.dtype),
            },
        },
        start,
    )
    last = jnp.eye(width, dtype=u.dtype)
    decode = jnp.pad(last, ((inner - width, count), (0, 0)))
    first = lay_out(count, w.shape[1], u.dtype)
    return Clocked((first, layer), decode, jnp.zeros(width, u.dtype))


def _copies(source: _Source, from_clock: jax.Array) -> jax.Array:
    """Returns what T copies of every unit read of `lay_out`, [T (D + 1), gates, T, H].

    Args:
      source: what is copied.
      from_clock: [T, gates, T], what step t adds to a gate of each copy.
    """
    count, width = source.u.shape[:2]
    gates = source.cell.num_gates
    inputs = source.w.reshape(-1, gates, 1, width) / SMALL
    biases = source.b.reshape(count, gates, 1, width) / tick_of(through_lstm)
    return jnp.concatenate(
        [_repeat(inputs, count), _repeat(biases, count) + from_clock[..., None]]
    )


def _repeat(kernel: jax.Array, count: int) -> jax.Array:
    """Returns [N, gates, T, H] of [N, gates, 1, H]: all copies read the same."""
    return jnp.repeat(kernel, count, axis=2)


def _side_by_side(blocks: jax.Array) -> jax.Array:
    """Returns [D, T H] of [T, D, H]."""
    return blocks.transpose(1, 0, 2).reshape(blocks.shape[1], -1)


def _every_copy(count: int, width: int, dtype: Any) -> jax.Array:
    """Returns [T H, H], which adds the copies of every unit."""
    return jnp.tile(jnp.eye(width, dtype=dtype), (count, 1))

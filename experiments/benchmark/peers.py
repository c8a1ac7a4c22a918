"""The train steps that the benchmark races: ours and the peers'.

Each is one step of stochastic gradient descent on `mean(outputs ** 2)` in float32, from
inputs [T, B, D], with time first where a library lets one choose. A function here takes
(cell, shape) and returns {name: Contender}; `cell` is 'lstm', 'gru' or 'elman', and
`shape` is (B, T, D, H).
"""

import functools
import importlib.util
from typing import Any

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.lab.racing import Contender, compiled
from rnnshare import RNN, ElmanCell, GRUCell, LSTMCell, Sharing, Untied

Shape = tuple[int, int, int, int]
OURS = {"lstm": LSTMCell, "gru": GRUCell, "elman": ElmanCell}
FLAX = {"lstm": "OptimizedLSTMCell", "gru": "GRUCell", "elman": "SimpleCell"}
_RATE = 0.1


def train_step(outputs_of: Any, params: Any, inputs: jax.Array) -> Contender:
    """Returns a step of gradient descent of `outputs_of(params, inputs)`, compiled."""

    def step(params, inputs):
        def loss_of(params):
            return jnp.mean(outputs_of(params, inputs) ** 2)

        loss, gradient = jax.value_and_grad(loss_of)(params)
        return loss, jax.tree.map(lambda p, g: p - _RATE * g, params, gradient)

    return compiled(step, params, inputs)


def inputs_of(shape: Shape) -> jax.Array:
    """Returns normal inputs [T, B, D]."""
    batch, steps, features, _ = shape
    draw = np.random.default_rng(0).normal(size=(steps, batch, features))
    return jnp.asarray(draw, jnp.float32)


def zero_carry(cell: str, shape: Shape) -> Any:
    """Returns zeros: h [B, H], or two of them for an LSTM."""
    zero = jnp.zeros((shape[0], shape[3]))
    return (zero, zero) if cell == "lstm" else zero


def ours(
    cell: str, shape: Shape, sharing: Sharing, implementations: tuple[str, ...]
) -> dict[str, Contender]:
    """Returns rnnshare's `RNN` under a sharing, by each implementation."""
    found = {}
    for name in implementations:
        make = functools.partial(OURS[cell], shape[2], shape[3])
        rnn = RNN(make, sharing, rngs=nnx.Rngs(0), implementation=name)
        graph, params = nnx.split(rnn)

        def outputs_of(params, inputs, graph=graph):
            return nnx.merge(graph, params)(inputs, time_major=True)

        found[f"rnnshare {name}"] = train_step(outputs_of, params, inputs_of(shape))
    return found


def tied_peers(cell: str, shape: Shape) -> dict[str, Contender]:
    """Returns the layers of other libraries that share weights over time."""
    found: dict[str, Contender | None] = {
        "nnx": _nnx(cell, shape),
        "linen": linen(cell, shape),
    }
    libraries: Any = (("haiku", _haiku), ("equinox", _equinox), ("torch", _torch))
    for name, make in libraries:
        if importlib.util.find_spec(name) is not None:
            found[name] = make(cell, shape)
    return {name: one for name, one in found.items() if one is not None}


def untied_peers(shape: Shape, most_unrolled: int) -> dict[str, Contender]:
    """Returns other ways to an LSTM with weights of its own at every step.

    Args:
      shape: (B, T, D, H).
      most_unrolled: the largest T of a program unrolled in Python, whose compile time
        grows with it.
    """
    found = {"linen stacked": _linen_stacked(shape), "nnx stacked": _nnx_stacked(shape)}
    if shape[1] <= most_unrolled:
        found["JAX unrolled"] = _unrolled(shape)
    if importlib.util.find_spec("torch") is not None:
        found["torch list"] = _torch_list(shape)
    return found


def _nnx(cell: str, shape: Shape) -> Contender:
    make = getattr(nnx, FLAX[cell])
    rnn = nnx.RNN(make(shape[2], shape[3], rngs=nnx.Rngs(0)), time_major=True)
    graph, params, rest = nnx.split(rnn, nnx.Param, ...)  # type: ignore[misc]

    def outputs_of(params, inputs):
        start = zero_carry(cell, shape)
        return nnx.merge(graph, params, rest)(inputs, initial_carry=start)

    return train_step(outputs_of, params, inputs_of(shape))


def linen(cell: str, shape: Shape) -> Contender:
    """Returns the RNN layer of flax.linen."""
    layer = flax.linen.RNN(getattr(flax.linen, FLAX[cell])(shape[3]), time_major=True)
    inputs = inputs_of(shape)
    return train_step(layer.apply, layer.init(jax.random.key(0), inputs), inputs)


def _haiku(cell: str, shape: Shape) -> Contender:
    import haiku

    def run(inputs):
        name = {"lstm": "LSTM", "gru": "GRU", "elman": "VanillaRNN"}[cell]
        core = getattr(haiku, name)(shape[3])
        return haiku.dynamic_unroll(core, inputs, core.initial_state(shape[0]))[0]

    layer: Any = haiku.without_apply_rng(haiku.transform(run))
    inputs = inputs_of(shape)
    return train_step(layer.apply, layer.init(jax.random.key(0), inputs), inputs)


def _equinox(cell: str, shape: Shape) -> Contender | None:
    import equinox

    if cell == "elman":
        return None  # it has none
    make = {"lstm": equinox.nn.LSTMCell, "gru": equinox.nn.GRUCell}[cell]
    module = make(shape[2], shape[3], key=jax.random.key(0))
    params, rest = equinox.partition(module, equinox.is_array)

    def outputs_of(params, inputs):
        one = jax.vmap(equinox.combine(params, rest))

        def step(carry, x):
            carry = one(x, carry)
            return carry, carry[0] if cell == "lstm" else carry

        return jax.lax.scan(step, zero_carry(cell, shape), inputs)[1]

    return train_step(outputs_of, params, inputs_of(shape))


def _linen_stacked(shape: Shape) -> Contender:
    class Stacked(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, inputs):
            scanned = flax.linen.scan(
                flax.linen.OptimizedLSTMCell,
                variable_axes={"params": 0},
                split_rngs={"params": True},
            )
            return scanned(shape[3])(zero_carry("lstm", shape), inputs)[1]

    inputs, layer = inputs_of(shape), Stacked()
    params = jax.jit(layer.init)(jax.random.key(0), inputs)
    return train_step(layer.apply, params, inputs)


def _nnx_stacked(shape: Shape) -> Contender:
    def stack(features: int, hidden: int) -> nnx.Module:
        @nnx.vmap(in_axes=0, out_axes=0)
        def make(key):
            return nnx.OptimizedLSTMCell(features, hidden, rngs=nnx.Rngs(key))

        return make(jax.random.split(jax.random.key(0), shape[1]))

    @nnx.scan(in_axes=(nnx.Carry, 0, 0), out_axes=(nnx.Carry, 0))
    def run(carry, cell, x):
        return cell(carry, x)

    # Its own draws take minutes at the largest shape, and do not count here.
    large = nnx.eval_shape(lambda: stack(shape[2], shape[3]))
    graph, params, _ = nnx.split(large, nnx.Param, ...)  # type: ignore[misc]
    rest = nnx.split(stack(1, 1), nnx.Param, ...)[2]  # type: ignore[misc]
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: jnp.asarray(0.05 * rng.normal(size=leaf.shape), leaf.dtype), params
    )

    def outputs_of(params, inputs):
        cells = nnx.merge(graph, params, rest)
        return run(zero_carry("lstm", shape), cells, inputs)[1]

    return train_step(outputs_of, params, inputs_of(shape))


def _unrolled(shape: Shape) -> Contender:
    make = functools.partial(LSTMCell, shape[2], shape[3])
    rnn = RNN(make, Untied(shape[1]), rngs=nnx.Rngs(0))
    step = LSTMCell.activate

    def outputs_of(stored, inputs):
        carry, outputs = zero_carry("lstm", shape), []
        for t, x in enumerate(inputs):
            w = jax.tree.map(lambda leaf, t=t: leaf[t], stored)
            a = x @ w["input"]["kernel"] + w["input"]["bias"][None]
            carry, y = step(carry, a, carry[1] @ w["recurrent"]["kernel"])
            outputs.append(y)
        return jnp.stack(outputs)

    return train_step(outputs_of, rnn.stored, inputs_of(shape))


def _torch(cell: str, shape: Shape) -> Contender:
    import torch

    name = {"lstm": "LSTM", "gru": "GRU", "elman": "RNN"}[cell]
    layer = getattr(torch.nn, name)(shape[2], shape[3])
    return _torch_step(layer, lambda inputs: layer(inputs)[0], shape)


def _torch_list(shape: Shape) -> Contender:
    import torch

    cells = torch.nn.ModuleList(
        torch.nn.LSTMCell(shape[2], shape[3]) for _ in range(shape[1])
    )

    def run(inputs):
        carry, outputs = None, []
        for cell, x in zip(cells, inputs, strict=True):
            carry = cell(x, carry)
            outputs.append(carry[0])
        return torch.stack(outputs)

    return _torch_step(cells, run, shape)


def _torch_step(module: Any, run: Any, shape: Shape) -> Contender:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    module.to(device)
    optimizer = torch.optim.SGD(module.parameters(), lr=_RATE)
    inputs = torch.tensor(np.asarray(inputs_of(shape)), device=device)

    def step():
        optimizer.zero_grad()
        torch.mean(run(inputs) ** 2).backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return Contender(step)

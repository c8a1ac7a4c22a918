"""Counts the parameters of the recurrent layers that other libraries ship."""

import functools

import flax.linen
import jax
import jax.numpy as jnp
from flax import nnx

from rnnshare import num_parameters


def counts_of(layer: str, d: int, h: int, steps) -> dict[str, list[int]]:
    """Returns the parameters [T] of a layer, set up or run on inputs of T steps."""
    return {"parameters": [_layers()[layer](t, d, h) for t in steps]}


def installed() -> dict[str, list[str]]:
    """Returns the names of the layers of the libraries that are installed."""
    return {"names": list(_layers())}


@functools.cache
def _layers() -> dict:
    """Returns {layer: count(T, D, H)} of the libraries that are installed."""

    def of_nnx(cell, t, d, h):
        def run():
            layer = nnx.RNN(cell(d, h, rngs=nnx.Rngs(0)))
            layer(jnp.zeros((1, t, d)))
            return nnx.to_pure_dict(nnx.state(layer, nnx.Param))

        return num_parameters(jax.eval_shape(run))

    def of_linen(cell, t, d, h):
        layer = flax.linen.RNN(cell(h))
        made = jax.eval_shape(layer.init, jax.random.key(0), jnp.zeros((1, t, d)))
        return num_parameters(made["params"])

    found = {}
    for name in ("SimpleCell", "GRUCell", "LSTMCell", "OptimizedLSTMCell"):
        found[f"flax nnx {name}"] = functools.partial(of_nnx, getattr(nnx, name))
        found[f"flax linen {name}"] = functools.partial(
            of_linen, getattr(flax.linen, name)
        )
    return found | _haiku() | _equinox() | _torch()


def _haiku():
    try:
        import haiku
    except ImportError:
        return {}

    def count(core, t, d, h):
        def run(x):
            cell = getattr(haiku, core)(h)
            return haiku.dynamic_unroll(cell, x, cell.initial_state(1))

        init = haiku.transform(run).init
        return num_parameters(
            jax.eval_shape(init, jax.random.key(0), jnp.zeros((t, 1, d)))
        )

    names = ("VanillaRNN", "GRU", "LSTM")
    return {f"haiku {name}": functools.partial(count, name) for name in names}


def _equinox():
    try:
        import equinox
    except ImportError:
        return {}

    def count(name, t, d, h):
        def run():
            cell = getattr(equinox.nn, name)(d, h, key=jax.random.key(0))
            zero = jnp.zeros(h)
            start = (zero, zero) if name == "LSTMCell" else zero
            jax.lax.scan(
                lambda carry, x: (cell(x, carry), None), start, jnp.zeros((t, d))
            )
            return equinox.filter(cell, equinox.is_array)

        return num_parameters(equinox.filter_eval_shape(run))

    return {
        f"equinox {n}": functools.partial(count, n) for n in ("GRUCell", "LSTMCell")
    }


def _torch():
    try:
        import torch
    except ImportError:
        return {}

    def count(name, t, d, h):
        layer = getattr(torch.nn, name)(d, h)
        layer(torch.zeros(t, 1, d))
        return sum(parameter.numel() for parameter in layer.parameters())

    return {f"torch {n}": functools.partial(count, n) for n in ("RNN", "GRU", "LSTM")}

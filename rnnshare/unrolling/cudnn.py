"""cuDNN's LSTM as a way to unroll, on NVIDIA GPUs.

It is `jax.experimental.rnn.lstm`, fed with the weights and carry of an `LSTMCell`. It
has first derivatives only, and those in reverse mode.
"""

from typing import Any

import chex
import jax
import jax.numpy as jnp

from rnnshare.sharing.base import Sharing
from rnnshare.sharing.templates import Tied
from rnnshare.unrolling.padding import Padding, flip_real, where_real


def why_not_cudnn(step: Any, sharing: Sharing, inputs: Any) -> str | None:
    """Returns why a step under a sharing is not cuDNN's LSTM; None if it is."""
    cell = step.pointwise_cell() if hasattr(step, "pointwise_cell") else None
    if not getattr(cell, "is_cudnn_lstm", False):
        return "the step is not that of an LSTMCell"
    if sharing != Tied():
        return f"{sharing!r} has more than one weight set; cuDNN takes Tied()"
    if inputs.dtype != jnp.float32 or inputs.ndim < 3:
        return f"it takes float32 [T, *B, D], not {jax.typeof(inputs).str_short()}"
    if jax.default_backend() != "gpu":
        return f"JAX runs on {jax.default_backend()}, and cuDNN on NVIDIA GPUs"
    return None


def cudnn_unroll(
    step: Any,
    sharing: Sharing,
    common: Any,
    per_step: Any,
    inputs: jax.Array,
    carry: tuple[jax.Array, jax.Array],
    *,
    padding: Padding | None = None,
    reverse: bool = False,
    remat: bool = False,
    unroll: int = 1,
) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
    """Does what the scan of `rnnshare.unroll` does; see there.

    `common` and `per_step` are what the sharing's `split` returns; `padding` is
    None where all steps are real. `unroll` has no meaning here.
    """
    del unroll
    is_real = None if padding is None else padding.is_real
    num_inputs, *batch, features = inputs.shape
    lengths = jnp.full(batch, num_inputs, jnp.int32)
    if is_real is not None:
        inputs = where_real(is_real, inputs)
        axes = (1,) * (len(batch) + 1 - is_real.ndim)
        real = jnp.sum(is_real, 0, dtype=jnp.int32)
        lengths = jnp.broadcast_to(real.reshape(real.shape + axes), batch)
    if reverse:
        inputs = flip_real(inputs, lengths)

    def run(weights: Any, inputs: jax.Array, carry: Any) -> Any:
        from jax.experimental import rnn

        c, h = (leaf.reshape(1, -1, leaf.shape[-1]) for leaf in carry)
        x = inputs.reshape(num_inputs, -1, features)
        width = h.shape[-1]
        chex.assert_shape((c, h), (1, x.shape[1], width))
        y, new_h, new_c = rnn.lstm(
            jnp.swapaxes(x, 0, 1),
            h,
            c,
            _packed(weights),
            jnp.maximum(lengths, 1).reshape(-1),  # it takes no empty sequences
            *(features, width, 1, 0.0, False),
        )
        shape = (*batch, width)
        outputs = jnp.swapaxes(y, 0, 1).reshape(num_inputs, *shape)
        return (new_c.reshape(shape), new_h.reshape(shape)), outputs

    if remat:
        run = jax.checkpoint(run)
    new, outputs = run(sharing.merge(common, per_step), inputs, carry)
    if is_real is not None:
        new = where_real(lengths > 0, new, carry)
    if reverse:
        outputs = flip_real(outputs, lengths)
    return new, outputs if is_real is None else where_real(is_real, outputs)


def _packed(weights: Any) -> jax.Array:
    """Returns the weights of an LSTMCell in cuDNN's order, which has a second bias."""
    bias = weights["input"]["bias"]
    kernels = [weights[name]["kernel"].T.ravel() for name in ("input", "recurrent")]
    return jnp.concatenate([*kernels, bias, jnp.zeros_like(bias)])

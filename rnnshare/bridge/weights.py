"""Weights of PyTorch's and Keras's recurrent layers as those of our cells, and back.

Both ways work on NumPy arrays; neither framework is imported. Where a framework has two
biases that are only ever added, they come in as their sum, and go out as the sum and
zeros. The function is the same; training it further is not, since two biases move their
sum twice as fast.

Shape letters: D input features, H hidden features, G gate features.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

Weights = dict[str, dict[str, Any]]
CELLS = {4: "LSTMCell", 3: "GRUCell", 1: "ElmanCell"}  # by their number of gates
_KERAS_GRU = (1, 0, 2)  # Keras's gates z, r, h in the place of our r, z, n


def from_torch(
    state: Mapping[str, Any], layer: int = 0, *, suffix: str = ""
) -> Weights:
    """Returns one layer of a PyTorch LSTM, GRU or RNN as our cell's weights.

        rnn.load(from_torch({k: v.numpy() for k, v in lstm.state_dict().items()}))

    Args:
      state: the module's `state_dict()`, its tensors as NumPy arrays:
        `weight_ih_l0` [G, D], `weight_hh_l0` [G, H], `bias_ih_l0`, `bias_hh_l0` [G].
      layer: which of its layers.
      suffix: '_reverse' for the other direction of a bidirectional layer; names of an
        `nn.LSTMCell`, which have no `_l0`, are found as well.

    Returns:
      What `RNN(make_cell, Tied(), ...).stored` is for an `LSTMCell` (G = 4 H), a
      `GRUCell` (3 H) or an `ElmanCell` (H) with the hyperbolic tangent.

    Raises:
      ValueError: if an array is missing, of a shape that no such layer has, or if the
        layer projects its output (`proj_size`).
    """
    state = {name: np.asarray(value) for name, value in state.items()}
    end = f"_l{layer}{suffix}"
    if end == "_l0" and "weight_ih_l0" not in state and "weight_ih" in state:
        end = ""  # of an nn.LSTMCell, which has one layer
    kernel, recurrent = (_taken(state, f"{name}{end}") for name in _KERNELS)
    if f"weight_hr{end}" in state:
        raise ValueError(
            f"weight_hr{end}: this LSTM projects its output (proj_size), which LSTMCell"
            " does not. Train one without."
        )
    zeros = np.zeros(len(kernel), kernel.dtype)
    has_bias = f"bias_ih{end}" in state
    biases = [_taken(state, f"{n}{end}") if has_bias else zeros for n in _BIASES]
    return _weights(kernel.T, recurrent.T, *biases)


def to_torch(
    weights: Mapping[str, Any], layer: int | None = 0
) -> dict[str, np.ndarray]:
    """Returns our cell's weights as a PyTorch `state_dict` of NumPy arrays.

        lstm.load_state_dict({k: torch.tensor(v) for k, v in to_torch(w).items()})

    Args:
      weights: of an `LSTMCell`, a `GRUCell` or an `ElmanCell`: `stored` under `Tied()`,
        or one step of `expand(sharing, stored)`.
      layer: the number of the layer in an `nn.LSTM`; None: the names of an
        `nn.LSTMCell`.

    Raises:
      ValueError: if these are the weights of no such cell.
    """
    kernel, recurrent, *biases = _parts(weights)
    end = "" if layer is None else f"_l{layer}"
    arrays = (kernel.T, recurrent.T, *biases)
    names = (*_KERNELS, *_BIASES)
    return {
        f"{name}{end}": np.ascontiguousarray(array)
        for name, array in zip(names, arrays, strict=True)
    }


def from_keras(arrays: Sequence[Any]) -> Weights:
    """Returns a Keras LSTM, GRU or SimpleRNN as our cell's weights.

        rnn.load(from_keras(layer.get_weights()))

    Args:
      arrays: the layer's `get_weights()`: the kernel [D, G], the recurrent kernel
        [H, G] and, unless `use_bias=False`, the bias, [G], of a GRU [2, G]. Its
        activations are taken to be Keras's defaults.

    Raises:
      ValueError: if the shapes are those of no such layer, or of a GRU with
        `reset_after=False`, which is another function.
    """
    if len(arrays) not in (2, 3):
        raise ValueError(
            f"{len(arrays)} arrays were given. Give layer.get_weights(): kernel, "
            "recurrent kernel and perhaps bias."
        )
    kernel, recurrent, *bias = map(np.asarray, arrays)
    zeros = np.zeros(kernel.shape[-1], kernel.dtype)
    given = bias[0] if bias else zeros
    gru = kernel.shape[-1] == 3 * len(recurrent)
    if gru and bias and given.ndim == 1:
        raise ValueError(
            "This GRU's bias has one axis: it was built with reset_after=False, which "
            "computes another function than GRUCell. Build it with reset_after=True."
        )
    pair = tuple(given) if given.ndim == 2 else (given, np.zeros_like(given))
    parts = (kernel, recurrent, *pair)
    return _weights(*(map(_gru_reordered, parts) if gru else parts))


def to_keras(weights: Mapping[str, Any]) -> list[np.ndarray]:
    """Returns our cell's weights as `layer.set_weights` takes them.

    Args:
      weights: see `to_torch`.

    Raises:
      ValueError: if these are the weights of no such cell.
    """
    parts = _parts(weights)
    if parts[0].shape[1] == 3 * len(parts[1]):
        kernel, recurrent, *biases = map(_gru_reordered, parts)
        return [kernel, recurrent, np.stack(biases)]
    kernel, recurrent, bias, other = parts
    return [kernel, recurrent, bias + other]


_KERNELS = ("weight_ih", "weight_hh")
_BIASES = ("bias_ih", "bias_hh")


def _taken(state: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in state:
        raise ValueError(
            f"There is no {name} among {', '.join(state) or 'no arrays'}. Give the "
            "state_dict() of an LSTM, a GRU or an RNN, and the number of its layer."
        )
    return state[name]


def _weights(
    kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, other: np.ndarray
) -> Weights:
    """Returns weights of our cell from kernels [D, G], [H, G] and two biases [G]."""
    _check(kernel, recurrent, bias, other)
    is_gru = kernel.shape[1] == 3 * len(recurrent)
    input_map = {"kernel": kernel, "bias": bias if is_gru else bias + other}
    recurrent_map = {"kernel": recurrent} | ({"bias": other} if is_gru else {})
    return {
        owner: {name: jnp.array(array) for name, array in arrays.items()}
        for owner, arrays in (("input", input_map), ("recurrent", recurrent_map))
    }


def _parts(weights: Mapping[str, Any]) -> tuple[np.ndarray, ...]:
    """Returns kernels [D, G], [H, G] and two biases [G] of our cell's weights."""
    try:
        kernel, bias = weights["input"]["kernel"], weights["input"]["bias"]
        recurrent = weights["recurrent"]["kernel"]
    except (KeyError, TypeError):
        raise ValueError(
            "These are no weights of an LSTMCell, a GRUCell or an ElmanCell, which "
            "have input/kernel, input/bias and recurrent/kernel. Give `stored` under "
            "Tied(), or one step of `expand(sharing, stored)`."
        ) from None
    other = weights["recurrent"].get("bias")
    parts = [np.asarray(part) for part in (kernel, recurrent, bias)]
    parts.append(np.zeros_like(parts[2]) if other is None else np.asarray(other))
    _check(*parts)
    # Other frameworks know no NumPy arrays of bfloat16.
    return tuple(p.astype(np.float32) if p.dtype.kind == "V" else p for p in parts)


def _check(
    kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, other: np.ndarray
) -> None:
    shapes = [part.shape for part in (kernel, recurrent, bias, other)]
    hidden, gates = recurrent.shape if recurrent.ndim == 2 else (0, 0)
    fits = kernel.ndim == 2 and hidden and gates % hidden == 0
    wanted = [(kernel.shape[0], gates), (hidden, gates), (gates,), (gates,)]
    if not fits or gates // hidden not in CELLS or shapes != wanted:
        raise ValueError(
            f"Kernels [in, gates] and biases have the shapes {shapes}, which are no "
            f"{', '.join(CELLS.values())}'s: [D, G], [H, G], [G], [G], G being 4, 3 or "
            "1 times H. Of an untied model give one step at a time."
        )


def _gru_reordered(array: np.ndarray) -> np.ndarray:
    """Returns gates z, r, n of an array as r, z, n, or the other way."""
    parts = np.split(array, 3, axis=-1)
    return np.concatenate([parts[i] for i in _KERAS_GRU], axis=-1)

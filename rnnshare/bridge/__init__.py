"""Cells of other libraries under any sharing, and weights of other frameworks.

    make_cell = bridge.Linen(functools.partial(linen.LSTMCell, 64), in_features=12)
    rnn = RNN(make_cell, Untied(num_steps=28), rngs=nnx.Rngs(0))

Linen, Haiku and Equinox are imported only when a cell of theirs is built; PyTorch and
Keras never are: their weights come and go as NumPy arrays.
"""

from rnnshare.bridge.adapters import Adapter, Function
from rnnshare.bridge.libraries import Equinox, Haiku, Linen
from rnnshare.bridge.weights import from_keras, from_torch, to_keras, to_torch

__all__ = [
    "Adapter",
    "Equinox",
    "Function",
    "Haiku",
    "Linen",
    "from_keras",
    "from_torch",
    "to_keras",
    "to_torch",
]

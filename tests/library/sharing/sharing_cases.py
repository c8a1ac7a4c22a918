"""What the tests of sharings have in common."""

import jax

from rnnshare import Hypernetwork
from tests.library.law_cases import D, H

KEY = jax.random.key(5)


def learned(size, num_steps, **options):
    return Hypernetwork(size, "learned", num_steps=num_steps, **options)


def at(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


CELLS = ("LSTM", "GRU", "Elman", "nnx.GRU", "nnx.OptimizedLSTM")
PARAMETERS = {  # of one cell, by hand
    "LSTM": 4 * H * (D + H + 1),
    "GRU": 3 * H * (D + H + 2),
    "Elman": H * (D + H + 1),
    "nnx.GRU": 3 * H * (D + H + 1),
    "nnx.OptimizedLSTM": 4 * H * (D + H + 1),
}

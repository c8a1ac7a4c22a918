"""rnnshare: RNNs whose weights are shared across time as much as you say."""

from rnnshare.cells import AffineCell, ElmanCell, GRUCell, LSTMCell
from rnnshare.models import SequenceModel
from rnnshare.rnn import RNN
from rnnshare.sharing import (
    Cyclic,
    Segments,
    Sharing,
    Tied,
    Untied,
    expand,
    num_parameters,
)
from rnnshare.unrolling import map_steps, unroll

__all__ = [
    "RNN",
    "AffineCell",
    "Cyclic",
    "ElmanCell",
    "GRUCell",
    "LSTMCell",
    "Segments",
    "SequenceModel",
    "Sharing",
    "Tied",
    "Untied",
    "expand",
    "map_steps",
    "num_parameters",
    "unroll",
]

"""rnnshare: RNNs whose weights are shared across time as much as you say."""

from rnnshare.cells import AffineCell, ElmanCell, GRUCell, LSTMCell
from rnnshare.combinations import Basis, Drift, Hypernetwork, Mixture
from rnnshare.corrections import LowRank, Scaled, TimeInput
from rnnshare.models import SequenceModel
from rnnshare.partition import Partition
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
    "Basis",
    "Cyclic",
    "Drift",
    "ElmanCell",
    "GRUCell",
    "Hypernetwork",
    "LSTMCell",
    "LowRank",
    "Mixture",
    "Partition",
    "Scaled",
    "Segments",
    "SequenceModel",
    "Sharing",
    "Tied",
    "TimeInput",
    "Untied",
    "expand",
    "map_steps",
    "num_parameters",
    "unroll",
]

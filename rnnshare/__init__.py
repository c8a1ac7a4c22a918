"""rnnshare: RNNs whose weights are shared across time as much as you say."""

from rnnshare.cells import AffineCell, ElmanCell, GRUCell, LSTMCell
from rnnshare.combinations import Basis, Drift, Hypernetwork, Mixture
from rnnshare.conversion import convert
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
from rnnshare.sizing import count_flops, count_parameters, match_width
from rnnshare.soft_tying import soft_tying, tying_penalty
from rnnshare.state_cells import HyperLSTMCell, StateMixtureCell
from rnnshare.unrolling import map_steps, unroll

__all__ = [
    "RNN",
    "AffineCell",
    "Basis",
    "Cyclic",
    "Drift",
    "ElmanCell",
    "GRUCell",
    "HyperLSTMCell",
    "Hypernetwork",
    "LSTMCell",
    "LowRank",
    "Mixture",
    "Partition",
    "Scaled",
    "Segments",
    "SequenceModel",
    "Sharing",
    "StateMixtureCell",
    "Tied",
    "TimeInput",
    "Untied",
    "convert",
    "count_flops",
    "count_parameters",
    "expand",
    "map_steps",
    "match_width",
    "num_parameters",
    "soft_tying",
    "tying_penalty",
    "unroll",
]

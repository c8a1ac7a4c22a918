"""rnnshare: RNNs whose weights are shared across time as much as you say."""

from rnnshare.cells import (
    AffineCell,
    ElmanCell,
    GRUCell,
    HyperLSTMCell,
    LSTMCell,
    StateMixtureCell,
)
from rnnshare.models import (
    RNN,
    SequenceModel,
    count_flops,
    count_parameters,
    match_width,
)
from rnnshare.sharing import (
    Basis,
    Cyclic,
    Drift,
    Hypernetwork,
    LowRank,
    Mixture,
    Partition,
    Scaled,
    Segments,
    Sharing,
    Tied,
    TimeInput,
    Untied,
    convert,
    expand,
    num_parameters,
    soft_tying,
    tying_penalty,
)
from rnnshare.unrolling import map_steps, unroll

__version__ = "0.1.0"

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

"""Sharings: differentiable maps from the stored pytree to one weight set a step.

No Flax here: everything is plain pytrees and pure functions.
"""

from rnnshare.sharing.base import Sharing, expand, num_parameters
from rnnshare.sharing.combinations import Basis, Drift, Hypernetwork, Mixture
from rnnshare.sharing.conversion import convert
from rnnshare.sharing.corrections import LowRank, Scaled, TimeInput
from rnnshare.sharing.partition import Partition
from rnnshare.sharing.selections import Cyclic, Schedule, Segments
from rnnshare.sharing.templates import Tied, Untied
from rnnshare.sharing.tying import soft_tying, tying_penalty

__all__ = [
    "Basis",
    "Cyclic",
    "Drift",
    "Hypernetwork",
    "LowRank",
    "Mixture",
    "Partition",
    "Scaled",
    "Schedule",
    "Segments",
    "Sharing",
    "Tied",
    "TimeInput",
    "Untied",
    "convert",
    "expand",
    "num_parameters",
    "soft_tying",
    "tying_penalty",
]

"""Recurrent cells: one step, `(carry, x) -> (carry, y)`, as Flax modules."""

from rnnshare.cells.ablated import (
    NoCellPathLSTMCell,
    NoHiddenPathLSTMCell,
    NoPathLSTMCell,
)
from rnnshare.cells.affine import (
    AffineCell,
)
from rnnshare.cells.blueprint import (
    Blueprint,
    pure_params,
)
from rnnshare.cells.linear import (
    LinearCell,
)
from rnnshare.cells.linear_units import (
    LRUCell,
    MinGRUCell,
    MinLSTMCell,
)
from rnnshare.cells.standard import (
    ElmanCell,
    GRUCell,
    LSTMCell,
    identity_init,
)
from rnnshare.cells.state_dependent import (
    HyperLSTMCell,
    StateMixtureCell,
)

__all__ = [
    "AffineCell",
    "Blueprint",
    "ElmanCell",
    "GRUCell",
    "HyperLSTMCell",
    "LRUCell",
    "LSTMCell",
    "LinearCell",
    "MinGRUCell",
    "MinLSTMCell",
    "NoCellPathLSTMCell",
    "NoHiddenPathLSTMCell",
    "NoPathLSTMCell",
    "StateMixtureCell",
    "identity_init",
    "pure_params",
]

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
    "LSTMCell",
    "NoCellPathLSTMCell",
    "NoHiddenPathLSTMCell",
    "NoPathLSTMCell",
    "StateMixtureCell",
    "identity_init",
    "pure_params",
]

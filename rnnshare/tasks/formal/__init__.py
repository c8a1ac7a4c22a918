"""Formal languages as tasks: strings of every length, answered once or step by step.

Each task has strings of up to `max_length` symbols, one-hot, padded; trained at one
`max_length`, a model is tested at any other, `of_length`. The regular tasks ask for
one class at the string's end. The others answer with a string: after the input comes an
*answer* symbol for every step that is asked.

Shape letters: B batch, N max_length, T steps.

Reference: Deletang et al., 2023, "Neural networks and the Chomsky hierarchy".
"""

from rnnshare.tasks.formal.base import FormalTask
from rnnshare.tasks.formal.regular import (
    REGULAR,
    CycleNavigation,
    EvenPairs,
    ModularArithmetic,
    Parity,
    Regular,
)
from rnnshare.tasks.formal.transduction import (
    NON_REGULAR,
    DuplicateString,
    OddsFirst,
    ReverseString,
    StackManipulation,
    Transduction,
)

__all__ = [
    "NON_REGULAR",
    "REGULAR",
    "CycleNavigation",
    "DuplicateString",
    "EvenPairs",
    "FormalTask",
    "ModularArithmetic",
    "OddsFirst",
    "Parity",
    "Regular",
    "ReverseString",
    "StackManipulation",
    "Transduction",
]

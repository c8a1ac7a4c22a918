"""Tasks: pure samplers with a loss, metrics and reference lines; no model in sight."""

from rnnshare.tasks.base import Batch, Classification, Task
from rnnshare.tasks.drawn import DrawnTask
from rnnshare.tasks.drift import DriftTask, drift, drift_oracles
from rnnshare.tasks.formal import (
    NON_REGULAR,
    REGULAR,
    CycleNavigation,
    DuplicateString,
    EvenPairs,
    FormalTask,
    ModularArithmetic,
    OddsFirst,
    Parity,
    ReverseString,
    StackManipulation,
)
from rnnshare.tasks.grammar import WordOrder
from rnnshare.tasks.memorise import RandomLabels
from rnnshare.tasks.positions import LocalRule, SignalPatch
from rnnshare.tasks.real import (
    ArrayTask,
    italy_power_demand,
    japanese_vowels,
    mnist1d,
)
from rnnshare.tasks.synthetic import Adding, CopyMemory

__all__ = [
    "NON_REGULAR",
    "REGULAR",
    "Adding",
    "ArrayTask",
    "Batch",
    "Classification",
    "CopyMemory",
    "CycleNavigation",
    "DrawnTask",
    "DriftTask",
    "DuplicateString",
    "EvenPairs",
    "FormalTask",
    "LocalRule",
    "ModularArithmetic",
    "OddsFirst",
    "Parity",
    "RandomLabels",
    "ReverseString",
    "SignalPatch",
    "StackManipulation",
    "Task",
    "WordOrder",
    "drift",
    "drift_oracles",
    "italy_power_demand",
    "japanese_vowels",
    "mnist1d",
]

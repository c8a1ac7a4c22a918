"""Tasks: pure samplers with a loss, metrics and reference lines; no model in sight."""

from rnnshare.tasks.arrays import (
    ArrayRegression,
    Arrays,
    StepClassification,
    from_arrays,
)
from rnnshare.tasks.base import Batch, Classification, Regression, Task
from rnnshare.tasks.composition import Composition, RandomString
from rnnshare.tasks.drifting import DriftTask, drift
from rnnshare.tasks.drifting_rule import drift_oracles
from rnnshare.tasks.drifting_stream import STREAMING, DriftStream, drift_stream
from rnnshare.tasks.forecasting import Forecast, pedestrians
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
from rnnshare.tasks.generated import GeneratedTask
from rnnshare.tasks.grammar import WordOrder
from rnnshare.tasks.lag import LagRecall
from rnnshare.tasks.memorise import RandomLabels
from rnnshare.tasks.padded import PaddedAdding, PaddedCopyMemory
from rnnshare.tasks.pools import ArrayTask
from rnnshare.tasks.positions import LocalRule, SignalPatch
from rnnshare.tasks.real import (
    digits,
    italy_power_demand,
    japanese_vowels,
    mnist1d,
    mnist_rows,
    outlines,
    surnames,
)
from rnnshare.tasks.rotation import Rotation
from rnnshare.tasks.synthetic import Adding, CopyMemory
from rnnshare.tasks.text import NextCharacter, folk_tune_streams, folk_tunes

__all__ = [
    "NON_REGULAR",
    "REGULAR",
    "STREAMING",
    "Adding",
    "ArrayRegression",
    "ArrayTask",
    "Arrays",
    "Batch",
    "Classification",
    "Composition",
    "CopyMemory",
    "CycleNavigation",
    "DriftStream",
    "DriftTask",
    "DuplicateString",
    "EvenPairs",
    "Forecast",
    "FormalTask",
    "GeneratedTask",
    "LagRecall",
    "LocalRule",
    "ModularArithmetic",
    "NextCharacter",
    "OddsFirst",
    "PaddedAdding",
    "PaddedCopyMemory",
    "Parity",
    "RandomLabels",
    "RandomString",
    "Regression",
    "ReverseString",
    "Rotation",
    "SignalPatch",
    "StackManipulation",
    "StepClassification",
    "Task",
    "WordOrder",
    "digits",
    "drift",
    "drift_oracles",
    "drift_stream",
    "folk_tune_streams",
    "folk_tunes",
    "from_arrays",
    "italy_power_demand",
    "japanese_vowels",
    "mnist1d",
    "mnist_rows",
    "outlines",
    "pedestrians",
    "surnames",
]

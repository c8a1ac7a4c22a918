"""Tasks: pure samplers with a loss, metrics and reference lines; no model in sight."""

from rnnshare.tasks.base import Batch, Classification, Task
from rnnshare.tasks.drift import DriftTask, drift, drift_oracles
from rnnshare.tasks.real import (
    ArrayTask,
    italy_power_demand,
    japanese_vowels,
    mnist1d,
)
from rnnshare.tasks.synthetic import Adding, CopyMemory

__all__ = [
    "Adding",
    "ArrayTask",
    "Batch",
    "Classification",
    "CopyMemory",
    "DriftTask",
    "Task",
    "drift",
    "drift_oracles",
    "italy_power_demand",
    "japanese_vowels",
    "mnist1d",
]

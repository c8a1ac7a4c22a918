"""The law of sharing, and what it says of a data set: see `formulas`."""

from rnnshare.analysis.law.estimation import Estimate, Variances, estimate, variances
from rnnshare.analysis.law.formulas import (
    ExcessErrors,
    best_strength,
    crossover,
    effective_steps,
    excess_errors,
)

__all__ = [
    "Estimate",
    "ExcessErrors",
    "Variances",
    "best_strength",
    "crossover",
    "effective_steps",
    "estimate",
    "excess_errors",
    "variances",
]

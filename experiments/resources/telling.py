"""Ratios of raced times, and how the ledger's numbers are told."""

import dataclasses
import itertools

import numpy as np

from experiments.resources.cases import IN_FEATURES, Case
from experiments.resources.measure import Limit, Measured, law_cases
from experiments.resources.plan import Plan
from rnnshare.analysis.statistics import Interval, bootstrap_interval, log_log_slope

MIB, GIB = 2**20, 2**30


def ratios(values, cases):
    """Returns {case: values over those of its tied counterpart}, of untied cases."""
    return {
        case: values[case] / values[dataclasses.replace(case, arm="Tied")]
        for case in cases
        if case.arm == "Untied"
    }


def median_over_rounds(values) -> Interval:
    """Returns the median over rounds with its interval."""
    return bootstrap_interval(values, statistic=np.median)


def law_slope(plan: Plan, arm: str, value_of) -> Interval:
    """Returns the log-log slope of something against T, over law cells and widths.

    Args:
      plan: whose T, cells and widths.
      arm: a sharing's name.
      value_of: case -> a positive number.
    """
    rows = [
        [value_of(case) for case in law_cases(plan, cell, width, (arm,))]
        for cell, width in itertools.product(plan.law_cells, plan.widths)
    ]
    return log_log_slope(plan.steps, rows if len(rows) > 1 else rows[0])


def span(interval: Interval) -> str:
    """Returns an estimate and its interval, which is left out if it has no width."""
    exact = interval.low == interval.high
    return f"{interval.estimate:.2f}" if exact else f"{interval:.2f}"


def steps(one: Limit) -> str:
    """Returns a `Limit`'s largest T."""
    return f"{np.median(one.steps):,.0f}"


def gib(budget: int) -> str:
    """Returns bytes in GiB."""
    return f"{budget / GIB:g} GiB"


def names(case: Case) -> tuple[str, ...]:
    """Returns a case's first columns in a table: cell, H, B, T."""
    sizes = case.hidden_features, case.batch_size, case.num_steps
    return case.cell, *map(str, sizes)


def setup(plan: Plan, measured: Measured) -> str:
    """Returns on what, and what, was measured."""
    return (
        f"On {measured.device}: one layer, D = {IN_FEATURES}, a linear read-out at the "
        "last step, float32; one step of the training loop (gradient, clipping, Adam) "
        "on a batch that is an argument, its state donated. Laws in T: "
        f"{', '.join(plan.law_cells)}, T = {', '.join(map(str, plan.steps))}."
    )

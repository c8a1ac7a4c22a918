"""Ratios of raced times, and how the ledger's numbers are told."""

import dataclasses

from experiments.resources.cases import IN_FEATURES, Case
from experiments.resources.measure import Measured, law_cases
from experiments.resources.plan import Plan
from rnnshare.analysis.statistics import Interval, log_log_slope, mean_interval

MIB, GIB = 2**20, 2**30


def ratios(values, cases):
    """Returns {case: values over those of its tied counterpart}, of untied cases."""
    return {
        case: values[case] / values[dataclasses.replace(case, arm="Tied")]
        for case in cases
        if case.arm == "Untied"
    }


def over_rounds(values) -> Interval:
    """Returns the geometric mean over rounds with its t interval."""
    return mean_interval(values, scale="log")


def law_slope(plan: Plan, arm: str, value_of) -> Interval:
    """Returns the log-log slope of something against T, over the widths.

    Args:
      plan: whose T, cell and widths.
      arm: a sharing's name.
      value_of: case -> a positive number.
    """
    rows = [
        [value_of(case) for case in law_cases(plan, plan.one_cell, width, (arm,))]
        for width in plan.widths
    ]
    return log_log_slope(plan.steps, rows if len(rows) > 1 else rows[0])


def span(interval: Interval) -> str:
    """Returns an estimate and its interval, which is left out if it has no width."""
    exact = interval.low == interval.high
    return f"{interval.estimate:.2f}" if exact else f"{interval:.2f}"


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
        "last step, float32; one step of the training loop (gradient, clipping, "
        "optimiser) on a batch that is an argument, its state donated."
    )

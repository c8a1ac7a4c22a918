"""What the resource ledger's numbers come to: ratios, laws, limits, verdicts."""

import dataclasses
import itertools
from typing import NamedTuple

import numpy as np

from experiments.resources.cases import CELLS, Case
from experiments.resources.measure import ENDS, compiled_anew, law_cases
from experiments.resources.program import memory_of, stored_bytes
from rnnshare.analysis.statistics import (
    Interval,
    bootstrap_interval,
    line_fit,
    log_log_slope,
)

SLOWER, NOT_SLOWER = 1.5, 1.2  # ratios of step times, see the rule of Q6
SLOPE_WITHIN = 0.05  # see the rule of A1
LONG = 1_000  # steps of a long sequence, see the rule of B6
FAR_BELOW, NEAR = 0.1, 0.5  # shares of tied's largest T, see the rule of B6
SECONDS = 1.0  # that a training step may take, see the rule of B6


class Limit(NamedTuple):
    """The largest T within a budget.

    Attributes:
      by_memory: steps that fit, as found by the line of the memory against T.
      needs: bytes of the step compiled for that T, at most the budget.
      by_time: steps that a second allows, [R], extrapolated from the longest T timed.
    """

    by_memory: int
    needs: int
    by_time: np.ndarray

    @property
    def steps(self) -> np.ndarray:
        """The largest T that both allow, [R]."""
        return np.minimum(self.by_memory, self.by_time)


def ratios(values, cases):
    """Returns {case: values over those of its tied counterpart}, of untied cases."""
    return {
        case: values[case] / values[dataclasses.replace(case, arm="Tied")]
        for case in cases
        if case.arm == "Untied"
    }


def median_over_rounds(values):
    """Returns the median over rounds with its interval."""
    return bootstrap_interval(values, statistic=np.median)


def judge_time(found):
    """Returns the verdict of Q6 and the ratio with its interval.

    Args:
      found: {case: [R]}, untied's step time over tied's, round by round.
    """
    mean = median_over_rounds(np.exp(np.mean(np.log(list(found.values())), axis=0)))
    if mean.low > SLOWER:
        return "supported", mean
    return ("refuted" if mean.high < NOT_SLOWER else "inconclusive"), mean


def stored_slopes(plan, memory):
    """Returns {(cell, H): {arm: slope}} of the bytes that stay, against T, log-log."""
    return {
        (cell, width): {
            arm: log_log_slope(plan.steps, [
                sum(memory[case][:2] if case in memory else stored_bytes(case))
                for case in law_cases(plan, cell, width, (arm,))
            ]).estimate
            for arm in plan.arms
        }
        for cell in CELLS
        for width in plan.widths
    }  # fmt: skip


def judge_stored(slopes):
    """Returns the verdict of A1.

    Args:
      slopes: {(cell, H): {arm: slope}} as `stored_slopes` returns them.
    """
    as_said = [
        abs(arms["Untied"] - 1) <= SLOPE_WITHIN and abs(arms["Tied"]) <= SLOPE_WITHIN
        for arms in slopes.values()
    ]
    alike = [arms["Untied"] - arms["Tied"] < SLOPE_WITHIN for arms in slopes.values()]
    if all(as_said):
        return "supported"
    return "refuted" if 2 * sum(alike) > len(alike) else "inconclusive"


def law_slope(plan, arm, value_of):
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


def activations(memory, case):
    """Returns the bytes of a case's activations: the tied program's temporary ones.

    Untied, they share their places with the gradients, which may be larger; the tied
    program of the same shapes keeps the same activations, and hardly any gradients.
    """
    return memory[dataclasses.replace(case, arm="Tied")].temporary


def crossing(plan, memory, width):
    """Returns the B above which activations need more than what untied stores."""
    cases = [
        Case(plan.one_cell, "Untied", width, batch, plan.grid_steps)
        for batch in plan.batches
    ]
    line = line_fit(plan.batches, [activations(memory, case) for case in cases])
    return (memory[cases[0]].stored - line.intercept) / line.slope.estimate


def limits(plan, measured, budget):
    """Returns {(cell, H): {arm: Limit}} for a budget of bytes."""
    return {
        (cell, width): {
            arm: limit(law_cases(plan, cell, width, (arm,)), measured, budget)
            for arm in ENDS
        }
        for cell, width in itertools.product(plan.law_cells, plan.widths)
    }


def limit(cases, measured, budget):
    """Returns the `Limit` of cases that differ in T alone."""
    steps = [case.num_steps for case in cases]
    line = line_fit(steps, [measured.memory[case].total for case in cases])
    guess = int((budget - line.intercept) / line.slope.estimate)
    most, needs = most_steps(cases[-1], guess, budget)
    return Limit(most, needs, SECONDS * steps[-1] / measured.times[cases[-1]])


def most_steps(case, guess, budget):
    """Returns the largest T up to a guess whose step fits a budget, and its bytes."""
    with compiled_anew():
        while True:
            needs = memory_of(dataclasses.replace(case, num_steps=guess)).total
            if needs <= budget:
                return guess, needs
            guess = int(guess * budget / needs)  # the line is off by less than 1/1000


def judge_limits(found):
    """Returns the verdict of B6, and {key: untied's share of tied's largest T}.

    Args:
      found: {key: {arm: [R]}}, the largest T of each, round by round.
    """
    shares = {
        key: median_over_rounds(np.divide(arms["Untied"], arms["Tied"]))
        for key, arms in found.items()
    }
    feasible = [
        shares[key].low >= NEAR and median_over_rounds(arms["Untied"]).low >= LONG
        for key, arms in found.items()
    ]
    if all(share.high <= FAR_BELOW for share in shares.values()):
        return "supported", shares
    return ("refuted" if any(feasible) else "inconclusive"), shares


def largest(shares) -> Interval:
    """Returns the largest share, which decides."""
    return max(shares.values(), key=lambda share: share.estimate)

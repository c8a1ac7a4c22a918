"""The study behind Q6, A1 and B6: what a training step takes, tied and untied.

Times are raced: every round runs all of them, so a ratio within a round is free of what
else the machine did. Rounds are to a time what paired seeds are to a loss.
"""

import contextlib
import dataclasses
import itertools
from typing import NamedTuple

import jax
import numpy as np

from experiments.racing import race
from experiments.resources_program import (
    CELLS,
    Case,
    Memory,
    contender,
    memory_of,
    stored_bytes,
)
from rnnshare.statistics import Interval, bootstrap_interval, line_fit, log_log_slope

ENDS = ("Tied", "Untied")
SLOWER, NOT_SLOWER = 1.5, 1.2  # ratios of step times, see the rule of Q6
SLOPE_WITHIN = 0.05  # see the rule of A1
LONG = 1_000  # steps of a long sequence, see the rule of B6
FAR_BELOW, NEAR = 0.1, 0.5  # shares of tied's largest T, see the rule of B6
BUDGETS = (2**30, 2**34)  # bytes; the verdict rests on the first
SECONDS = 1.0  # that a training step may take, see the rule of B6


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset measures.

    Attributes:
      cells: of the grid of step times.
      arms: sharings of that grid, tied and untied among them.
      widths: the H.
      batch_size: the B, where nothing else is said.
      grid_steps: the T of that grid.
      law_cells: cells whose step is measured at every T.
      steps: the T of the laws, at least 3; a time a step is taken at the longest.
      one_cell, one_width: where batches and the unrolled form are measured.
      small_batches: B whose step is timed as well.
      batches: B whose memory is taken, at least 3.
      unrolled_steps: the T that are traced step by step.
      rounds: of a race.
      least_seconds: that each round gives a contender.
    """

    cells: tuple[str, ...]
    arms: tuple[str, ...]
    widths: tuple[int, ...]
    batch_size: int
    grid_steps: int
    law_cells: tuple[str, ...]
    steps: tuple[int, ...]
    one_cell: str
    one_width: int
    small_batches: tuple[int, ...]
    batches: tuple[int, ...]
    unrolled_steps: tuple[int, ...]
    rounds: int
    least_seconds: float


_BETWEEN = ("Segments", "Cyclic", "LowRank")
PLANS = {
    "smoke": Plan(("Elman",), ENDS, (4,), 2, 6, ("Elman",), (3, 6, 12), "Elman", 4,
                  (1,), (1, 2, 8), (2,), 3, 1e-3),
    "quick": Plan(("Elman", "GRU", "LSTM"), ENDS, (16, 64, 128), 32, 100, ("LSTM",),
                  (25, 100, 400), "LSTM", 64, (1, 4), (1, 32, 256), (8, 16, 32), 11,
                  0.03),
    "full": Plan(("Elman", "GRU", "LSTM"), (*ENDS, *_BETWEEN), (16, 32, 64, 128, 256),
                 32, 100, ("Elman", "GRU", "LSTM"), (25, 50, 100, 200, 400), "LSTM", 64,
                 (1, 2, 4, 8), (1, 4, 32, 128, 512), (8, 16, 32, 64, 100), 25, 0.05),
}  # fmt: skip


class Measured(NamedTuple):
    """What was measured, by case.

    Attributes:
      times: seconds of a training step, [R], round by round of one race.
      compile_seconds: lowering and compiling, measured once.
      memory: by XLA's analysis of the compiled step.
    """

    times: dict[Case, np.ndarray]
    compile_seconds: dict[Case, float]
    memory: dict[Case, Memory]


class Limit(NamedTuple):
    """The largest T within a budget.

    Attributes:
      by_memory: steps that fit, by the law of the memory against T.
      needs: bytes of the step compiled for that T.
      by_time: steps that a second allows, [R], extrapolated from the longest T timed.
    """

    by_memory: int
    needs: int
    by_time: np.ndarray

    @property
    def steps(self) -> np.ndarray:
        """The largest T that both allow, [R]."""
        return np.minimum(self.by_memory, self.by_time)


def grid_cases(plan):
    """Returns the cases of the grid of step times, an arm beside the other."""
    return [
        Case(cell, arm, width, plan.batch_size, plan.grid_steps)
        for cell in plan.cells
        for width in plan.widths
        for arm in plan.arms
    ]


def batch_cases(plan, batches):
    """Returns tied and untied cases of other B."""
    return [
        Case(plan.one_cell, arm, plan.one_width, batch, plan.grid_steps)
        for batch in batches
        for arm in ENDS
    ]


def unrolled_cases(plan):
    """Returns the cases traced step by step, each beside the scanned one."""
    return [
        Case(plan.one_cell, arm, plan.one_width, plan.batch_size, steps, form)
        for steps in plan.unrolled_steps
        for form in ("scanned", "unrolled")
        for arm in ENDS
    ]


def law_cases(plan, cell, width, arms=ENDS):
    """Returns the cases of one cell and width at every T."""
    return [
        Case(cell, arm, width, plan.batch_size, steps)
        for steps in plan.steps
        for arm in arms
    ]


def map_cases(plan):
    """Returns the cases of the map over B and H."""
    return [
        Case(plan.one_cell, arm, width, batch, plan.grid_steps)
        for width in plan.widths
        for batch in plan.batches
        for arm in ENDS
    ]


def races(plan):
    """Returns lists of cases; those of one list are raced in one."""
    grid = grid_cases(plan) + batch_cases(plan, plan.small_batches)
    laws = [
        law_cases(plan, cell, width)
        for cell, width in itertools.product(plan.law_cells, plan.widths)
    ]
    seen: set[Case] = set()
    found = []
    for group in (grid, *laws, unrolled_cases(plan)):
        found.append([case for case in group if case not in seen])
        seen.update(group)
    return [group for group in found if group]


def measure(plan):
    """Compiles, races and weighs all of a plan; returns a `Measured`."""
    found = Measured({}, {}, {})
    with compiled_anew():
        for group in races(plan):
            measure_race(plan, group, found)
            jax.clear_caches()
        for case in map_cases(plan) + [
            case
            for cell, width in itertools.product(plan.law_cells, plan.widths)
            for case in law_cases(plan, cell, width, plan.arms)
        ]:
            if case not in found.memory:
                found.memory[case] = memory_of(case)
    return found


def measure_race(plan, cases, found):
    """Races cases; adds what was measured."""
    contenders = {}
    for case in cases:
        one, found.memory[case] = contender(case)
        found.compile_seconds[case] = one.compile_seconds
        contenders[repr(case)] = one
    times = race(contenders, plan.rounds, plan.least_seconds)
    for case in cases:
        found.times[case] = np.array(times[repr(case)])


@contextlib.contextmanager
def compiled_anew():
    """Keeps the programs of a block out of the cache on disk.

    What is read from there would tell nothing of the time to compile.
    """
    name = "jax_persistent_cache_min_compile_time_secs"
    kept = getattr(jax.config, name)
    jax.config.update(name, 1e9)
    try:
        yield
    finally:
        jax.config.update(name, kept)


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
    most = int((budget - line.intercept) / line.slope.estimate)
    with compiled_anew():
        needs = memory_of(dataclasses.replace(cases[-1], num_steps=most)).total
    return Limit(most, needs, SECONDS * steps[-1] / measured.times[cases[-1]])


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

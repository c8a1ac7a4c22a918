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

from experiments.lab.racing import race
from experiments.resources.cases import Case
from experiments.resources.program import Memory, contender, memory_of

ENDS = ("Tied", "Untied")


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
      budgets: of memory, in bytes; the verdict of B6 rests on the first.
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
    budgets: tuple[int, ...]
    rounds: int
    least_seconds: float


_BETWEEN = ("Segments", "Cyclic", "LowRank")
PLANS = {
    "smoke": Plan(("Elman",), ENDS, (4,), 2, 6, ("Elman",), (3, 6, 12), "Elman", 4,
                  (1,), (1, 2, 8), (3,), (2**30,), 3, 1e-3),
    "quick": Plan(("Elman", "GRU", "LSTM"), ENDS, (16, 64, 128), 32, 100, ("LSTM",),
                  (25, 100, 400), "LSTM", 64, (1, 4), (1, 32, 256), (8, 25),
                  (2**30, 2**34), 9, 0.02),
    "full": Plan(("Elman", "GRU", "LSTM"), (*ENDS, *_BETWEEN), (16, 32, 64, 128, 256),
                 32, 100, ("Elman", "GRU", "LSTM"), (25, 50, 100, 200, 400), "LSTM", 64,
                 (1, 2, 4, 8), (1, 4, 32, 128, 512), (8, 25, 50, 100),
                 (2**30, 2**34), 25, 0.05),
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
        law_cases(plan, *law) for law in itertools.product(plan.law_cells, plan.widths)
    ]
    seen: set[Case] = set()
    found = []
    for group in (grid, *laws, unrolled_cases(plan)):
        found.append([case for case in group if case not in seen])
        seen.update(group)
    return [group for group in found if group]


def weighed(plan):
    """Returns lists of cases whose memory is taken, raced or not."""
    laws = itertools.product(plan.law_cells, plan.widths)
    return [map_cases(plan), *(law_cases(plan, *law, plan.arms) for law in laws)]


def measure(plan):
    """Compiles, races and weighs all of a plan; returns a `Measured`."""
    found = Measured({}, {}, {})
    with compiled_anew():
        for group in races(plan):
            measure_race(plan, group, found)
            jax.clear_caches()
        for group in weighed(plan):
            for case in group:
                if case not in found.memory:
                    found.memory[case] = memory_of(case)
            jax.clear_caches()
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

"""What a training step takes, tied and untied: times, memory, the longest sequence.

Times are raced: every round runs all of them, so a ratio within a round is free of what
else the machine did. Rounds are to a time what paired seeds are to a loss.
"""

import contextlib
import dataclasses
import itertools
from typing import NamedTuple

import jax
import numpy as np

from experiments.lab.choices import standard_cells
from experiments.lab.racing import race
from experiments.lab.trials import Lab
from experiments.resources.cases import Case
from experiments.resources.longest import BRACKET, TRIES, bracket, ends_of, seconds_of
from experiments.resources.plan import ENDS, Plan
from experiments.resources.program import Memory, contender, memory_of, stored_bytes
from rnnshare.analysis.statistics import line_fit


class Limit(NamedTuple):
    """The largest T within a budget of memory and, apart, within one of time.

    Attributes:
      by_memory: steps that fit, as found by the line of the memory against T.
      needs: bytes of the step compiled for that T, at most the budget.
      within: the longest T whose step was run within the time.
      above: the shortest T above it whose step took longer.
    """

    by_memory: int
    needs: int
    within: int
    above: int


class Measured(NamedTuple):
    """What was measured, by case.

    Attributes:
      times: seconds of a training step, [R], round by round of one race.
      compile_seconds: lowering and compiling, measured once.
      memory: by XLA's analysis of the compiled step.
      stored: bytes of parameters and optimiser, of every cell, width, arm and T.
      limits: {(cell, H): {arm: Limit}}.
      device: what it was measured on.
    """

    times: dict[Case, np.ndarray]
    compile_seconds: dict[Case, float]
    memory: dict[Case, Memory]
    stored: dict[Case, int]
    limits: dict
    device: str


def grid_cases(plan):
    """Returns the cases of the grid of step times, tied beside untied."""
    usual = [(cell, plan.batch_size, "adam") for cell in plan.cells]
    each = itertools.product(plan.shape_cells, plan.timed_batches, plan.optimizers)
    shapes = list(dict.fromkeys([*usual, *each]))
    return [
        Case(cell, arm, width, batch, plan.grid_steps, optimizer)
        for width in plan.widths
        for cell, batch, optimizer in shapes
        for arm in ENDS
    ]


def unrolled_cases(plan):
    """Returns the cases traced step by step, each beside the scanned one."""
    return [
        Case(plan.one_cell, arm, plan.one_width, plan.batch_size, steps, form=form)
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


def limit_cases(plan):
    """Returns lists of cases, at every T, whose longest sequence is sought."""
    each = itertools.product(plan.law_cells, plan.widths, ENDS)
    return [law_cases(plan, cell, width, (arm,)) for cell, width, arm in each]


def races(plan):
    """Returns lists of cases; those of one list are raced in one."""
    grid = grid_cases(plan)
    by_width = [[c for c in grid if c.hidden_features == h] for h in plan.widths]
    laws = [law_cases(plan, plan.one_cell, width) for width in plan.widths]
    seen: set[Case] = set()
    found = []
    for group in (*by_width, *laws, unrolled_cases(plan)):
        found.append([case for case in group if case not in seen])
        seen.update(group)
    return [group for group in found if group]


def weighed(plan):
    """Returns lists of cases whose memory is taken, raced or not."""
    between = itertools.product((plan.one_cell,), plan.widths, (plan.arms,))
    laws = itertools.product(plan.law_cells, plan.widths, (ENDS,))
    each = itertools.chain(between, laws)
    return [map_cases(plan), *(law_cases(plan, *law) for law in each)]


def take_times(plan: Plan, lab: Lab) -> Measured:
    """Races all cases, and seeks the longest sequences within a time."""
    found = Measured({}, {}, {}, {}, {}, "")
    with compiled_anew():
        for group in races(plan):
            found = found._replace(device=raced(plan, lab, group, found))
            jax.clear_caches()
        for cases in limit_cases(plan):
            time_limit(plan, lab, cases, found)
    return found


def measure(plan: Plan, lab: Lab) -> Measured:
    """Compiles, races and weighs all of a plan that is not yet kept."""
    found = take_times(plan, lab)
    with compiled_anew():
        for group in weighed(plan):
            new = [case for case in group if case not in found.memory]
            keys = [{"what": "memory", **dataclasses.asdict(case)} for case in new]
            for case, row in zip(new, lab.kept_each(keys, _weigh), strict=True):
                found.memory[case] = Memory(*row["bytes"])
            jax.clear_caches()
        for cell, width in itertools.product(standard_cells(), plan.widths):
            for case in law_cases(plan, cell, width, plan.arms):
                known = found.memory.get(case)
                found.stored[case] = known.stored if known else sum(stored_bytes(case))
        for cases in limit_cases(plan):
            one = cases[0]
            limits = found.limits.setdefault((one.cell, one.hidden_features), {})
            limits[one.arm] = limit(plan, lab, cases, found)
    return found


def raced(plan: Plan, lab: Lab, cases: list[Case], found: Measured) -> str:
    """Races cases, or reads their race; adds what was measured; returns on what."""

    def run() -> dict:
        contenders, memory = {}, []
        for case in cases:
            contenders[repr(case)], needs = contender(case)
            memory.append(list(needs))
        times = race(contenders, plan.rounds, plan.least_seconds)
        return {
            "seconds": [times[repr(case)] for case in cases],
            "compile_seconds": [contenders[repr(c)].compile_seconds for c in cases],
            "bytes": memory,
            "device": f"{jax.devices()[0].device_kind} ({jax.default_backend()})",
        }

    row = lab.kept(
        {
            "what": "race",
            "cases": [dataclasses.asdict(case) for case in cases],
            "rounds": plan.rounds,
            "least_seconds": plan.least_seconds,
        },
        run,
    )
    for i, case in enumerate(cases):
        found.times[case] = np.array(row["seconds"][i])
        found.compile_seconds[case] = row["compile_seconds"][i]
        found.memory[case] = Memory(*row["bytes"][i])
    return row["device"]


def _weigh(missing):
    for key in missing:
        case = Case(**{k: v for k, v in key.items() if k != "what"})
        yield key, {"bytes": list(memory_of(case))}


def limit(plan: Plan, lab: Lab, cases: list[Case], found: Measured) -> Limit:
    """Returns the `Limit` of cases that differ in T alone."""
    steps, last, budget = [c.num_steps for c in cases], cases[-1], plan.budget

    def search() -> dict:
        line = line_fit(steps, [found.memory[case].total for case in cases])
        guess = int((budget - line.intercept) / line.slope.estimate)
        return dict(
            zip(("most", "needs"), most_steps(last, guess, budget), strict=True)
        )

    key = {"what": "limit", **dataclasses.asdict(last), "steps": steps}
    row = lab.kept({**key, "budget": budget}, search)
    within, above = time_limit(plan, lab, cases, found)
    return Limit(row["most"], row["needs"], within, above)


def time_limit(
    plan: Plan, lab: Lab, cases: list[Case], found: Measured
) -> tuple[int, int]:
    """Returns the longest T within the time of a step, and one that takes longer."""
    last = cases[-1]
    key = {"what": "time limit", **dataclasses.asdict(cases[0]), "tries": TRIES}
    timed = lab.kept(
        {**key, "seconds": plan.seconds, "bracket": BRACKET},
        lambda: bracket(
            lambda num_steps: seconds_of(
                dataclasses.replace(last, num_steps=num_steps)
            ),
            plan.seconds,
            first_guess(plan, last, found),
        ),
    )
    tried = zip(timed["steps"], timed["took"], strict=True)
    within, above = ends_of(dict(tried), plan.seconds)
    assert above is not None
    return within, above


def first_guess(plan: Plan, case: Case, found: Measured) -> int:
    """Returns the T with which the search for the longest within a time begins.

    In proportion to the time of a step, where that was raced.
    """
    raced = dataclasses.replace(case, num_steps=plan.grid_steps)
    if raced not in found.times:
        return case.num_steps
    each = float(np.median(found.times[raced])) / raced.num_steps
    return max(1, int(plan.seconds / each))


def most_steps(case: Case, guess: int, budget: int) -> tuple[int, int]:
    """Returns the largest T up to a guess whose step fits a budget, and its bytes."""
    while True:
        needs = memory_of(dataclasses.replace(case, num_steps=guess)).total
        if needs <= budget:
            return guess, needs
        guess = int(guess * budget / needs)  # the line is off by less than 1/1000


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

"""What is concluded of what each model needs (Cc1), and the experiment.

The claim on machines (C1) stands in `machine_claim.py`, that on power (C2) in
`power_claim.py`.
"""

import itertools

import numpy as np

from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import say_lost
from experiments.universality import figure
from experiments.universality.machine_claim import MACHINES
from experiments.universality.measure import (
    SOLVED,
    Measured,
    accuracies,
    measure,
    needs,
)
from experiments.universality.plan import PLANS, Plan
from experiments.universality.power_claim import POWER, UNSOLVED, by_seed, setup
from rnnshare.analysis.statistics import mean_interval
from rnnshare.tasks import STREAMING

UNITS = {
    "units": "least H, maps that differ by the step",
    "updates": "optimiser steps until solved, one map",
    "sequences": "least training set, one map",
}
AMBIGUITY = {
    "supported": "Which is the more powerful depends on what is scarce.",
    "refuted": "In every pair one needs less of something, the other of nothing.",
    "inconclusive": "In no pair does each need less of something; in some, none.",
}


def judge_ambiguity(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of Cc1."""
    verdict, tests = columns_rule(pairs_of(needs(plan, found.composed)))
    (one, another), first = next(iter(tests.items()))
    told = "; ".join(
        f"{UNITS[name]}: {less or 'neither'}" for name, (_, less) in first.items()
    )
    return Verdict(
        verdict,
        first["sequences"][0],
        "log2 of the training set that tied needs over untied's",
        f"Of {one} and {another}, the one that needs less: {told}. "
        f"{AMBIGUITY[verdict]}",
        plan.num_seeds,
        f"{setup(plan)} Updates and sequences are of one map for all steps, at H "
        f"= {plan.sample_width}, where both kinds can hold it: T copies of tied "
        "weights are untied weights. Both start from the same function, as untied "
        "weights start as T copies. Early stopping has validation data besides the "
        "training set, the same for both. Training measures what is found, and not "
        "what exists." + say_lost(found.composed["diverged"].notna(), UNSOLVED),
        data=tests,
    )


def pairs_of(need: dict) -> dict:
    """Returns {(one model, another): {column: [S]}}, log2 of one's need over another's.

    A cell's tied model is held against its untied one, and against other cells' tied.
    """
    cells = need["units"].index.unique("cell")
    pairs = [((cell, "Tied"), (cell, "Untied")) for cell in cells]
    for one, other in itertools.combinations(cells, 2):
        pairs.append(((one, "Tied"), (other, "Tied")))
    return {
        (f"{one[1]} {one[0]}", f"{another[1]} {another[0]}"): {
            name: np.log2(counts.loc[one] / counts.loc[another]).to_numpy()
            for name, counts in need.items()
        }
        for one, another in pairs
    }


def columns_rule(pairs: dict) -> tuple:
    """Returns the verdict of Cc1, and {pair: {column: (interval, who needs less)}}."""
    tests: dict = {}
    for pair, columns in pairs.items():
        tests[pair] = {}
        for name, values in columns.items():
            interval = mean_interval(values)
            less = pair[0] if interval.high < 0 else pair[1] if interval.low > 0 else ""
            tests[pair][name] = interval, less
    winners = [{less for _, less in c.values() if less} for c in tests.values()]
    both = any(len(names) == 2 for names in winners)
    return decide(both, all(len(names) == 1 for names in winners)), tests


def ambiguity_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns what each model of a pair needs."""
    counts = needs(plan, found.composed)
    most = {
        "units": plan.widths[-1],
        "updates": plan.num_updates,
        "sequences": plan.sizes[-1],
    }
    solved = accuracies(found.composed, same=True) >= SOLVED
    head = ("models", "what is needed", "the first", "the second")
    table: list[tuple[str, ...]] = [(*head, "log2 of the ratio", "needs less")]
    for pair, columns in verdict.data.items():
        models = [tuple(reversed(name.split())) for name in pair]
        for name, (interval, less) in columns.items():
            own = [by_seed(counts[name].loc[model], most[name]) for model in models]
            row = (", ".join(pair), UNITS[name], *own)
            table.append((*row, f"{interval:.2f}", less or "neither"))
        endless = [solved.loc[(*model, STREAMING)] for model in models]
        shares = [f"{own.sum()} of {len(own)}" for own in endless]
        what = "seeds that solve one map, endless data"
        table.append((", ".join(pair), what, *shares, "", "not judged"))
    return tuple(table)


def draw_ambiguity(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of Cc1: who needs less of what."""
    return figure.draw_needs(
        {
            pair: {UNITS[name]: interval for name, (interval, _) in columns.items()}
            for pair, columns in verdict.data.items()
        }
    )


AMBIGUOUS = Claim(
    id="Cc1",
    rule=(
        "For each pair of models three columns, each the log2 of what one needs over "
        "what the other needs: units (least H for maps that differ by the step), "
        "updates (optimiser steps until one map for all steps is solved, on endless "
        "data at equal H, at the rate that takes the fewest; the budget where none "
        "does), sequences (the least training "
        f"set for that map, test accuracy at least {SOLVED:g}; twice the largest where "
        "none is enough). A model wins a column if the 95 % interval is on its side of "
        "0. Supported if in some pair each model wins a column; refuted if in every "
        "pair one model wins a column and the other none; else inconclusive."
    ),
    judge=judge_ambiguity,
    draw=draw_ambiguity,
    table=ambiguity_table,
    refuted_if="one side wins a row and the other none, in every pair",
)
EXPERIMENT = Experiment("universality", PLANS, measure, (MACHINES, POWER, AMBIGUOUS))

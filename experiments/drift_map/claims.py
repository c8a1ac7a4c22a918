"""What is concluded from the map of drift (Q5); the experiment's claims."""

import numpy as np
import pandas as pd

from experiments.drift_map import figure
from experiments.drift_map.limit_claim import LIMIT
from experiments.drift_map.measure import CASE, KINDS, Measured, differences, measure
from experiments.drift_map.plan import PILOT_SEEDS, PLANS, Plan
from experiments.drift_map.telling import (
    FAMILIES,
    MapResult,
    map_details,
    map_sentences,
    say_case,
    what_would_decide,
)
from experiments.lab.crossing import crossings, say_size
from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import LEVEL, tests
from rnnshare.analysis.statistics import Interval, mean_interval


def judge_map(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of the map by the rule of Q5."""
    families = {name: differences(found.runs, *f) for name, f in FAMILIES.items()}
    apart, beside = families.values()
    again = differences(found.fresh, "Untied", "Tied")
    map_ = tests(apart)
    confirmed = {case: mean_interval(row).high < 0 for case, row in again.iterrows()}
    lost = [c for c in map_.index if map_.wins[c] < 0 and not confirmed.get(c, False)]
    map_.loc[lost, "wins"] = 0
    moves = map_.index.get_level_values("d") > 0
    won = map_.wins < 0
    # A confirmed cell is chosen by the first seeds, and told by its fresh ones.
    seeds, told = "fresh seeds", again.loc[[c for c in again.index if won[c] and c[1]]]
    if not len(told):
        seeds = "where untied does best of all cells with drift"
        told = apart[moves]
    best = apart.loc[told.index].mean(axis=1).idxmin()
    result = MapResult(
        apart,
        map_,
        tests(beside),
        {name: np.exp(own.mean(axis=1)) for name, own in families.items()},
        {
            name: crossings(plan.sizes, own, ("T", "d"))
            for name, own in families.items()
        },
    )
    verdict = decide(
        won[moves].any(), not won.any() and 2 * (map_.wins > 0).sum() >= len(map_)
    )
    details = map_details(plan, found)
    if verdict == "inconclusive":
        details.append(what_would_decide(plan, apart[moves]))
    return Verdict(
        verdict,
        mean_interval(np.exp(told.loc[best].to_numpy(float)), scale="log"),
        "test loss of the best untied over that of the best tied model "
        f"({say_case(best)}; {seeds})",
        " ".join(map_sentences(plan, result, arms_of(found.runs))),
        plan.num_seeds,
        "\n\n".join(details),
        data=result,
    )


def arms_of(runs: pd.DataFrame) -> pd.Series:
    """Returns the best arm of each kind, a row a (kind, T, d, N)."""
    return runs.groupby(["kind", *CASE])["arm"].first()


def map_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the ratios of the map, a row a comparison, T and drift."""
    result = verdict.data
    arms = arms_of(found.runs)
    heads = [f"N = {size:,}: ratio [95 %], win; arms" for size in plan.sizes]
    table: list = [("comparison", "T", "drift d", *heads, "N* [95 %]")]
    for (name, kinds), own in zip(
        FAMILIES.items(), (result.tests, result.partial), strict=True
    ):
        name = name.replace("\n", " ")
        win_of = {-1: f" {name.split(' /')[0]}", 0: "", 1: " the other"}
        for (steps, drift), star in list(result.crossings.values())[
            kinds[0] == "Partial"
        ].items():
            cells = []
            for size in plan.sizes:
                cell = own.loc[steps, drift, size]
                ratio = Interval(*np.exp([cell.estimate, cell.low, cell.high]))
                pair = " against ".join(arms[k, steps, drift, size] for k in kinds)
                cells.append(f"{ratio:.3g}{win_of[int(cell.wins)]}; {pair}")
            middle, low, high = (say_size(plan.sizes, end) for end in star)
            ends = f"{middle} [{low}, {high}]"
            table.append((name, str(steps), f"{drift:g}", *cells, ends))
    return tuple(table)


def draw_map(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of the map."""
    result = verdict.data
    maps = {
        name: {
            f"T = {steps}": figure.MapPanel(
                result.ratios[name].loc[steps].unstack().to_numpy(),
                wins.loc[steps].unstack().to_numpy(),
                [result.crossings[name][steps, d].estimate for d in plan.drifts],
                colours,
            )
            for steps in plan.steps
        }
        for name, wins, colours in zip(
            FAMILIES,
            (result.tests.wins, result.partial.wins),
            (("Untied", "Tied"), ("LowRank", "Tied")),
            strict=True,
        )
    }
    last = plan.drifts[-1]
    curves = {
        f"T = {steps}, d = {last:g}": size_curves(found, steps, last)
        for steps in plan.steps
    }
    remark = (
        "Frames are wins (p < 0.05 by Holm): the first's coloured (untied's confirmed "
        "on fresh seeds), the other's black. Black ticks: N*. Refuted if no frame "
        "above is orange and half of the cells there have a black one."
    )
    return figure.draw_drift_map(maps, plan.drifts, plan.sizes, curves, remark)


def size_curves(found: Measured, steps: int, drift: float) -> figure.SizeCurves:
    """Returns the test losses of the best of each kind over N at some T and drift."""
    names = {"Tied": "tied", "Untied": "untied", "Partial": "LowRank or biases a step"}
    at = found.runs[(found.runs["T"] == steps) & (found.runs["d"] == drift)]
    losses = {
        names[kind]: [
            own["test_loss"].to_numpy(float)
            for _, own in at[at["kind"] == kind].groupby("N", sort=False)
        ]
        for kind in KINDS
    }
    lines = {
        "predicting the mean": 1.0,
        "time-invariant linear": found.oracles[steps, drift],
        "per-step linear": 0.0,
    }
    return figure.SizeCurves(losses, lines)


MAP = Claim(
    id="Q5",
    rule=(
        "A map over drift d, training-set size N and steps T. At each cell the best "
        "untied model (at equal width, or at equal parameters) is held against the "
        "best tied one (at that width, or three times as wide), chosen by tuning seeds "
        "that have no part in the verdict; the effect is the log ratio of test losses "
        "over paired seeds. Untied wins a cell if the ratio's 95 % interval is below 1 "
        f"(paired t test of the logarithms with Holm's correction over the map below "
        f"{LEVEL:g}), and again on fresh seeds; a tied win is the same above 1, "
        "without the second run. Supported if untied wins in some cell with d > 0; "
        "refuted if it wins in no cell, the largest N included, and tied wins in at "
        "least half of the map; else inconclusive. An untied win at d = 0 is told as a "
        "surprise. A second family of tests, with a Holm correction of its own and no "
        "second run, holds the best partly untied model (LowRank, or tied with a bias "
        "per step) against the better of both: where it wins, the answer to 'tied or "
        "untied?' is 'neither', which is told and does not change the verdict. Pilots "
        f"were seen: seeds are from {PILOT_SEEDS:,} on. Amended, because equal "
        "parameters only narrowed untied and partial untying was left out; under the "
        "former rule: inconclusive (-0.123) (quick), supported (-0.0449, full)."
    ),
    judge=judge_map,
    draw=draw_map,
    table=map_table,
)


def draw_lead(plan: Plan, found: Measured):
    """Returns the picture of the answer: who does better, over drift and examples."""
    steps = plan.limit_steps
    curves = {}
    for name, kind in zip(figure.LEAD, ("Untied", "Partial"), strict=True):
        apart = differences(found.runs, kind, "Tied").loc[steps]
        curves[name] = {d: list(apart.loc[d].to_numpy()) for d in plan.drifts}
    return figure.draw_lead(curves, plan.sizes, steps)


EXPERIMENT = Experiment(
    "drift_map", PLANS, measure, (MAP, LIMIT), figures={"lead": draw_lead}
)

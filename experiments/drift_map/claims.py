"""What is concluded from the map of drift (Q5); the experiment's claims."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.drift_map import figure
from experiments.drift_map.limit_claim import LIMIT, size_curves
from experiments.drift_map.measure import (
    LOST,
    Measured,
    differences,
    measure,
)
from experiments.drift_map.plan import PLANS, Plan
from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import LEVEL, say_lost, tests
from rnnshare.analysis.statistics import Interval, mean_interval

MATCHINGS = {
    "Untied": "equal width (and FLOPs)",
    "Untied, equal parameters": "equal parameters",
}


class MapResult(NamedTuple):
    """What the rule of Q5 makes of a map: frames with a row an (arm, T, d, N).

    Attributes:
      differences: untied less tied test loss, a column a seed.
      tests: its estimate, low, high, p, and wins: -1 untied's, confirmed on fresh
        seeds, +1 tied's.
      crossings: {(arm, T, d): interval of N*}.
    """

    differences: pd.DataFrame
    tests: pd.DataFrame
    crossings: dict


def judge_map(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of the map by the rule of Q5."""
    apart, again = differences(found.runs), differences(found.fresh)
    map_ = tests(apart)
    confirmed = {
        case: mean_interval(row.to_numpy()).high < 0 for case, row in again.iterrows()
    }
    lost = [c for c in map_.index if map_.wins[c] < 0 and not confirmed.get(c, False)]
    map_.loc[lost, "wins"] = 0
    moves = map_.index.get_level_values("d") > 0
    won = map_.wins < 0
    # A confirmed cell is told by its fresh seeds, which had no part in its choice.
    seeds, told = "fresh seeds", again.loc[[c for c in again.index if won[c] and c[2]]]
    if not len(told):
        seeds = "where untied does best of all cells with drift"
        told = apart[moves]
    best = told.mean(axis=1).idxmin()
    arm, steps, drift, size = best
    result = MapResult(apart, map_, crossings(plan, apart))
    return Verdict(
        decide(
            won[moves].any(),
            not won.any() and 2 * (map_.wins > 0).sum() >= len(map_),
        ),
        mean_interval(told.loc[best].to_numpy()),
        "untied less tied test loss, of the target's variance "
        f"({MATCHINGS[arm]}, T = {steps}, d = {drift:g}, N = {size:,}; {seeds})",
        " ".join(map_sentences(plan, result)),
        plan.num_seeds,
        "\n\n".join(map_details(found)),
        data=result,
    )


def crossings(plan: Plan, apart: pd.DataFrame) -> dict:
    """Returns {(arm, T, d): interval of N*}."""
    return {
        case: crossover_interval(plan.sizes, rows.to_numpy())
        for case, rows in apart.groupby(level=["arm", "T", "d"], sort=False)
    }


def map_sentences(plan: Plan, result: MapResult) -> list[str]:
    """Returns what the map showed, sentence by sentence."""
    wins, means = result.tests.wins, result.differences.mean(axis=1)
    moves = wins.index.get_level_values("d") > 0
    told = [
        f"On the drifting rule untied weights win {(wins[moves] < 0).sum()} of "
        f"{moves.sum()} cells with drift (confirmed on fresh seeds), and "
        f"tied weights {(wins[moves] > 0).sum()}; without drift untied win "
        f"{(wins[~moves] < 0).sum()} of {(~moves).sum()} and tied "
        f"{(wins[~moves] > 0).sum()}. The mean alone is on untied's side in "
        f"{(means[moves] < 0).sum()} cells with drift and "
        f"{(means[~moves] < 0).sum()} without."
    ]
    if (wins[~moves] < 0).any():
        told.append("An untied win without drift is a surprise.")
    drift = plan.drifts[-1]
    stars = [
        f"{_size(plan, star.estimate)} (T = {steps})"
        for (arm, steps, d), star in result.crossings.items()
        if arm == "Untied" and d == drift
    ]
    told.append(
        f"At equal width and d = {drift:g} the mean difference first turns to untied's "
        f"favour at these N*: {', '.join(stars)}."
    )
    return told


def map_details(found: Measured) -> list[str]:
    """Returns how the map was made."""
    settings = []
    for (arm, steps), setting in found.chosen.items():
        start = getattr(setting.sharing, "same_init", None)
        of_one = {
            None: "",
            True: ", one initialisation",
            False: ", an initialisation a step",
        }[start]
        settings.append(
            f"{arm}, T = {steps}: H = {setting.hidden_features}, "
            f"{setting.num_parameters():,} parameters, rate {setting.learning_rate:g}"
            f"{of_one}"
        )
    return [
        "A step of an untied GRU costs as many FLOPs as one of the tied GRU of its "
        "width, so that equal FLOPs is equal width: both are one map, trained once and "
        "counted once. All training sets of a seed are of one rule; a larger one holds "
        "the smaller ones, and every model sees the same batches.",
        f"Tuned at the middle d and N, by equal budgets: {'; '.join(settings)}.",
        "N* is where the line through the mean differences, over log N, first changes "
        "to untied's favour; its interval is of resampled seeds, and infinite where it "
        "does not."
        + say_lost(
            pd.concat([found.runs, found.fresh])["test_loss"].isna(), LOST, "\n\n"
        ),
    ]


def map_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the differences of the map, a row a matching, T and drift."""
    result = verdict.data
    heads = [f"N = {size:,}: difference [95 %], win" for size in plan.sizes]
    table: list = [("matching", "T", "drift d", *heads, "N* [95 %]")]
    for (arm, steps, drift), star in result.crossings.items():
        cells = []
        for size in plan.sizes:
            cell = result.tests.loc[arm, steps, drift, size]
            wins = {-1: " untied", 0: "", 1: " tied"}[int(cell.wins)]
            cells.append(f"{Interval(cell.estimate, cell.low, cell.high):+.4f}{wins}")
        middle, low, high = (_size(plan, end) for end in star)
        table.append(
            (
                MATCHINGS[arm],
                str(steps),
                f"{drift:g}",
                *cells,
                f"{middle} [{low}, {high}]",
            )
        )
    return tuple(table)


def draw_map(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of the map."""
    result = verdict.data
    means = result.differences.mean(axis=1)
    maps = {
        matching.split(" (")[0]: {
            f"T = {steps}": figure.MapPanel(
                means.loc[arm, steps].unstack().to_numpy(),
                result.tests.wins.loc[arm, steps].unstack().to_numpy() != 0,
                [result.crossings[arm, steps, d].estimate for d in plan.drifts],
            )
            for steps in plan.steps
        }
        for arm, matching in MATCHINGS.items()
    }
    last = plan.drifts[-1]
    curves = {
        f"T = {steps}, d = {last:g}": size_curves(found, steps, last)
        for steps in plan.steps
    }
    remark = (
        "Frames are wins (p < 0.05 by Holm): untied's orange, confirmed on fresh "
        "seeds, tied's black. Black ticks: N*. Refuted if no frame is orange and half "
        "of the cells have a black one."
    )
    return figure.draw_drift_map(maps, plan.drifts, plan.sizes, curves, remark)


def crossover(sizes, means):
    """Returns where mean differences first turn negative, on log N; inf for nowhere.

    Args:
      sizes: [X], N in increasing order.
      means: [..., X], untied less tied test loss.

    Returns:
      [...]: the N of the line through the points, the least N where all are negative.
    """
    logs, means = np.log(np.asarray(sizes, np.float64)), np.asarray(means, np.float64)
    below = means < 0
    first = below.argmax(-1)
    before = np.maximum(first - 1, 0)
    high = np.take_along_axis(means, before[..., None], -1)[..., 0]
    low = np.take_along_axis(means, first[..., None], -1)[..., 0]
    inside = below.any(-1) & (first > 0)
    part = np.where(inside, high / np.where(inside, high - low, 1.0), 0.0)
    found = np.exp(logs[before] + part * (logs[first] - logs[before]))
    return np.where(below.any(-1), found, np.inf)


def crossover_interval(sizes, apart, num_resamples=2_000) -> Interval:
    """Returns the crossover of the mean over seeds, with its bootstrap interval.

    Args:
      sizes: [X].
      apart: [X, S], differences.
      num_resamples: of the seeds, together at all N.

    Returns:
      An interval of N, whose numbers may be infinite.
    """
    rng = np.random.default_rng(0)
    count = apart.shape[1]
    drawn = rng.integers(count, size=(num_resamples, count))
    found = crossover(sizes, apart[:, drawn].mean(-1).T)
    # No interpolation, since some may be infinite.
    low, high = np.quantile(found, [0.025, 0.975], method="inverted_cdf")
    return Interval(float(crossover(sizes, apart.mean(1))), low, high)


def _size(plan: Plan, value: float) -> str:
    """Returns an N* in words where it lies outside of what was measured."""
    if not np.isfinite(value):
        return f"none up to {plan.sizes[-1]:,}"
    if value <= plan.sizes[0]:
        return f"at most {plan.sizes[0]:,}"
    return f"{value:,.0f}"


MAP = Claim(
    id="Q5",
    rule=(
        "A map over drift d, training-set size N and steps T, at equal width (which is "
        "equal FLOPs too) and at equal parameters. Untied wins a cell if its test loss "
        "is below the tied model's over paired seeds (95 % interval below 0, paired t "
        f"test with Holm's correction over the map below {LEVEL:g}) and its interval "
        "is below 0 again on fresh seeds; a tied win is the same above 0, without the "
        "second run. Supported if untied wins in some cell with d > 0; refuted if it "
        "wins in no cell, the largest N included, and tied wins in at least half of "
        "the map; else inconclusive. An untied win at d = 0 is told as a surprise."
    ),
    judge=judge_map,
    draw=draw_map,
    table=map_table,
)


def draw_lead(plan: Plan, found: Measured):
    """Returns the picture of the answer: who does better, over drift and examples."""
    steps = plan.limit_steps
    apart = differences(found.runs).loc["Untied", steps]
    curves = {d: list(apart.loc[d].to_numpy()) for d in plan.drifts}
    return figure.draw_lead(curves, plan.sizes, steps)


EXPERIMENT = Experiment(
    "drift_map", PLANS, measure, (MAP, LIMIT), figures={"lead": draw_lead}
)

"""What sharing over depth costs beside sharing over time (D1)."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.depth.measure import CASE, TIME, Measured, compared
from experiments.depth.plan import PILOT, WIDE, Plan
from experiments.lab.experiment import Claim, Verdict, decide
from experiments.lab.frames import (
    LEARNT,
    LEVEL,
    contrast,
    say_edges,
    say_lost,
)
from experiments.lab.power import repeats_needed, say_repeats
from rnnshare.analysis.statistics import Interval, mean_interval
from rnnshare.plotting import IntervalRow, draw_intervals

MARK = 0.95  # of chance's loss: who is not below it has not learnt
MATCHINGS = {"width and FLOPs": "Tied", "parameters": WIDE}  # {what is equal: tied arm}
LOST = "chance"  # what a run that diverged counts as


class Costs(NamedTuple):
    """What sharing costs, in logarithms of test losses: a column a seed.

    Attributes:
      depth: tied over untied, a row a (model, data, matching).
      time: the same of the network whose weights are shared over time.
      counted: [rows], whether all four arms have learnt.
      tests: of depth less time, the rows that are counted; see `compared`.
    """

    depth: pd.DataFrame
    time: pd.DataFrame
    counted: np.ndarray
    tests: pd.DataFrame

    @property
    def apart(self) -> pd.DataFrame:
        """Depth less time, of every row."""
        return self.depth - self.time


def costs_of(plan: Plan, found: Measured) -> Costs:
    """Returns the costs of sharing at the depth that is judged."""
    runs = found.runs[found.runs["depth"].isin([0, plan.depth])]
    logs = {
        matching: contrast(runs, "log_loss", by=["model", "data"], arms=(arm, "Untied"))
        for matching, arm in MATCHINGS.items()
    }
    learnt = runs.assign(
        learnt=runs["test_loss"] < MARK * runs["data"].map(found.chance)
    )
    learnt = learnt.groupby(["model", "data", "arm"])["learnt"].mean() >= LEARNT
    rows = [
        (model, data, matching) for model, data in plan.cases for matching in MATCHINGS
    ]
    index = pd.MultiIndex.from_tuples(rows, names=["model", "data", "equal"])
    depth, time = (
        pd.DataFrame(
            [
                logs[matching].loc[(other or model, data)].to_numpy()
                for model, data, matching in rows
            ],
            index,
            logs["parameters"].columns,
        )
        for other in ("", TIME)
    )
    counted = np.array(
        [
            all(
                learnt[who, data, arm]
                for who in (model, TIME)
                for arm in (MATCHINGS[matching], "Untied")
            )
            for model, data, matching in rows
        ]
    )
    apart = depth - time
    tests = compared(apart[counted], found.overlap)
    return Costs(depth, time, counted, tests)


def verdict_of_costs(wins: pd.Series, count: int) -> str:
    """Returns the verdict of D1.

    Args:
      wins: of each counted comparison, a (model, data, matching), -1 where depth costs
        less, +1 where time does.
      count: of all cases, pairs of a model and data.
    """
    both = wins.groupby(level=["model", "data"]).sum() / len(MATCHINGS)
    less, more = int((both == -1).sum()), int((both == 1).sum())
    return decide(2 * less > count and not more, 2 * more > count and not less)


def judge_costs(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of D1; its data are the costs."""
    costs = costs_of(plan, found)
    verdict = verdict_of_costs(costs.tests.wins, len(plan.cases))
    apart = costs.apart
    equal = apart.index.get_level_values("equal") == "width and FLOPs"
    effect = mean_interval(apart[equal].mean().to_numpy())
    told = "; ".join(_say_wins(costs, name) for name in MATCHINGS)
    return Verdict(
        verdict,
        effect,
        "log of tied's test loss over untied's, over depth less over time, mean at "
        "equal width (the verdict asks for equal parameters, too)",
        f"Beside a {TIME} network on the same data, after {plan.num_updates:,} "
        f"updates, sharing over depth costs {told}. At equal width tied has "
        f"{_mean_ratio(costs.depth, equal)} times untied's test loss over depth, and "
        f"{_mean_ratio(costs.time, equal)} times over time.",
        plan.num_seeds,
        "\n\n".join(_details(plan, found, costs, verdict)),
        data=costs,
    )


def _say_wins(costs: Costs, matching: str) -> str:
    """Tells how often depth costs significantly less, or more, at what is equal."""
    of = int((costs.depth.index.get_level_values("equal") == matching).sum())
    wins = costs.tests.wins[costs.tests.index.isin([matching], level="equal")]
    less, more = int((wins < 0).sum()), int((wins > 0).sum())
    return f"less in {less} and more in {more} of {of} cases at equal {matching}"


def _mean_ratio(logs: pd.DataFrame, equal: np.ndarray) -> str:
    """Returns the geometric mean of loss ratios over the pairs, with its interval."""
    interval = mean_interval(logs[equal].mean().to_numpy())
    return f"{Interval(*(float(np.exp(end)) for end in interval)):.3f}"


def _details(plan: Plan, found: Measured, costs: Costs, verdict: str) -> list[str]:
    lost = say_lost(found.runs["lost"], LOST, "")
    cases = zip(costs.depth.index, costs.counted, strict=True)
    uncounted = [", ".join(case) for case, is_counted in cases if not is_counted]
    rates = {
        f"{model} on {data} ({f'{depth} passes, ' * bool(depth)}{arm})": s.learning_rate
        for (model, data, depth, arm), s in found.chosen.items()
    }
    starts = "with the start tuned" if len(plan.starts) > 1 else "as copies of one"
    told = [
        f"Stacks of {plan.depth} passes and {TIME} networks, H = "
        f"{plan.hidden_features}; Adam, the rate chosen for each arm by {plan.tuning} "
        "trainings and annealed to 0, the best parameters on validation kept, "
        f"{plan.num_updates:,} updates. {plan.num_seeds} seeds from "
        f"{plan.first_seed:,} on, each with a split of its own. Equal width and depth "
        "are equal FLOPs; at equal parameters tied is as wide as that takes, which "
        "costs it more FLOPs. Untied "
        "blocks start as layers do, each from an initialisation of its own; weights "
        f"untied over time {starts}." + say_edges(rates, plan.rates),
        _depths(plan, found),
        _deeper(plan, found),
    ]
    if uncounted:
        told.append(
            f"Not counted, since an arm had not learnt: {'; '.join(uncounted)}."
        )
    if verdict == "inconclusive":
        needed = "; ".join(
            f"{', '.join(name)} {say_repeats(repeats_needed(row.to_numpy()))}"
            for name, row in costs.apart[costs.counted].iterrows()
            if not costs.tests.wins[name]
        )
        told.append(
            "Seeds that a t test needs of each undecided comparison, at the effect and "
            f"spread seen and before Holm's correction: {needed or 'none'}."
        )
    return [*told, *filter(None, [lost])]


def _depths(plan: Plan, found: Measured) -> str:
    """Tells the loss of each arm at each depth."""
    runs = found.runs[found.runs["depth"] > 0]
    means = runs.groupby([*CASE, "arm"], sort=False)["test_loss"].mean()
    rows = [
        f"{model}, {data}, {depth} passes: "
        + ", ".join(f"{arm} {loss:.3f}" for arm, loss in own.droplevel(CASE).items())
        for (model, data, depth), own in means.groupby(level=CASE, sort=False)
    ]
    return f"Mean test loss. {'; '.join(rows)}."


def _deeper(plan: Plan, found: Measured) -> str:
    """Tells what trained stacks score at other depths than they were trained at."""
    if found.deeper.empty:
        return ""
    means = found.deeper.groupby(["model", "data", "arm", "depth"], sort=False)
    rows = []
    for (model, data), own in (
        means["test_loss"].mean().groupby(level=[0, 1], sort=False)
    ):
        each = ", ".join(
            f"{arm} {depth} passes {loss:.3f}"
            for (_, _, arm, depth), loss in own.items()
        )
        rows.append(f"{model} on {data}: {each}")
    return (
        f"Trained with {plan.depth} passes and run with others, mean test loss. "
        f"{'; '.join(rows)}."
    ) + say_lost(found.deeper["lost"], LOST)


def table_costs(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the costs, a row a comparison."""
    costs = verdict.data
    rows: list = [
        ("model, data", "equal", "tied over untied, depth [95 %]",
         f"tied over untied, time ({TIME}) [95 %]", "log, depth less time [95 %]",
         "Holm p")
    ]  # fmt: skip
    for (case, row), counted in zip(costs.apart.iterrows(), costs.counted, strict=True):
        model, data, matching = case
        ratios = [
            f"{mean_interval(np.exp(own.loc[case].to_numpy()), scale='log'):.3f}"
            for own in (costs.depth, costs.time)
        ]
        p = f"{costs.tests.p[case]:.2g}" if counted else "not counted"
        rows.append(
            (f"{model}, {data}", matching, *ratios,
             f"{mean_interval(row.to_numpy()):+.3f}", p)
        )  # fmt: skip
    return tuple(rows)


def draw_costs(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of D1: the costs of both axes, a row a comparison."""
    costs = verdict.data
    rows = []
    for model, data, matching in costs.depth.index:
        for axis, own in (("depth", costs.depth), ("time", costs.time)):
            name = f"{model if axis == 'depth' else TIME}, {data}, {matching}: {axis}"
            interval = mean_interval(own.loc[model, data, matching].to_numpy())
            kind = "Tied" if axis == "depth" else "Cyclic"
            rows.append(IntervalRow(name, interval, kind))
    rows = list(
        {row.label: row for row in rows}.values()
    )  # time's stand once a data set
    return draw_intervals(
        rows,
        "log of tied's test loss over untied's\n(blue: depth, pink: time)",
        sides=("tied is better", "untied is better"),
    )


COST = Claim(
    id="D1",
    rule=(
        "Of each model over depth (one block applied again and again) and data set, "
        "the log of tied's test loss over untied's, less the same of a "
        f"{TIME} network whose weights are tied or untied over time, on the same data "
        "and seeds; at equal width (and so equal FLOPs), and at equal parameters (a "
        "wide tied model). Depth costs less where that difference is below 0 (95 % t "
        "interval over paired seeds and splits, whose overlap is allowed for, "
        "Holm's correction over all comparisons below "
        f"{LEVEL:g}). A comparison is counted where all four arms have a test loss "
        f"below {MARK:g} of chance's on {LEARNT:.0%} of the seeds. Supported if depth "
        "costs less at both matchings in more than half of the pairs of a model and "
        "data, and time in none; refuted if time does in more than half, and depth in "
        "none; else inconclusive. Amended before the full preset was run, because the "
        "two comparisons of a pair have their untied runs in common and were counted "
        "as two (refuted, quick), and splits that overlap as independent "
        "(inconclusive, quick)." + PILOT
    ),
    judge=judge_costs,
    draw=draw_costs,
    table=table_costs,
    refuted_if="depth's (blue) lie to the right of time's (pink)",
)

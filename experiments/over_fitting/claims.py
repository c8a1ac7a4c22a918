"""What is concluded from the train-test gaps (B7, Ac2b) and from random labels (Ac2a).

The claim of Ac2a stands in `capacity_claim`.
"""

import functools

import pandas as pd

from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.over_fitting import figure
from experiments.over_fitting.capacity_claim import CAPACITY
from experiments.over_fitting.measure import (
    CASE,
    LOSSES,
    MODEL,
    REGIMES,
    Gaps,
    Measured,
    grid,
    measure,
    over_grid,
    task_of,
    untied_less_tied,
)
from experiments.over_fitting.plan import PLANS, Plan
from rnnshare.analysis.statistics import Interval, mean_interval, rank_correlation

NO_EFFECT = 0.02  # nats: so near to 0 a difference of gaps is none
VANISHED = 0.1  # of the difference without regularisation


def judge_growth(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of B7; its data are {cell: (larger, growing)}."""
    gaps = found.gaps
    apart = untied_less_tied(gaps.runs, "unregularised")
    larger = over_grid(apart)
    by_size = apart.groupby(["cell", "T", "N"], sort=False).mean()
    tests = _intervals(larger, by_size.groupby("cell", sort=False).agg(_trend))
    both = [all(i.low > 0 for i in pair) for pair in tests.values()]
    neither = [not any(i.low > 0 for i in pair) for pair in tests.values()]
    verdict = _verdict(both, neither, gaps.decides)
    plain = mean_interval(larger.mean())
    tuned = mean_interval(over_grid(untied_less_tied(gaps.runs, "tuned")).mean())
    summary = (
        "Without regularisation untied's train-test gap less tied's is "
        f"{plain:.3f} nats; the difference grows with T / N in "
        f"{sum(growth.low > 0 for _, growth in tests.values())} of {len(tests)} cells "
        f"and falls in {sum(growth.high < 0 for _, growth in tests.values())}. "
        f"With early stopping and weight decay tuned, it is {tuned:.3f} nats"
    )
    if verdict == "supported" and vanishes(tuned, plain):
        summary += ": untied over-fits unless regularised."
    elif verdict == "supported":
        summary += ", so tuning alone does not take it away."
    return Verdict(
        verdict,
        plain,
        "untied less tied train-test gap, unregularised (nats)",
        summary,
        larger.shape[1],
        _setup(plan, gaps)
        + "\n\nRank correlation of the difference with T / N: "
        + "; ".join(f"{cell} {growth:.3f}" for cell, (_, growth) in tests.items())
        + ". Difference over the grid, in nats: "
        + "; ".join(f"{cell} {gap:.3f}" for cell, (gap, _) in tests.items())
        + f". {_by_size(apart)}",
        data=tests,
    )


def _trend(by_size: pd.Series) -> float:
    """Returns the rank correlation with T / N."""
    index = by_size.index.to_frame()
    return rank_correlation(index["T"] / index["N"], by_size)


def _intervals(*frames: pd.DataFrame) -> dict:
    """Returns {cell: an interval of each frame}."""
    return {
        cell: tuple(mean_interval(each.loc[cell]) for each in frames)
        for cell in frames[0].index
    }


def vanishes(tuned: Interval, unregularised: Interval) -> bool:
    """Returns whether tuning takes the difference of the gaps away."""
    none = tuned.low <= 0 <= tuned.high
    return none or tuned.estimate < VANISHED * unregularised.estimate


def judge_closing(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of Ac2b; its data are {cell: intervals of gap and loss}."""
    runs = found.gaps.runs
    gaps, losses = (
        over_grid(untied_less_tied(runs, "tuned", what))
        for what in ("gap", "test_loss")
    )
    tests = _intervals(gaps, losses)
    closed = [gap.low > 0 and test.low > 0 for gap, test in tests.values()]
    without = [
        gap.high < 0 or (gap.low <= 0 and abs(gap.estimate) < NO_EFFECT)
        for gap, _ in tests.values()
    ]
    gap, loss = mean_interval(gaps.mean()), mean_interval(losses.mean())
    own = runs[(runs["regime"] == "tuned") & (runs["arm"] == "Untied")]
    untied, share = own.groupby("seed")["gap"].mean(), ""
    if untied.min() > 0:
        share = f", {100 * (gaps.mean() / untied).mean():.0f} % of untied's gap"
    return Verdict(
        _verdict(closed, without, found.gaps.decides),
        gap,
        "untied less tied train-test gap, both tuned (nats)",
        "With early stopping and weight decay tuned alike, sharing changes the "
        f"train-test gap by {_opposite(gap):.3f} nats{share}, and the test loss by "
        f"{_opposite(loss):.3f} nats (means over {len(tests)} cells and the grid).",
        gaps.shape[1],
        _setup(plan, found.gaps)
        + "\n\nUntied less tied, gap and test loss in nats: "
        + "; ".join(f"{cell} {g:.3f} and {t:.3f}" for cell, (g, t) in tests.items())
        + ".",
        data=tests,
    )


def _verdict(holds, fails, decides: bool) -> str:
    """Returns what most cells say, if there are seeds enough to say it."""
    most = [decides and 2 * sum(cells) > len(cells) for cells in (holds, fails)]
    return decide(*most)


def losses_table(plan: Plan, found: Measured, verdict: Verdict, regimes=REGIMES):
    """Returns the mean losses of some regimes, a row a model."""
    losses = ("train loss (nats)", "test loss (nats)", "gap (nats)")
    table = [("cell", "weights", "regime", "rate", "decay", *losses)]
    means = found.gaps.runs.groupby(MODEL, sort=False)[[*LOSSES, "gap"]].mean()
    for regime in regimes:
        for (cell, arm), row in means.loc[regime].iterrows():
            choice = (f"{x:g}" for x in found.gaps.chosen[regime, cell, arm])
            table.append((cell, arm, regime, *choice, *(f"{x:.3f}" for x in row)))
    return tuple(table)


def draw_growth(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of B7: the gaps of both regimes over T / N."""
    titles = {
        "unregularised": "No regularisation: refuted if untied is not above tied,\n"
        "nor more so at larger T / N",
        "tuned": "Early stopping and weight decay, tuned: no difference here says\n"
        "'over-fits unless regularised'",
    }
    label = "train-test gap (nats)"
    rows = [
        figure.GapRow(title, label, _curves(found.gaps.runs, regime, "gap"))
        for regime, title in titles.items()
    ]
    return figure.draw_gaps(rows, "steps an example, T / N")


def draw_closing(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of Ac2b: gaps and test losses, both tuned, over T / N."""
    gaps, losses = (
        _curves(found.gaps.runs, "tuned", what) for what in ("gap", "test_loss")
    )
    titles = (
        "Tuned: refuted if untied's gap is not above tied's",
        "Tuned: not supported if tied's test loss is not the lower",
    )
    rows = [
        figure.GapRow(titles[0], "train-test gap (nats)", gaps),
        figure.GapRow(titles[1], "test loss (nats)", losses, reference_lines(plan)),
    ]
    return figure.draw_gaps(rows, "steps an example, T / N")


def _curves(runs: pd.DataFrame, regime: str, what: str) -> dict:
    """Returns {cell: {arm: (T / N [X], means over what has the same, [S, X])}}."""
    found: dict[str, dict] = {}
    own = runs[runs["regime"] == regime]
    for (cell, arm), rows in own.groupby(["cell", "arm"], sort=False):
        found.setdefault(cell, {})[arm] = by_ratio(rows, what)
    return found


def by_ratio(runs: pd.DataFrame, what: str) -> tuple:
    """Returns (T / N [X], the means over what has the same, [S, X])."""
    ratio = (runs["T"] / runs["N"]).rename("ratio")
    means = runs.groupby(["seed", ratio])[what].mean().unstack()
    return means.columns.to_numpy(), means.to_numpy()


def reference_lines(plan: Plan) -> dict:
    """Returns the losses of chance and of the posterior over T / N."""
    cases = grid(plan, plan.steps)
    runs, found = pd.DataFrame(cases, columns=CASE).assign(seed=0), {}
    lines = [task_of(plan, case)(0).baselines for case in cases]
    for label, name in (("chance", "chance"), ("best possible", "oracle")):
        runs["loss"] = [line[name]["loss"] for line in lines]
        places, means = by_ratio(runs, "loss")
        found[label] = places, means[0]
    return found


def _by_size(apart: pd.DataFrame) -> str:
    """Returns the differences at each T and N, means over cells, noise and seeds."""
    means = apart.mean(axis=1).groupby(["T", "N"], sort=False).mean()
    told = "; ".join(f"T = {t}, N = {n}: {x:.3f}" for (t, n), x in means.items())
    return f"By size, the mean over cells and label noise: {told}."


def _opposite(interval: Interval) -> Interval:
    estimate, low, high = interval
    return Interval(-estimate, -high, -low)


def _setup(plan: Plan, gaps: Gaps) -> str:
    steps, sizes, noises = (
        ", ".join(f"{x:g}" for x in part)
        for part in (plan.steps, plan.sizes, plan.noises)
    )
    diverged = f" {gaps.left_out} of {plan.num_seeds} seeds have a diverged run; "
    diverged += "they are left out." if gaps.decides else "too few are whole to decide."
    return (
        f"Signal patches, T = {steps}, N = {sizes}, label noise {noises}; "
        f"equal width ({plan.hidden_features}), untied weights start as copies of one "
        "initialisation. "
        "Labels are flipped in the test set as in the training set, so a model that "
        "has learnt nothing of the training set itself has no gap. Rate and decay are "
        f"chosen for each cell and sharing at T = {plan.tuned_at} by the mean "
        f"validation loss over N and noise, from {len(plan.rates)} rates and "
        f"{len(plan.decays)} decays for both sharings; the rate of the unregularised "
        f"runs is the best without decay." + (diverged if gaps.left_out else "")
    )


OVER_FITTING = Claim(
    id="B7",
    rule=(
        "Without early stopping and weight decay, in nats of cross entropy, a cell at "
        "a time: (i) untied's train-test gap less tied's, its mean over the grid of T, "
        "N and label noise, has a 95 % interval above 0; (ii) the rank correlation "
        "over the grid of that difference, its mean over the label noise, with T / N "
        "has one above 0. Supported if both hold in most cells, refuted if neither "
        "does in most cells, else inconclusive. A supported claim is 'over-fits unless "
        "regularised' if, with early stopping, and rate and weight decay tuned for "
        "each model, the interval of the difference, the mean over the cells, includes "
        f"0 or its mean is below {VANISHED:g} of that without."
    ),
    judge=judge_growth,
    draw=draw_growth,
    table=losses_table,
)
CLOSING = Claim(
    id="Ac2b",
    rule=(
        "With early stopping, and rate and weight decay tuned for each model on equal "
        "budgets, a cell at a time, the mean over the grid of T, N and label noise: "
        "untied's train-test gap less tied's. Supported if its 95 % interval is above "
        "0 and that of untied's test loss less tied's is too, in most cells; refuted "
        "if the interval of the gaps is below 0, or includes 0 with a mean within "
        f"{NO_EFFECT:g} nats of it, in most cells; else inconclusive."
    ),
    judge=judge_closing,
    draw=draw_closing,
    table=functools.partial(losses_table, regimes=["tuned"]),
)
EXPERIMENT = Experiment(
    "over_fitting", PLANS, measure, (OVER_FITTING, CAPACITY, CLOSING)
)

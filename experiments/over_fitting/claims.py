"""What is concluded from losses of tuned models (Ac2b); the experiment.

The claim of Ac2a stands in `capacity_claim`, that of B7 in `rise_claim`.
"""

import functools

import pandas as pd

from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import contrast, say_lost
from experiments.lab.power import repeats_needed, say_repeats
from experiments.over_fitting import figure
from experiments.over_fitting.capacity_claim import CAPACITY
from experiments.over_fitting.measure import (
    ARMS,
    CASE,
    LOSSES,
    MODEL,
    PARTIAL,
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
from experiments.over_fitting.rise_claim import RISE
from rnnshare.analysis.statistics import mean_interval

NO_EFFECT = 0.02  # nats: so near to 0 a difference of losses is none


def judge_closing(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of Ac2b; its data are {cell: intervals of gap and loss}."""
    runs = found.gaps.runs
    gaps, losses = (
        over_grid(untied_less_tied(runs, "tuned", what))
        for what in ("gap", "test_loss")
    )
    tests = {
        cell: (mean_interval(gaps.loc[cell]), mean_interval(losses.loc[cell]))
        for cell in gaps.index
    }
    higher = [loss.low > 0 for _, loss in tests.values()]
    not_higher = [loss.low <= 0 and loss.high < NO_EFFECT for _, loss in tests.values()]
    gap, loss = mean_interval(gaps.mean()), mean_interval(losses.mean())
    own = runs[(runs["regime"] == "tuned") & (runs["arm"] == "Untied")]
    untied, share = own.groupby("seed")["gap"].mean(), ""
    if untied.min() > 0:
        share = f", {100 * (gaps.mean() / untied).mean():.0f} % of untied's gap"
    verdict = decide(
        2 * sum(higher) > len(higher), 2 * sum(not_higher) > len(not_higher)
    )
    undecided = ""
    if verdict == "inconclusive":
        needed = say_repeats(repeats_needed(losses.mean()))
        undecided = f" For 80 % power at this effect and spread: {needed}."
    return Verdict(
        verdict,
        loss,
        "untied less tied test loss, both tuned (nats)",
        "With early stopping and weight decay tuned alike, sharing lowers the test "
        f"loss by {loss:.3f} nats, and closes {gap:.3f} nats of the train-test gap"
        f"{share} (means over {len(tests)} cells and the grid).",
        losses.shape[1],
        _setup(plan, found.gaps)
        + "\n\nUntied less tied, gap and test loss in nats: "
        + "; ".join(f"{cell} {g:.3f} and {t:.3f}" for cell, (g, t) in tests.items())
        + ".\n\n"
        + _beside(runs)
        + _at_the_edges(plan, found.gaps)
        + undecided,
        data=tests,
    )


def _beside(runs: pd.DataFrame) -> str:
    """Returns what weights between tied and untied come to, against the better end.

    The end is the better one by the seeds that it is compared on, which is in its own
    favour.
    """
    tuned = runs[runs["regime"] == "tuned"]
    ends = {
        arm: over_grid(contrast(tuned, "test_loss", by=["cell", *CASE],
                                arms=(PARTIAL, arm)))
        for arm in ARMS
    }  # fmt: skip
    told, lower = [], []
    for cell in ends["Tied"].index:
        arm = max(ARMS, key=lambda name: ends[name].loc[cell].mean())
        apart = mean_interval(ends[arm].loc[cell])
        lower.append(apart.high < 0)
        told.append(f"{cell} {apart:.3f} ({arm.lower()})")
    return (
        "Between them, told and not judged: tied weights and two directions in which a "
        "step may leave them (LowRank of rank 2, tuned alike), test loss in nats less "
        f"that of the better end: {'; '.join(told)}. "
        + (
            f"It is below both ends in {sum(lower)} of {len(lower)} cells, where "
            "neither is the answer."
            if any(lower)
            else "Nowhere is it shown to be below both."
        )
    )


def _at_the_edges(plan: Plan, gaps: Gaps) -> str:
    """Returns a sentence on the models whose choice is at the edge of its grid."""
    at = [
        f"{cell} {arm.lower()} (rate {rate:g}, decay {decay:g})"
        for (regime, cell, arm), (rate, decay) in gaps.chosen.items()
        if regime == "tuned"
        and (rate in (min(plan.rates), max(plan.rates)) or decay == max(plan.decays))
    ]
    told = " Chosen at an edge of the grid, so that a wider one may do better: "
    return f"{told}{', '.join(at)}." if at else ""


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


def draw_closing(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of Ac2b: gaps and test losses, both tuned, over T / N."""
    gaps, losses = (
        _curves(found.gaps.runs, "tuned", what) for what in ("gap", "test_loss")
    )
    titles = (
        "Tuned: the train-test gap, told beside it",
        "Tuned: refuted if untied's test loss is not above tied's",
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


def _setup(plan: Plan, gaps: Gaps) -> str:
    steps, sizes, noises = (
        ", ".join(f"{x:g}" for x in part)
        for part in (plan.steps, plan.sizes, plan.noises)
    )
    return (
        f"Signal patches, T = {steps}, N = {sizes}, label noise {noises}; "
        f"equal width ({plan.hidden_features}), untied weights start as copies of one "
        "initialisation. "
        "Labels are flipped in the test set as in the training set, so a model that "
        "has learnt nothing of the training set itself has no gap. Rate and decay are "
        f"chosen for each cell and sharing at T = {plan.tuned_at} by the mean "
        f"validation loss over N and noise, from {len(plan.rates)} rates and "
        f"{len(plan.decays)} decays for both sharings; the rate of the unregularised "
        f"runs is the best without decay." + say_lost(gaps.runs["lost"], "guessing")
    )


CLOSING = Claim(
    id="Ac2b",
    rule=(
        "With early stopping, and rate and weight decay tuned for each model on equal "
        "budgets, a cell at a time, the mean over the grid of T, N and label noise: "
        "untied's test loss less tied's, in nats. Supported if its 95 % interval is "
        "above 0 in most cells; refuted if in most cells it is below 0, or includes 0 "
        f"and ends below {NO_EFFECT:g}; else inconclusive. The train-test gap that "
        "sharing closes is told beside it, and so is partial untying. Amended, "
        "because a gap alone is not over-fitting: a wide one with a lower test loss is "
        "none; both losses had been seen. Under the former rule, by gap and test loss: "
        "supported (0.0501 nats of gap, full; 0.0840, quick)."
    ),
    judge=judge_closing,
    draw=draw_closing,
    table=functools.partial(losses_table, regimes=["tuned"]),
)
EXPERIMENT = Experiment("over_fitting", PLANS, measure, (RISE, CAPACITY, CLOSING))

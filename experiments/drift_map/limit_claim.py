"""What is concluded from the limit, where every example is met once (B5)."""

import numpy as np

from experiments.drift_map import figure
from experiments.drift_map.measure import LOST, Measured
from experiments.drift_map.plan import Plan
from experiments.lab.experiment import Claim, Verdict, decide
from experiments.lab.frames import LEVEL, contrast, say_lost, tests
from rnnshare.analysis.statistics import Interval

EQUAL = 0.005  # of the target's variance: so near are two losses that are alike


def judge_limit(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of B5: untied less tied with every example met once."""
    apart = contrast(found.streaming, "test_loss", by=["d"], missing=1.0)
    every = tests(apart)
    moving = tests(apart[apart.index > 0])
    last = Interval(*every.iloc[-1][["estimate", "low", "high"]].astype(float))
    told = "; ".join(
        f"d = {drift:g}: {Interval(row.estimate, row.low, row.high):+.4f}"
        for drift, row in every.iterrows()
    )
    return Verdict(
        decide(
            ((moving.p < LEVEL) & (moving.high < 0)).all(),
            last.estimate > -EQUAL and last.high >= 0,
        ),
        last,
        "untied less tied test loss, of the target's variance, with every example "
        f"met once, at d = {plan.drifts[-1]:g}",
        f"After {plan.streaming_steps:,} batches of ever new examples (T = "
        f"{plan.limit_steps}, equal width), untied less tied test loss is {told}.",
        plan.num_seeds,
        f"GRU, H = {plan.hidden_features}, at the rates and starts that were tuned "
        "for the map. The rate is constant and the training finite, so that a "
        "difference may be one of speed. A tied GRU is not bound by the "
        "time-invariant linear line: its state can count the steps."
        + say_lost(found.streaming["test_loss"].isna(), LOST, "\n\n"),
        data=(every, moving.p),
    )


def limit_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the losses with every example met once, a row a drift."""
    every, p_values = verdict.data
    means = (
        found.streaming.fillna({"test_loss": 1.0})
        .groupby(["arm", "d"])["test_loss"]
        .mean()
    )
    table: list = [
        (
            *("drift d", "tied test loss", "untied test loss"),
            *("time-invariant linear", "untied less tied [95 %]", "Holm p"),
        )
    ]
    for drift, row in every.iterrows():
        table.append(
            (
                f"{drift:g}",
                *(f"{means[arm, drift]:.4f}" for arm in ("Tied", "Untied")),
                f"{found.oracles[plan.limit_steps, drift]:.4f}",
                f"{Interval(row.estimate, row.low, row.high):+.4f}",
                f"{p_values[drift]:.2g}" if drift in p_values else "",
            )
        )
    return tuple(table)


def draw_limit(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of the limit, a panel a drift."""
    steps = plan.limit_steps
    curves = {
        f"T = {steps}, d = {drift:g}": size_curves(found, steps, drift, streaming=True)
        for drift in plan.drifts
    }
    remark = (
        "\N{INFINITY}: every example is met once, in longer training. Refuted if "
        f"untied is not below tied there at d = {plan.drifts[-1]:g}."
    )
    return figure.draw_limits(curves, plan.sizes, remark)


def size_curves(found: Measured, steps: int, drift: float, streaming: bool = False):
    """Returns the test losses over N at some T and drift, and their reference lines."""

    def at(runs):
        return runs[(runs["T"] == steps) & (runs["d"] == drift)].fillna(1.0)

    curves = {
        arm: list(own.groupby("N", sort=False)["test_loss"].apply(np.array))
        for arm, own in at(found.runs).groupby("arm", sort=False)
    }
    limit = {
        arm: own["test_loss"].to_numpy()
        for arm, own in at(found.streaming).groupby("arm", sort=False)
    }
    lines = {
        "predicting the mean": 1.0,
        "time-invariant linear": found.oracles[steps, drift],
        "per-step linear": 0.0,
    }
    if not streaming:
        return figure.SizeCurves(curves, lines)
    return figure.SizeCurves({arm: curves[arm] for arm in limit}, lines, limit)


LIMIT = Claim(
    id="B5",
    rule=(
        "Every example is met once, in long training; untied less tied test loss at "
        "equal width, over paired seeds. Supported if at every d > 0 the 95 % interval "
        "is below 0 and the paired t test, with Holm's correction over these d, below "
        f"{LEVEL:g}; refuted if at the largest d the mean is above -{EQUAL:g} (of the "
        "target's variance) and the interval's high end at least 0; else inconclusive. "
        "At d = 0 equality is expected, and the difference is told."
    ),
    judge=judge_limit,
    draw=draw_limit,
    table=limit_table,
)

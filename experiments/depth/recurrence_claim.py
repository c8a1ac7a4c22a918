"""What a recurrence is worth, over depth and over time (D2)."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.depth import figure
from experiments.depth.fits import ALPHAS, Recurrence, fit_recurrence
from experiments.depth.measure import FOLK_STEPS, POINT, TIME, Measured
from experiments.depth.plan import PILOT, Plan
from experiments.lab.experiment import Claim, Verdict, decide
from experiments.lab.frames import say_edges, say_lost
from rnnshare.analysis.statistics import Interval, mean_interval

NOTHING, ALL = 0.0, 1.0  # what a recurrence may be worth
PUBLISHED = (0.46, 0.38)  # over depth; under truncated back-propagation
SOURCE = (
    "Schwethelm, Rueckert, Kaissis, 2026, How much is one recurrence worth? Iso-depth "
    "scaling laws for looped language models"
)


class Axis(NamedTuple):
    """The law of one model.

    Attributes:
      fit: to the means over seeds.
      by_seed: phi of each seed's own fit, [S].
      points: a row a count and width: r, H, once, shared, loss.
    """

    fit: Recurrence
    by_seed: np.ndarray
    points: pd.DataFrame


def axis_of(runs: pd.DataFrame) -> Axis:
    """Returns the law of the runs of one model."""
    columns = ["once", "shared", "test_loss"]
    points = runs.groupby(["r", "H"], sort=False)[columns].mean().reset_index()
    points = points.rename(columns={"test_loss": "loss"})
    by_seed = [_fit(own.rename(columns={"test_loss": "loss"})).phi.estimate
               for _, own in runs.groupby("seed")]  # fmt: skip
    return Axis(_fit(points), np.array(by_seed), points)


def _fit(points: pd.DataFrame) -> Recurrence:
    return fit_recurrence(points["once"], points["shared"], points["r"], points["loss"])


def verdict_of(phi: Interval) -> str:
    """Returns the verdict of D2."""
    within = phi.low > NOTHING and phi.high < ALL
    return decide(within, (phi.low <= NOTHING and phi.high < ALL) or phi.low > ALL)


def judge(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of D2; its data are {model: Axis}."""
    axes = {
        model: axis_of(own) for model, own in found.sweep.groupby("model", sort=False)
    }
    first = plan.sweep.models[0]
    phi, time = axes[first].fit.phi, axes[TIME].fit.phi
    verdict = verdict_of(phi)
    others = "; ".join(
        f"{model} {axis.fit.phi:.2f}, R2 {axis.fit.r_squared:.3f}, alpha "
        f"{axis.fit.alpha:.2f}, mean of the seeds' own fits "
        f"{mean_interval(axis.by_seed):.2f}"
        for model, axis in axes.items()
    )
    sweep = plan.sweep
    rates = {
        f"{model} r = {r}": rate
        for (model, r), rate in found.sweep.groupby(["model", "r"], sort=False)[
            "learning_rate"
        ].first().items()
    }  # fmt: skip
    details = [
        f"Phi, with what each law explains: {others}. Published: {PUBLISHED[0]:g}, and "
        f"{PUBLISHED[1]:g} under truncated back-propagation, of language models of "
        f"millions of parameters ({SOURCE}).",
        f"On {sweep.data}: {sweep.depth} passes in all, r in {sweep.recurrences}, of "
        f"depth / r blocks that come in turn; {FOLK_STEPS} steps in all of a {TIME} "
        f"network, r = T / K, of K segments for K in {sweep.sets}; H in "
        f"{sweep.widths}. N_once are embedding, positions, the last norm and read-out. "
        f"The rate of each r is chosen at the middle width by {plan.tuning} trainings. "
        f"The interval is the profile's (F, P - 4 degrees of freedom), from "
        f"{len(axes[first].points)} means over {plan.num_seeds} seeds; what was "
        "searched for phi ends at -2 and 4. All sizes see as many examples, so E "
        "stands for those, too." + say_edges(rates, plan.rates),
    ]
    wide = [model for model, axis in axes.items() if not axis.fit.informs]
    if wide:
        details.append(
            f"The interval of {', '.join(wide)} reaches an end of what was searched: "
            "these losses do not say what a recurrence is worth there."
        )
    ends = [m for m, axis in axes.items() if axis.fit.alpha in (ALPHAS[0], ALPHAS[-1])]
    if ends:
        details.append(
            f"Alpha of {', '.join(ends)} lies at an end of what was searched, "
            f"{ALPHAS[0]:g} to {ALPHAS[-1]:g}; the least is nearly a logarithm."
        )
    if lost := say_lost(found.sweep["lost"], "chance", ""):
        details.append(lost)
    return Verdict(
        verdict,
        phi,
        f"phi of a {first.lower()} over depth",
        f"Over depth r recurrences are worth r^{phi.estimate:.2f} sets of weights "
        f"({first}; published: r^{PUBLISHED[0]:g}). Over time they are worth "
        f"r^{time.estimate:.2f} [{time.low:.2f}, {time.high:.2f}]: "
        + ("more" if time.estimate > ALL else "less")
        + " than steps with weights of their own.",
        plan.num_seeds,
        "\n\n".join(details),
        data=axes,
    )


def table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the losses and what the law makes of them, a row a point."""
    rows: list = [("model", "r", "H", "N_once", "N_rec", "test loss", "the law's")]
    for model, axis in verdict.data.items():
        fit = axis.fit
        for point in axis.points.itertuples():
            size = point.once + point.r**fit.phi.estimate * point.shared
            rows.append(
                (model, f"{point.r}", f"{point.H}", f"{point.once:,.0f}",
                 f"{point.shared:,.0f}", f"{point.loss:.3f}",
                 f"{fit.floor + fit.scale * size**-fit.alpha:.3f}")
            )  # fmt: skip
    return tuple(rows)


def draw(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of D2: losses by r, a line a width, a panel a model."""
    laws = {
        model: (f"{model}, over {'time' if model == TIME else 'depth'}", axis.fit)
        for model, axis in verdict.data.items()
    }
    return figure.draw_sweep(found.sweep, POINT, laws)


RECURRENCE = Claim(
    id="D2",
    rule=(
        "Test losses of the first model over depth, over recurrence counts r and "
        "widths, with as many passes in all, are fitted by L = E + A (N_once + r^phi "
        "N_rec)^-alpha; the interval of phi is the profile's (95 %, F), which counts "
        "as noise what the law does not explain. Supported if it lies within "
        f"{NOTHING:g} and {ALL:g}: a recurrence is worth something, but less than "
        f"weights of its own. Refuted if it includes {NOTHING:g} or lies below, and "
        f"ends below {ALL:g}, or if it lies above {ALL:g}; inconclusive else: an "
        "interval that includes both says nothing. Told beside it: phi over time."
        + PILOT
    ),
    judge=judge,
    draw=draw,
    table=table,
    refuted_if="the loss over depth falls with r, or rises as if r were worth nothing",
)

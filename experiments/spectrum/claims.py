"""What is concluded from soft tying (Ac2c), and from steps beyond T (B3)."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import LEVEL, say_lost
from experiments.spectrum.figure import TradeOffPoint, draw_trade_off
from experiments.spectrum.measure import (
    BASELINES,
    FURTHEST,
    NUM_STEPS,
    Measured,
    measure,
)
from experiments.spectrum.plan import PLANS, Plan
from rnnshare import tasks
from rnnshare.analysis.statistics import (
    Interval,
    holm,
    mean_interval,
    paired_difference,
    paired_p_value,
    rank_correlation,
)
from rnnshare.plotting import draw_paired
from rnnshare.plotting.style import mark_level
from rnnshare.plotting.weights import draw_curves

LOST = "1, the loss of predicting the mean"  # what a run that diverged counts as
CLAIMED = ("periodic", "linear")  # the paths on which B3 says that there is a gain


def by_strength(found: Measured, metric: str) -> pd.DataFrame:
    """Returns a metric of soft tying: a row a (d, N, seed), a column a strength."""
    return found.soft.pivot(index=["d", "N", "seed"], columns="strength", values=metric)


def judge_soft(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of Ac2c; its data is the best strength, by its place."""
    validation = by_strength(found, "validation_loss")
    place = pd.Series(validation.to_numpy().argmin(1), validation.index)
    best = place.unstack("seed")  # a row a (d, N), a column a seed
    drift, size = (best.index.get_level_values(name) for name in ("d", "N"))
    tied_is_best = best[drift == 0].median(axis=1) == validation.shape[1] - 1
    moving, effort = best[drift > 0], (drift * size)[drift > 0]
    interval = mean_interval(
        [rank_correlation(effort, moving[seed]) for seed in moving]
    )
    details = (
        "GRU on the drift task, equal width and one learning rate for all strengths; a "
        "strength is that of the proximal step that follows each step of Adam. The "
        "most that a time-invariant linear model can reach is drawn in the figure of "
        "the spectrum."
    )
    return Verdict(
        decide(
            tied_is_best.all() and interval.high < 0,
            not tied_is_best.any() or interval.low > 0,
        ),
        interval,
        "rank correlation of the best strength of tying with d N",
        f"Without drift, tied is the best on validation at {tied_is_best.sum()} of "
        f"{tied_is_best.size} training-set sizes; the more the rule drifts and the "
        f"more data there are, the {'less' if interval.estimate < 0 else 'more'} tying "
        f"is best, by a rank correlation of {interval.estimate:.2f}.",
        plan.num_seeds,
        details + say_lost(found.soft["lost"], LOST, "\n\n"),
        data=best,
    )


def soft_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the best strength and the test losses, a row a drift and size."""
    means = by_strength(found, "test_loss").groupby(["d", "N"]).mean()
    names = [strength_name(strength) for strength in means]
    table = [
        (
            *("drift d", "examples N", "best strength (median over seeds)"),
            *(f"test loss at {name}" for name in names),
        )
    ]
    for (drift, size), losses in means.iterrows():
        middle = names[int(verdict.data.loc[drift, size].median())]
        row = (f"{loss:.3f}" for loss in losses)
        table.append((f"{drift:g}", f"{size:,}", middle, *row))
    return tuple(table)


def draw_soft(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of Ac2c: test loss by strength, a line a drift and size."""
    losses = by_strength(found, "test_loss")
    places = np.arange(losses.shape[1])
    curves = {
        f"d = {drift:g}, N = {size}": (places, own.to_numpy())
        for (drift, size), own in losses.groupby(["d", "N"])
    }
    figure = draw_curves(
        curves, "strength of tying", "test loss (of the target's variance)"
    )
    figure.axes[0].set_xticks(places, [strength_name(strength) for strength in losses])
    return figure


def strength_name(strength: float) -> str:
    """Returns a strength for tables and axes."""
    return {0.0: "untied", np.inf: "tied"}.get(strength, f"{strength:g}")


class PathResult(NamedTuple):
    """How the function of time that validation chose does beyond T on one path.

    Attributes:
      best: its arm.
      margin: its test loss less that of the better baseline.
      lower: whether both differences from the baselines are below 0.
      p_values: of both.
    """

    best: str
    margin: Interval
    lower: bool
    p_values: list


def judge_path(own: pd.DataFrame) -> PathResult:
    """Returns the result of the runs of one path."""
    arms = own.groupby("arm", sort=False)
    best = arms["validation_loss"].mean().drop(list(BASELINES)).idxmin()
    test = {arm: rows["test_loss"].to_numpy() for arm, rows in arms}
    against = [paired_difference(test[best], test[b]) for b in BASELINES]
    return PathResult(
        best,
        max(against, key=lambda interval: interval.estimate),
        all(interval.high < 0 for interval in against),
        [paired_p_value(test[best], test[b]) for b in BASELINES],
    )


def judge_beyond(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of B3; its data is {path: result}."""
    paths = {
        path: judge_path(own) for path, own in found.beyond.groupby("path", sort=False)
    }
    adjusted = holm([p for path in CLAIMED for p in paths[path].p_values])
    wins = [
        paths[path].lower and bool((p < LEVEL).all())
        for path, p in zip(CLAIMED, adjusted.reshape(len(CLAIMED), -1), strict=True)
    ]
    worst = max(CLAIMED, key=lambda path: paths[path].margin.estimate)
    outcome = "; ".join(
        f"{path}: {paths[path].best} {'wins' if win else 'does not win'}"
        for path, win in zip(CLAIMED, wins, strict=True)
    )
    levels = ", ".join(
        f"{level:.2f} ({path.replace('_', ' ')})"
        for path, level in found.oracles.items()
    )
    details = (
        "Functions of time have the true period; what they were chosen by is the loss "
        f"within T = {NUM_STEPS}. The best time-invariant linear model of the scored "
        f"steps, chosen in hindsight, has a loss of {levels}; a per-step linear one "
        "that knew the path, 0."
    )
    return Verdict(
        decide(all(wins), not any(wins)),
        paths[worst].margin,
        "test loss beyond T less that of the better of tied and untied-hold, on the "
        f"{worst} path",
        f"Beyond the trained steps, {outcome}. On the random walk the difference is "
        f"{paths['random_walk'].margin:+.3f}.",
        plan.num_seeds,
        details + say_lost(found.beyond["lost"], LOST, "\n\n"),
        data=paths,
    )


def beyond_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the losses within and beyond T, a row a path and arm."""
    table = [
        (
            *("path", "weights", "validation loss (t < T)", "test loss (T to 4 T)"),
            "less the better of tied and hold [95 %]",
        )
    ]
    runs = found.beyond.groupby(["path", "arm"], sort=False)
    losses = runs[["validation_loss", "test_loss"]].mean()
    for (path, arm), row in losses.iterrows():
        result = verdict.data[path]
        margin = f"{result.margin:+.3f}" * (arm == result.best)
        shown = (f"{loss:.3f}" for loss in row)
        table.append((path.replace("_", " "), arm, *shown, margin))
    return tuple(table)


def draw_beyond(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of B3: every run's loss beyond T, a panel a path."""
    panels: dict[str, dict] = {path.replace("_", " "): {} for path in found.oracles}
    for (path, arm), own in found.beyond.groupby(["path", "arm"], sort=False):
        panels[path.replace("_", " ")][arm] = own["test_loss"].to_numpy()
    figure = draw_paired(
        panels, "test loss beyond T (of the\ntraining target's variance)"
    )
    for panel, level in zip(figure.axes, found.oracles.values(), strict=True):
        panel.set_yscale("log")
        mark_level(panel, level, "time-invariant linear")
    return figure


def draw_spectrum(plan: Plan, found: Measured):
    """Returns the figure of every sharing: test loss by parameters, a panel a task."""
    curves: dict[str, list] = {panel: [] for panel in found.lines}
    for (panel, arm), own in found.spectrum.groupby(["panel", "arm"], sort=False):
        size, losses = own["num_parameters"].iloc[0], own["test_loss"].to_numpy()
        curves[panel].append(TradeOffPoint(arm, size, mean_interval(losses)))
    return draw_trade_off(
        curves, ylabel="test loss (of\ntarget variance)", lines=found.lines
    )


SOFT = Claim(
    id="Ac2c",
    rule=(
        "Untied weights are drawn to their mean with strength s, from 0 (untied) to "
        "infinity (tied); the best s has the least validation loss, on each seed, "
        "drift d and training-set size N. Supported if at d = 0 the median best s is "
        "infinite at every N, and over the settings with d > 0 the rank correlation of "
        "best s with d N is negative (95 % interval of its mean over the seeds below "
        "0); refuted if at d = 0 the median best s is finite at every N, or that "
        "interval is above 0; else inconclusive."
    ),
    judge=judge_soft,
    draw=draw_soft,
    table=soft_table,
)
BEYOND = Claim(
    id="B3",
    rule=(
        "Models see steps below T and are scored on the steps from T to "
        f"{FURTHEST} T. On a path, weights that are a function of time win if the one "
        "of them with the least mean validation loss has a lower test loss than tied "
        "and than untied that holds its last weights (both 95 % intervals of the "
        "paired difference below 0, p of the paired t test below "
        f"{LEVEL:g} by Holm's method over both paths). Supported if they win on the "
        f"{' and on the '.join(CLAIMED)} path; refuted if on neither; else "
        "inconclusive. On the random walk no gain is expected, and it is reported."
    ),
    judge=judge_beyond,
    draw=draw_beyond,
    table=beyond_table,
)
EXPERIMENT = Experiment(
    "spectrum",
    PLANS,
    measure,
    (SOFT, BEYOND),
    figures={"spectrum": draw_spectrum},
    check=tasks.italy_power_demand,
)

"""Tables and figures of accuracy by length, and how runs that diverged are told."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from experiments.lab.experiment import Verdict
from experiments.lab.frames import say_lost
from experiments.length_generalisation.figure import NAMES, draw_lengths
from experiments.length_generalisation.measure import (
    ARM,
    NEXT,
    Measured,
    at_full_length,
    on_controls,
)
from experiments.length_generalisation.plan import Plan
from rnnshare.analysis.statistics import mean_interval
from rnnshare.plotting import IntervalRow, draw_intervals
from rnnshare.plotting.style import INK, say_what_refutes

LOST = 0.05  # a difference of accuracies


def diverged(
    found: Measured,
    languages: tuple[str, ...],
    lengths: tuple[str, ...] = ("all",),
    before: str = " ",
) -> str:
    """Returns how many runs on some languages diverged; '' if none did."""
    every = found.diverged.groupby(level=[*ARM, "lengths", "seed"]).any().reset_index()
    own = every[every.language.isin(languages) & every.lengths.isin(lengths)]["lost"]
    return say_lost(own, "chance", before)


def table(plan: Plan, found: Measured, verdict: Verdict | None = None) -> tuple:
    """Returns rows of medians over the seeds, with the best seed of the unseen ones."""
    n, end = plan.train_max_length, plan.eval_max_length
    top = min(end, 100)
    windows = (1, n), (n + 1, n + NEXT), (n + 1, top), (n + 1, end)
    curves = found.curves.xs("all", level="lengths")
    means = pd.concat(
        [curves.loc[:, a:b].mean(axis=1, skipna=False) for a, b in windows], axis=1
    )
    groups = means.groupby(level=[*ARM, "reading"], sort=False)
    text = groups.median().map(_or_dash)
    text[2] += " (" + groups.max()[2].map(_or_dash) + ")"
    text["chance"] = [
        _or_dash(found.chance[arm[0]][n:top].mean()) for arm in text.index
    ]
    weights = {key: name[0].lower() + name[1:] for key, name in NAMES.items()}
    text = text.rename(index=weights, level="sharing")
    heads = [f"{a} to {b}" for a, b in windows]
    heads[2] += " (best seed)"
    return _rows(("language", "cell", "weights", "read as", *heads, "chance"), text)


def table_varied(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the median accuracy at length N, a row an arm."""
    medians = [each.median(axis=1) for each in at_full_length(plan, found)]
    text = pd.concat(medians, axis=1).map(_or_dash)
    heads = "language", "cell", "weights", "trained at N", "trained up to N"
    return _rows(heads, text)


def table_controls(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the median accuracy on each control, with the best seed."""
    text = [each.median(axis=1).map(_or_dash) for each in on_controls(plan, found)]
    text[1] += " (" + on_controls(plan, found)[1].max(axis=1).map(_or_dash) + ")"
    heads = "control", "cell", "up to N", "N + 1 to 2N (best seed)"
    return _rows(heads, pd.concat(text, axis=1).droplevel("sharing"))


def _rows(heads: tuple[str, ...], text: pd.DataFrame) -> tuple[tuple[str, ...], ...]:
    """Returns the rows of a table, the names of languages in words."""
    named = text.rename(lambda name: name.replace("_", " "), level="language")
    return heads, *named.reset_index().itertuples(index=False, name=None)


def _or_dash(score: float) -> str:
    """Returns a score as text; a dash where some lengths were not measured."""
    return "-" if np.isnan(score) else f"{score:.3f}"


def draw_curves(plan: Plan, found: Measured, languages: Collection[str]):
    """Returns the figure of accuracy by length on some languages."""
    curves = found.curves.xs("all", level="lengths").loc[list(languages)]
    return draw_lengths(curves, found.chance, plan.train_max_length)


def draw_languages(plan: Plan, found: Measured):
    """Returns the figure of the languages, which Q2 and A3 share."""
    figure = draw_curves(plan, found, plan.languages)
    text = (
        "literal untied keeps its accuracy past the trained lengths (A3), or tied "
        "falls there as well (Q2)"
    )
    say_what_refutes(figure, text)
    return figure


def draw_controls(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of the controls."""
    return draw_curves(plan, found, plan.controls)


def draw_varied(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of what accuracy at N it costs that lengths vary."""
    fixed, varied = at_full_length(plan, found)
    rows = []
    for (language, cell, sharing), seeds in (fixed - varied).iterrows():
        label = f"{language.replace('_', ' ')}, {cell}: {NAMES[sharing]}"
        rows.append(IntervalRow(label, mean_interval(seeds), NAMES[sharing]))
    figure = draw_intervals(
        rows,
        f"accuracy at length N = {plan.train_max_length}:\n"
        "trained at N alone less trained at lengths 1 to N",
        sides=("varied lengths help", "varied lengths cost"),
    )
    figure.axes[0].axvline(LOST, color=INK, lw=1.2, ls=":")
    return figure

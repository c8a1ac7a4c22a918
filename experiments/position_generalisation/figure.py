"""The figure of a rule at steps never shown, and of the examples that are needed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnnshare.plotting.style import (
    FONT,
    INK,
    MUTED,
    colour_of,
    dress,
    new_figure,
    note,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Needed = Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]]


def draw_rule_and_needed(
    panels: Mapping[str, Mapping[str, npt.ArrayLike]],
    needed: Needed,
    xlabel: str,
    ylabel: str,
) -> "Figure":
    """Draws accuracies of seeds in narrow panels, and below what they needed.

    Args:
      panels: title -> {label: [S] accuracies}, with chance and the best at 1/2 and 1.
      needed: label -> (x [X], y [S, X]), on axes that are both logarithmic; infinite
        where it was never reached. The line is the median of the seeds that reached
        it, a dot is a seed, and a cross stands at the top for one that did not.
      xlabel: of the lower panel, with its unit.
      ylabel: of the lower panel, with its unit.
    """
    figure = new_figure(height=6.2)
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.0, 1.25))
    upper, lower = halves
    row = upper.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, (title, arms) in zip(row, panels.items(), strict=True):
        for place, (label, values) in enumerate(arms.items()):
            scores = np.asarray(values, np.float64)
            spots = place + np.linspace(-0.15, 0.15, len(scores))
            panel.plot(spots, scores, "o", ms=4, color=colour_of(label), alpha=0.7)
        for level in (0.5, 1.0):
            panel.axhline(level, color=INK, lw=1.2, ls=":", zorder=0)
        panel.set_xticks(range(len(arms)), list(arms), rotation=30)
        panel.set_xlim(-0.6, len(arms) - 0.4)
        panel.set_ylim(0.35, 1.08)
        panel.set_title(title, fontsize=FONT - 1, color=INK)
        dress(panel, "", "accuracy" if panel is row[0] else "")
    note(row[0], "chance", (-0.5, 0.5), (0, -8), "left", MUTED)
    _draw_needed(lower.subplots(), needed, xlabel, ylabel)
    return figure


def _draw_needed(panel: "Axes", needed: Needed, xlabel: str, ylabel: str) -> None:
    rows = {k: np.asarray(y, np.float64) for k, (_, y) in needed.items()}
    reached = [row[np.isfinite(row)] for row in rows.values()]
    top = 2.0 * max([float(row.max()) for row in reached if row.size], default=1.0)
    for label, (x, _) in needed.items():
        places, colour = np.asarray(x, np.float64), colour_of(label)
        known = np.where(np.isfinite(rows[label]), rows[label], np.nan)
        there = np.isfinite(known).any(0)
        median = np.nanmedian(known[:, there], axis=0)
        panel.plot(places[there], median, lw=2, color=colour)
        for row in known:
            panel.plot(places, row, "o", ms=4, color=colour, alpha=0.6)
            missed = np.isnan(row)
            panel.plot(places[missed], np.full(missed.sum(), top), "x", color=colour)
        if there.any():
            end = places[there][-1], median[-1]
            note(panel, label, end, (-6, 14), "right", colour)
    if any(not np.isfinite(row).all() for row in rows.values()):
        note(panel, "x: not reached", (0.02, 0.95), (0, 0), "left", MUTED,
             "axes fraction")  # fmt: skip
    panel.set_xscale("log", base=2)
    panel.set_yscale("log", base=2)
    ticks = sorted({float(t) for x, _ in needed.values() for t in np.ravel(x)})
    panel.set_xticks(ticks, [f"{t:g}" for t in ticks])
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    dress(panel, xlabel, ylabel, grid="y")

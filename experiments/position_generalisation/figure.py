"""The figure of a rule at steps never shown, and of the examples that are needed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnshare.plotting.style import (
    INK,
    MUTED,
    colour_of,
    dress,
    name_powers,
    new_figure,
    note,
)


def draw_rule_and_needed(
    panels: Mapping[str, Mapping[str, npt.ArrayLike]],
    steps: npt.ArrayLike,
    needed: Mapping[str, np.ndarray],
    ylabel: str,
) -> Any:
    """Returns accuracies of seeds in narrow panels, and below what they needed.

    Args:
      panels: title -> {label: [S] accuracies}, with chance and the best at 1/2 and 1.
      steps: [X], on a logarithmic axis.
      needed: label -> [S, X], on a logarithmic axis too; infinite where it was never
        reached. The line is the median of the seeds that reached it, a dot is a seed,
        and a cross stands at the top for one that did not.
      ylabel: of the lower panel, with its unit.
    """
    figure: Any = new_figure(height=6.2)
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.0, 1.25))
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
        dress(panel, "", "accuracy" if panel is row[0] else "", title=title)
    note(row[0], "chance", (-0.5, 0.5), (0, -8), "left", MUTED)
    panel = lower.subplots()
    _draw_needed(panel, np.asarray(steps), needed)
    dress(panel, "steps T, one of which carries the signal", ylabel, grid="y")
    return figure


def _draw_needed(panel: Any, steps: np.ndarray, needed: Mapping[str, np.ndarray]):
    every = np.concatenate([*needed.values()])
    top = 2.0 * np.max(every, initial=0.5, where=np.isfinite(every))
    for label, values in needed.items():
        known, colour = np.where(np.isfinite(values), values, np.nan), colour_of(label)
        there = np.isfinite(known).any(0)
        median = np.nanmedian(known[:, there], axis=0)
        panel.plot(steps[there], median, lw=2, color=colour)
        panel.plot(steps, known.T, "o", ms=4, color=colour, alpha=0.6)
        missed = np.where(np.isnan(known), top, np.nan)
        panel.plot(steps, missed.T, "x", color=colour)
        if there.any():
            end = steps[there][-1], median[-1]
            note(panel, label, end, (-6, 14), "right", colour)
    if not np.isfinite(every).all():
        note(panel, "x: not reached", (0.02, 0.95), (0, 0), "left", MUTED,
             "axes fraction")  # fmt: skip
    name_powers(panel, [steps])
    panel.set_yscale("log", base=2)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")

"""Accuracy by length, a panel a language and cell."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnshare.plotting.style import (
    GRID,
    INK,
    MUTED,
    colour_of,
    dress,
    grid_of,
    legend_below,
    new_figure,
    note,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NAMES = {
    "tied": "Tied",
    "untied": "Untied, an initialisation a step",
    "untied_same": "Untied, one initialisation",
}
DRAWN = {  # the label of a sharing and reading; others are in the table alone
    ("tied", "tied"): NAMES["tied"],
    ("untied", "literal"): "Untied, literal",
    ("untied_same", "hold"): f"{NAMES['untied_same']}, hold",
    ("untied_same", "mean"): f"{NAMES['untied_same']}, mean",
}
_DASHES = ("-", "--", ":")


def draw_lengths(
    curves: "pd.DataFrame", chance: Mapping[str, np.ndarray], trained_to: int
) -> "Figure":
    """Draws accuracy by length: the median of the seeds, and their whole range shaded.

    Lines of one colour differ in their dash; only the first has its range.

    Args:
      curves: a row a language, cell, sharing, reading and seed, a column a length;
        NaN at lengths that were not measured.
      chance: language -> [L], the accuracy of the best constant answer.
      trained_to: the longest trained length; longer ones are on white, others on grey.
    """
    shown = list(curves.groupby(level=["language", "cell"], sort=False))
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure = new_figure(height=0.9 + 2.1 * rows)
    handles: dict[str, Any] = {}
    panels = grid_of(figure, len(shown), columns)
    for index, ((language, cell), of_panel) in enumerate(shown):
        panel, drawn = panels[index], list[str]()
        for kind, seeds in of_panel.groupby(level=["sharing", "reading"], sort=False):
            if kind not in DRAWN:
                continue
            scores = seeds.dropna(axis=1)
            colour = colour_of(DRAWN[kind])
            dash = _DASHES[drawn.count(colour)]
            drawn.append(colour)
            (line,) = panel.plot(scores.median(), ls=dash, lw=1.8, color=colour)
            handles.setdefault(DRAWN[kind], line)
            if dash == "-":
                ends = scores.min(), scores.max()
                panel.fill_between(ends[0].index, *ends, color=colour, alpha=0.15, lw=0)
        level = chance[language]
        title = f"{language.replace('_', ' ')}\n{cell}"
        panel.plot(np.arange(1, len(level) + 1), level, color=INK, lw=1.2, ls=":")
        panel.axhline(1.0, color=GRID, lw=1.0, zorder=0)
        panel.axvspan(1, trained_to, color=GRID, alpha=0.4, lw=0, zorder=0)
        panel.set_ylim(-0.02, 1.06)
        left, bottom = index % columns == 0, index // columns == rows - 1
        labels = "length" if bottom else "", "accuracy" if left else ""
        dress(panel, *labels, grid="y", title=title)
        if index == 0:
            text, end = "\N{LEFTWARDS ARROW} trained", (len(level), level[-1])
            note(panel, text, (trained_to, 0.06), (3, 0), "left", MUTED)
            note(panel, "chance", end, (0, -8), "right", MUTED)
    legend_below(figure, handles, min(2, len(handles)))
    return figure

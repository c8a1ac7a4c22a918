"""Accuracy by length, a panel a language and cell."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnshare.plotting.style import (
    FONT,
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
    from matplotlib.figure import Figure

_DASHES = ("-", "--", ":", "-.", (0, (1, 1)))


def draw_lengths(
    panels: Mapping[str, Mapping[str, np.ndarray]],
    trained_to: int,
    chance: Mapping[str, np.ndarray],
) -> "Figure":
    """Draws accuracy by length: the median of the seeds, and their whole range shaded.

    Args:
      panels: title -> {label: [S, L] accuracies at lengths 1..L}. A label that begins
        with a sharing's name has its colour; those of one colour differ in their dash.
      trained_to: the longest trained length; longer ones are on white, others on grey.
      chance: title -> [L], the accuracy of the best constant answer.
    """
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(height=0.9 + 2.1 * rows)
    handles: dict[str, Any] = {}
    for index, (panel, (title, curves)) in enumerate(
        zip(grid_of(figure, len(panels), columns), panels.items(), strict=True)
    ):
        drawn: list[str] = []
        for label, scores in curves.items():
            colour = colour_of(label)
            dash = _DASHES[drawn.count(colour) % len(_DASHES)]
            drawn.append(colour)
            lengths = np.arange(1, scores.shape[1] + 1)
            (line,) = panel.plot(
                lengths, np.median(scores, 0), ls=dash, lw=1.8, color=colour
            )
            handles.setdefault(label, line)
            if dash == "-":
                low, high = scores.min(0), scores.max(0)
                panel.fill_between(lengths, low, high, color=colour, alpha=0.15, lw=0)
        level = chance[title]
        panel.plot(np.arange(1, len(level) + 1), level, color=INK, lw=1.2, ls=":")
        panel.axhline(1.0, color=GRID, lw=1.0, zorder=0)
        panel.axvspan(1, trained_to, color=GRID, alpha=0.4, lw=0, zorder=0)
        panel.set_ylim(-0.02, 1.06)
        panel.set_title(title, fontsize=FONT - 1, color=INK)
        left, bottom = index % columns == 0, index // columns == rows - 1
        dress(panel, "length" if bottom else "", "accuracy" if left else "", grid="y")
        if index == 0:
            text, end = "\N{LEFTWARDS ARROW} trained", (len(level), level[-1])
            note(panel, text, (trained_to, 0.06), (3, 0), "left", MUTED)
            note(panel, "chance", end, (0, -8), "right", MUTED)
    legend_below(figure, handles, min(2, len(handles)))
    return figure

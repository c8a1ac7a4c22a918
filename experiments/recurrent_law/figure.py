"""The figure of the law in recurrent networks: N* as measured and as predicted."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnshare.analysis.statistics import Interval
from rnnshare.plotting.style import (
    COLOURS,
    INK,
    MUTED,
    dress,
    legend_below,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HUES = ("Tied", "Untied", "Segments")
_MARKS = ("o", "s", "^")


def draw(
    cells: Mapping[str, Sequence[tuple[float, Interval, int]]],
    ends: tuple[int, int],
) -> "Figure":
    """Draws the crossovers of each cell, and a line of slope 1 through its middle.

    Args:
      cells: {cell: of each noise and drift, the predicted ratio, the interval of N*,
        and the side on which it is censored, 0 for none}.
      ends: the least and the largest N that were tried.
    """
    figure = new_figure(height=4.4)
    panel: Any = figure.subplots()
    handles: dict[str, Any] = {}
    for (cell, points), hue, mark in zip(cells.items(), _HUES, _MARKS, strict=False):
        colour = COLOURS[hue]
        inside = [(x, star) for x, star, side in points if not side]
        (handles[cell],) = panel.plot([], [], mark, color=colour, ms=7, mec="white")
        for x, star in inside:
            low, high = np.clip([star.low, star.high], *ends)
            panel.plot([x, x], [low, high], color=colour, lw=1.2, alpha=0.6)
            panel.plot(x, star.estimate, mark, color=colour, ms=7, mec="white")
        for x, _, side in points:
            if side:
                arrow = "^" if side > 0 else "v"
                panel.plot(x, ends[side > 0], arrow, color=colour, ms=8, mfc="none")
        if inside:
            middle = np.mean([np.log(star.estimate / x) for x, star in inside])
            span = np.array([min(x for x, _ in inside), max(x for x, _ in inside)])
            panel.plot(span, span * np.exp(middle), color=colour, lw=1, ls="--")
    for end in ends:
        panel.axhline(end, color=MUTED, lw=1, ls=":", zorder=0)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.tick_params(colors=INK)
    dress(
        panel,
        "noise over drift, s^2 (1 - 1/T) / b",
        "N*, measured",
        title="dashed: slope 1, as the law says\nhollow: beyond the N tried (dotted)",
    )
    legend_below(figure, handles)
    return figure

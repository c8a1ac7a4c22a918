"""The figure of the law: crossovers as predicted, and the price of other strengths."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnshare.plotting.style import (
    COLOURS,
    INK,
    MUTED,
    dress,
    legend_below,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HUES = ("Tied", "Untied", "Segments", "Cyclic", "LowRank")
_MARKS = ("o", "s", "^", "D", "v")


def draw_law(
    crossings: Mapping[str, Sequence[tuple[float, float]]],
    curves: Mapping[str, Sequence[Mapping[float, float]]],
    error: float,
    levels: tuple[float, float],
) -> "Figure":
    """Draws measured against predicted crossovers, and losses against the strength.

    Args:
      crossings: {shape: (predicted, measured) N* - p - 1 of its settings}.
      curves: {shape: of each setting and N, {factor of the predicted strength: loss
        over the best}}; factor 0 is untied, infinite tied.
      error: relative, that is drawn around the line.
      levels: of a loss over the best, that support and refute at factor 1.
    """
    figure = new_figure(height=4.6)
    axes: Any = figure.subplots(1, 2)
    left, right = axes
    handles: dict[str, Any] = {}
    for shape, hue, mark in zip(crossings, _HUES, _MARKS, strict=False):
        x, y = np.transpose(crossings[shape])
        colour = COLOURS[hue]
        (handles[shape],) = left.plot(x, y, mark, color=colour, ms=6, mec="white")
        for curve in curves.get(shape, ()):
            inner = sorted(f for f in curve if 0 < f < np.inf)
            right.plot(inner, [curve[f] for f in inner], color=colour, lw=1.2)
            for end, factor in ((0.0, inner[0] / 2), (np.inf, inner[-1] * 2)):
                right.plot(factor, curve[end], mark, color=colour, ms=4)
    _draw_line(left, crossings, error)
    right.set_xscale("log")
    right.set_yscale("log")
    ticks = (1, 1.5, 2, 3, 5, 10)
    right.set_yticks(ticks, list(map(str, ticks)))
    right.minorticks_off()
    for level in levels:
        right.axhline(level, color=INK, lw=1, ls=":")
    right.axvline(1.0, color=MUTED, lw=1, zorder=0)
    supports, refutes = levels
    dress(
        right,
        "strength / predicted strength",
        "excess loss / the least one",
        title=f"marks: untied (left), tied (right)\ndotted: {supports:g}, {refutes:g}",
    )
    legend_below(figure, handles)
    return figure


def _draw_line(panel: "Axes", crossings: Mapping[str, Any], error: float) -> None:
    """Draws the line on which what is measured is what was predicted."""
    every = np.concatenate([np.ravel(pairs) for pairs in crossings.values()])
    ends = np.array([every.min() / 1.3, every.max() * 1.3])
    panel.plot(ends, ends, color=INK, lw=1, zorder=0)
    panel.fill_between(
        ends, ends * (1 - error), ends * (1 + error), color=MUTED, alpha=0.2, lw=0
    )
    panel.set_xscale("log")
    panel.set_yscale("log")
    dress(
        panel,
        "predicted N* - p - 1",
        "measured N* - p - 1",
        title=f"line: as predicted\nband: within {error:.0%}",
    )

"""Figures: what models score against what they cost, and strengths of tying."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rnnshare.analysis.statistics import Interval
from rnnshare.plotting.style import (
    INK,
    LINK,
    MUTED,
    dress,
    grid_of,
    legend_below,
    line_style,
    log_axis,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class TradeOffPoint(NamedTuple):
    """One model of `draw_trade_off`: its cost `x`, and what it scores."""

    label: str
    x: float
    interval: Interval


def draw_trade_off(
    curves: Mapping[str, Sequence[TradeOffPoint]],
    xlabel: str = "parameters",
    ylabel: str = "test loss",
    lines: Mapping[str, Mapping[str, float]] | None = None,
) -> "Figure":
    """Draws what models score against what they cost: a panel a curve, on equal axes.

    Args:
      curves: panel's title, as `'drift 0.05'` -> its points.
      xlabel: the cost, positive; on a log axis.
      ylabel: the score, with its unit.
      lines: panel's title -> {label: level}, such as the best possible loss.
    """
    every = [point for points in curves.values() for point in points]
    labels = list(dict.fromkeys(point.label for point in every))
    looks = {label: line_style(label, labels) | {"ls": "", "ms": 8} for label in labels}
    handles: dict[str, Any] = {}
    columns = min(2, len(curves))
    height = (2.6 if columns > 1 else 3.8) * -(-len(curves) // columns) + 0.6
    figure = new_figure(height)
    panels = grid_of(figure, len(curves), columns)
    costs = [point.x for point in every]
    for index, (panel, name) in enumerate(zip(panels, curves, strict=True)):
        if index:
            panel.sharex(panels[0])
            panel.sharey(panels[0])
        handles |= _draw_points(panel, curves[name], looks)
        log_axis(panel, costs)
        below = []  # the title, where no point is in the way of a line's name
        for label, level in (lines or {}).get(name, {}).items():
            panel.axhline(level, color=INK, lw=1.2, ls=":", zorder=0)
            below.append(f"dotted: {label} {level:.3g}")
        panel.margins(x=0.1)
        first, last = index % columns == 0, index + columns >= len(curves)
        labels_of = xlabel if last else "", ylabel if first else ""
        dress(panel, *labels_of, grid="y", title="\n".join([name, *below]))
        panel.tick_params(labelleft=first, labelbottom=last)
    columns = max(1, min(4, 78 // (max(map(len, labels)) + 6)))
    figure.set_figheight(figure.get_figheight() + 0.24 * -(-len(labels) // columns))
    legend_below(figure, {label: handles[label] for label in labels}, columns)
    return figure


def _draw_points(
    panel: "Axes", points: Sequence[TradeOffPoint], looks: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """Draws the points of one panel with their intervals, joined in order of x.

    Returns:
      {label: what stands for it in a legend}.
    """
    ordered = sorted(points, key=lambda point: point.x)
    means = [point.interval.estimate for point in ordered]
    panel.plot([point.x for point in ordered], means, color=LINK, lw=1, zorder=1)
    drawn = {}
    for label, x, (estimate, low, high) in ordered:
        look = looks[label]
        panel.plot([x, x], [low, high], color=look["color"], lw=2.5, alpha=0.5)
        (drawn[label],) = panel.plot(x, estimate, zorder=3, **look)
    return drawn


def draw_strengths(
    cases: Mapping[str, Sequence[tuple[float, Interval]]],
    lines: Mapping[str, tuple[float, str]],
) -> "Figure":
    """Draws the best strength of tying against what it should follow, on log axes.

    Args:
      cases: {label: (s^2 / tau^2, the natural logarithm of the best strength) a case}.
      lines: {label: (slope, line style)}, lines through the middle of all cases.
    """
    figure = new_figure(4.4)
    panel = figure.subplots()
    handles: dict[str, Any] = {}
    colours = ("#56b4e9", "#0072b2", INK)  # the darker, the more
    for place, (label, points) in enumerate(cases.items()):
        look: dict[str, Any] = {
            "color": colours[place % 3],
            "marker": "os^"[place % 3],
        }
        for ratio, found in points:
            middle, *ends = np.exp(found)
            panel.plot([ratio] * 2, ends, color=look["color"], lw=2, alpha=0.4)
            (handles[label],) = panel.plot(ratio, middle, ls="", ms=7, **look)
    every = [(np.log(x), found.estimate) for own in cases.values() for x, found in own]
    x, y = np.array(every).T
    across = np.array([x.min(), x.max()])
    for label, (slope, style) in lines.items():
        at = y.mean() + slope * (across - x.mean())
        (handles[label],) = panel.plot(
            np.exp(across), np.exp(at), color=MUTED, ls=style, lw=1.6, zorder=0
        )
    log_axis(panel, np.exp(x))
    panel.set_yscale("log")
    dress(panel, "noise over drift, s^2 / tau^2", "best strength of tying", grid="y")
    legend_below(figure, handles, 2)
    return figure

"""Figures of a gap split into parts, and of how two gaps go together."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rnnshare.analysis.statistics import Interval
from rnnshare.plotting.style import (
    FONT,
    INK,
    MUTED,
    colour_of,
    dress,
    grid_of,
    mark_level,
    new_figure,
    note,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GREYS, _COLOURS = ("#c9c9c9", "#8a8a8a"), ("#882255", "#ddaa33")
_MARKERS = "osD^vP"


class Bar(NamedTuple):
    """A gap in parts: the first two are drawn in grey, the last two in colour.

    Attributes:
      label: whose gap.
      parts: four intervals, signed.
      contrast: the coloured parts less the grey ones.
    """

    label: str
    parts: Sequence[Interval]
    contrast: Interval


class GapPoint(NamedTuple):
    """One setting of `draw_agreement`.

    Attributes:
      kind: a text that begins with the sharing's name.
      group: what a marker stands for, such as the cell.
      size: N, for the marker's size.
      x, y: its two gaps.
    """

    kind: str
    group: str
    size: int
    x: Interval
    y: Interval


def draw_parts(
    panels: Mapping[str, Sequence[Bar]],
    names: Sequence[str],
    levels: Mapping[str, float] | None = None,
    level_label: str = "",
) -> "Figure":
    """Draws each gap as a stacked bar, negative parts below 0, its contrast beside.

    Args:
      panels: label of the y axis, with its unit -> the bars.
      names: of the four parts.
      levels: panel -> a level that is worked out.
      level_label: what the level is.

    Raises:
      ValueError: unless there are four names, and as many parts in each bar.
    """
    colours = (*_GREYS, *_COLOURS)
    for bar in (bar for bars in panels.values() for bar in bars):
        if not len(bar.parts) == len(names) == len(colours):
            raise ValueError(
                f"draw_parts takes {len(colours)} names and parts, but {bar.label!r} "
                f"has {len(bar.parts)} parts for {len(names)} names."
            )
    figure = new_figure(height=1.5 + 2.9 * len(panels))
    axes = grid_of(figure, len(panels), 1)
    for panel, (ylabel, bars) in zip(axes, panels.items(), strict=True):
        for place, bar in enumerate(bars):
            _stack(panel, place, bar, colours)
        panel.axhline(0.0, color=INK, lw=1.2, zorder=0)
        panel.set_xticks(range(len(bars)), [bar.label for bar in bars])
        panel.set_xlim(-0.5, len(bars) - 0.2)
        if levels and ylabel in levels:
            panel.axhline(levels[ylabel], color=INK, lw=1.2, ls=":", zorder=0)
        panel.margins(y=0.1)
        dress(panel, "", ylabel, grid="y")
    if levels:  # below, as the bars leave no room for it
        figure.supxlabel(f"dotted: {level_label}", fontsize=FONT - 1, color=MUTED)
    axes[0].set_title(
        "\N{BLACK DIAMOND} coloured parts less grey ones: supported above 0, "
        "refuted below",
        fontsize=FONT - 1,
        color=INK,
    )
    handles = [
        axes[0].bar(np.nan, np.nan, color=colour, label=name)
        for name, colour in zip(names, colours, strict=True)
    ]
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=2,
        fontsize=FONT - 1,
        frameon=False,
        labelcolor=INK,
    )
    return figure


def _stack(panel: "Axes", place: int, bar: Bar, colours: Sequence[str]) -> None:
    """Draws one bar; the interval of a part stands at the part's outer end."""
    tops = {True: 0.0, False: 0.0}
    shifts = np.linspace(-0.15, 0.15, len(bar.parts))
    for part, colour, shift in zip(bar.parts, colours, shifts, strict=True):
        up = part.estimate >= 0
        base, tops[up] = tops[up], tops[up] + part.estimate
        panel.bar(place, part.estimate, 0.44, base, color=colour, edgecolor="white")
        x = place + shift
        panel.plot([x, x], [base + part.low, base + part.high], color=INK, lw=1.5)
    estimate, low, high = bar.contrast
    beside = place + 0.38
    panel.plot([beside, beside], [low, high], color=INK, lw=3)
    panel.plot(beside, estimate, "D", color=INK, ms=8)
    note(panel, f"{estimate:+.2f}", (beside, estimate), (9, 0), "left", INK)


def draw_agreement(
    points: Sequence[GapPoint],
    xlabel: str,
    ylabel: str,
    text: str,
    level: float | None = None,
    level_label: str = "",
) -> "Figure":
    """Draws one gap against another: a colour a sharing, a marker a group, sizes by N.

    Args:
      points: with their intervals, which are drawn as crosses.
      xlabel: with its unit.
      ylabel: with its unit.
      text: what is written on top, such as the correlation and what refutes it.
      level: of y that is worked out.
      level_label: what the level is.
    """
    figure = new_figure(height=5.6)
    panel = figure.subplots()
    groups = list(dict.fromkeys(point.group for point in points))
    sizes = sorted({point.size for point in points})
    hollow = _of_a_taken_colour(points)
    for point in points:
        colour = colour_of(point.kind)
        (x, *x_ends), (y, *y_ends) = point.x, point.y
        panel.plot(x_ends, [y, y], color=colour, lw=1, alpha=0.5)
        panel.plot([x, x], y_ends, color=colour, lw=1, alpha=0.5)
        panel.plot(
            x,
            y,
            _MARKERS[groups.index(point.group) % len(_MARKERS)],
            color=colour,
            ms=_marker_size(sizes.index(point.size), len(sizes)),
            mfc="white" if point.kind in hollow else colour,
        )
    if level is not None:
        mark_level(panel, level, level_label)
    panel.margins(x=0.08)
    panel.set_title(text, fontsize=FONT - 1, color=INK)
    dress(panel, xlabel, ylabel, grid="y")
    _explain(figure, panel, points, groups, sizes)
    return figure


def _of_a_taken_colour(points: Sequence[GapPoint]) -> set[str]:
    """Returns the kinds whose colour an earlier kind has: they are drawn hollow."""
    first: dict[str, str] = {}
    for point in points:
        first.setdefault(colour_of(point.kind), point.kind)
    return {point.kind for point in points} - set(first.values())


def _marker_size(rank: int, count: int = 1) -> float:
    return 6.0 + 6.0 * rank / max(1, count - 1)


def _explain(
    figure: "Figure",
    panel: "Axes",
    points: Sequence[GapPoint],
    groups: Sequence[str],
    sizes: Sequence[int],
) -> None:
    """Says below what the colours, the markers and their sizes are."""
    hollow = _of_a_taken_colour(points)
    entries = [
        (kind, "o", colour_of(kind), kind in hollow, 1)
        for kind in dict.fromkeys(point.kind for point in points)
    ]
    entries += [
        (group, _MARKERS[i % len(_MARKERS)], MUTED, False, 1)
        for i, group in enumerate(groups)
    ]
    entries += [
        (f"N = {size:,}", "o", MUTED, False, rank) for rank, size in enumerate(sizes)
    ]
    handles = [
        panel.plot(
            np.nan,
            np.nan,
            marker,
            color=colour,
            mfc="white" if empty else colour,
            ms=_marker_size(rank, len(sizes)),
            label=label,
        )[0]
        for label, marker, colour, empty, rank in entries
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=4,
        fontsize=FONT - 1,
        frameon=False,
        labelcolor=INK,
    )

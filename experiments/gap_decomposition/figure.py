"""Figures of a gap split into parts, and of how two gaps go together."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rnnshare.analysis.statistics import Interval
from rnnshare.plotting.style import (
    FONT,
    INK,
    MUTED,
    colour_of,
    dress,
    legend_below,
    mark_level,
    new_figure,
    note,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = "#c9c9c9", "#8a8a8a", "#882255", "#ddaa33"  # two greys, two colours
_MARKERS = "osD^vP"


class Bar(NamedTuple):
    """A gap in parts: the first two are drawn in grey, the last two in colour.

    Attributes:
      label: whose gap.
      parts: four intervals, signed.
      share: of unseen steps in use at which coloured and grey parts are equal.
    """

    label: str
    parts: Sequence[Interval]
    share: Interval


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
    levels: Mapping[str, float],
    title: str,
) -> "Figure":
    """Draws each gap as a stacked bar, negative parts left of 0, its share at its end.

    Args:
      panels: label of the x axis, with its unit -> the bars, the same in each panel.
      names: of the four parts.
      levels: panel -> the gap of an untied model at chance where nothing was shown.
      title: what the shares say.

    Raises:
      ValueError: unless there are four names, and as many parts in each bar.
    """
    labels = [bar.label for bars in panels.values() for bar in bars]
    labels = labels[: len(labels) // len(panels)]
    figure = new_figure(height=2.8 + 0.34 * len(labels))
    figure.suptitle(title, fontsize=FONT - 1, color=INK)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, (xlabel, bars) in zip(axes, panels.items(), strict=True):
        for place, bar in enumerate(bars):
            _stack(panel, place, bar)
        panel.axvline(0.0, color=INK, lw=1.2, zorder=0)
        level = panel.axvline(levels[xlabel], color=INK, lw=1.2, ls=":", zorder=0)
        panel.margins(x=0.22)  # for the shares
        dress(panel, xlabel, "", grid="x")
    axes[0].set_yticks(range(len(labels)), labels)
    axes[0].set_ylim(len(labels) - 0.4, -0.6)  # the first on top
    handles = [axes[0].barh(np.nan, np.nan, color=colour) for colour in _COLOURS]
    legend = dict(zip(names, handles, strict=True))
    text = "untied at chance where nothing\nwas shown, all else perfect"
    legend_below(figure, {**legend, text: level})
    return figure


def _stack(panel: Any, place: int, bar: Bar) -> None:
    """Draws one bar; the interval of a part stands at the part's outer end."""
    tops = {True: 0.0, False: 0.0}
    shifts = np.linspace(-0.15, 0.15, len(bar.parts))
    for part, colour, shift in zip(bar.parts, _COLOURS, shifts, strict=True):
        up = part.estimate >= 0
        base, tops[up] = tops[up], tops[up] + part.estimate
        panel.barh(place, part.estimate, 0.6, base, color=colour, edgecolor="white")
        y = place + shift
        panel.plot([base + part.low, base + part.high], [y, y], color=INK, lw=1.5)
    end = max([0.0, *(tops[True] + i.high - i.estimate for i in bar.parts[-1:])])
    note(panel, f"{bar.share.estimate:.2f}", (end, place), (5, 0), "left", INK)


def draw_agreement(points: Sequence[GapPoint], text: str, level: float) -> "Figure":
    """Draws one gap against another: a colour a sharing, a marker a group, sizes by N.

    Args:
      points: with their intervals, which are drawn as crosses.
      text: what is written on top, such as the correlation and what refutes it.
      level: y of a model at chance where unseen, and perfect where shown.
    """
    figure = new_figure(height=5.6)
    panel: Any = figure.subplots()
    kinds = list(dict.fromkeys(point.kind for point in points))
    groups = list(dict.fromkeys(point.group for point in points))
    sizes = sorted({point.size for point in points})
    colours = [colour_of(kind) for kind in kinds]

    def dot(x, y, *, kind=None, group=None, rank=0.0):
        """Draws a point; it is hollow if an earlier kind has its colour."""
        colour = MUTED if kind is None else colour_of(kind)
        hollow = kind is not None and kind != kinds[colours.index(colour)]
        marker = "o" if group is None else _MARKERS[groups.index(group) % len(_MARKERS)]
        size = 6.0 + 6.0 * rank / max(1, len(sizes) - 1)
        fill = "white" if hollow else colour
        return panel.plot(x, y, marker, color=colour, ms=size, mfc=fill)[0]

    for point in points:
        (x, *x_ends), (y, *y_ends) = point.x, point.y
        cross = {"color": colour_of(point.kind), "lw": 1, "alpha": 0.5}
        panel.plot(x_ends, [y, y], **cross)
        panel.plot([x, x], y_ends, **cross)
        dot(x, y, kind=point.kind, group=point.group, rank=sizes.index(point.size))
    mark_level(panel, level, "chance where unseen, perfect where shown:")
    panel.margins(x=0.08)
    xlabel = "loss on fresh less training examples, shown steps (nats)"
    dress(panel, xlabel, "loss at unseen less shown steps (nats)", "y", text)
    entries = {kind: dot(np.nan, np.nan, kind=kind, rank=1) for kind in kinds}
    entries |= {group: dot(np.nan, np.nan, group=group, rank=1) for group in groups}
    for rank, size in enumerate(sizes):
        entries[f"N = {size:,}"] = dot(np.nan, np.nan, rank=rank)
    legend_below(figure, entries, columns=3)
    return figure

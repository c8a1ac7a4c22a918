"""Figures of two sharings against each other over drift, data and steps.

Shape letters: A drifts, X training-set sizes, S seeds.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnshare.analysis.statistics import mean_interval
from rnnshare.plotting.curves import draw_means
from rnnshare.plotting.style import (
    COLOURS,
    FONT,
    INK,
    MUTED,
    colour_of,
    dress,
    legend_below,
    line_style,
    new_figure,
    note,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAD = {"un-shared": "Untied", "partly shared": "LowRank"}  # kind -> its colour's name
_FLOOR = 1e-5  # below it a line is not drawn on a log axis


class MapPanel(NamedTuple):
    """One heat map: of the ratio of two kinds' test losses, [A, X].

    Attributes:
      ratio: [A, X], the geometric mean over the seeds.
      wins: int[A, X], the cells to frame: -1 the first kind's, +1 the other's.
      crossings: [A], the N from which the first kind is better; inf for none.
      colours: of the two kinds: names of sharings.
    """

    ratio: npt.ArrayLike
    wins: npt.ArrayLike
    crossings: npt.ArrayLike
    colours: tuple[str, str]


class SizeCurves(NamedTuple):
    """Test losses against training-set size, and what they are held against.

    Attributes:
      losses: label -> [X, S]; a label that begins with a sharing's name has its colour.
      lines: name -> the loss of a reference; the first is dotted.
    """

    losses: Mapping[str, Any]
    lines: Mapping[str, float]


def draw_drift_map(
    maps: Mapping[str, Mapping[str, MapPanel]],
    drifts: Sequence[float],
    sizes: Sequence[int],
    curves: Mapping[str, SizeCurves],
    remark: str,
) -> "Figure":
    """Draws heat maps, a row of panels a comparison, and a row of curves below them.

    Args:
      maps: ratio in words -> title -> panel; all of the same titles.
      drifts: [A], from the bottom of a map to its top.
      sizes: [X].
      curves: title -> curves; as many as a row has panels.
      remark: what a frame means, and what would have refuted the claim.
    """
    heights = [1.4 + (0.6 + 0.36 * len(drifts)) * len(maps), 3.6]
    figure = new_figure(height=sum(heights))
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    top, bottom = parts
    columns = len(next(iter(maps.values())))
    axes = top.subplots(len(maps), columns, squeeze=False, sharex=True, sharey=True)
    every = [panel for row in maps.values() for panel in row.values()]
    largest = max(float(np.abs(np.log(panel.ratio)).max()) for panel in every)
    for i, (ratio, row) in enumerate(maps.items()):
        for j, (title, panel) in enumerate(row.items()):
            _draw_cells(axes[i, j], panel, drifts, sizes, largest)
            named = i == len(maps) - 1 and (columns < 3 or j == columns // 2)
            xlabel = "training examples N" if named else ""
            ylabel = f"{ratio}\ndrift d a step" if j == 0 else ""
            dress(axes[i, j], xlabel, ylabel, title=title if i == 0 else "")
    top.suptitle(
        "ratio of test losses: below 1 the first named is better", fontsize=FONT,
        color=INK,
    )  # fmt: skip
    _draw_row(bottom, curves, sizes, remark)
    return figure


def draw_limits(
    losses: Mapping[str, Mapping[float, npt.ArrayLike]],
    drifts: Sequence[float],
    lines: Sequence[float],
) -> "Figure":
    """Draws test loss with every example met once over the drift, a line an arm.

    Args:
      losses: arm -> drift -> [S].
      drifts: [A].
      lines: [A], of the best time-invariant linear model.
    """
    figure = new_figure(height=4.4)
    panel = figure.subplots()
    places, handles = np.arange(len(drifts)), {}
    for index, (arm, samples) in enumerate(losses.items()):
        apart = 0.06 * (index - (len(losses) - 1) / 2)
        intervals = [mean_interval(own, scale="log") for own in samples.values()]
        at = [list(drifts).index(d) + apart for d in samples]
        handles[arm] = draw_means(panel, at, intervals, **line_style(arm, [*losses]))
    shown = np.where(np.asarray(lines) > _FLOOR, lines, np.nan)
    marks: Any = {"color": INK, "ms": 30, "mew": 1.5}
    (handles["time-invariant linear"],) = panel.plot(places, shown, "_", **marks)
    panel.set_yscale("log")
    panel.set_xticks(places, [f"{drift:g}" for drift in drifts])
    dress(panel, "drift d a step", "test loss (of variance)", "y")
    legend_below(figure, handles, columns=3)
    return figure


def draw_lead(
    curves: Mapping[str, Mapping[float, Sequence[npt.ArrayLike]]],
    sizes: Sequence[int],
    steps: int,
) -> "Figure":
    """Draws the ratio to the tied test loss over N, a line a drift, on shaded sides.

    Args:
      curves: a name of `LEAD` -> drift -> [X] of log ratios [S]; a panel each.
      sizes: [X].
      steps: T.
    """
    figure = new_figure(height=3.4)
    axes: Any = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    shades, handles = ("#8c8c8c", "#4d4d4d", INK), {}
    for panel, of_drift in zip(axes, curves.values(), strict=True):
        panel.set_yscale("log")
        for index, (drift, samples) in enumerate(of_drift.items()):
            label = "d = 0: one rule" if drift == 0 else f"d = {drift:g} a step"
            marks = {"marker": "osD"[index % 3], "ls": ("-", "--", ":")[index % 3]}
            ratios = [mean_interval(np.exp(own), scale="log") for own in samples]
            handles[label] = draw_means(
                panel, sizes, ratios, color=shades[index % 3], lw=2, **marks
            )
    every: list[Any] = [one for of in curves.values() for one in of.values()]
    ends = np.exp(np.ravel(every))
    low, high = float(ends.min()) / 1.5, float(ends.max()) * 1.5
    for panel, title in zip(axes, curves, strict=True):
        colour = COLOURS[LEAD[title]]
        panel.axhspan(1, high, color=COLOURS["Tied"], alpha=0.08, lw=0)
        panel.axhspan(low, 1, color=colour, alpha=0.08, lw=0)
        panel.axhline(1, color=INK, lw=1.2)
        panel.set_ylim(low, high)
        panel.set_xscale("log")
        panel.set_xticks(sizes, [_short(size) for size in sizes])
        ticks = [t for t in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30) if low <= t <= high]
        panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        panel.minorticks_off()
        for text, place, of_text in (
            ("shared do better", 0.94, COLOURS["Tied"]),
            (f"{title} do better", 0.06, colour),
        ):
            at = (0.5, place)
            note(panel, text, at, (0, 0), "center", of_text, "axes fraction")
        ylabel = "test loss / that of\nshared weights" if panel is axes[0] else ""
        dress(panel, f"sequences of {steps} steps", ylabel)
    legend_below(figure, handles, columns=len(handles))
    return figure


def _draw_cells(
    panel: "Axes",
    cells: MapPanel,
    drifts: Sequence[float],
    sizes: Sequence[int],
    largest: float,
) -> None:
    """Draws one heat map: numbers, frames of wins, and where the ratio crosses 1."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    first, other = map(colour_of, cells.colours)
    colours = LinearSegmentedColormap.from_list("kinds", [first, "#ffffff", other])
    values, wins = np.log(cells.ratio), np.asarray(cells.wins)
    panel.imshow(
        values, cmap=colours, vmin=-largest, vmax=largest, origin="lower", aspect="auto"
    )
    for (i, j), value in np.ndenumerate(values):
        strong = abs(value) > 0.6 * largest
        text = f"{np.exp(value):.2g}"
        panel.text(j, i, text, ha="center", va="center", fontsize=FONT - 3,
                   color="white" if strong else INK)  # fmt: skip
        if wins[i, j]:
            # A small difference has a faint colour, and may be a win all the same.
            edge, width = (first, 3.0) if wins[i, j] < 0 else (INK, 1.8)
            corner = (j - 0.44, i - 0.42)
            panel.add_patch(
                Rectangle(corner, 0.88, 0.84, fill=False, lw=width, ec=edge)
            )
    places = np.arange(len(sizes))
    for i, crossing in enumerate(np.ravel(np.asarray(cells.crossings))):
        if np.isfinite(crossing):
            at = float(np.interp(np.log(crossing), np.log(sizes), places))
            for end in (-1, 1):  # the middle is the number's
                ends = [i + 0.28 * end, i + 0.5 * end]
                panel.plot([at, at], ends, color="white", lw=6, solid_capstyle="butt")
                panel.plot([at, at], ends, color=INK, lw=3.5, solid_capstyle="butt")
    panel.set_xticks(places, [_short(size) for size in sizes])
    panel.set_yticks(range(len(drifts)), [f"{drift:g}" for drift in drifts])


def _draw_row(
    figure: Any, curves: Mapping[str, SizeCurves], sizes: Sequence[int], remark: str
) -> None:
    """Draws panels of curves side by side, one legend and a remark below them."""
    axes = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
    handles: dict[str, Any] = {}
    lowest = min(
        float(np.min(values))
        for each in curves.values()
        for values in each.losses.values()
    )
    for index, (panel, (title, each)) in enumerate(
        zip(axes, curves.items(), strict=True)
    ):
        panel.set_yscale("log")
        for label in each.losses:
            handles.setdefault(label, _draw_curve(panel, each, label))
        for place, (name, level) in enumerate(each.lines.items()):
            if level > _FLOOR:
                style = "--" if place else ":"
                line = panel.axhline(level, color=INK, lw=1.5, ls=style, zorder=1)
                handles.setdefault(name, line)
        panel.set_xticks(range(len(sizes)), [_short(size) for size in sizes])
        panel.set_xlim(-0.3, len(sizes) - 0.7)
        panel.set_ylim(lowest / 2, 2)
        ylabel = "test loss (of variance)" if index == 0 else ""
        dress(panel, "training examples N", ylabel, "y", title)
    figure.legend(
        list(handles.values()), list(handles), loc="outside upper center",
        ncols=3 if len(handles) > 4 else 2, frameon=False, fontsize=FONT - 1,
    )  # fmt: skip
    text = textwrap.fill(" ".join([remark, *_below(curves)]), 86)
    figure.supxlabel(text, fontsize=FONT - 2, color=MUTED)


def _below(curves: Mapping[str, SizeCurves]) -> list[str]:
    """Returns a sentence on the lines at 0, which a log axis does not have."""
    where: dict[str, list[str]] = {}
    for title, each in curves.items():
        for name, level in each.lines.items():
            if level <= _FLOOR:
                where.setdefault(name, []).append(title)
    told = [
        name if len(titles) == len(curves) else f"{name} ({'; '.join(titles)})"
        for name, titles in where.items()
    ]
    return [f"At 0, below the axis: {', '.join(told)}."] if told else []


def _draw_curve(panel: "Axes", curves: SizeCurves, label: str) -> Any:
    """Draws the means of one model with their intervals; returns the line."""
    rows = [mean_interval(own, scale="log") for own in curves.losses[label]]
    return draw_means(
        panel,
        range(len(rows)),
        rows,
        **line_style(label, list(curves.losses)),
        elinewidth=2.5,
    )


def _short(size: int) -> str:
    """Returns 5000 as 5k."""
    return f"{size // 1_000}k" if size >= 1_000 and size % 1_000 == 0 else str(size)

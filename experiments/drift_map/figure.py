"""Figures of two sharings against each other over drift, data and steps.

Shape letters: A drifts, X training-set sizes, S seeds.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnshare.plotting.curves import draw_means
from rnnshare.plotting.style import (
    COLOURS,
    FONT,
    INK,
    MUTED,
    colour_of,
    dress,
    legend_below,
    new_figure,
    note,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FLOOR = 1e-5  # below it a line is not drawn on a log axis


class MapPanel(NamedTuple):
    """One heat map: of untied less tied test loss, [A, X].

    Attributes:
      difference: [A, X], the mean over the seeds.
      wins: bool[A, X], the cells to frame.
      crossings: [A], the N from which untied is better; inf for none.
    """

    difference: npt.ArrayLike
    wins: npt.ArrayLike
    crossings: npt.ArrayLike


class SizeCurves(NamedTuple):
    """Test losses against training-set size, and what they are held against.

    Attributes:
      losses: label -> [X, S]; a label that begins with a sharing's name has its colour.
      lines: name -> the loss of a reference; the first is dotted.
      streaming: label -> [S], with every example met once; drawn at the right end.
    """

    losses: Mapping[str, Any]
    lines: Mapping[str, float]
    streaming: Mapping[str, Any] = {}


def draw_drift_map(
    maps: Mapping[str, Mapping[str, MapPanel]],
    drifts: Sequence[float],
    sizes: Sequence[int],
    curves: Mapping[str, SizeCurves],
    remark: str,
) -> "Figure":
    """Draws heat maps, a row of panels a matching, and a row of curves below them.

    Args:
      maps: matching -> title -> panel; all of the same titles.
      drifts: [A], from the bottom of a map to its top.
      sizes: [X].
      curves: title -> curves; as many as a row has panels.
      remark: what a frame means, and what would have refuted the claim.
    """
    heights = [1.4 + (0.6 + 0.36 * len(drifts)) * len(maps), 3.6]
    figure = new_figure(height=sum(heights))
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    top, bottom = parts
    every = [panel for row in maps.values() for panel in row.values()]
    columns = len(every) // len(maps)
    axes = top.subplots(len(maps), columns, squeeze=False, sharex=True, sharey=True)
    largest = max(float(np.abs(panel.difference).max()) for panel in every)
    for i, (matching, row) in enumerate(maps.items()):
        for j, (title, panel) in enumerate(row.items()):
            image = _draw_cells(axes[i, j], panel, drifts, sizes, largest)
            named = i == len(maps) - 1 and (columns < 3 or j == columns // 2)
            xlabel = "training examples N" if named else ""
            ylabel = f"{matching}\ndrift d a step" if j == 0 else ""
            dress(axes[i, j], xlabel, ylabel, title=title if i == 0 else "")
    bar = top.colorbar(
        image, ax=list(axes.flat), location="top", shrink=0.9, aspect=40,
        ticks=[-largest, 0, largest],
    )  # fmt: skip
    bar.ax.set_xticklabels(
        [f"-{largest:.2g}: untied better", "0", f"+{largest:.2g}: tied better"]
    )
    bar.ax.tick_params(labelsize=FONT - 1, colors=INK)
    bar.set_label(
        "untied less tied test loss (of the target's variance)", fontsize=FONT,
        color=INK,
    )  # fmt: skip
    _draw_row(bottom, curves, sizes, remark)
    return figure


def draw_limits(
    curves: Mapping[str, SizeCurves], sizes: Sequence[int], remark: str
) -> "Figure":
    """Draws test loss against N, streaming at the right end; a panel a drift.

    Args:
      curves: title -> curves.
      sizes: [X].
      remark: what would have refuted the claim.
    """
    figure = new_figure(height=4.6)
    _draw_row(figure, curves, sizes, remark)
    return figure


def draw_lead(
    curves: Mapping[float, Sequence[npt.ArrayLike]], sizes: Sequence[int], steps: int
) -> "Figure":
    """Draws untied less tied test loss over N, a line a drift, on two shaded sides.

    Args:
      curves: drift -> [X] of differences [S].
      sizes: [X].
      steps: T.
    """
    figure = new_figure(height=2.9)
    panel = figure.subplots()
    shades, handles = (INK, "#b8860b", COLOURS["Untied"]), {}
    for index, (drift, samples) in enumerate(curves.items()):
        label = "d = 0: one rule" if drift == 0 else f"d = {drift:g} a step"
        style = {"color": shades[index % 3], "marker": "osD"[index % 3], "lw": 2}
        handles[label] = draw_means(panel, sizes, samples, **style)
    low, high = panel.get_ylim()
    panel.axhspan(0, high, color=COLOURS["Tied"], alpha=0.08, lw=0)
    panel.axhspan(low, 0, color=COLOURS["Untied"], alpha=0.08, lw=0)
    panel.axhline(0, color=INK, lw=1.2)
    panel.set_ylim(low, high)
    panel.set_xscale("log")
    panel.set_xticks(sizes, [_short(size) for size in sizes])
    panel.minorticks_off()
    middle = float(sizes[0] ** 0.35 * sizes[-1] ** 0.65)
    for text, place, name in (
        ("shared weights do better", 0.96, "Tied"),
        ("un-shared weights do better", 0.06, "Untied"),
    ):
        place = low + place * (high - low)
        note(panel, text, (middle, place), (0, -2), "center", COLOURS[name])
    dress(panel, f"training sequences of {steps} steps", "untied less tied\ntest loss")
    legend_below(figure, handles, columns=len(handles))
    return figure


def _draw_cells(
    panel: "Axes",
    cells: MapPanel,
    drifts: Sequence[float],
    sizes: Sequence[int],
    largest: float,
) -> Any:
    """Draws one heat map: numbers, frames of wins, and where the sign changes."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    colour_ends = [COLOURS["Untied"], "#ffffff", COLOURS["Tied"]]
    colours = LinearSegmentedColormap.from_list("untied to tied", colour_ends)
    values, wins = np.asarray(cells.difference), np.asarray(cells.wins)
    image = panel.imshow(
        values, cmap=colours, vmin=-largest, vmax=largest, origin="lower", aspect="auto"
    )
    for (i, j), value in np.ndenumerate(values):
        strong = abs(value) > 0.6 * largest
        text = f"{value:+.2f}".replace("0.", ".")
        panel.text(j, i, text, ha="center", va="center", fontsize=FONT - 3,
                   color="white" if strong else INK)  # fmt: skip
        if wins[i, j]:
            # A small difference has a faint colour, and may be a win all the same.
            edge, width = (COLOURS["Untied"], 3.0) if value < 0 else (INK, 1.8)
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
    return image


def _draw_row(
    figure: Any, curves: Mapping[str, SizeCurves], sizes: Sequence[int], remark: str
) -> None:
    """Draws panels of curves side by side, one legend and a remark below them."""
    axes = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
    handles: dict[str, Any] = {}
    lowest = min(
        float(np.min(values))
        for each in curves.values()
        for values in (*each.losses.values(), *each.streaming.values())
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
        names = [_short(size) for size in sizes]
        names += ["\N{INFINITY}"] if each.streaming else []
        panel.set_xticks(range(len(names)), names)
        panel.set_xlim(-0.3, len(names) - 0.7)
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
    dash, marker = ("--", "s") if "," in label else ("-", "o")
    rows = list(curves.losses[label])
    if label in curves.streaming:
        rows.append(curves.streaming[label])
    return draw_means(
        panel,
        range(len(rows)),
        rows,
        color=colour_of(label),
        marker=marker,
        ls=dash,
        lw=1.8,
        ms=5,
        elinewidth=2.5,
        capsize=0,
    )


def _short(size: int) -> str:
    """Returns 5000 as 5k."""
    return f"{size // 1_000}k" if size >= 1_000 and size % 1_000 == 0 else str(size)

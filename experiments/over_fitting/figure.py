"""Figures of over-fitting: train-test gaps, and what is memorised of random labels."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnshare.analysis.statistics import mean_interval
from rnnshare.plotting.curves import draw_lines
from rnnshare.plotting.style import (
    FONT,
    INK,
    MUTED,
    dress,
    grid_of,
    legend_below,
    line_style,
    name_powers,
    new_figure,
    note,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curve = tuple[npt.ArrayLike, npt.ArrayLike]  # x [X], y [S, X]


class GapRow(NamedTuple):
    """One row of panels of `draw_gaps`, which share their y axis.

    Attributes:
      title: what the row shows, and what would have refuted the claim.
      ylabel: with its unit.
      panels: title -> {label: (x [X], y [S, X])}; a label that begins with a sharing's
        name has its colour.
      lines: name -> (x [X], y [X]), what chance and the oracle have.
    """

    title: str
    ylabel: str
    panels: Mapping[str, Mapping[str, Curve]]
    lines: Mapping[str, Curve] = {}


def draw_gaps(rows: Sequence[GapRow], xlabel: str) -> "Figure":
    """Draws curves over x, log scale, with intervals over seeds: a panel a cell.

    Args:
      rows: from top to bottom.
      xlabel: with its unit; the x are powers of two.
    """
    figure = new_figure(height=0.5 + 2.75 * len(rows))
    parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    handles: dict[str, Any] = {}
    for part, row in zip(parts, rows, strict=True):
        part.suptitle(row.title, fontsize=FONT, color=INK, x=0.02, ha="left")
        axes = part.subplots(1, len(row.panels), sharey=True, squeeze=False)[0]
        for column, (panel, (title, curves)) in enumerate(
            zip(axes, row.panels.items(), strict=True)
        ):
            handles |= draw_lines(panel, _by_place(curves))
            panel.axhline(0.0, color=INK, lw=1.0, zorder=0)
            name_powers(panel, [x for x, _ in curves.values()], 3)
            dress(panel, "", "" if column else row.ylabel, "y", title)
            for name, (x, y) in row.lines.items():
                panel.plot(x, y, color=INK, lw=1.2, ls=":")
                if column == len(axes) - 1:  # where the curves are not
                    at = (float(np.ravel(x)[0]), float(np.ravel(y)[0]))
                    note(panel, name, at, (0, -8), "left", MUTED)
    parts[-1].supxlabel(xlabel, fontsize=FONT, color=INK)
    legend_below(figure, handles)
    return figure


def draw_along(
    panels: Mapping[tuple[str, str], Mapping[str, Curve]], xlabel: str, ylabel: str
) -> "Figure":
    """Draws means along training with their 95 % bands: a row and a column a dial.

    Args:
      panels: (row, column) -> {label: (x [X], y [S, X])}; a label that begins with a
        sharing's name has its colour.
      xlabel: with its unit.
      ylabel: with its unit.
    """
    names = [list(dict.fromkeys(place[axis] for place in panels)) for axis in (0, 1)]
    rows, columns = map(len, names)
    figure = new_figure(height=0.8 + 2.2 * rows)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    handles: dict[str, Any] = {}
    for (row, column), curves in panels.items():
        i, j = names[0].index(row), names[1].index(column)
        for label, (x, y) in curves.items():
            look = line_style(label, list(curves)) | {"marker": ""}
            means = [mean_interval(values) for values in np.transpose(y)]
            middle, low, high = np.transpose(means)
            (handles[label],) = axes[i, j].plot(x, middle, **look)
            band = {"color": look["color"], "alpha": 0.15, "lw": 0}
            axes[i, j].fill_between(x, low, high, **band)
        below = xlabel if (i, j) == (rows - 1, columns // 2) else ""
        dress(axes[i, j], below, "" if j else row, "y", "" if i else column)
    figure.supylabel(ylabel, fontsize=FONT, color=INK)
    legend_below(figure, handles)
    return figure


def draw_memorised(panels: Mapping[str, Mapping[str, Curve]], title: str) -> "Figure":
    """Draws the bits that are memorised of N random labels: a panel a cell.

    Args:
      panels: title -> {label: (N [X], bits [S, X])}; labels of one colour differ in
        their dash. All N bits, the line of a perfect memory, and 0, that of a guess,
        are drawn.
      title: what would have refuted the claim.
    """
    figure = new_figure(height=4.2)
    figure.suptitle(title, fontsize=FONT, color=INK, x=0.02, ha="left")
    handles: dict[str, Any] = {}
    top = max(
        np.asarray(y, np.float64).mean(0).max()
        for curves in panels.values()
        for _, y in curves.values()
    )
    axes = grid_of(figure, len(panels), len(panels))
    for column, (panel, (name, curves)) in enumerate(
        zip(axes, panels.items(), strict=True)
    ):
        handles |= draw_lines(panel, _by_place(curves))
        sizes = name_powers(panel, [x for x, _ in curves.values()], 4)
        fine = np.geomspace(sizes[0], sizes[-1], 200)
        panel.plot(fine, fine, color=INK, lw=1.2, ls=":")
        panel.axhline(0.0, color=INK, lw=1.2, ls=":")
        panel.set_ylim(-0.17 * top, 1.3 * top)
        dress(panel, "examples N", "" if column else "bits memorised", "y", name)
        if column == 0:
            # Left of the line, where no curve can be.
            at = (min(1.15 * top, sizes[-1]), 1.15 * top)
            note(panel, "all N bits", at, (-6, 0), "right", MUTED)
            note(panel, "guessing: 0", (sizes[-1], 0.0), (0, -8), "right", MUTED)
        else:
            panel.tick_params(labelleft=False)
    legend_below(figure, handles)
    return figure


def _by_place(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """Returns curves as `draw_lines` takes them, [X, S]."""
    return {label: (x, np.transpose(y)) for label, (x, y) in curves.items()}

"""Figures of what models need: units, updates, sequences; and what they then hold."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnnshare.analysis.statistics import Interval, bootstrap_interval
from rnnshare.plotting.style import (
    FONT,
    INK,
    MUTED,
    colour_of,
    dress,
    name_rows,
    new_figure,
    note,
    say_what_refutes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = tuple[npt.ArrayLike, npt.ArrayLike]  # x [X], y [S, X]
_MARKS = {"Tied": "o", "Untied": "s"}


def draw_widths(
    accuracies: Mapping[str, Curve],
    strings: Mapping[str, Curve],
    *,
    solved: float,
    no_memory: float,
    longest: int,
    refuted: str,
) -> "Figure":
    """Draws what tied and untied networks solve, and the strings they hold, by H.

    Args:
      accuracies: {label: (H [X], accuracies [S, X])}; a label that begins with a
        sharing's name has its colour.
      strings: {label: (H [X], lengths in bits [S, X])}.
      solved: the accuracy that solves.
      no_memory: that of the best answer without a carry.
      longest: the longest string there is, in bits.
      refuted: what would have refuted the claim.
    """
    figure = new_figure(height=4.3)
    left, right = figure.subplots(1, 2)
    say_what_refutes(figure, refuted)
    handles = _draw(left, accuracies) | _draw(right, strings)
    for level, name, up in ((solved, "solved", 18), (no_memory, "no memory", -9)):
        left.axhline(level, color=INK, lw=1.2, ls=":", zorder=0)
        note(left, f"{name}, {level:.2f}", (1.0, level), (0, up), "right", MUTED,
             ("axes fraction", "data"))  # fmt: skip
    low = min(np.min(y) for _, y in accuracies.values())
    left.set_ylim(min(low, no_memory) - 0.08, 1.11)
    left.set_title("maps that differ by the step", fontsize=FONT, color=INK)
    dress(left, "hidden units H", "accuracy", "y")
    right.axhline(longest, color=INK, lw=1.2, ls=":", zorder=0)
    at = (0.5, float(longest))
    note(right, f"longest tried, {longest}", at, (0, 9), "center", MUTED,
         ("axes fraction", "data"))  # fmt: skip
    right.set_ylim(0, 1.15 * longest)
    right.set_title("random bits, constant input", fontsize=FONT, color=INK)
    dress(right, "hidden units H", "longest string held (bits)", "y")
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=FONT - 1,
    )
    return figure


def draw_needs(
    needs: Mapping[tuple[str, str], Mapping[str, Interval]], refuted: str
) -> "Figure":
    """Draws how much more one model of a pair needs than the other, column by column.

    Args:
      needs: {(one, another): {column: interval of log2 of one's need over another's}}.
      refuted: what would have refuted the claim.
    """
    rows = [
        (pair, name, interval)
        for pair, columns in needs.items()
        for name, interval in columns.items()
    ]
    several = len(needs) > 1
    figure = new_figure(height=1.9 + 0.55 * len(rows))
    say_what_refutes(figure, refuted)
    panel = figure.subplots()
    panel.axvline(0.0, color=INK, lw=1.2, zorder=0)
    for row, (pair, _, (estimate, low, high)) in enumerate(rows):
        less = pair[0] if high < 0 else pair[1] if low > 0 else ""
        panel.plot([low, high], [row, row], color=colour_of(less), lw=2.5)
        panel.plot([estimate], [row], "o", color=colour_of(less), ms=8)
        if less:
            text = f"{less if several else less.split()[0]} needs less"
            note(panel, text, (estimate, row), (0, 13), "center", colour_of(less))
    name_rows(
        panel,
        [f"{name}, {pair[0]} : {pair[1]}" if several else name
         for pair, name, _ in rows],
    )  # fmt: skip
    panel.set_ylim(len(rows) - 0.5, -0.7)
    panel.margins(x=0.22)
    one, another = next(iter(needs)) if not several else ("one", "the other")
    dress(panel, f"log2 of {one}'s need over {another}'s", "", "x")
    return figure


def _draw(panel: "Axes", curves: Mapping[str, Curve]) -> dict[str, Any]:
    """Draws means over seeds with their intervals; returns the lines by label."""
    drawn: dict[str, Any] = {}
    widths: set[float] = set()
    for index, (label, (x, y)) in enumerate(curves.items()):
        values = np.asarray(y, np.float64)
        ends = np.array([bootstrap_interval(one) for one in values.T])
        kind = label.split()[0].rstrip(",")
        drawn[label] = panel.errorbar(
            x,
            ends[:, 0],
            yerr=np.maximum([ends[:, 0] - ends[:, 1], ends[:, 2] - ends[:, 0]], 0.0),
            color=colour_of(kind),
            marker=_MARKS.get(kind, "^"),
            ls=("-", "-", "--", "--")[index % 4],
            ms=6,
            lw=1.8,
            capsize=2.5,
        )
        widths |= set(np.ravel(x).tolist())
    panel.set_xscale("log", base=2)
    places = sorted(widths)
    few = places[:: max(1, -(-len(places) // 6))]
    panel.set_xticks(few, [f"{x:g}" for x in few])
    panel.minorticks_off()
    return drawn

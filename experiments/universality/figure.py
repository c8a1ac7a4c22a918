"""Figures of what models need and then hold, and of stacks in floats."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnnshare.analysis.statistics import Interval
from rnnshare.plotting import panels
from rnnshare.plotting.curves import draw_lines
from rnnshare.plotting.style import (
    FONT,
    INK,
    MUTED,
    colour_of,
    dress,
    legend_below,
    name_powers,
    new_figure,
    note,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = tuple[npt.ArrayLike, npt.ArrayLike]  # x [X], y [X, S]
_SHARINGS = {"Tied": "o", "Untied": "s"}
_FLOATS = {"float32": ("#E69F00", "o"), "float64": ("#0072B2", "s")}


def draw_widths(
    accuracies: Mapping[str, Curve],
    strings: Mapping[str, Curve],
    *,
    solved: float,
    no_memory: float,
    longest: int,
    separation: Mapping[str, Sequence[int]],
) -> "Figure":
    """Draws strings that are put out, and what was trained to be solved and held, by H.

    Args:
      accuracies: {label: (H [X], accuracies [X, S])}; a label that begins with a
        sharing's name has its colour.
      strings: {label: (H [X], lengths in bits [X, S])}.
      solved: the accuracy that solves.
      no_memory: that of the best answer without a carry.
      longest: the longest string there is, in bits.
      separation: {label: how many strings of 1, 2, ... bits are put out}, on top.
    """
    figure = new_figure(height=7.6)
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.0, 1.25))
    upper, lower = halves
    top = upper.subplots()
    for index, (label, counts) in enumerate(separation.items()):
        steps, dash = range(1, len(counts) + 1), ("-", "-", "--", ":")[index]
        colour = colour_of(label)
        top.plot(steps, counts, color=colour, ls=dash, marker=".", label=label)
    top.set_yscale("log", base=2)
    top.legend(frameon=False, fontsize=FONT - 1)
    title = "By proof or search: strings that are put out on a constant input"
    dress(top, "bits T", "strings", "y", title)
    left, right = lower.subplots(1, 2)
    labels = [*dict.fromkeys([*accuracies, *strings])]
    handles = _draw(left, accuracies, labels) | _draw(right, strings, labels)
    across: Any = ("axes fraction", "data")
    for level, name, up in ((solved, "solved", 18), (no_memory, "no memory", -9)):
        left.axhline(level, color=INK, lw=1.2, ls=":", zorder=0)
        text = f"{name}, {level:.2f}"
        note(left, text, (1.0, level), (0, up), "right", MUTED, across)
    low = min(np.min(y) for _, y in accuracies.values())
    left.set_ylim(min(low, no_memory) - 0.08, 1.11)
    title = "maps that differ by the step"
    dress(left, "hidden units H", "accuracy", "y", title)
    right.axhline(longest, color=INK, lw=1.2, ls=":", zorder=0)
    text = f"longest tried, {longest}"
    note(right, text, (0.5, float(longest)), (0, 9), "center", MUTED, across)
    right.set_ylim(0, 1.15 * longest)
    title, ylabel = "random bits, constant input", "longest string held (bits)"
    dress(right, "hidden units H", ylabel, "y", title)
    legend_below(lower, handles)
    return figure


def draw_needs(
    needs: Mapping[tuple[str, str], Mapping[str, Interval]],
) -> "Figure":
    """Draws how much more one model of a pair needs than the other, column by column.

    Args:
      needs: {(one, another): {column: interval of log2 of one's need over another's}}.
    """
    several = len(needs) > 1
    rows = []
    for (one, another), columns in needs.items():
        for name, interval in columns.items():
            label = f"{name}, {one} : {another}" if several else name
            less = one if interval.high < 0 else another if interval.low > 0 else ""
            rows.append(panels.IntervalRow(label, interval, less))
    one, another = ("one", "the other") if several else next(iter(needs))
    figure = panels.draw_intervals(rows, f"log2 of {one}'s need over {another}'s")
    figure.set_figheight(1.9 + 0.55 * len(rows))
    (panel,) = figure.axes
    for place, (_, interval, less) in enumerate(rows):
        if less:
            text = f"{less if several else less.split()[0]} needs less"
            at = interval.estimate, place
            note(panel, text, at, (0, 13), "center", colour_of(less))
    panel.set_ylim(len(rows) - 0.5, -0.7)
    panel.margins(x=0.4 if several else 0.22)
    return figure


def _draw(
    panel: "Axes", curves: Mapping[str, Curve], labels: Sequence[str]
) -> dict[str, Any]:
    """Draws means over seeds with their intervals; returns the lines by label."""
    drawn: dict[str, Any] = {}
    for label, curve in curves.items():
        mark = _SHARINGS.get(label.split()[0].rstrip(","), "^")
        drawn |= draw_lines(panel, {label: curve}, labels, marker=mark, ms=6)
    name_powers(panel, [x for x, _ in curves.values()])
    return drawn


def draw_depths(
    predicted: Mapping[str, Sequence[int]],
    measured: Mapping[str, Sequence[int]],
    bases: Sequence[int],
    depths: npt.ArrayLike,
    limits: Mapping[str, int],
    errors: Mapping[str, Sequence[int | None]],
) -> "Figure":
    """Draws predicted against measured capacities; below, the busy beaver's stacks.

    Args:
      predicted: `{float: symbols that fit}`, one number a base and pattern.
      measured: the same, of the cell.
      bases: of the stacks whose capacities are drawn.
      depths: [T + 1], the symbols on the machine's deepest stack at each step.
      limits: `{float: symbols that it holds exactly}`.
      errors: `{float: (predicted, measured)}`, the step of the first error, if any.
    """
    figure = new_figure(height=7.6)
    upper, lower = figure.subplots(2, 1)
    _draw_capacities(upper, predicted, measured, bases)
    _draw_run(lower, np.asarray(depths), limits, errors)
    return figure


def _draw_capacities(
    panel: "Axes",
    predicted: Mapping[str, Sequence[int]],
    measured: Mapping[str, Sequence[int]],
    bases: Sequence[int],
) -> None:
    every = f"{min(bases)} to {max(bases)}" if len(bases) > 1 else f"{bases[0]}"
    most = max(max(values) for values in [*predicted.values(), *measured.values()])
    line = np.array([0.0, most + 3.0])
    panel.fill_between(line, line - 1, line + 1, color="#eeeeee", zorder=0)
    panel.plot(line, line, color=INK, lw=1.2, ls=":", zorder=1)
    for name, values in predicted.items():
        colour, mark = _FLOATS[name]
        style: Any = {"ls": "", "marker": mark, "ms": 8, "mfc": "none", "mew": 1.8}
        panel.plot(values, measured[name], color=colour, label=name, **style)
    at = (0.55 * most, 0.55 * most)
    note(panel, "equal, and within one", at, (12, -22), "left", MUTED)
    title = (
        "Push n symbols, pop them all: the largest n without fault,\n"
        f"a point a base ({every}) and pattern of symbols"
    )
    panel.legend(frameon=False, fontsize=FONT - 1, loc="upper left")
    panel.set_xlim(0, most + 3)
    panel.set_ylim(0, most + 3)
    dress(panel, "predicted n (symbols)", "measured n (symbols)", "y", title)


def _draw_run(
    panel: "Axes",
    depths: np.ndarray,
    limits: Mapping[str, int],
    errors: Mapping[str, Sequence[int | None]],
) -> None:
    steps = range(1, len(depths))
    panel.plot(steps, np.maximum(depths[1:], 0.8), color=INK, lw=1.2)
    for row, (name, limit) in enumerate(limits.items()):
        colour, _ = _FLOATS[name]
        panel.axhline(limit, color=colour, lw=1.4, ls="--")
        note(panel, f"{name} holds {limit}", (1.1, limit), (0, 9), "left", colour)
        expected, found = errors[name]
        if expected is not None:
            panel.axvline(expected, color=colour, lw=1.4, ls=":")
        if found is not None:
            at = max(found, 1)
            panel.plot(at, depths[found], marker="X", color=colour, ms=11, mec="w")
            text = f"{name}: first error at step {found:,}"
            # Low on the right, where no curve can be.
            note(panel, text, (1.0, 0.2 - 0.1 * row), (-4, 0), "right", colour,
                 "axes fraction")  # fmt: skip
    panel.set_xscale("log")
    panel.set_yscale("log")
    title = (
        "Five-state busy beaver in one tied cell: first errors of floats,\n"
        "X where measured, dotted where predicted"
    )
    dress(panel, "steps of the machine", "symbols on the deeper stack", "y", title)

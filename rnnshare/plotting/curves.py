"""Figures of accuracy along an axis: a length, a dial."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnnshare.analysis.statistics import Interval, bootstrap_interval
from rnnshare.plotting.style import (
    FONT,
    GRID,
    INK,
    MUTED,
    colour_of,
    dress,
    grid_of,
    new_figure,
    note,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES = ("-", "--", ":", "-.", (0, (1, 1)))


def draw_means(
    panel: "Axes",
    x: Any,
    samples: Iterable[Any],
    **style: Any,
) -> Any:
    """Draws means with their 95 % intervals as error bars; returns the line.

    Args:
      panel: where to.
      x: [X].
      samples: [X] of repeats [S], or of `Interval`s that were worked out before.
      **style: of the line, as `line_style` returns it.
    """
    found = [s if isinstance(s, Interval) else bootstrap_interval(s) for s in samples]
    middle, low, high = np.array(found, np.float64).reshape(-1, 3).T
    # An interval of a skewed sample may lie beside its mean.
    sides = np.maximum([middle - low, high - middle], 0.0)
    return panel.errorbar(x, middle, yerr=sides, **{"capsize": 2.5, **style})


def draw_lengths(
    panels: Mapping[str, Mapping[str, npt.ArrayLike]],
    trained_to: int,
    chance: Mapping[str, npt.ArrayLike],
) -> "Figure":
    """Draws accuracy by length: the median of the seeds, and their whole range shaded.

    Args:
      panels: title -> {label: [S, L] accuracies at lengths 1..L}. A label that begins
        with a sharing's name has its colour; those of one colour differ in their dash.
      trained_to: the longest trained length; longer ones are on white, others on grey.
      chance: title -> [L], the accuracy of the best constant answer.

    Raises:
      ValueError: if a panel has no chance line, or a label is no [S, L].
    """
    missing = set(panels) - set(chance)
    if missing:
        raise ValueError(f"draw_lengths: no chance line for {sorted(missing)}.")
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(height=0.9 + 2.1 * rows)
    handles: dict[str, Any] = {}
    for index, (panel, (title, curves)) in enumerate(
        zip(grid_of(figure, len(panels), columns), panels.items(), strict=True)
    ):
        used: dict[str, int] = {}
        for label, values in curves.items():
            scores = np.asarray(values, np.float64)
            if scores.ndim != 2:
                raise ValueError(
                    f"draw_lengths: {label!r} of {title!r} has shape {scores.shape}. "
                    "Give one row a seed, [S, L]."
                )
            colour = colour_of(label)
            dash = _DASHES[used.setdefault(colour, 0) % len(_DASHES)]
            used[colour] += 1
            lengths = np.arange(1, scores.shape[1] + 1)
            (line,) = panel.plot(
                lengths, np.median(scores, 0), ls=dash, lw=1.8, color=colour
            )
            handles.setdefault(label, line)
            if dash == "-":
                panel.fill_between(
                    lengths,
                    scores.min(0),
                    scores.max(0),
                    color=colour,
                    alpha=0.15,
                    lw=0,
                )
        level = np.asarray(chance[title], np.float64)
        panel.plot(np.arange(1, len(level) + 1), level, color=INK, lw=1.2, ls=":")
        panel.axhline(1.0, color=GRID, lw=1.0, zorder=0)
        panel.axvspan(1, trained_to, color=GRID, alpha=0.4, lw=0, zorder=0)
        panel.set_ylim(-0.02, 1.06)
        panel.set_title(title, fontsize=FONT - 1, color=INK)
        left, bottom = index % columns == 0, index // columns == rows - 1
        dress(panel, "length" if bottom else "", "accuracy" if left else "", grid="y")
        if index == 0:
            text = "\N{LEFTWARDS ARROW} trained"
            note(panel, text, (trained_to, 0.06), (3, 0), "left", MUTED)
            near = float(level[-1])
            note(panel, "chance", (len(level), near), (0, -8), "right", MUTED)
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=min(2, len(handles)),
        frameon=False,
        fontsize=FONT - 1,
    )
    return figure


Needed = Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]]


def draw_rule_and_needed(
    panels: Mapping[str, Mapping[str, npt.ArrayLike]],
    needed: Needed,
    xlabel: str,
    ylabel: str,
) -> "Figure":
    """Draws accuracies of seeds in narrow panels, and below what they needed.

    Args:
      panels: title -> {label: [S] accuracies}, with chance and the best at 1/2 and 1.
      needed: label -> (x [X], y [S, X]), on axes that are both logarithmic; infinite
        where it was never reached. The line is the median of the seeds that reached
        it, a dot is a seed, and a cross stands at the top for one that did not.
      xlabel: of the lower panel, with its unit.
      ylabel: of the lower panel, with its unit.
    """
    figure = new_figure(height=6.2)
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.0, 1.25))
    upper, lower = halves
    row = upper.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, (title, arms) in zip(row, panels.items(), strict=True):
        for place, (label, values) in enumerate(arms.items()):
            scores = np.asarray(values, np.float64)
            spots = place + np.linspace(-0.15, 0.15, len(scores))
            panel.plot(spots, scores, "o", ms=4, color=colour_of(label), alpha=0.7)
        for level in (0.5, 1.0):
            panel.axhline(level, color=INK, lw=1.2, ls=":", zorder=0)
        panel.set_xticks(range(len(arms)), list(arms), rotation=30)
        panel.set_xlim(-0.6, len(arms) - 0.4)
        panel.set_ylim(0.35, 1.08)
        panel.set_title(title, fontsize=FONT - 1, color=INK)
        dress(panel, "", "accuracy" if panel is row[0] else "")
    note(row[0], "chance", (-0.5, 0.5), (0, -8), "left", MUTED)
    _draw_needed(lower.subplots(), needed, xlabel, ylabel)
    return figure


def _draw_needed(panel: "Axes", needed: Needed, xlabel: str, ylabel: str) -> None:
    rows = {k: np.asarray(y, np.float64) for k, (_, y) in needed.items()}
    reached = [row[np.isfinite(row)] for row in rows.values()]
    top = 2.0 * max([float(row.max()) for row in reached if row.size], default=1.0)
    for label, (x, _) in needed.items():
        places, colour = np.asarray(x, np.float64), colour_of(label)
        known = np.where(np.isfinite(rows[label]), rows[label], np.nan)
        there = np.isfinite(known).any(0)
        median = np.nanmedian(known[:, there], axis=0)
        panel.plot(places[there], median, lw=2, color=colour)
        for row in known:
            panel.plot(places, row, "o", ms=4, color=colour, alpha=0.6)
            missed = np.isnan(row)
            panel.plot(places[missed], np.full(missed.sum(), top), "x", color=colour)
        if there.any():
            end = places[there][-1], median[-1]
            note(panel, label, end, (-6, 14), "right", colour)
    if any(not np.isfinite(row).all() for row in rows.values()):
        note(panel, "x: not reached", (0.02, 0.95), (0, 0), "left", MUTED,
             "axes fraction")  # fmt: skip
    panel.set_xscale("log", base=2)
    panel.set_yscale("log", base=2)
    ticks = sorted({float(t) for x, _ in needed.values() for t in np.ravel(x)})
    panel.set_xticks(ticks, [f"{t:g}" for t in ticks])
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    dress(panel, xlabel, ylabel, grid="y")

"""Figures of accuracy along an axis: a length, a dial."""

import textwrap
from collections.abc import Iterable, Mapping
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
    new_figure,
    note,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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


def draw_gaps(
    curves: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    best: npt.ArrayLike,
    beside: Mapping[str, Mapping[str, npt.ArrayLike]],
    xlabels: tuple[str, str],
    ylabel: str,
) -> "Figure":
    """Draws a difference along a dial and, beside it, on other data, with intervals.

    Args:
      curves: label -> (x [X], differences [S, X]); a label that begins with a sharing's
        name and ends in 'shuffled' is drawn dashed and hollow.
      best: [X], the difference that is possible, along the same x.
      beside: label -> {data: differences [S]}.
      xlabels: of the dial and of the data beside.
      ylabel: the difference, with its unit.
    """
    figure = new_figure(height=4.3 + 0.14 * len(curves))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.5, 1))
    markers = "osD^v"
    for index, (label, (x, values)) in enumerate(curves.items()):
        places = np.asarray(x, np.float64) + 0.006 * index
        _draw_means(
            left,
            places,
            np.asarray(values, np.float64),
            markers[index // 2 % len(markers)],
            colour_of(label),
            label,
            hollow=label.endswith("shuffled"),
        )
    dial = np.asarray(next(iter(curves.values()))[0], np.float64)
    left.plot(dial, best, color=INK, lw=1.2, ls=":", label="best possible")
    names = list(next(iter(beside.values())))
    for index, (label, by_name) in enumerate(beside.items()):
        _draw_means(
            right,
            np.arange(len(names)) + 0.12 * index,
            np.array([by_name[name] for name in names], np.float64).T,
            markers[index % len(markers)],
            colour_of(label),
            label,
            hollow=None,
        )
    for panel in (left, right):
        panel.axhline(0.0, color=INK, lw=1.2, zorder=0)
    right.set_xticks(range(len(names)), [textwrap.fill(name, 8) for name in names])
    right.set_xlim(-0.4, len(names) - 0.5)
    dress(left, xlabels[0], ylabel, grid="y")
    dress(right, xlabels[1], "", grid="y")
    note(left, "refuted if flat", (0.04, 0.95), (0, 0), "left", MUTED, "axes fraction")
    for text, height in (
        ("refuted if the last", 0.6),
        ("is over half the first", 0.53),
    ):
        note(right, text, (0.98, height), (0, 0), "right", MUTED, "axes fraction")
    figure.legend(
        *left.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=FONT - 1,
    )
    return figure


def _draw_means(
    panel: Any,
    places: np.ndarray,
    rows: np.ndarray,
    marker: str,
    colour: str,
    label: str,
    hollow: bool | None,
) -> None:
    """Draws the means of [S, X] with intervals; joined unless `hollow` is None."""
    found = [bootstrap_interval(column) for column in rows.T]
    for place, (_, low, high) in zip(places, found, strict=True):
        panel.plot([place, place], [low, high], color=colour, lw=3, alpha=0.6)
    style = {None: "none", False: "-", True: "--"}[hollow]
    panel.plot(
        places,
        [interval.estimate for interval in found],
        marker=marker,
        ls=style,
        color=colour,
        mfc="white" if hollow else colour,
        label=label,
    )

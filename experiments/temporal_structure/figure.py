"""The figure of a difference along a dial and, below it, on other data."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rnnshare.plotting.curves import draw_means
from rnnshare.plotting.style import (
    INK,
    MUTED,
    colour_of,
    dress,
    legend_below,
    new_figure,
    note,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_gaps(
    curves: Mapping[str, tuple[npt.ArrayLike, Iterable]],
    best: npt.ArrayLike,
    beside: Mapping[str, Mapping[str, npt.ArrayLike]],
    xlabels: tuple[str, str],
    ylabel: str,
) -> "Figure":
    """Draws a difference along a dial and, below it, on other data, with intervals.

    Args:
      curves: label -> (x [X], differences [X, S]); a label that begins with a sharing's
        name and ends in 'shuffled' is drawn dashed and hollow.
      best: [X], the difference that is possible, along the same x.
      beside: label -> {data: differences [S]}.
      xlabels: of the dial and of the data beside.
      ylabel: the difference, with its unit.
    """
    figure = new_figure(height=6.6 + 0.14 * len(curves))
    above, below = figure.subplots(2, 1)
    markers, handles = "osD^v", {}
    for index, (label, (x, values)) in enumerate(curves.items()):
        hollow, colour = label.endswith("shuffled"), colour_of(label)
        handles[label] = draw_means(
            above,
            np.asarray(x, np.float64) + 0.006 * index,
            values,
            marker=markers[index // 2 % len(markers)],
            ls="--" if hollow else "-",
            color=colour,
            mfc="white" if hollow else colour,
        )
    dial = next(iter(curves.values()))[0]
    (handles["best possible"],) = above.plot(dial, best, color=INK, lw=1.2, ls=":")
    names = list(next(iter(beside.values())))
    for index, (label, by_name) in enumerate(beside.items()):
        draw_means(
            below,
            np.arange(len(names)) + 0.12 * index,
            [by_name[name] for name in names],
            marker=markers[index % len(markers)],
            ls="none",
            color=colour_of(label),
        )
    for panel in (above, below):
        panel.axhline(0.0, color=INK, lw=1.2, zorder=0)
    below.set_xticks(range(len(names)), [textwrap.fill(name, 12) for name in names])
    below.set_xlim(-0.4, len(names) - 0.5)
    dress(above, xlabels[0], ylabel, grid="y")
    dress(below, xlabels[1], ylabel, grid="y")
    note(above, "refuted if flat", (0.04, 0.95), (0, 0), "left", MUTED, "axes fraction")
    for text, height in (
        ("refuted if over half of what is", 0.95),
        ("plain is left when each is shuffled", 0.85),
    ):
        note(below, text, (0.98, height), (0, 0), "right", MUTED, "axes fraction")
    legend_below(figure, handles)
    return figure

"""Figures of truncated back-propagation: its costs, reach, and where it misleads."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnnshare.plotting.curves import draw_lines, draw_means
from rnnshare.plotting.style import (
    COLOURS,
    FONT,
    GRID,
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

_WRONG, _RIGHT = COLOURS["Untied"], COLOURS["Tied"]
_DASHES = ("-", "--", ":", "-.")


def draw_costs(
    costs: Mapping[int, tuple[float, npt.ArrayLike, npt.ArrayLike]],
    chance: float,
    tolerance: float,
) -> "Figure":
    """Draws memory, time and test loss against the window.

    Args:
      costs: k -> (MiB of an update, microseconds a character [rounds], test loss in
        bits a character [S]); T the last.
      chance: bits a character of the characters' frequencies.
      tolerance: what may be lost, shaded above the loss at T.
    """
    figure = new_figure(height=3.4)
    windows = list(costs)
    panels = grid_of(figure, 3, 3)
    style = line_style("Tied", ["Tied"])
    panels[0].plot(windows, [cost[0] for cost in costs.values()], **style)
    panels[0].set_yscale("log")
    for panel, part in zip(panels[1:], (1, 2), strict=True):
        draw_means(panel, windows, [cost[part] for cost in costs.values()], **style)
    level = float(np.mean(np.asarray(costs[windows[-1]][2], np.float64)))
    panels[2].axhspan(level, level + tolerance, color=GRID, zorder=0, lw=0)
    panels[2].axhline(level, color=INK, lw=1, ls=":", zorder=0)
    title = f"chance: {chance:.2f}"
    panels[2].set_title(title, fontsize=FONT - 2, color=MUTED, loc="right")
    panels[1].set_ylim(bottom=0)
    labels = (
        "memory of an update (MiB)",
        "time a character (us)",
        "test loss (bits a character)",
    )
    for panel, label in zip(panels, labels, strict=True):
        name_powers(panel, [windows])
        dress(panel, "window k (steps)", label, "y")
    return figure


def draw_lags(
    found: Mapping[str, Mapping[str, npt.ArrayLike]],
    lags: Sequence[str],
    chance: float,
    half_way: float,
) -> "Figure":
    """Draws the accuracy by lag, with intervals over seeds: a panel a cell.

    Args:
      found: cell -> {how it was trained: accuracies [S, P]}.
      lags: P names of lags, the first those that a window reaches.
      chance: the accuracy of a guess.
      half_way: what counts as learnt.
    """
    figure = new_figure(height=5.4)
    handles: dict[str, Any] = {}
    panels = grid_of(figure, len(found), 3)
    for index, (panel, (title, arms)) in enumerate(
        zip(panels, found.items(), strict=True)
    ):
        places = range(len(lags))
        curves = {label: (places, np.transpose(v)) for label, v in arms.items()}
        handles |= draw_lines(panel, curves)
        panel.axvspan(-0.4, 0.5, color=GRID, alpha=0.5, lw=0, zorder=0)
        for level, name in ((chance, "chance"), (half_way, "learnt above")):
            panel.axhline(level, color=INK, lw=1.2, ls=":", zorder=0)
            if not index:
                at = (len(lags) - 0.6, level)
                note(panel, name, at, (0, -8), "right", MUTED)
        panel.set_xticks(range(len(lags)), lags)
        panel.set_xlim(-0.4, len(lags) - 0.6)
        panel.set_ylim(-0.02, 1.05)
        ylabel = "" if index else "test accuracy"
        dress(panel, "lag (steps; shaded: within the window)", ylabel, "y", title)
    legend_below(figure, handles, columns=1)
    return figure


def draw_signs(
    derivatives: npt.ArrayLike, true: float, losses: Mapping[int, npt.ArrayLike]
) -> "Figure":
    """Draws the truncated derivative by window, and descent through some windows.

    Args:
      derivatives: [K], of windows 1..K.
      true: the whole derivative.
      losses: k -> losses [updates] of descent through windows of k steps.
    """
    figure = new_figure(height=3.9)
    left, right = grid_of(figure, 2, 2)
    values = np.asarray(derivatives, np.float64)
    windows = np.arange(1, len(values) + 1)
    wrong = np.sign(values) != np.sign(true)
    for which, colour, name in ((wrong, _WRONG, "wrong"), (~wrong, _RIGHT, "right")):
        label = f"the {name} sign"
        left.plot(windows[which], values[which], ".", color=colour, ms=4, label=label)
    left.axhline(true, color=INK, lw=1.2, ls=":", zorder=0)
    left.axhline(0.0, color=INK, lw=0.8, zorder=0)
    note(left, "true", (windows[-1], true), (0, -9), "right", MUTED)
    left.legend(frameon=False, fontsize=FONT - 1, loc="center right")
    dress(left, "window k (steps)", "derivative of the loss in p", "y")
    for (window, curve), dash in zip(losses.items(), _DASHES, strict=False):
        colour = _WRONG if wrong[window - 1] else _RIGHT
        curve = np.maximum(np.asarray(curve, np.float64), 1e-6)
        right.plot(curve, color=colour, ls=dash, label=f"k = {window}")
    right.set_yscale("log")
    right.set_ylim(1e-6, 1e5)
    right.legend(frameon=False, fontsize=FONT - 1)
    dress(right, "updates", "loss (at least 1e-6)", "y")
    return figure

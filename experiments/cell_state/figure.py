"""Figures of memory: what is remembered for how long, and gradients over time."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnshare.analysis.statistics import mean_interval
from rnnshare.plotting.curves import draw_means
from rnnshare.plotting.style import (
    INK,
    MUTED,
    dress,
    legend_below,
    line_style,
    name_powers,
    new_figure,
    note,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class MemoryPanel(NamedTuple):
    """One task of `draw_memory`: a panel of scores, and one of gradients below it.

    Attributes:
      title: the task.
      xlabel: the length, with its unit.
      ylabel: the score, with its unit.
      lengths: [L].
      scores: label -> [S, L]; a label that begins with a sharing's name has its colour.
      levels: name -> a score to be drawn, such as that without memory.
      gradients: label -> [S, T], norms at the carry of step t, the last one nearest to
        what the gradient is of; zeros, and seeds with a NaN, are left out.
    """

    title: str
    xlabel: str
    ylabel: str
    lengths: npt.ArrayLike
    scores: Mapping[str, npt.ArrayLike]
    levels: Mapping[str, float]
    gradients: Mapping[str, npt.ArrayLike]


def draw_memory(panels: Sequence[MemoryPanel], below: str) -> "Figure":
    """Draws scores over the length, and gradient norms over steps back, by task.

    Args:
      panels: the tasks, from left to right.
      below: what the gradients are of.
    """
    figure = new_figure(height=7.4)
    axes = figure.subplots(2, len(panels), squeeze=False)
    handles: dict[str, Any] = {}
    names = list(dict.fromkeys(name for panel in panels for name in panel.scores))
    for column, (upper, lower) in enumerate(axes.T):
        panel = panels[column]
        for label, values in panel.scores.items():
            line = _draw_scores(upper, panel.lengths, values, label, names)
            handles.setdefault(label, line)
        places = np.asarray(panel.lengths, np.float64)
        for name, level in panel.levels.items():
            upper.axhline(level, color=INK, lw=1.2, ls=":", zorder=0)
            between = float(np.sqrt(places[0] * places[1]))
            note(upper, name, (between, level), (0, 9), "center", MUTED)
        name_powers(upper, [places])
        upper.margins(y=0.1)
        dress(upper, panel.xlabel, panel.ylabel, "y", panel.title)
        for label, values in panel.gradients.items():
            _draw_gradients(lower, np.asarray(values, np.float64), label, names)
        lower.set_yscale("log")
        dress(lower, "steps back", "" if column else below, "y")
    legend_below(figure, handles)
    return figure


def _draw_scores(
    panel: "Axes",
    lengths: npt.ArrayLike,
    values: npt.ArrayLike,
    label: str,
    names: Sequence[str],
) -> Any:
    """Draws means over seeds with their intervals."""
    scores = np.asarray(values, np.float64)
    if scores.shape != (len(scores), np.size(lengths)):
        raise ValueError(
            f"draw_memory: {label!r} has scores of shape {scores.shape}, but there are "
            f"{np.size(lengths)} lengths. Give one row a seed, [S, L]."
        )
    # A little apart, or equal scores would hide one another.
    shift = 1 + 0.03 * (names.index(label) - (len(names) - 1) / 2)
    places = shift * np.asarray(lengths, np.float64)
    return draw_means(panel, places, scores.T, **line_style(label, names))


def _draw_gradients(
    panel: "Axes", norms: np.ndarray, label: str, names: Sequence[str]
) -> None:
    """Draws geometric means over seeds, and their interval shaded."""
    back = np.arange(norms.shape[1], 0, -1)
    norms = norms[np.isfinite(norms).all(1)]
    there = (norms > 0).all(0)
    if len(norms) < 2 or not there.any():
        return
    ends = np.exp([mean_interval(one) for one in np.log(norms[:, there]).T])
    style = line_style(label, names)
    every = max(1, there.sum() // 6)
    panel.plot(back[there], ends[:, 0], markevery=every, **style)
    panel.fill_between(
        back[there], ends[:, 1], ends[:, 2], color=style["color"], alpha=0.2, lw=0
    )

"""A figure of translations: how many are exact, by language and sharing."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnnshare.plotting.curves import draw_means
from rnnshare.plotting.style import (
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

Panel = Mapping[str, Mapping[str, npt.ArrayLike]]  # language -> {label: [S]}
_WIDTH = 0.8  # of a language's place


def draw_translations(
    panels: Mapping[str, Panel],
    exhibited: Mapping[str, Mapping[str, float]],
    chance: Mapping[str, float],
    solved: float,
) -> "Figure":
    """Draws every seed's exact match as a dot, the mean and its interval beside.

    Args:
      panels: title -> {language: {label: [S] exact matches}}; a label that begins with
        a sharing's name has its colour.
      exhibited: title -> {language: exact match} of an untied network that is written
        down, drawn as a star over the last label.
      chance: title -> the exact match of a constant answer.
      solved: the exact match that counts as solved.
    """
    figure = new_figure(height=0.9 + 2.3 * len(panels))
    handles: dict[str, Any] = {}
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for panel, (title, languages) in zip(axes, panels.items(), strict=True):
        handles |= _draw_seeds(panel, languages, exhibited.get(title, {}))
        for level, text in ((solved, "solved"), (chance[title], "constant")):
            panel.axhline(level, color=INK, lw=1.2, ls=":", zorder=0)
            text, coords = f"{text}\n{level:.2g}", ("axes fraction", "data")
            note(panel, text, (1.0, level), (6, 0), "left", MUTED, coords)
        panel.set_xticks(range(len(languages)), list(languages))
        panel.set_xlim(-0.6, len(languages) - 0.4)
        panel.set_ylim(-0.04, 1.06)
        panel.set_title(title, fontsize=FONT - 1, color=INK, loc="left")
        dress(panel, "", "exact match", grid="y")
    legend_below(figure, handles)
    return figure


def _draw_seeds(
    panel: "Axes", languages: Panel, exhibited: Mapping[str, float]
) -> dict[str, Any]:
    """Draws one panel; returns what the legend shows, by label."""
    drawn: dict[str, Any] = {}
    for place, (language, labels) in enumerate(languages.items()):
        width = _WIDTH / len(labels)
        for i, (label, scores) in enumerate(labels.items()):
            values, colour = np.asarray(scores, np.float64), colour_of(label)
            x = place - _WIDTH / 2 + (i + 0.35) * width
            spots = np.full(len(values), x - 0.07)
            panel.plot(spots, values, "o", ms=4, color=colour, alpha=0.5)
            style = {"color": colour, "marker": "D", "ms": 6, "lw": 2, "ls": ""}
            drawn[label] = draw_means(panel, x + 0.07, [values], capsize=3, **style)
        if language in exhibited:
            drawn["untied: copies of tied"] = panel.plot(
                x + 0.07,
                exhibited[language],
                "*",
                ms=11,
                mfc="white",
                mec=colour_of("Untied"),
                ls="",
            )[0]
    return drawn

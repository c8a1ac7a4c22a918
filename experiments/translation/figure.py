"""The figure of who solves what none of the other kind does, and of translations."""

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


def draw_existence_and_translations(
    answers: Mapping[str, Mapping[str, str]],
    languages: Panel,
    exhibited: Mapping[str, float],
    chance: float,
    solved: float,
) -> "Figure":
    """Draws a table of answers, and below every seed's exact match as a dot.

    Args:
      answers: size -> {kind: whether some of it solve what none of the other does}.
      languages: language -> {label: [S] exact matches}; a label that begins with a
        sharing's name has its colour.
      exhibited: language -> exact match of an untied network that is written down,
        drawn as a star over the last label.
      chance: the exact match of a constant answer.
      solved: the exact match that counts as solved.
    """
    figure = new_figure(height=5.4)
    upper, lower = figure.subplots(2, 1, height_ratios=(1.0, 1.3))
    _draw_answers(upper, answers)
    handles = _draw_seeds(lower, languages, exhibited)
    for level, text in ((solved, "solved"), (chance, "constant")):
        lower.axhline(level, color=INK, lw=1.2, ls=":", zorder=0)
        text, coords = f"{text}\n{level:.2g}", ("axes fraction", "data")
        note(lower, text, (1.0, level), (6, 0), "left", MUTED, coords)
    lower.set_xticks(range(len(languages)), list(languages))
    lower.set_xlim(-0.6, len(languages) - 0.4)
    lower.set_ylim(-0.04, 1.06)
    title = "Beside it, as trainability: number words, 1,000 held out"
    dress(lower, "", "exact match", grid="y", title=title)
    legend_below(figure, handles)
    return figure


def _draw_answers(panel: "Axes", answers: Mapping[str, Mapping[str, str]]) -> None:
    kinds = [*next(iter(answers.values()))]
    for x, (_, of_kind) in enumerate(answers.items()):
        for y, kind in enumerate(kinds):
            colour = colour_of(kind.capitalize()) if of_kind[kind] == "yes" else MUTED
            text: Any = {"ha": "center", "va": "center", "fontsize": FONT + 1}
            panel.text(x, y, of_kind[kind], color=colour, **text)
    panel.set_xticks(range(len(answers)), list(answers))
    other = dict(zip(kinds, reversed(kinds), strict=True))
    named = [f"some {kind}, no {other[kind]}" for kind in kinds]
    panel.set_yticks(range(len(kinds)), named)
    panel.set_xlim(-0.5, len(answers) - 0.5)
    panel.set_ylim(len(kinds) - 0.5, -0.5)
    dress(panel, "", "", title="Solve what none of the other kind does? By proof")


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

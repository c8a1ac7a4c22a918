"""Figures: functions from data to a matplotlib `Figure`, and one way to save them.

Nothing touches pyplot, so nothing here depends on a display. `figure_style` holds the
colours and sizes.
"""

import itertools
import pathlib
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnshare.analysis.statistics import Interval, mean_interval
from rnnshare.plotting.style import (
    DPI,
    FONT,
    INK,
    LINK,
    MUTED,
    colour_of,
    dress,
    grid_of,
    mark_level,
    name_rows,
    new_figure,
    note,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rnnshare.sharing.base import Sharing

_PROBE = 64  # numbers in the weights that stand for a cell in `tying_matrix`


class IntervalRow(NamedTuple):
    """One line of `draw_intervals`; `kind`, see `colour_of`, gives it its colour."""

    label: str
    interval: Interval
    kind: Any = ""


def tying_matrix(sharing: "Sharing", num_steps: int, seed: int = 0) -> np.ndarray:
    """Returns how alike the weights of every two steps are, at the sharing's start.

    `M[s, t]` is the cosine of the angle between the weights of steps s and t, for a
    cell of 64 normal numbers: exactly 1 where both steps read the same weights, and
    near 0 where they have nothing to do with each other.

    Args:
      sharing: worked out by its own `init` and `expand`, so any sharing will do.
      num_steps: T.
      seed: of the draw.

    Returns:
      [T, T].
    """
    import jax

    from rnnshare.sharing.base import expand

    stored = sharing.init(
        jax.random.key(seed), lambda key: jax.random.normal(key, (_PROBE,))
    )
    weights = np.asarray(expand(sharing, stored, num_steps), dtype=np.float64)
    norms = np.linalg.norm(weights, axis=1, keepdims=True)
    unit = weights / np.where(norms == 0.0, 1.0, norms)
    same = (weights[:, None] == weights[None]).all(axis=2)
    return np.where(same, 1.0, unit @ unit.T)


def draw_tying_matrices(
    sharings: Sequence["Sharing"], num_steps: int, seed: int = 0
) -> "Figure":
    """Draws the tying matrix of each sharing: a panel each, steps on both axes.

    Args:
      sharings: any sharings.
      num_steps: T.
      seed: see `tying_matrix`.
    """
    columns = min(2 if len(sharings) <= 4 else 3, len(sharings))
    rows = -(-len(sharings) // columns)
    figure = new_figure(height=rows * (1.0 + 4.2 / columns) + 0.8)
    panels = grid_of(figure, len(sharings), columns)
    ends = sorted({0, num_steps // 2, num_steps - 1})
    for index, (panel, sharing) in enumerate(zip(panels, sharings, strict=True)):
        matrix = tying_matrix(sharing, num_steps, seed)
        image = panel.imshow(matrix, cmap="RdBu", vmin=-1, vmax=1)
        # The blank lets the text wrap after the bracket too.
        title = textwrap.fill(repr(sharing).replace("(", "( "), 26 - 4 * (columns > 2))
        size = FONT if columns < 3 else FONT - 2
        panel.set_title(title.replace("( ", "("), fontsize=size, family="monospace")
        panel.set_xticks(ends)
        panel.set_yticks(ends)
        dress(panel, "step", "step" if index % columns == 0 else "")
    bar = figure.colorbar(
        image, ax=panels, location="bottom", shrink=0.7, aspect=32, ticks=[-1, 0, 1]
    )
    bar.ax.set_xticklabels(["-1: opposite", "0: unrelated", "1: the same"])
    bar.ax.tick_params(labelsize=FONT - 1, colors=INK)
    bar.set_label("cosine between the weights of two steps", fontsize=FONT, color=INK)
    return figure


def draw_intervals(
    rows: Sequence[IntervalRow],
    xlabel: str,
    reference: float = 0.0,
    sides: tuple[str, str] = ("", ""),
) -> "Figure":
    """Draws an estimate and its interval a row, against a reference line.

    Args:
      rows: from top to bottom.
      xlabel: the effect, with its unit.
      reference: where the line stands; for a difference, 0.
      sides: what lies to its left and to its right, as
        `('tied is better', 'untied is better')`.
    """
    figure = new_figure(height=1.3 + 0.5 * len(rows) + 0.3 * any(sides))
    panel = figure.subplots()
    for place, (_, (estimate, low, high), kind) in enumerate(rows):
        panel.plot([low, high], [place, place], color=colour_of(kind), lw=3)
        panel.plot(estimate, place, "o", color=colour_of(kind), ms=8)
    panel.axvline(reference, color=INK, lw=1.2, zorder=0)
    name_rows(panel, [row.label for row in rows])
    if any(sides):  # the words need room on both sides
        reach = max(abs(end - reference) for end in panel.get_xlim())
        panel.set_xlim(reference - reach, reference + reach)
        top, coords = (reference, 1.0), ("data", "axes fraction")
        left, right = (
            f"\N{LEFTWARDS ARROW} {sides[0]}",
            f"{sides[1]} \N{RIGHTWARDS ARROW}",
        )
        note(panel, left, top, (-8, 8), "right", MUTED, coords)
        note(panel, right, top, (8, 8), "left", MUTED, coords)
    panel.locator_params(axis="x", nbins=5)
    dress(panel, xlabel, "", grid="x")
    return figure


def draw_paired(
    panels: Mapping[str, Mapping[str, npt.ArrayLike]],
    ylabel: str | Mapping[str, str],
    chance: Mapping[str, float] | None = None,
    oracle: Mapping[str, float] | None = None,
) -> "Figure":
    """Draws every seed as a dot, joined across models, the mean and interval beside.

    Args:
      panels: data set -> {sharing's name: [S] scores}, in the same order of seeds.
      ylabel: the score, with its unit; or data set -> score, where they differ.
      chance: data set -> the score of guessing.
      oracle: data set -> the best score there is.

    Raises:
      ValueError: if the models of one data set have different numbers of seeds.
    """
    for name, scores in panels.items():
        counts = {model: len(np.ravel(row)) for model, row in scores.items()}
        if len(set(counts.values())) != 1:
            raise ValueError(
                f"draw_paired joins runs of one seed, but {name} has {counts} runs. "
                "Give each model the same seeds."
            )
    most = max(1, 6 // max(len(scores) for scores in panels.values()))
    rows = -(-len(panels) // most)
    columns = -(-len(panels) // rows)
    figure = new_figure(height=3.6 * rows)
    axes, told = grid_of(figure, len(panels), most), ""
    for index, (panel, name) in enumerate(zip(axes, panels, strict=True)):
        _draw_pairs(panel, {key: np.asarray(row) for key, row in panels[name].items()})
        for label, levels in (("chance", chance), ("best possible", oracle)):
            if levels and name in levels:
                mark_level(panel, levels[name], label)
        lines = [textwrap.fill(line, 16) for line in name.split("\n")]
        panel.set_title("\n".join(lines), fontsize=FONT, color=INK)
        text = ylabel if isinstance(ylabel, str) else ylabel[name]
        is_told = index % columns == 0 or text != told
        told = text
        dress(panel, "", text if is_told else "", grid="y")
    return figure


def save(figure: "Figure", path: str | pathlib.Path) -> pathlib.Path:
    """Writes a figure as PNG, at twice its nominal size for sharp screens.

    Equal figures give equal bytes: the file holds no date.

    Raises:
      ValueError: unless the name ends in .png.
    """
    target = pathlib.Path(path)
    if target.suffix != ".png":
        raise ValueError(f"Figures are saved as PNG: end {target.name!r} in .png.")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial.png")
    figure.savefig(partial, dpi=2 * DPI, facecolor="white", metadata={"Software": None})
    return partial.replace(target)


def _draw_pairs(panel: "Axes", scores: Mapping[str, np.ndarray]) -> None:
    """Draws the seeds of one panel of `draw_paired`, and their means beside them."""
    for place, pair in enumerate(itertools.pairwise(scores.values())):
        panel.plot([place, place + 1], np.stack(pair), color=LINK, lw=1)
    for place, (name, score) in enumerate(scores.items()):
        colour = colour_of(name)
        panel.plot(np.full(len(score), place), score, "o", color=colour, alpha=0.6)
        beside = place + (0.25 if place else -0.25)
        if len(score) > 1:
            _, low, high = mean_interval(score)
            panel.plot([beside, beside], [low, high], color=colour, lw=3)
        panel.plot(beside, score.mean(), "D", color=colour, ms=8)
    panel.set_xticks(range(len(scores)), [textwrap.fill(name, 12) for name in scores])
    panel.set_xlim(-0.6, len(scores) - 0.4)

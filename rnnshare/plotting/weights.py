"""Figures of weights, and of lines with names: similarity, distances, norms, curves.

Like `plotting.panels`, functions from data to a matplotlib `Figure`; a label that
begins with a sharing's name has its colour, and labels of one colour differ in marker
and dash.

Shape letters: T steps, S seeds, X points on an axis.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnnshare.analysis.statistics import mean_interval
from rnnshare.plotting.style import (
    FONT,
    INK,
    MUTED,
    colour_of,
    dress,
    grid_of,
    log_axis,
    mark_level,
    name_rows,
    new_figure,
    note,
    spread,
)
from rnnshare.sharing import measures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = tuple[npt.ArrayLike, npt.ArrayLike]  # x [X], y [X] or [S, X]
_MARKERS = "osD^vPX*"
_DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))


def draw_similarity(weights: Mapping[str, Any], of: str = "weights") -> "Figure":
    """Draws the similarity of the weights of every two steps: a panel a label.

    Args:
      weights: label -> weights, leaves [T, ...]; see `measures.weight_similarity`.
      of: what they are, if not weights, as 'gradients'.
    """
    columns = min(2 if len(weights) <= 4 else 3, len(weights))
    rows = -(-len(weights) // columns)
    figure = new_figure(height=rows * (1.0 + 4.2 / columns) + 0.8)
    panels = grid_of(figure, len(weights), columns)
    for index, (panel, label) in enumerate(zip(panels, weights, strict=True)):
        matrix = measures.weight_similarity(weights[label])
        image = panel.imshow(matrix, cmap="RdBu", vmin=-1, vmax=1)
        title = textwrap.fill(label, 28 - 8 * (columns > 2))
        panel.set_title(title, fontsize=FONT, color=INK)
        ends = sorted({0, len(matrix) // 2, len(matrix) - 1})
        panel.set_xticks(ends)
        panel.set_yticks(ends)
        dress(panel, "step", "step" if index % columns == 0 else "")
    bar = figure.colorbar(
        image, ax=panels, location="bottom", shrink=0.7, aspect=32, ticks=[-1, 0, 1]
    )
    bar.ax.set_xticklabels(["-1: opposite", "0: unrelated", "1: the same"])
    bar.ax.tick_params(labelsize=FONT - 1, colors=INK)
    bar.set_label(f"cosine between the {of} of two steps", fontsize=FONT, color=INK)
    return figure


def draw_distances(weights: Mapping[str, Any]) -> "Figure":
    """Draws how far weights are from tied, the effective number of steps beside it.

    Args:
      weights: label -> weights, leaves [T, ...]; see `measures.distance_from_tied` and
        `measures.effective_num_steps`.
    """
    figure = new_figure(height=1.6 + 0.5 * len(weights))
    panel = figure.subplots()
    distances = [measures.distance_from_tied(tree) for tree in weights.values()]
    for place, (label, far) in enumerate(zip(weights, distances, strict=True)):
        colour = colour_of(label)
        panel.plot([0.0, far], [place, place], color=colour, lw=2)
        panel.plot(far, place, "o", color=colour, ms=9, clip_on=False)
        steps = len(measures.step_norms(weights[label]))
        text = f"{measures.effective_num_steps(weights[label]):.1f} of {steps}"
        note(
            panel,
            text,
            (1.0, place),
            (52, 0),
            "center",
            colour,
            ("axes fraction", "data"),
        )
    head = "effective\nnumber of steps"
    note(panel, head, (1.0, 1.0), (52, 12), "center", MUTED, "axes fraction")
    panel.set_xlim(0.0, min(1.0, 1.15 * max(distances)) or 1.0)
    panel.locator_params(axis="x", nbins=5)
    name_rows(panel, list(weights))
    dress(panel, "distance from tied, relative (0: tied)", "", grid="x")
    return figure


def draw_step_norms(
    norms: Mapping[str, npt.ArrayLike], ylabel: str = "gradient norm"
) -> "Figure":
    """Draws the norm at each step, a line a label; on a log axis if it spans decades.

    Args:
      norms: label -> [T], or [S, T] for the mean over seeds and its 95 % interval.
      ylabel: what it is the norm of.

    Raises:
      ValueError: if the seeds of one label have different numbers of steps.
    """
    rows = {label: _numbers(label, norms[label]) for label in norms}
    figure = new_figure(height=4.6)
    panel = figure.subplots()
    low = min(row.min() for row in rows.values())
    if low > 0.0 and max(row.max() for row in rows.values()) > 100.0 * low:
        panel.set_yscale("log")
    _draw_lines(panel, {k: (np.arange(row.shape[-1]), row) for k, row in rows.items()})
    dress(panel, "step t", ylabel, grid="y")
    return figure


def draw_curves(
    curves: Mapping[str, Curve],
    xlabel: str,
    ylabel: str,
    lines: Mapping[str, float] | None = None,
    log_x: bool = False,
    marks: Mapping[str, float] | None = None,
) -> "Figure":
    """Draws lines with their 95 % interval over seeds, named where they end.

    Args:
      curves: label -> (x [X], y [X] or [S, X]).
      xlabel: with its unit.
      ylabel: with its unit.
      lines: label -> level, such as chance.
      log_x: whether x is on a log axis.
      marks: label -> a place on the x axis, such as where training ended.

    Raises:
      ValueError: if an x and its y do not fit, or seeds have different lengths.
    """
    figure = new_figure(height=4.6)
    panel = figure.subplots()
    if log_x:
        log_axis(panel, np.concatenate([np.ravel(x) for x, _ in curves.values()]))
    _draw_lines(panel, curves, lines or {})
    for label, place in (marks or {}).items():
        panel.axvline(place, color=INK, lw=1.2, ls=":", zorder=0)
        note(
            panel,
            label,
            (place, 1.0),
            (0, 8),
            "center",
            MUTED,
            ("data", "axes fraction"),
        )
    dress(panel, xlabel, ylabel, grid="y")
    return figure


def _numbers(label: str, values: npt.ArrayLike) -> np.ndarray:
    """Returns the values of a label as float64 of [X] or [S, X]."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except ValueError as error:
        raise ValueError(
            f"{label!r} holds rows of different lengths. Give every seed the same "
            "points."
        ) from error
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(
            f"{label!r} has shape {array.shape}. Give one number a point, [X], or one "
            "a seed and point, [S, X]."
        )
    return array


def _looks(labels: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Returns each label's colour, and a marker and dash by which its likes differ."""
    used: dict[str, int] = {}
    looks = {}
    for label in dict.fromkeys(labels):
        colour = colour_of(label)
        order = used[colour] = used.get(colour, -1) + 1
        looks[label] = {
            "color": colour,
            "marker": _MARKERS[order % len(_MARKERS)],
            "mfc": "white" if order % 2 else colour,
            "ls": _DASHES[order % len(_DASHES)],
        }
    return looks


def _draw_lines(
    panel: "Axes", curves: Mapping[str, Curve], lines: Mapping[str, float] | None = None
) -> None:
    """Draws curves, their bands over seeds and levels, and names the curves' ends."""
    ends = []
    for (label, (x, y)), look in zip(
        curves.items(), _looks(curves).values(), strict=True
    ):
        places, rows = np.ravel(x), np.atleast_2d(_numbers(label, y))
        if rows.shape[1] != len(places):
            raise ValueError(
                f"{label!r} has {len(places)} places on the x axis, but y of shape "
                f"{np.shape(y)}. Give y as [X] or [S, X]."
            )
        mean = rows.mean(axis=0)
        if len(rows) > 1:
            spans = np.array([mean_interval(column) for column in rows.T])
            band = {"color": look["color"], "alpha": 0.18, "lw": 0}
            panel.fill_between(places, spans[:, 1], spans[:, 2], **band)
        every = max(1, len(places) // 6)
        panel.plot(places, mean, lw=2, ms=6, markevery=every, **look)
        ends.append((places[-1], mean[-1]))
    for label, level in (lines or {}).items():
        mark_level(panel, level, label)
    _name_ends(panel, curves, ends)


def _name_ends(
    panel: "Axes", labels: Mapping[str, Any], ends: Sequence[tuple[float, float]]
) -> None:
    """Names lines to the right of the panel, a thin line leading to where each ends."""
    panel.autoscale_view()
    shown = panel.transAxes.inverted().transform(panel.transData.transform(ends))
    texts = [textwrap.fill(label, 18) for label in labels]
    line = 0.2 / (panel.figure.get_figure(root=True).get_figheight() - 1.0)
    sizes = [line * (1.2 + text.count("\n")) for text in texts]
    heights = _settle(shown[:, 1], sizes)
    for text, label, end, height in zip(texts, labels, ends, heights, strict=True):
        colour = colour_of(label)
        panel.annotate(
            text,
            end,
            (1.06, height),
            textcoords="axes fraction",
            va="center",
            color=colour,
            fontsize=FONT - 1,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "lw": 0.8,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 4,
            },
        )


def _settle(wanted: np.ndarray, sizes: Sequence[float]) -> list[float]:
    """Returns places like `spread`, around the wanted ones and, if they fit, in [0, 1].

    Places that are pushed up and places that are pushed down keep labels apart, and so
    do their means.
    """
    wanted = wanted + 1e-9 * np.arange(len(wanted))  # one order for equal places
    up, down = spread(list(wanted), sizes), spread(list(-wanted), sizes)
    floor = spread([-1.0, *(np.array(up) - down) / 2], [2.0, *sizes])[1:]
    top = spread([-2.0, *(-np.array(floor))], [2.0, *sizes])[1:]
    return [-place for place in top]

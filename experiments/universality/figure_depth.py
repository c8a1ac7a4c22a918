"""The figure of stacks in floats: how deep they reach, when a machine goes wrong."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnshare.plotting.style import FONT, INK, MUTED, dress, new_figure, note

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"float32": "#E69F00", "float64": "#0072B2"}
_MARKS = {"float32": "o", "float64": "s"}


class DepthRun(NamedTuple):
    """A machine's stacks over its steps.

    Attributes:
      name: of the machine.
      depths: [T + 1], the symbols on its deepest stack at each step.
      limits: `{float: symbols that it holds exactly}`.
      errors: `{float: (predicted, measured)}`, the step of the first error, if any.
    """

    name: str
    depths: npt.ArrayLike
    limits: Mapping[str, int]
    errors: Mapping[str, tuple[int | None, int | None]]


def draw_depths(
    predicted: Mapping[str, Sequence[int]],
    measured: Mapping[str, Sequence[int]],
    run: DepthRun,
    bases: Sequence[int],
) -> "Figure":
    """Draws predicted against measured capacities, and below it a machine's stacks.

    Args:
      predicted: `{float: symbols that fit}`, one number a base and pattern.
      measured: the same, of the cell.
      run: the machine below.
      bases: of the stacks whose capacities are drawn.
    """
    figure = new_figure(height=7.6)
    upper, lower = figure.subplots(2, 1, height_ratios=(1, 1))
    _draw_capacities(upper, predicted, measured, bases)
    _draw_run(lower, run)
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
    for name in predicted:
        panel.plot(
            predicted[name],
            measured[name],
            ls="",
            marker=_MARKS[name],
            color=COLOURS[name],
            ms=8,
            mfc="none",
            mew=1.8,
            label=name,
        )
    at = (0.55 * most, 0.55 * most)
    note(panel, "equal, and within one", at, (12, -22), "left", MUTED)
    panel.set_title(
        "Push n symbols, pop them all: the largest n without fault,\n"
        f"a point a base ({every}) and pattern of symbols",
        fontsize=FONT - 1,
        color=INK,
    )
    panel.legend(frameon=False, fontsize=FONT - 1, loc="upper left")
    panel.set_xlim(0, most + 3)
    panel.set_ylim(0, most + 3)
    dress(panel, "predicted n (symbols)", "measured n (symbols)", "y")


def _draw_run(panel: "Axes", run: DepthRun) -> None:
    depths = np.asarray(run.depths)
    steps = np.arange(len(depths))
    panel.plot(steps[1:], np.maximum(depths[1:], 0.8), color=INK, lw=1.2)
    for row, (name, limit) in enumerate(run.limits.items()):
        colour = COLOURS[name]
        panel.axhline(limit, color=colour, lw=1.4, ls="--")
        note(panel, f"{name} holds {limit}", (1.1, limit), (0, 9), "left", colour)
        expected, found = run.errors[name]
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
    panel.set_title(
        f"{run.name} in one tied cell: first errors of floats,\n"
        "X where measured, dotted where predicted",
        fontsize=FONT - 1,
        color=INK,
    )
    dress(panel, "steps of the machine", "symbols on the deeper stack", "y")

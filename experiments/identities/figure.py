"""Figures of what holds by construction: parameter counts, and errors of identities."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rnnshare.plotting.style import (
    COLOURS,
    INK,
    MUTED,
    colour_of,
    dress,
    name_rows,
    new_figure,
    note,
    spread,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_parameter_counts(
    counts: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    ylabel: str = "parameters",
) -> "Figure":
    """Draws parameter counts against the number of steps, both on log axes.

    Args:
      counts: label -> (steps [X], counts [X]); a label that begins with a sharing's
        name has its colour. Lines that end in one point share one label, and the first
        of them is dashed so that the others show through.
      ylabel: what is counted.
    """
    figure = new_figure(height=4.6)
    panel = figure.subplots()
    ends: dict[tuple[float, float], list[str]] = {}
    for label, (steps, values) in counts.items():
        ends.setdefault((np.ravel(steps)[-1], np.ravel(values)[-1]), []).append(label)
    for labels in ends.values():
        for label in reversed(labels):
            dash = "--" if label == labels[0] and len(labels) > 1 else "-"
            panel.loglog(*counts[label], "o", ls=dash, lw=2, color=colour_of(label))
    low, high = np.log10(panel.get_ylim())
    texts = ["\n".join(textwrap.wrap(", ".join(names), 18)) for names in ends.values()]
    heights = spread(
        [np.log10(y) for _, y in ends],
        [0.06 * (high - low) * (1 + text.count("\n")) for text in texts],
    )
    for (end, labels), text, height in zip(ends.items(), texts, heights, strict=True):
        known = {colour_of(label) for label in labels} - {MUTED}
        colour = known.pop() if len(known) == 1 else MUTED
        note(panel, text, (end[0], 10**height), (10, 0), "left", colour)
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_formatter("{x:g}")
    panel.yaxis.set_major_formatter("{x:,.0f}")
    dress(panel, "steps T", ylabel, grid="y")
    return figure


def draw_errors(
    labels: Sequence[str], errors: Sequence[float], tolerance: float
) -> "Figure":
    """Draws the largest relative difference of each identity check, on a log axis.

    Args:
      labels: what was compared.
      errors: not negative; a 0 is drawn at the left end and called 0.
      tolerance: what a check may differ by.

    Raises:
      ValueError: if an error is negative or not finite, or the labels do not fit.
    """
    bad = [error for error in errors if not 0 <= error < np.inf]
    if bad or len(labels) != len(errors):
        raise ValueError(
            "draw_errors takes one finite error of at least 0 for each label, but got "
            f"{list(errors)} for {len(labels)} labels. Report a check without one as "
            "failed instead of drawing it."
        )
    figure = new_figure(height=1.6 + 0.5 * len(labels))
    panel = figure.subplots()
    seen = [tolerance, *(error for error in errors if error > 0)]
    floor = 10.0 ** (np.floor(np.log10(min(seen))) - 1)
    ceiling = 10.0 ** (np.floor(np.log10(max(seen))) + 2)
    for place, error in enumerate(errors):
        colour = COLOURS["Tied"] if error <= tolerance else COLOURS["Untied"]
        at = error if error > 0 else floor
        panel.plot([floor, at], [place, place], color=colour, lw=2)
        panel.plot(at, place, "o", color=colour, ms=9, clip_on=False)
        text = f"{error:.0e}" if error > 0 else "0"
        note(panel, text, (at, place), (10, 0), "left", colour)
    panel.set_xscale("log")
    panel.set_xlim(floor, ceiling)
    panel.axvline(tolerance, color=INK, lw=1.2, zorder=0)
    top, coords = (tolerance, 1.0), ("data", "axes fraction")
    note(panel, f"tolerance {tolerance:.0e}", top, (0, 8), "center", MUTED, coords)
    name_rows(panel, labels)
    dress(panel, "largest relative difference", "", grid="x")
    return figure

"""The figure of the law on real data: sizes against predicted crossovers."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnshare.plotting.style import (
    COLOURS,
    INK,
    MUTED,
    dress,
    legend_below,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDES = {
    "tied won": (1, "o", COLOURS["Tied"]),
    "untied won": (-1, "s", COLOURS["Untied"]),
    "undecided": (0, "D", MUTED),
}


def draw(pairs: pd.DataFrame) -> "Figure":
    """Draws each pair at the law's N* and its N, marked by who won.

    Args:
      pairs: a row each: source, N, crossover (infinite for none), wins (-1 untied).
    """
    figure = new_figure(height=4.6)
    panel: Any = figure.subplots()
    stars = pairs["crossover"].to_numpy(float)
    known = np.append(stars[np.isfinite(stars)], pairs["N"].to_numpy(float))
    ends = np.array([known.min() / 2, known.max() * 4])
    places = np.where(np.isfinite(stars), stars, ends[1])
    handles: dict[str, Any] = {}
    for label, (wins, mark, colour) in _SIDES.items():
        own = (pairs["wins"] == wins).to_numpy()
        if own.any():
            (handles[label],) = panel.plot(
                places[own], pairs["N"][own], mark, color=colour, ms=8, mec="white"
            )
    for x, row in zip(places, pairs.itertuples(), strict=True):
        panel.annotate(
            str(row.source).replace("_", " "), (x, row.N), xytext=(0, 7),
            textcoords="offset points", ha="center", fontsize=8, color=INK,
        )  # fmt: skip
    panel.plot(ends, ends, color=INK, lw=1, zorder=0)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlim(ends[0], ends[1] * 2)
    dress(
        panel,
        "N* of linear rules (right end: none)",
        "N, sequences of the training set",
        title="above the line: the law says untied",
    )
    legend_below(figure, handles)
    return figure

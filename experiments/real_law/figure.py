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
    """Draws a row for each pair: its N, marked by who won, and the law's N*.

    Args:
      pairs: a row each: source, N, crossover (infinite for none), wins (-1 untied).
    """
    figure = new_figure(height=1.4 + 0.22 * len(pairs))
    panel: Any = figure.subplots()
    pairs = pairs.reset_index(drop=True)
    stars = pairs["crossover"].to_numpy(float)
    known = np.isfinite(stars)
    end = 4 * max(stars[known].max(initial=1), pairs["N"].max())
    places = np.where(known, stars, end)
    panel.hlines(pairs.index, pairs["N"], places, color=MUTED, lw=1, zorder=0)
    handles: dict[str, Any] = {}
    for label, mark, own in (("N*", "|", known), ("no N*", ">", ~known)):
        if own.any():
            (handles[label],) = panel.plot(
                places[own], pairs.index[own], mark, color=INK, ms=7, ls="none"
            )
    for label, (wins, mark, colour) in _SIDES.items():
        own = (pairs["wins"] == wins).to_numpy()
        if own.any():
            (handles[label],) = panel.plot(
                pairs["N"][own], pairs.index[own], mark, color=colour, ms=7, mec="white"
            )
    panel.set_xscale("log")
    panel.set_yticks(pairs.index, pairs["source"].str.replace("_", " "))
    panel.invert_yaxis()
    dress(
        panel,
        "sequences of the training set: N, and N* of the law",
        "",
        title="N* left of N: the law says untied; right of it: tied",
    )
    legend_below(figure, handles)
    return figure

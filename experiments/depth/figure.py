"""Figures of sharing over depth: losses by sharing, and by recurrence count."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnshare.plotting import draw_paired
from rnnshare.plotting.curves import draw_means
from rnnshare.plotting.style import (
    COLOURS,
    dress,
    grid_of,
    legend_below,
    name_powers,
    new_figure,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_HUES = ("Tied", "Untied", "Segments", "Cyclic")


def draw_losses(runs: "pd.DataFrame", arms: Sequence[str]) -> "Figure":
    """Draws every run's test loss by arm, a panel a model and data set.

    Args:
      runs: a row a training, with model, data, arm, seed and test_loss.
      arms: in this order.
    """
    panels = {}
    for (model, data), own in runs.groupby(["model", "data"], sort=False):
        losses = own.groupby("arm")["test_loss"]
        panels[f"{model}\n{data}"] = {
            _short(arm): losses.get_group(arm).to_numpy(float) for arm in arms
        }
    return draw_paired(panels, "test loss (nats)")


def _short(arm: str) -> str:
    return arm.replace(", as many parameters", ", wide")


def draw_sweep(
    runs: "pd.DataFrame", names: Sequence[str], laws: Mapping[str, tuple[str, Any]]
) -> "Figure":
    """Draws test losses by recurrence count, a line a width, a panel a model.

    Args:
      runs: a row a training, with the columns of `names`, once, shared and test_loss.
      names: the columns of model, r and H.
      laws: {model: (its title, the `Recurrence` that is drawn dashed)}.
    """
    model, r, width = names
    figure = new_figure(height=1.2 + 2.8 * math.ceil(len(laws) / 2))
    handles: dict[str, Any] = {}
    widths = sorted(runs[width].unique())
    for panel, (name, (title, law)) in zip(
        grid_of(figure, len(laws), 2), laws.items(), strict=True
    ):
        own = runs[runs[model] == name].sort_values(r)
        for hue, h in zip(_HUES, widths, strict=False):
            line = own[own[width] == h]
            counts = line[r].unique()
            samples = [line[line[r] == c]["test_loss"].to_numpy(float) for c in counts]
            style = {"color": COLOURS[hue], "marker": "o", "ms": 5, "lw": 0}
            handles[f"H = {h}"] = draw_means(
                panel, counts, samples, elinewidth=1.5, **style
            )
            sizes = np.array(
                [line[line[r] == c][["once", "shared"]].iloc[0] for c in counts]
            )
            size = sizes[:, 0] + counts**law.phi.estimate * sizes[:, 1]
            panel.plot(counts, law.floor + law.scale * size**-law.alpha, "--",
                       color=COLOURS[hue], lw=1.2)  # fmt: skip
        name_powers(panel, [own[r].unique()])
        dress(panel, "recurrences r", "test loss (nats)", grid="y",
              title=f"{title}\nphi {law.phi:.2f}")  # fmt: skip
    legend_below(figure, handles, 4)
    return figure

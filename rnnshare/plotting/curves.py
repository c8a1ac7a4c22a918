"""Lines along an axis: means with their intervals."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnshare.analysis.statistics import Interval, mean_interval
from rnnshare.plotting.style import line_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_means(
    panel: "Axes",
    x: Any,
    samples: Iterable[Any],
    **style: Any,
) -> Any:
    """Draws means with their 95 % intervals as error bars; returns the line.

    Args:
      panel: where to.
      x: [X].
      samples: [X] of repeats [S], or of `Interval`s that were worked out before.
      **style: of the line, as `line_style` returns it.
    """
    found = [s if isinstance(s, Interval) else mean_interval(s) for s in samples]
    middle, low, high = np.array(found, np.float64).reshape(-1, 3).T
    # An interval of a skewed sample may lie beside its mean.
    sides = np.maximum([middle - low, high - middle], 0.0)
    return panel.errorbar(x, middle, yerr=sides, **{"capsize": 2.5, **style})


def draw_lines(
    panel: "Axes",
    curves: Mapping[str, tuple[Any, Any]],
    names: Sequence[str] = (),
    **style: Any,
) -> dict[str, Any]:
    """Draws a line of means a label; returns the lines by label, for a legend.

    Args:
      panel: where to.
      curves: label -> (x [X], samples [X], see `draw_means`); a label that begins with
        a sharing's name has its colour.
      names: labels of all lines of the figure, so that a label looks alike everywhere.
      **style: in place of `line_style`'s.
    """
    names = names or list(curves)
    return {
        label: draw_means(panel, x, samples, **line_style(label, names) | style)
        for label, (x, samples) in curves.items()
    }

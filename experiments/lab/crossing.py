"""Where the first of two arms turns better as N grows: N*, the crossover."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnshare.analysis.statistics import Interval

if TYPE_CHECKING:
    import pandas as pd


def crossings(
    sizes: Sequence[int], apart: "pd.DataFrame", cases: Sequence[str]
) -> dict[Any, Interval]:
    """Returns {case: interval of N*}.

    Args:
      sizes: N in increasing order.
      apart: differences or log ratios, a row a case and N, a column a seed.
      cases: the levels of its index that make a case.
    """
    return {
        case: crossover_interval(sizes, rows.to_numpy())
        for case, rows in apart.groupby(level=list(cases), sort=False)
    }


def crossover(sizes, means):
    """Returns where mean differences first turn negative, on log N; inf for nowhere.

    Args:
      sizes: [X], N in increasing order.
      means: [..., X], log ratios of the test losses.

    Returns:
      [...]: the N of the line through the points, the least N where all are negative.
    """
    logs, means = np.log(np.asarray(sizes, np.float64)), np.asarray(means, np.float64)
    below = means < 0
    first = below.argmax(-1)
    before = np.maximum(first - 1, 0)
    high = np.take_along_axis(means, before[..., None], -1)[..., 0]
    low = np.take_along_axis(means, first[..., None], -1)[..., 0]
    inside = below.any(-1) & (first > 0)
    part = np.where(inside, high / np.where(inside, high - low, 1.0), 0.0)
    found = np.exp(logs[before] + part * (logs[first] - logs[before]))
    return np.where(below.any(-1), found, np.inf)


def crossover_interval(sizes, apart, num_resamples=2_000) -> Interval:
    """Returns the crossover of the mean over seeds, with its bootstrap interval.

    Args:
      sizes: [X].
      apart: [X, S], differences.
      num_resamples: of the seeds, together at all N.

    Returns:
      An interval of N, whose numbers may be infinite.
    """
    rng = np.random.default_rng(0)
    count = apart.shape[1]
    drawn = rng.integers(count, size=(num_resamples, count))
    found = crossover(sizes, apart[:, drawn].mean(-1).T)
    # No interpolation, since some may be infinite.
    low, high = np.quantile(found, [0.025, 0.975], method="inverted_cdf")
    return Interval(float(crossover(sizes, apart.mean(1))), low, high)


def say_size(sizes: Sequence[int], value: float) -> str:
    """Returns an N* in words where it lies outside of what was measured."""
    if not np.isfinite(value):
        return f"none up to {sizes[-1]:,}"
    if value <= sizes[0]:
        return f"at most {sizes[0]:,}"
    return f"{value:,.0f}"

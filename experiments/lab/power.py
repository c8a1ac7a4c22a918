"""What would decide a verdict that is inconclusive: by how many repeats, at what power.

The effect and the spread are taken as they were observed, so a number of repeats is a
guess of the right size, and no promise.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.lab.frames import LEVEL

POWER = 0.8
MOST = 10_000  # repeats, above which none is named


def repeats_needed(
    values: Any, level: float = LEVEL, power: float = POWER
) -> int | None:
    """Returns how many repeats a two-sided t test of the mean needs, by these values.

    Args:
      values: [S], at least 2 differences.
      level: of the test; a first step of Holm's method over m cases is level / m.
      power: the chance that it finds a mean such as that of the values.

    Returns:
      The number, at least 2; None where it is above `MOST`.
    """
    from scipy import stats

    values = np.asarray(values, float)
    spread = values.std(ddof=1)
    if spread == 0.0:
        return 2 if values.mean() else None
    size = abs(values.mean()) / spread
    counts = np.unique(np.geomspace(2, MOST, 4_000).astype(int))
    limit = stats.t.isf(level / 2, counts - 1)
    found = stats.nct.sf(limit, counts - 1, size * np.sqrt(counts))
    enough = counts[found >= power]
    return int(enough[0]) if len(enough) else None


def repeats_within(values: Any, room: float, level: float = LEVEL) -> int | None:
    """Returns how many repeats bring the interval of the mean within +-room.

    Args:
      values: [S], at least 2 differences.
      room: that the whole interval is to lie within.
      level: 1 less the interval's confidence.

    Returns:
      The number, at least 2; None where it is above `MOST`, as where the mean itself is
      beyond the room.
    """
    from scipy import stats

    values = np.asarray(values, float)
    left = room - abs(values.mean())
    counts = np.unique(np.geomspace(2, MOST, 4_000).astype(int))
    half = stats.t.isf(level / 2, counts - 1) * values.std(ddof=1) / np.sqrt(counts)
    enough = counts[half <= left]
    return int(enough[0]) if len(enough) else None


def say_why_not(plan: Any, plans: Mapping[str, Any]) -> str:
    """Returns why what would decide was not run, in a sentence.

    Args:
      plan: that was run.
      plans: the presets.
    """
    if plan.num_seeds < plans["full"].num_seeds:
        return "The full preset, which has more, was not run, for want of hours."
    return "More than these did not fit into a night."


def say_repeats(count: int | None, of: str = "seeds") -> str:
    """Returns a number of repeats in words."""
    return f"more than {MOST:,} {of}" if count is None else f"{count:,} {of}"

"""What a recurrence is worth: L = E + A (N_once + r^phi N_rec)^-alpha.

Shape letters: P points.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rnnshare.analysis.intervals import scipy_stats
from rnnshare.analysis.statistics import Interval

PHIS = np.arange(-200, 401) / 100
ALPHAS = np.geomspace(0.05, 3.0, 40)
NUM_FITTED = 4  # E, A, alpha, phi


class Recurrence(NamedTuple):
    """What the law makes of some losses.

    Attributes:
      phi: a recurrence's worth with its 95 % interval: 1, as much as weights of its
        own; 0, nothing. Its ends are within those of `PHIS`.
      alpha: how fast the loss falls with the size.
      scale: A.
      floor: E.
      r_squared: how much of the variance of the losses it explains.
    """

    phi: Interval
    alpha: float
    scale: float
    floor: float
    r_squared: float

    @property
    def informs(self) -> bool:
        """Whether the interval ends within what was searched, on both sides."""
        return PHIS[0] < self.phi.low and self.phi.high < PHIS[-1]


def fit_recurrence(
    once: npt.ArrayLike,
    rec: npt.ArrayLike,
    recurrences: npt.ArrayLike,
    losses: npt.ArrayLike,
) -> Recurrence:
    """Fits the law by least squares, on a grid of phi and alpha.

    E and A >= 0 are worked out at each place of the grid. The interval holds each phi
    at which the least sum of squares is no larger than `1 + F / (P - 4)` times the
    best, F the 95 % quantile of its distribution with 1 and P - 4 degrees of freedom:
    so it counts what the law does not explain as noise.

    Args:
      once: [P], parameters that are read once.
      rec: [P], parameters that are read r times, as stored.
      recurrences: [P], r.
      losses: [P].

    Raises:
      ValueError: unless there are more points than fitted numbers, and two r.

    Reference: Schwethelm, Rueckert, Kaissis, 2026, "How much is one recurrence worth?
    Iso-depth scaling laws for looped language models".
    """
    arrays = [np.asarray(x, np.float64) for x in (once, rec, recurrences, losses)]
    once, rec, r, y = arrays
    freedom = len(y) - NUM_FITTED
    if freedom < 1 or len(np.unique(r)) < 2:
        raise ValueError(
            f"fit_recurrence fits {NUM_FITTED} numbers, but got {len(y)} points of "
            f"{len(np.unique(r))} recurrence counts. Give more."
        )
    sizes = once + r ** PHIS[:, None] * rec
    logs = np.log(sizes / np.exp(np.log(sizes).mean(-1, keepdims=True)))
    basis = np.exp(-ALPHAS[:, None] * logs[:, None])  # [phi, alpha, P]
    apart, centred = basis - basis.mean(-1, keepdims=True), y - y.mean()
    scale = np.maximum(apart @ centred, 0) / np.maximum((apart**2).sum(-1), 1e-300)
    errors = ((centred - scale[..., None] * apart) ** 2).sum(-1)
    profile = errors.min(-1)
    best = int(profile.argmin())
    ratio = 1 + scipy_stats().f.ppf(0.95, 1, freedom) / freedom
    # What rounding leaves of an exact law is no noise.
    rounding = 1e-12 * float(y @ y)
    inside = PHIS[profile <= profile[best] * ratio + rounding]
    place = int(errors[best].argmin())
    a = float(scale[best, place])
    floor = float(y.mean() - a * basis[best, place].mean())
    total = float(centred @ centred)
    return Recurrence(
        Interval(float(PHIS[best]), float(inside.min()), float(inside.max())),
        float(ALPHAS[place]),
        a * float(np.exp(ALPHAS[place] * np.log(sizes[best]).mean())),
        floor,
        1 - float(profile[best]) / total if total else 1.0,
    )


def fieller(part: npt.ArrayLike, whole: npt.ArrayLike) -> Interval | None:
    """Returns the interval of mean(part) / mean(whole), paired, by Fieller's theorem.

    It holds each share q at which a t test does not tell the mean of `part - q whole`
    from 0. None where the mean of the whole is not told from 0: then any share is.

    Args:
      part: [S].
      whole: [S].

    Reference: Fieller, 1954, "Some problems in interval estimation".
    """
    a, g = (np.asarray(x, np.float64) for x in (part, whole))
    count = len(a)
    t2 = float(scipy_stats().t.ppf(0.975, count - 1)) ** 2 / count
    (aa, ag), (_, gg) = np.cov(a, g)
    square = g.mean() ** 2 - t2 * gg
    if square <= 0:
        return None
    cross, rest = a.mean() * g.mean() - t2 * ag, a.mean() ** 2 - t2 * aa
    half = np.sqrt(max(cross**2 - square * rest, 0.0)) / square
    middle = cross / square
    share = float(a.mean() / g.mean())
    return Interval(share, float(min(middle - half, share)),
                    float(max(middle + half, share)))  # fmt: skip

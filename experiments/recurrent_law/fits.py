"""Lines of one slope through groups of points, of which some may be censored."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnshare.analysis.statistics import Interval

FARTHEST = 50.0  # from the slope: an interval beyond it says nothing


class Points(NamedTuple):
    """Measured against predicted crossovers, both as logarithms.

    Attributes:
      group: [P], the number of the group, which has an intercept of its own.
      x: [P], predicted.
      y: [P], measured; of a censored point the end of what was tried.
      side: [P], 0 where it was found, -1 where it lies below y, +1 where above.
    """

    group: npt.NDArray[np.int_]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    side: npt.NDArray[np.int_]

    @property
    def found(self) -> "Points":
        """Those that are not censored."""
        return Points(*(values[self.side == 0] for values in self))


def common_slope(points: Points) -> Interval | None:
    """Returns the slope of the uncensored points by least squares, with its t interval.

    None where there are too few: a group of one point says nothing of a slope.
    """
    from scipy import stats

    own = points.found
    groups = np.unique(own.group)
    freedom = len(own.x) - len(groups) - 1
    x, y = (_centred(own.group, values) for values in (own.x, own.y))
    if freedom < 1 or not x @ x:
        return None
    slope = float(x @ y / (x @ x))
    error = np.sqrt(np.sum((y - slope * x) ** 2) / freedom / (x @ x))
    half = float(error * stats.t.ppf(0.975, freedom))
    return Interval(slope, slope - half, slope + half)


def censored_slope(points: Points) -> Interval | None:
    """Returns the slope of all points by maximum likelihood (Tobin's model).

    The interval holds the slopes whose profile likelihood is near the best, by the
    threshold at which it is the t interval of `common_slope` where nothing is censored.
    None where that is, and where the likelihood names no end.

    Reference: Tobin, 1958, "Estimation of relationships for limited dependent
    variables".
    """
    from scipy import optimize, stats

    first = common_slope(points)
    if first is None:
        return None
    groups, number = np.unique(points.group, return_inverse=True)
    count, parts = len(points.found.x), len(np.unique(points.found.group))
    freedom = count - parts - 1
    known = points.side == 0

    def profile(slope: float) -> float:
        """The least cost at a slope: it is convex in a / sigma and 1 / sigma."""
        rest = points.y - slope * points.x

        def cost(given: npt.NDArray[np.float64]) -> tuple[float, Any]:
            *intercepts, inverse = given
            if inverse <= 0:
                return np.inf, np.zeros_like(given)
            z = inverse * rest - np.array(intercepts)[number]
            tail = stats.norm.logcdf(-points.side * z)
            value = np.sum(np.where(known, z**2 / 2, -tail)) - count * np.log(inverse)
            by_z = np.where(known, z, points.side * np.exp(stats.norm.logpdf(z) - tail))
            by_group = np.bincount(number, by_z, len(groups))
            return value, np.append(-by_group, by_z @ rest - count / inverse)

        own = rest[known]
        inverse = 1 / max(float(own.std()), 1e-3)
        means = [
            rest[(number == g) & known].mean()
            if known[number == g].any()
            else own.mean()
            for g in range(len(groups))
        ]
        begin = np.append(inverse * np.array(means), inverse)
        return float(optimize.minimize(cost, begin, jac=True, method="BFGS").fun)

    near = first.estimate
    best = optimize.minimize_scalar(profile, bracket=(near, near + 0.3), tol=1e-6)
    middle, t = float(best.x), stats.t.ppf(0.975, freedom)
    room = best.fun + count / 2 * np.log1p(t**2 / freedom)
    ends = []
    for side in (-1, 1):
        far = middle + side * 0.1
        while profile(far) < room and abs(far - middle) < FARTHEST:
            far = middle + 2 * (far - middle)
        if profile(far) < room:
            return None
        ends.append(optimize.brentq(lambda x: profile(x) - room, middle, far))
    # Digits beyond these are the search's, which other processors round otherwise.
    return Interval(*(round(float(x), 4) for x in (middle, *ends)))


def _centred(group: npt.NDArray, values: npt.NDArray) -> npt.NDArray[np.float64]:
    """Returns values less the mean of their group."""
    means = {g: values[group == g].mean() for g in np.unique(group)}
    return values - np.array([means[g] for g in group], float)

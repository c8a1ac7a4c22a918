"""Lines of one slope through groups of points, of which some may be censored."""

from collections.abc import Callable
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
      beside: [P, M], other logarithms that y may follow, each with a slope of its own;
        None for none.
    """

    group: npt.NDArray[np.int_]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    side: npt.NDArray[np.int_]
    beside: npt.NDArray[np.float64] | None = None

    @property
    def found(self) -> "Points":
        """Those that are not censored."""
        found = self.side == 0
        own: Any = (None if v is None else v[found] for v in self)
        return Points(*own)

    @property
    def others(self) -> npt.NDArray[np.float64]:
        """`beside`, or [P, 0]."""
        return np.empty((len(self.x), 0)) if self.beside is None else self.beside


def common_slope(points: Points) -> Interval | None:
    """Returns the slope of the uncensored points by least squares, with its t interval.

    None where there are too few: a group of one point says nothing of a slope.
    """
    from scipy import stats

    own = points.found
    groups = np.unique(own.group)
    freedom = len(own.x) - len(groups) - own.others.shape[1] - 1
    if freedom < 1:
        return None
    free = np.column_stack([own.group[:, None] == groups, own.others])
    x, y = (v - free @ np.linalg.lstsq(free, v)[0] for v in (own.x, own.y))
    if x @ x <= 1e-12 * (own.x @ own.x):  # the others say all that x does
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

    fitted = _most_likely(points)
    if fitted is None:
        return None
    middle, least, profile = fitted
    count = len(points.found.x)
    freedom = count - len(np.unique(points.found.group)) - points.others.shape[1] - 1
    t = stats.t.ppf(0.975, freedom)
    room = least + count / 2 * np.log1p(t**2 / freedom)
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


def _most_likely(
    points: Points,
) -> tuple[float, float, Callable[[float], float]] | None:
    """Returns the slope of the least cost, that cost, and the cost by slope."""
    from scipy import optimize, special

    first = common_slope(points)
    if first is None:
        return None
    groups = np.unique(points.group)
    free = np.column_stack([points.group[:, None] == groups, points.others])
    count, known = len(points.found.x), points.side == 0

    def profile(slope: float) -> float:
        """The least cost at a slope: it is convex in the others / sigma, 1 / sigma."""
        rest = points.y - slope * points.x

        def cost(given: npt.NDArray[np.float64]) -> tuple[float, Any]:
            *others, inverse = given
            if inverse <= 0:
                return np.inf, np.zeros_like(given)
            z = inverse * rest - free @ np.array(others)
            tail = special.log_ndtr(-points.side * z)  # of a normal number
            value = np.sum(np.where(known, z**2 / 2, -tail)) - count * np.log(inverse)
            density = np.exp(-(z**2) / 2 - tail) / np.sqrt(2 * np.pi)
            by_z = np.where(known, z, points.side * density)
            return value, np.append(-free.T @ by_z, by_z @ rest - count / inverse)

        fitted = np.linalg.lstsq(free[known], rest[known])[0]
        inverse = 1 / max(float((rest - free @ fitted)[known].std()), 1e-3)
        begin = np.append(inverse * fitted, inverse)
        return float(optimize.minimize(cost, begin, jac=True, method="BFGS").fun)

    near = first.estimate
    best = optimize.minimize_scalar(profile, bracket=(near, near + 0.3), tol=1e-6)
    return float(best.x), float(best.fun), profile


def jackknifed_slope(points: Points, clusters: npt.NDArray[np.int_]) -> Interval | None:
    """Returns the slope of `censored_slope` with an interval over whole clusters.

    Points of a cluster, as of one task in several cells, are left out together; None
    where a slope is.

    Args:
      points: [P].
      clusters: [P], the number of each point's.

    Reference: Tukey, 1958, "Bias and confidence in not quite large samples".
    """
    from scipy import stats

    whole, names = _most_likely(points), np.unique(clusters)
    slopes = []
    for name in names:
        left: Any = (None if v is None else v[clusters != name] for v in points)
        found = _most_likely(Points(*left))
        slopes += [] if found is None else [found[0]]
    count = len(slopes)
    if whole is None or count < len(names) or count < 2:
        return None
    error = np.sqrt((count - 1) * np.var(slopes))
    half = float(error * stats.t.ppf(0.975, count - 1))
    return Interval(
        *(round(x, 4) for x in (whole[0], whole[0] - half, whole[0] + half))
    )

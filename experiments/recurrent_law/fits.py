"""Lines of one slope through groups of points, of which some may be censored."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rnnshare.analysis.statistics import Interval


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


def censored_slope(points: Points) -> float | None:
    """Returns the slope of all points by maximum likelihood (Tobin's model).

    None where `common_slope` is, to whose line it is the likelier the nearer it begins.

    Reference: Tobin, 1958, "Estimation of relationships for limited dependent
    variables".
    """
    from scipy import optimize, stats

    slope = common_slope(points)
    if slope is None:
        return None
    groups, number = np.unique(points.group, return_inverse=True)
    known = points.found

    def intercept(group: int) -> float:
        own = known if group in known.group else points
        here = own.group == group
        return float(np.mean(own.y[here] - slope.estimate * own.x[here]))

    def cost(parameters: npt.NDArray[np.float64]) -> float:
        *intercepts, gradient, log_scale = parameters
        line = np.array(intercepts)[number] + gradient * points.x
        z = (points.y - line) / np.exp(log_scale)
        inside = stats.norm.logpdf(z) - log_scale
        outside = stats.norm.logcdf(-points.side * z)
        return -float(np.sum(np.where(points.side == 0, inside, outside)))

    first = [*map(intercept, groups), slope.estimate, np.log(0.5)]
    return float(optimize.minimize(cost, first, method="Nelder-Mead",
                                   options={"maxiter": 20_000, "xatol": 1e-6,
                                            "fatol": 1e-9}).x[-2])  # fmt: skip


def _centred(group: npt.NDArray, values: npt.NDArray) -> npt.NDArray[np.float64]:
    """Returns values less the mean of their group."""
    means = {g: values[group == g].mean() for g in np.unique(group)}
    return values - np.array([means[g] for g in group], float)

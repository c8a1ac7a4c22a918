"""The crossings of tied and untied networks, and the lines through them."""

import math
from typing import NamedTuple

import numpy as np

from experiments.lab.crossing import crossings
from experiments.lab.frames import contrast, tests
from experiments.recurrent_law.fits import (
    Points,
    censored_slope,
    common_slope,
    jackknifed_slope,
)
from experiments.recurrent_law.measure import CASE, Measured, ahead_without_drift
from experiments.recurrent_law.plan import Plan
from rnnshare.analysis.statistics import Interval


class Crossing(NamedTuple):
    """N* of a cell at one noise and drift.

    Attributes:
      cell: its name.
      noise: s.
      drift: d.
      ratio: `s^2 (1 - 1/T) / b` over the scored steps; infinite at d = 0.
      star: the interval of N*; its numbers may be infinite.
      side: 0 where it was found, -1 where it is below, +1 where above all N tried.
    """

    cell: str
    noise: float
    drift: float
    ratio: float
    star: Interval
    side: int


class Result(NamedTuple):
    """What the rule makes of the trainings.

    Attributes:
      crossings: of every cell, noise and drift.
      slope: of log N* on the log of the ratio, those beyond the N tried as censored;
        None of too few points.
      over_tasks: the same slope, its interval over tasks, which the cells share.
      within: the same of those within alone, which flattens it.
      parted: those of log s^2 and of log (1 - 1/T) / b, each with a slope of its own.
      shown: cells, noises and drifts with an N at which untied is ahead (Holm).
      ahead: (cell, s, N) at d = 0 at which untied was ahead.
      confirmed: those of them that fresh seeds confirm.
    """

    crossings: list[Crossing]
    slope: Interval | None
    over_tasks: Interval | None
    within: Interval | None
    parted: tuple[Interval | None, Interval | None]
    shown: int
    ahead: list[tuple]
    confirmed: list[tuple]


def read(plan: Plan, found: Measured) -> Result:
    """Returns the crossings and the line through them."""
    apart = contrast(found.runs, "log_excess", by=[*CASE, "N"])
    every = []
    for (cell, noise, drift), star in crossings(plan.sizes, apart, CASE).items():
        side = 1 if math.isinf(star.estimate) else -1
        if plan.sizes[0] < star.estimate < math.inf:
            side = 0
        bias = found.bias[drift]
        scored = plan.num_steps - plan.num_lags
        ratio = noise**2 * (1 - 1 / scored) / bias if drift else math.inf
        every.append(Crossing(cell, noise, drift, ratio, star, side))
    points = _points(plan, every)
    moving = tests(apart[apart.index.get_level_values("d") > 0])
    confirmed: list[tuple] = []
    if not found.fresh.empty:
        again = contrast(found.fresh, "log_excess", by=["cell", "s", "N"])
        confirmed = [*tests(again).query("wins < 0").index]
    return Result(
        every,
        censored_slope(points),
        jackknifed_slope(points, np.unique(points.x, return_inverse=True)[1]),
        common_slope(points),
        _parted(plan, every),
        len(moving[moving["wins"] < 0].droplevel("N").index.unique()),
        ahead_without_drift(found.runs),
        confirmed,
    )


def _points(plan: Plan, every: list[Crossing]) -> Points:
    moving = [one for one in every if one.drift > 0]
    ends = {-1: plan.sizes[0], 1: plan.sizes[-1]}
    measured = [ends.get(one.side, one.star.estimate) for one in moving]
    return Points(
        np.array([plan.cells.index(one.cell) for one in moving], int),
        np.log([one.ratio for one in moving]),
        np.log(measured),
        np.array([one.side for one in moving], int),
    )


def _parted(plan: Plan, every: list[Crossing]) -> tuple:
    """Returns the exponents of the noise and of the drift, which the law has alike."""
    points = _points(plan, every)
    noise = np.log([one.noise**2 for one in every if one.drift > 0])
    drift = points.x - noise
    return tuple(
        censored_slope(points._replace(x=x, beside=other[:, None]))
        for x, other in ((noise, drift), (drift, noise))
    )

"""A claim about data in general: the unit is the source, not the seed."""

from typing import NamedTuple

import pandas as pd

from experiments.lab.experiment import decide
from experiments.lab.frames import LEVEL
from experiments.lab.power import repeats_needed, say_repeats
from experiments.real_data.measure import is_generated, source_of
from rnnshare.analysis.intervals import scipy_stats
from rnnshare.analysis.statistics import Interval, mean_interval

LEAST_SOURCES = 9  # with which the sign test decides by 8 of 9


class Sources(NamedTuple):
    """An effect over sources, positive where tied is better.

    Attributes:
      values: of each source, the mean of its cases over seeds.
      mean: over the sources; without an interval where there are fewer than two.
      p: of the two-sided sign test.
    """

    values: pd.Series
    mean: Interval
    p: float

    @property
    def tied(self) -> int:
        """On how many sources tied is better."""
        return int((self.values > 0).sum())

    @property
    def left_out(self) -> pd.Series:
        """The mean without each source."""
        count = len(self.values)
        return (self.values.sum() - self.values) / max(1, count - 1)

    def told(self) -> str:
        """Tells the value of each source."""
        each = "; ".join(f"{name} {value:+.3f}" for name, value in self.values.items())
        return f"Log of the test loss, untied over tied, by source: {each}."

    def without(self) -> str:
        """Tells how far the mean goes without one source."""
        if len(self.values) < 2:
            return ""
        means = self.left_out
        return (
            f"Without one source the mean lies between {means.min():+.3f} (without "
            f"{means.idxmin()}) and {means.max():+.3f} (without {means.idxmax()})."
        )


def over_sources(differences: pd.DataFrame) -> Sources:
    """Returns the effect over the real sources, of a row a case, a column a seed."""
    real = differences[[not is_generated(case) for case in differences.index]]
    each = real.mean(axis=1)
    values = each.groupby([source_of(case) for case in each.index], sort=False).mean()
    estimate = float(values.mean()) if len(values) else 0.0
    mean = Interval(estimate, estimate, estimate)
    if len(values) > 1:
        mean = mean_interval(values.to_numpy())
    wins = int((values > 0).sum())
    p = scipy_stats().binomtest(wins, len(values)).pvalue if len(values) else 1.0
    return Sources(values, mean, float(p))


def verdict_of(sources: Sources) -> str:
    """Returns the verdict of A2."""
    enough = len(sources.values) >= LEAST_SOURCES and sources.p < LEVEL
    means = sources.left_out
    return decide(
        enough and sources.mean.low > 0 and (means > 0).all(),
        enough and sources.mean.high < 0 and (means < 0).all(),
    )


def say_power(sources: Sources, in_full: int) -> str:
    """Returns how many sources would decide, at this mean and this spread.

    Args:
      sources: that were judged.
      in_full: how many real sources the full preset has.
    """
    values = sources.values.to_numpy()
    if len(values) < 2 or not values.mean():
        return f"At least {LEAST_SOURCES} sources are needed to decide."
    return (
        f"At this mean and this spread over sources ({values.std(ddof=1):.2f}) a t "
        f"test has 80 % power with {say_repeats(repeats_needed(values), 'sources')}, "
        f"and the rule asks for {LEAST_SOURCES} at least; there are {len(values)} "
        f"here. The full preset has {in_full}, all that installed packages have of "
        "real data of these lengths; it takes hours."
    )

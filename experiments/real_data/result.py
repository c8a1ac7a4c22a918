"""What the runs say, case by case: who has the lower test loss."""

from typing import NamedTuple

import pandas as pd

from experiments.lab.frames import interval_of, tests
from experiments.real_data.measure import (
    Measured,
    compared,
    differences,
    is_generated,
)
from experiments.real_data.plan import Plan
from rnnshare.analysis.statistics import Interval


class Result(NamedTuple):
    """Who has the lower test loss, a row a case.

    Attributes:
      differences: log of the best untied test loss over the best tied, a column a seed.
      tests: its estimate, low, high, p, and wins: -1 untied's, +1 tied's; all allow for
        splits that overlap.
      apart: the same as if each split were a data set of its own.
      partial: the same of the best partial untying over the better of both.
      confirmed: cases that untied won, and again on fresh seeds.
      stopped: {case: the part of its runs whose best step is not the last}.
    """

    differences: pd.DataFrame
    tests: pd.DataFrame
    apart: pd.DataFrame
    partial: pd.DataFrame
    confirmed: list
    stopped: pd.Series

    def cases(self, wins: int, generated: bool = False) -> list[str]:
        """Returns which cases untied (-1) or tied (+1) wins, real or generated."""
        won = self.tests.index[self.tests.wins == wins]
        return [case for case in won if is_generated(case) == generated]

    def interval(self, case: str) -> Interval:
        """Returns a case's log ratio."""
        return Interval(*self.tests.loc[case, ["estimate", "low", "high"]])

    def winner(self, case: str) -> str:
        """Returns whose test loss is lower: Tied, Untied or neither."""
        return {-1: "Untied", 0: "neither", 1: "Tied"}[int(self.tests.wins[case])]


def result_of(found: Measured) -> Result:
    """Returns what the rules say of each case."""
    apart = differences(found.runs, found.best)
    map_ = compared(apart, found.overlap)
    again = differences(found.fresh, found.best) if len(found.fresh) else apart[:0]
    confirmed = [
        case
        for case, row in again.iterrows()
        if map_.wins[case] < 0
        and interval_of(row.to_numpy(), found.overlap[case]).high < 0
    ]
    early = (found.runs["best_step"] < found.runs["num_steps"]) & ~found.runs["lost"]
    return Result(
        apart,
        map_,
        tests(apart),
        compared(differences(found.runs, found.best, "partial", "whole"), found.overlap)
        if all("partial" in arms for arms in found.best.values())
        else map_[:0],
        confirmed,
        early.groupby(found.runs["case"], sort=False).mean(),
    )


def training(plan: Plan) -> str:
    """Returns how a model was trained, in words."""
    if plan.annealed:
        return "the rate annealed to 0 as a cosine"
    return "until its validation loss no longer falls, at a constant rate"

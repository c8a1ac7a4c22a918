"""Accuracy by length, of models that were trained on strings of up to N symbols."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.lab.frames import learnt_first
from experiments.lab.trials import Lab
from experiments.length_generalisation.plan import PLANS as PLANS
from experiments.length_generalisation.plan import Plan, arms
from experiments.length_generalisation.reading import chances, longest, rows_of

ARM = ["language", "cell", "sharing"]
GOOD, NEAR_CHANCE = 0.95, 0.1  # an accuracy, and how far from chance is still near it
NEXT, LAST = 3, 5  # lengths: the first past N that are judged, the last up to 2N


class Measured(NamedTuple):
    """Accuracy by length.

    Attributes:
      curves: a row a language, cell, sharing, lengths (see `Arm`), reading and seed, a
        column a length; NaN at lengths that were not measured.
      chance: {language: the best constant answer's accuracy at each length, [L]}.
      diverged: whether a run diverged, a row as in `curves`; its accuracy is chance.
    """

    curves: pd.DataFrame
    chance: dict[str, np.ndarray]
    diverged: pd.Series

    def scores(
        self,
        first: int,
        last: int,
        lengths: str = "all",
        readings: Sequence[str] = ("tied", "literal"),
    ) -> pd.DataFrame:
        """Returns accuracies over some lengths: a row an `ARM`, a column a seed.

        Args:
          first: the first of the lengths.
          last: their last.
          lengths: of the training, see `Arm`.
          readings: one an arm.
        """
        own = self.curves.xs(lengths, level="lengths")
        own = own[own.index.isin(readings, level="reading")].loc[:, first:last]
        means = pd.Series(np.ascontiguousarray(own).mean(1), own.index)
        return means.droplevel("reading").unstack("seed", sort=False)


class Cases(NamedTuple):
    """Tied against untied: a row a language, a cell and a start of untied weights.

    Attributes:
      judged: learnt, whether both have learnt the trained lengths; q2 and a3,
        'supported', 'refuted' or 'undecided' by the rules of Q2 and of A3.
      falls: literal untied's and tied's accuracy lost from the last trained lengths to
        the next ones, a column a seed.
      twice: literal untied's and tied's accuracies at the last lengths up to 2N.
    """

    judged: pd.DataFrame
    falls: tuple[pd.DataFrame, pd.DataFrame]
    twice: tuple[pd.DataFrame, pd.DataFrame]


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains and reads what is not yet kept, and returns the curves."""
    chance, rows, curves = {}, [], []
    for arm in arms(plan):
        end = longest(plan, arm.language)
        chance[arm.language] = chances(arm.language, end)
        for row in rows_of(plan, arm, lab):
            most = longest(plan, arm.language, row["reading"])
            curve = row["accuracy_by_length"]
            curves.append(chance[arm.language][:most] if curve is None else curve)
            rows.append(row)
    names = [*ARM, "lengths", "reading", "seed"]
    index = pd.MultiIndex.from_frame(pd.DataFrame(rows)[names])
    frame = pd.DataFrame(curves, index, dtype=float)
    frame.columns += 1
    lost = [row["accuracy_by_length"] is None for row in rows]
    return Measured(frame, chance, pd.Series(lost, index, name="lost"))


def cases_of(plan: Plan, found: Measured) -> Cases:
    """Returns the cases of the languages, and what the rules ask of them."""
    n = plan.train_max_length
    windows = (1, n), (n - NEXT + 1, n), (n + 1, n + NEXT), (2 * n - LAST + 1, 2 * n)
    within, end, near, twice = (paired(found.scores(*window)) for window in windows)
    languages = within[0].index.get_level_values("language")
    chance_end, chance_near, chance_twice = (
        [found.chance[name][first - 1 : last].mean() for name in languages]
        for first, last in windows[1:]
    )
    learnt = pd.concat([learnt_first(x, x, GOOD)[0] for x in within], axis=1).all(
        axis=1
    )
    lead = end[0].median(axis=1) - chance_end

    def medians(side: int, scores) -> list[pd.Series]:
        """Returns medians with what was not learnt at its lowest, and its highest."""
        ends = learnt_first(within[side], scores[side], GOOD)[1:]
        return [each.median(axis=1) for each in ends]

    holds = [each >= GOOD for each in medians(1, twice)]

    def words(scores, most) -> np.ndarray:
        """Returns whether tied holds, and untied is at most so good at some lengths."""
        lowest, highest = medians(0, scores)
        surely = holds[0] & (highest <= most)
        may_be = holds[1] & (lowest <= most)
        told = [learnt & surely, learnt & ~may_be]
        return np.select(told, ["supported", "refuted"], "undecided")

    q2 = words(twice, np.add(chance_twice, NEAR_CHANCE))
    judged = {"learnt": learnt, "q2": q2, "a3": words(near, lead / 2 + chance_near)}
    falls = end[0] - near[0], end[1] - near[1]
    return Cases(pd.DataFrame(judged), falls, twice)


def paired(scores: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the scores of untied, and those of tied, a row an untied `ARM`."""
    untied = scores.drop("tied", level="sharing")
    tied = scores.xs("tied", level="sharing").reindex(untied.index.droplevel("sharing"))
    return untied, tied.set_axis(untied.index)


def at_full_length(plan: Plan, found: Measured) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns accuracies at N, trained at N alone and up to N."""
    n = plan.train_max_length
    fixed = found.scores(n, n, "fixed")
    return fixed, found.scores(n, n).reindex(fixed.index)


def on_controls(plan: Plan, found: Measured) -> list[pd.DataFrame]:
    """Returns tied accuracies on the controls, up to N and from N + 1 to 2N."""
    n, controls = plan.train_max_length, list(plan.controls)
    return [found.scores(*w).loc[controls] for w in ((1, n), (n + 1, 2 * n))]


def falls_by_cell(plan: Plan, lab: Lab) -> dict[str, np.ndarray]:
    """Returns {cell: what literal untied loses past the training, less tied's, [S]}.

    The mean over the cases of the cell that untied learnt; a cell without is left out.
    """
    needed = dataclasses.replace(plan, controls=(), fixed=())
    judged, (literal, tied), _ = cases_of(needed, measure(needed, lab))
    falls = (literal - tied)[judged.learnt].groupby(level="cell", sort=False)
    return {cell: over_rows(own) for cell, own in falls}


def over_rows(scores: pd.DataFrame) -> np.ndarray:
    """Returns the mean over the rows, [S], added up in their order.

    The bootstrap counts ties, so that an interval depends on a sum's last bit.
    """
    return np.mean(list(scores.to_numpy()), axis=0)

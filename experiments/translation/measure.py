"""Number words to digits by tied and untied translators, and what copies of them do."""

from typing import NamedTuple

import numpy as np

from experiments.lab.trials import Lab, column, replicates
from experiments.translation.exhibits import Exhibit, exhibit
from experiments.translation.existence import Existence, existence_rows
from experiments.translation.plan import Plan
from experiments.translation.translators import TranslatorSetting, setting_of
from rnnshare.training.rows import Row
from rnnshare.training.study import count_diverged


class Scores(NamedTuple):
    """Of an arm on a language, float64[S] each; the longer ones where trained short.

    Attributes:
      exact_match: on held-out numbers.
      accuracy: of their symbols, given the right ones before.
      longer_exact_match: on numbers longer than the trained ones.
      longer_accuracy: of their symbols.
    """

    exact_match: np.ndarray
    accuracy: np.ndarray
    longer_exact_match: np.ndarray | None = None
    longer_accuracy: np.ndarray | None = None


class Measured(NamedTuple):
    """What was trained, by the numbers trained below, and language.

    Attributes:
      scores: {trained below: {language: {arm: Scores}}}.
      exhibits: {trained below: {language: Exhibit}}.
      chosen: {trained below: {language: {arm: setting}}}.
      existence: the rows of the existence table.
      diverged: how many runs diverged; they count as no exact match.
    """

    scores: dict[int, dict]
    exhibits: dict[int, dict[str, Exhibit]]
    chosen: dict[int, dict]
    existence: list[Existence]
    diverged: int


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains all that is not yet kept, and decodes the best tied translators."""
    scores: dict[int, dict] = {}
    chosen: dict[int, dict] = {}
    exhibits: dict[int, dict] = {}
    diverged = 0
    for below in plan.trained_below:
        scores[below] = {language: {} for language in plan.languages}
        chosen[below] = {language: {} for language in plan.languages}
        for arm in plan.arms:
            settings = chosen_settings(plan, lab, arm, below)
            found = lab.train(settings, replicates(plan.num_seeds))
            diverged += count_diverged(found)
            for i, language in enumerate(plan.languages):
                chosen[below][language][arm] = settings[i]
                own = found[i * plan.num_seeds : (i + 1) * plan.num_seeds]
                scores[below][language][arm] = _scores(own)
        best = {
            language: (arms["Tied"], best_seed(scores[below][language]["Tied"]))
            for language, arms in chosen[below].items()
        }
        exhibits[below] = exhibit(plan, best, lab)
    row = lab.kept(
        {"what": "existence table"},
        lambda: {"rows": [one._asdict() for one in existence_rows()]},
    )
    existence = [Existence(**one) for one in row["rows"]]
    return Measured(scores, exhibits, chosen, existence, diverged)


def chosen_settings(
    plan: Plan, lab: Lab, arm: str, below: int
) -> list[TranslatorSetting]:
    """Returns an arm's setting on each language, rate and direction tuned on it."""
    grid = [
        [
            setting_of(plan, arm, language, below, rate, direction)
            for direction in plan.directions
            for rate in plan.rates
        ]
        for language in plan.languages
    ]
    return [lab.tune(candidates, len(candidates)) for candidates in grid]


def _scores(rows: list[Row]) -> Scores:
    names = [n for n in Scores._fields if f"test_{n}" in rows[0]]
    return Scores(**{n: column(rows, f"test_{n}", missing=0.0) for n in names})


def best_seed(scores: Scores) -> int:
    """Returns the seed of the best exact match, the first of equals."""
    return int(np.argmax(scores.exact_match))

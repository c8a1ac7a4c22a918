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
    """Of an arm on a language, float64[S] each.

    Attributes:
      exact_match: on held-out numbers.
      accuracy: of their symbols, given the right ones before.
    """

    exact_match: np.ndarray
    accuracy: np.ndarray


class Measured(NamedTuple):
    """The table of who solves what, and what was trained, by language.

    Attributes:
      scores: {language: {arm: Scores}}.
      exhibits: {language: Exhibit}.
      chosen: {language: {arm: setting}}.
      existence: the rows of the existence table.
      diverged: how many runs diverged; they count as no exact match.
    """

    scores: dict[str, dict[str, Scores]]
    exhibits: dict[str, Exhibit]
    chosen: dict[str, dict[str, TranslatorSetting]]
    existence: list[Existence]
    diverged: int


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains all that is not yet kept, and decodes the best tied translators."""
    scores: dict[str, dict] = {language: {} for language in plan.languages}
    chosen: dict[str, dict] = {language: {} for language in plan.languages}
    diverged = 0
    for arm in plan.arms:
        settings = chosen_settings(plan, lab, arm)
        found = lab.train(settings, replicates(plan.num_seeds))
        diverged += count_diverged(found)
        for i, language in enumerate(plan.languages):
            chosen[language][arm] = settings[i]
            own = found[i * plan.num_seeds : (i + 1) * plan.num_seeds]
            scores[language][arm] = _scores(own)
    best = {
        language: (arms["Tied"], best_seed(scores[language]["Tied"]))
        for language, arms in chosen.items()
    }
    row = lab.kept(
        {"what": "existence table by size"},
        lambda: {"rows": [one._asdict() for one in existence_rows()]},
    )
    existence = [Existence(**one) for one in row["rows"]]
    return Measured(scores, exhibit(plan, best, lab), chosen, existence, diverged)


def chosen_settings(plan: Plan, lab: Lab, arm: str) -> list[TranslatorSetting]:
    """Returns an arm's setting on each language, rate and direction tuned on it."""
    grid = [
        [
            setting_of(plan, arm, language, rate, direction)
            for direction in plan.directions
            for rate in plan.rates
        ]
        for language in plan.languages
    ]
    return [lab.tune(candidates, len(candidates)) for candidates in grid]


def _scores(rows: list[Row]) -> Scores:
    return Scores(*(column(rows, f"test_{n}", missing=0.0) for n in Scores._fields))


def best_seed(scores: Scores) -> int:
    """Returns the seed of the best exact match, the first of equals."""
    return int(np.argmax(scores.exact_match))

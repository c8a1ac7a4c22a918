"""The study behind Cc2: number words to digits by tied and untied translators.

What comes of it is told by `translation_claims.py`.
"""

from typing import NamedTuple

import numpy as np

from experiments.lab.trials import column, replicates, run, tune
from experiments.translation.exhibits import exhibit
from experiments.translation.settings import setting_of
from rnnshare.training.rows import JsonLines

TUNING_SEED = 1_000


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


def chosen_settings(plan, arm, trained_below, rows):
    """Returns an arm's setting on each language, rate and direction tuned on it."""
    grid = [
        [
            setting_of(plan, arm, language, trained_below, rate, direction)
            for direction in plan.directions
            for rate in plan.rates
        ]
        for language in plan.languages
    ]
    tuning = replicates(1, TUNING_SEED)
    run([setting for row in grid for setting in row], tuning, rows)
    return [tune(row, tuning, rows) for row in grid]


def measure(plan, folder):
    """Trains all; returns scores, exhibits and the settings that were chosen.

    Returns:
      {trained below: {language: {arm: Scores}}}, {trained below: {language: Exhibit}},
      and {trained below: {language: {arm: setting}}}.
    """
    rows = JsonLines(folder / "translation.jsonl")
    decoded = JsonLines(folder / "decoded.jsonl")
    scores: dict[int, dict] = {}
    chosen: dict[int, dict] = {}
    exhibits: dict[int, dict] = {}
    for below in plan.trained_below:
        scores[below] = {language: {} for language in plan.languages}
        chosen[below] = {language: {} for language in plan.languages}
        for arm in plan.arms:
            settings = chosen_settings(plan, arm, below, rows)
            found = run(settings, replicates(plan.num_seeds), rows)
            for i, language in enumerate(plan.languages):
                chosen[below][language][arm] = settings[i]
                own = found[i * plan.num_seeds : (i + 1) * plan.num_seeds]
                scores[below][language][arm] = _scores(own)
        best = {
            language: (arms["Tied"], best_seed(scores[below][language]["Tied"]))
            for language, arms in chosen[below].items()
        }
        exhibits[below] = exhibit(plan, best, decoded)
    return scores, exhibits, chosen


def _scores(rows):
    names = [n for n in Scores._fields if f"test_{n}" in rows[0]]
    return Scores(**{n: column(rows, f"test_{n}", missing=0.0) for n in names})


def best_seed(scores):
    """Returns the seed of the best exact match, the first of equals."""
    return int(np.argmax(scores.exact_match))

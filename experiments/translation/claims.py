"""What comes of the translations: the finding of Cc2."""

import time

import numpy as np

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from experiments.translation.details import (
    LABELS,
    SOLVED,
    TRAINED_ON_ALL,
    examples,
    existence,
    setup,
)
from experiments.translation.existence import existence_rows, existence_text
from experiments.translation.figure import draw_translations
from experiments.translation.measure import measure
from experiments.translation.settings import ALL, PLANS, SHORT
from rnnshare.analysis.statistics import bootstrap_interval
from rnnshare.plotting import panels as figures
from rnnshare.tasks.data.number_words import LANGUAGES

COPIED = "the best tied one's weights, copied to every step"
HEADER = ("numbers", "weights", "exact match (mean)", "best seed", "symbols right",
          "exists", "how it is known")  # fmt: skip


def translation_finding(preset, folder, rule):
    """Trains; returns the finding of Cc2, and draws its figure.

    Args:
      preset: a key of `PLANS`.
      folder: where rows and figure go.
      rule: see RULES.
    """
    plan, began = PLANS[preset], time.perf_counter()
    scores, exhibits, chosen = measure(plan, folder)
    seconds = time.perf_counter() - began
    found = trained_and_exhibited(scores, exhibits)
    verdict, missed = judge(found)
    apart = bootstrap_interval(copies_less_trained(scores))
    path = "figures/Cc2.png"
    figures.save(_draw(plan, scores, exhibits, chosen), folder / path)
    return Finding(
        id="Cc2",
        claim=CLAIMS["Cc2"],
        verdict=verdict,
        effect=apart.estimate,
        effect_label=(
            "exact match on held-out numbers, untied weights that are copies of the "
            "tied ones less untied weights as trained"
        ),
        interval=(apart.low, apart.high),
        num_seeds=plan.num_seeds,
        rule=rule,
        command=f"python -m experiments.translation --preset={preset}",
        figure=path,
        seconds=seconds,
        meaning=_meaning(verdict, found, missed, scores),
        details="\n\n".join(
            [
                setup(plan, chosen),
                existence(scores, exhibits),
                examples(plan, exhibits),
                existence_text(existence_rows()),
            ]
        ),
        table=(HEADER, *_rows(scores, exhibits)),
    )


def trained_and_exhibited(scores, exhibits):
    """Returns {(trained below, language, arm): (best seed's exact match, exhibited)}.

    Of the arms that have weights a step; the tied one is its own exhibit.
    """
    return {
        (below, language, arm): (
            float(own.exact_match.max()),
            exhibits[below][language].exact_match[arm]["held out"],
        )
        for below, languages in scores.items()
        for language, arms in languages.items()
        for arm, own in arms.items()
        if arm != "Tied"
    }


def judge(found):
    """Returns the verdict, and the keys of what training missed; see RULES.

    Args:
      found: as `trained_and_exhibited` returns it.
    """
    exists = {key: best for key, (best, shown) in found.items() if shown >= SOLVED}
    missed = [key for key, best in exists.items() if best < SOLVED]
    if not exists:
        return "inconclusive", missed
    return ("refuted" if missed else "supported"), missed


def copies_less_trained(scores):
    """Returns [S], tied less untied exact match, the mean over languages and numbers.

    The copies of a seed's tied weights translate as these do.
    """
    return np.mean(
        [
            arms["Tied"].exact_match - arms["Untied"].exact_match
            for languages in scores.values()
            for arms in languages.values()
        ],
        axis=0,
    )


def _meaning(verdict, found, missed, scores):
    exists = sum(shown >= SOLVED for _, shown in found.values())
    mean = {
        arm: np.mean(
            [
                arms[arm].exact_match.mean()
                for languages in scores.values()
                for arms in languages.values()
            ]
        )
        for arm in ("Tied", "Untied")
    }
    told = {
        "refuted": (
            f"In {len(missed)} of {exists} cases no seed was trained to solve what "
            "weights of the same kind do solve, those of the tied translator copied to "
            "every step"
        ),
        "supported": (
            f"In each of {exists} cases training solved what weights of the same kind "
            "are shown to solve, those of the tied translator copied to every step"
        ),
        "inconclusive": "No tied translator solved a language, so none was exhibited",
    }[verdict]
    return (
        f"{told} (mean exact match on held-out numbers: tied {mean['Tied']:.3f}, "
        f"untied {mean['Untied']:.3f}). As a definition the claim asks which networks "
        "exist; a failure to train never counts as non-existence, and the verdict is "
        "only on whether training can decide."
    )


def _rows(scores, exhibits):
    """Returns the rows of the existence table, languages below each other."""
    rows = []
    for below, languages in scores.items():
        for language, arms in languages.items():
            name = LANGUAGES[language]
            exact = exhibits[below][language].exact_match
            for arm, own in arms.items():
                how = "trained so" if arm == "Tied" else COPIED
                rows.append(_row(f"{name}, held out below {below:,}", arm,
                                 own.exact_match, own.accuracy,
                                 f"{exact[arm]['held out']:.3f}", how))  # fmt: skip
    for language, arms in scores.get(SHORT, {}).items():
        for arm, own in arms.items():
            exists, how = "", ""
            if ALL in exhibits:
                exact = exhibits[ALL][language].exact_match[arm]["longer"]
                exists, how = f"{exact:.3f}", TRAINED_ON_ALL
            rows.append(_row(f"{LANGUAGES[language]}, longer than trained", arm,
                             own.longer_exact_match, own.longer_accuracy, exists,
                             how))  # fmt: skip
    return rows


def _row(numbers, arm, exact, accuracy, exists, how):
    return (
        numbers,
        LABELS[arm],
        f"{exact.mean():.3f}",
        f"{exact.max():.3f}",
        f"{accuracy.mean():.3f}",
        exists,
        how,
    )


def _draw(plan, scores, exhibits, chosen):
    # (title, what is measured after training below, what of the exhibit, trained below)
    shown = [
        (f"Held-out numbers below {below:,}", below, "exact_match", "held out", below)
        for below in scores
    ]
    if SHORT in scores and ALL in scores:
        title = (
            f"Numbers {SHORT:,}..{ALL - 1:,}, trained below {SHORT:,}\n(the stars are "
            f"trained below {ALL:,})"
        )
        shown.append((title, SHORT, "longer_exact_match", "longer", ALL))
    panels, exhibited, chance = {}, {}, {}
    for title, below, metric, what, exhibited_below in shown:
        panels[title] = {
            LANGUAGES[language]: {
                LABELS[arm]: getattr(arms[arm], metric)
                for arm in LABELS
                if arm in plan.arms
            }
            for language, arms in scores[below].items()
        }
        exhibited[title] = {
            LANGUAGES[language]: found.exact_match["Untied"][what]
            for language, found in exhibits[exhibited_below].items()
        }
        some = next(iter(chosen[below].values()))["Tied"].make_task(0)
        chance[title] = some.lines["chance"][metric]
    return draw_translations(
        panels,
        exhibited,
        chance,
        SOLVED,
        "on held-out numbers a star stands above the line 'solved' and every dot of "
        "its kind below it: a failure to train is then no sign of non-existence",
    )

"""What comes of the translations (Cc2)."""

import numpy as np

from experiments.lab.experiment import Claim, Experiment, Verdict
from experiments.translation.existence import existence_text
from experiments.translation.figure import draw_translations
from experiments.translation.measure import Measured, measure
from experiments.translation.plan import ALL, PLANS, SHORT, Plan
from experiments.translation.translators import LABELS, told_settings
from rnnshare.analysis.statistics import mean_interval
from rnnshare.tasks.data.number_words import LANGUAGES

SOLVED = 0.95  # exact match
TRAINED_ON_ALL = f"trained below {ALL:,}, on most of these numbers"
COPIED = "the best tied one's weights, copied to every step"
HEADER = ("numbers", "weights", "exact match (mean)", "best seed", "symbols right",
          "exists", "how it is known")  # fmt: skip


def judge(plan: Plan, measured: Measured) -> Verdict:
    """Returns the verdict of Cc2."""
    scores, exhibits = measured.scores, measured.exhibits
    found = trained_and_exhibited(scores, exhibits)
    verdict, missed = decide(found)
    details = [
        told_settings(plan, measured.chosen),
        existence(scores, exhibits),
        examples(plan, exhibits),
        existence_text(measured.existence),
    ]
    if measured.diverged:
        details[0] += (
            f" {measured.diverged} runs diverged, and count as no exact match."
        )
    return Verdict(
        verdict,
        mean_interval(copies_less_trained(scores)),
        "exact match on held-out numbers, untied weights that are copies of the tied "
        "ones less untied weights as trained",
        summary(verdict, found, missed, scores),
        plan.num_seeds,
        "\n\n".join(details),
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


def decide(found):
    """Returns the verdict, and the keys of what training missed.

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


def summary(verdict, found, missed, scores) -> str:
    """Returns what follows from the translations, in words."""
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


def existence(scores, exhibits):
    """Returns what the exhibits say beside the rule."""
    shown = [e for languages in exhibits.values() for e in languages.values()]
    apart = max(
        abs(
            exhibits[below][language].exact_match["Tied"]["held out"]
            - arms["Tied"].exact_match.max()
        )
        for below, languages in scores.items()
        for language, arms in languages.items()
    )
    texts = [
        "An answer is exact if each of its symbols is the likeliest one after the "
        "right symbols before it; greedy decoding, fed its own symbols, gives the "
        f"right answer just then. {len(shown)} tied translators were decoded greedily: "
        f"their exact match differs by at most {apart:.3g}, and the copies of their "
        f"weights change {sum(e.num_different for e in shown)} answers."
    ]
    if SHORT in scores:
        texts.append(_told_longer(scores[SHORT]))
        if ALL in exhibits:
            exists = min(
                e.exact_match["Untied"]["longer"] for e in exhibits[ALL].values()
            )
            texts.append(
                "Networks of the same size that do exist, tied and untied: those "
                f"{TRAINED_ON_ALL}, reach at least {exists:.3f}."
            )
    return " ".join(texts)


def _told_longer(languages):
    """Returns how translators do on longer numbers than those they were trained on."""
    best = {
        arm: max(arms[arm].longer_exact_match.max() for arms in languages.values())
        for arm in next(iter(languages.values()))
    }
    told = ", ".join(f"{LABELS[arm]} {exact:.3f}" for arm, exact in best.items())
    solved = [LABELS[arm] for arm, exact in best.items() if exact >= SOLVED]
    if solved:
        return (
            f"Translators that were trained below {SHORT:,} translate longer numbers: "
            f"{' and '.join(solved)} ones do (best {told})."
        )
    return (
        f"No translator that was trained below {SHORT:,} translates longer numbers "
        f"(best {told}): it never saw the word for a thousand."
    )


def examples(plan, exhibits):
    """Returns what the best tied translators of the first language write."""
    language, texts = plan.languages[0], []
    for below, languages in exhibits.items():
        told = [
            f"{words}: {answer} "
            f"({'right' if digits == answer else f'wrong, it is {digits}'})"
            for words, digits, answer in languages[language].examples
        ]
        longer = "held-out and then longer" if below < ALL else "held-out"
        texts.append(
            f"{len(told)} {longer} {LANGUAGES[language]} numbers, at most five wrong, "
            f"by the best tied translator trained below {below:,}: {'; '.join(told)}."
        )
    return "\n\n".join(texts)


def table(plan: Plan, measured: Measured, verdict: Verdict) -> tuple:
    """Returns the translations, languages below each other."""
    scores, exhibits = measured.scores, measured.exhibits
    rows = [HEADER]
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
                shown = exhibits[ALL][language].exact_match[arm]["longer"]
                exists, how = f"{shown:.3f}", TRAINED_ON_ALL
            rows.append(_row(f"{LANGUAGES[language]}, longer than trained", arm,
                             own.longer_exact_match, own.longer_accuracy, exists,
                             how))  # fmt: skip
    return tuple(rows)


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


def draw(plan: Plan, measured: Measured, verdict: Verdict):
    """Returns the figure of Cc2."""
    scores, exhibits = measured.scores, measured.exhibits
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
        some = next(iter(measured.chosen[below].values()))["Tied"].make_task(0)
        chance[title] = some.baselines["chance"][metric]
    return draw_translations(
        panels,
        exhibited,
        chance,
        SOLVED,
    )


TRANSLATION = Claim(
    id="Cc2",
    rule=(
        "The claim is a definition; what is tested is whether training can decide it. "
        "Weights trained in some way solve a language if the best seed's exact match "
        f"on held-out numbers, decoded greedily, is at least {SOLVED:g}; numbers below "
        "1000 and below 10,000 count apart. A network of untied weights is exhibited, "
        "not trained as such: the best tied one with its weights copied to every step. "
        "Refuted if an exhibited network solves a language that no seed of its kind "
        "was trained to solve: training then missed what exists. Supported if every "
        "language that an exhibited network solves was also solved by training "
        "networks of its kind. Inconclusive if none solves any. Numbers longer than "
        "the trained ones are reported and decide nothing, and a failure to train "
        "never counts as non-existence."
    ),
    judge=judge,
    draw=draw,
    table=table,
    refuted_if=(
        "on held-out numbers a star stands above the line 'solved' and every dot of "
        "its kind below it: a failure to train is then no sign of non-existence"
    ),
)
EXPERIMENT = Experiment("translation", PLANS, measure, (TRANSLATION,))

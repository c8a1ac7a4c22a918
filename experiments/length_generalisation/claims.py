"""What accuracy by length says of Q2, Q2b, A3 and A3b."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from experiments.lab.experiment import Claim, Experiment, Verdict
from experiments.length_generalisation.figure import draw_lengths
from experiments.length_generalisation.measure import (
    ARM,
    GOOD,
    LAST,
    NEAR_CHANCE,
    NEXT,
    Measured,
    cases_of,
    measure,
    paired,
)
from experiments.length_generalisation.plan import PLANS, POLICIES, REGULAR, Plan
from rnnshare.analysis.statistics import bootstrap_interval
from rnnshare.plotting import IntervalRow, draw_intervals
from rnnshare.plotting.style import INK, say_what_refutes

POOR = 0.75  # an accuracy
LOST, CLOSE = 0.05, 0.05  # differences of accuracies
MOST, SOME = 2 / 3, 1 / 3  # of the cases
NAMES = {
    "tied": "Tied",
    "untied": "Untied, an initialisation a step",
    "untied_same": "Untied, one initialisation",
}
DRAWN = {
    ("tied", "tied"): NAMES["tied"],
    ("untied", "literal"): "Untied, literal",
    ("untied_same", "hold"): f"{NAMES['untied_same']}, hold",
    ("untied_same", "mean"): f"{NAMES['untied_same']}, mean",
}
_LITERAL = (
    "the literal arm (untied; steps past the training keep their initial weights)"
)


def judge_sharing(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of Q2: tied holds at twice the length, and untied is gone."""
    judged, _, (literal, tied) = cases_of(plan, found)
    words, learnt = list(judged.q2), judged.learnt
    if words.count("supported") / len(words) >= MOST:
        verdict = "supported"
    else:
        refuted = words.count("refuted") / len(words) > SOME
        verdict = "refuted" if refuted else "inconclusive"
    n, close = plan.train_max_length, {}
    for policy in POLICIES:
        scores = found.scores(2 * n - LAST + 1, 2 * n, readings=(policy,))
        near = scores.median(axis=1) >= tied.median(axis=1) - CLOSE
        close[policy] = int(near[learnt].sum())
    best = max(close, key=lambda policy: close[policy])
    counts = ", ".join(f"{policy} {count}" for policy, count in close.items())
    follows = (
        "so *full* sharing is not necessary at unseen steps."
        if any(close.values())
        else "none shows that less than *full* sharing would do."
    )
    rates = ", ".join(f"{rate:g}" for rate in plan.rates)
    chosen = " by validation loss" if len(plan.rates) > 1 else ""
    return Verdict(
        verdict,
        bootstrap_interval((tied - literal).mean()),
        "tied less literal untied accuracy at twice the trained length, mean over "
        "languages, cells and starts",
        f"Of {len(words)} cases {words.count('supported')} are supported, "
        f"{words.count('refuted')} refuted and {words.count('undecided')} "
        "undecided, because untied did not learn the trained lengths. Of the "
        f"{learnt.sum()} that it learnt, the best unseen-step policy ({best}) comes "
        f"within {100 * CLOSE:g} points of tied in {close[best]}.",
        plan.num_seeds,
        f"Trained on lengths 1 to {n}; medians over the seeds, learning rate {rates}"
        f"{chosen}. Within {100 * CLOSE:g} points of tied at twice the trained length: "
        f"{counts} of {learnt.sum()}; {follows}"
        + diverged(found, plan.languages, before="\n\n"),
    )


def judge_varied(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of Q2b: what accuracy it costs that lengths vary."""
    fixed, varied = at_full_length(plan, found)
    untied, tied = paired(fixed - varied)
    counted = paired(fixed)[0].median(axis=1) >= GOOD
    own = untied[counted].median(axis=1)
    loses = ((own >= 2 * LOST) & (tied[counted].median(axis=1) < LOST)).sum()
    keeps = (own < LOST).sum()
    if loses > len(own) / 2:
        verdict = "supported"
    else:
        verdict = "refuted" if keeps > len(own) / 2 else "inconclusive"
    return Verdict(
        verdict,
        bootstrap_interval((untied[counted] if len(own) else untied).mean()),
        f"untied accuracy at length {plan.train_max_length}, trained at that length "
        "alone less trained at all lengths",
        f"Untied reaches {GOOD:g} when trained at one length in {len(own)} of "
        f"{len(untied)} cases; trained at all lengths it loses less than "
        f"{100 * LOST:g} points in {keeps} of these and at least {200 * LOST:g} in "
        f"{loses}.",
        plan.num_seeds,
        diverged(found, plan.fixed, ("all", "fixed")),
    )


def judge_unseen(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of A3: untied loses its lead just past the training."""
    judged, falls, _ = cases_of(plan, found)
    gone = judged.a3[judged.learnt]
    verdict = "inconclusive"
    if len(gone) and gone.mean() >= MOST:
        verdict = "supported"
    elif len(gone) and gone.mean() < SOME:
        verdict = "refuted"
    literal, tied = (each[judged.learnt] if len(gone) else each for each in falls)
    return Verdict(
        verdict,
        bootstrap_interval(literal.mean()),
        "accuracy that literal untied loses from the last three trained lengths to the "
        "next three",
        f"In {gone.sum()} of the {len(gone)} cases that untied learnt (of "
        f"{len(judged)}), half of its lead over chance is gone within three steps past "
        "the training, while tied holds to twice the length. Tied loses "
        f"{tied.to_numpy().mean():.3f} there.",
        plan.num_seeds,
        diverged(found, plan.languages),
    )


def judge_controls(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of A3b: tied past the trained lengths of the controls."""
    _, beyond = on_controls(plan, found)
    medians = beyond.median(axis=1)
    good, poor = medians >= GOOD, medians < POOR
    if good.mean() > 0.5:
        verdict = "supported"
    else:
        verdict = "refuted" if poor.mean() > 0.5 else "inconclusive"
    return Verdict(
        verdict,
        bootstrap_interval(beyond.mean()),
        "tied accuracy on the controls at lengths N + 1 to 2N",
        f"Tied is below {POOR:g} on {poor.sum()} of {len(medians)} controls, which a "
        f"finite state cannot solve, and at least {GOOD:g} on {good.sum()}.",
        plan.num_seeds,
        diverged(found, plan.controls),
    )


def at_full_length(plan: Plan, found: Measured) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns accuracies at N, trained at N alone and up to N."""
    n = plan.train_max_length
    fixed = found.scores(n, n, "fixed")
    return fixed, found.scores(n, n).reindex(fixed.index)


def on_controls(plan: Plan, found: Measured) -> list[pd.DataFrame]:
    """Returns tied accuracies on the controls, up to N and from N + 1 to 2N."""
    n = plan.train_max_length
    both = [found.scores(*window) for window in ((1, n), (n + 1, 2 * n))]
    return [each[each.index.isin(plan.controls, level="language")] for each in both]


def diverged(
    found: Measured,
    languages: Collection[str],
    lengths: Collection[str] = ("all",),
    before: str = "",
) -> str:
    """Returns how many runs on some languages diverged; '' if none did."""
    every = found.diverged.groupby(level=[*ARM, "lengths", "seed"]).any()
    own = every[every.index.isin(languages, level="language")]
    own = own[own.index.isin(lengths, level="lengths")]
    told = f"{before}{own.sum()} of {len(own)} runs diverged and count as chance."
    return told if own.any() else ""


def table(plan: Plan, found: Measured, verdict: Verdict | None = None) -> tuple:
    """Returns rows of medians over the seeds, with the best seed of the unseen ones."""
    n, end = plan.train_max_length, plan.eval_max_length
    top = min(end, 100)
    curves = found.curves.xs("all", level="lengths")
    windows = (1, n), (n + 1, n + NEXT), (n + 1, top), (n + 1, end)
    means = pd.concat(
        [curves.loc[:, a:b].mean(axis=1, skipna=False) for a, b in windows], axis=1
    )
    groups = means.groupby(level=[*ARM, "reading"], sort=False)
    heads = (
        "language",
        "cell",
        "weights",
        "read as",
        *(f"{a} to {b}" for a, b in windows),
    )
    rows = [(*heads[:6], f"{heads[6]} (best seed)", heads[7], "chance")]
    for (arm, median), best in zip(
        groups.median().iterrows(), groups.max()[2], strict=True
    ):
        language, cell, sharing, reading = arm
        within, near, beyond, far = map(_or_dash, median)
        weights = NAMES[sharing][0].lower() + NAMES[sharing][1:]
        chance = f"{found.chance[language][n:top].mean():.3f}"
        rows.append(
            (
                *(language.replace("_", " "), cell, weights, reading, within, near),
                *(f"{beyond} ({_or_dash(best)})", far, chance),
            )
        )
    return tuple(rows)


def _or_dash(score: float) -> str:
    """Returns a score as text; a dash where some lengths were not measured."""
    return "-" if np.isnan(score) else f"{score:.3f}"


def table_varied(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the median accuracy at length N, a row an arm."""
    fixed, varied = (each.median(axis=1) for each in at_full_length(plan, found))
    rows = [
        (
            language.replace("_", " "),
            cell,
            sharing,
            f"{score:.3f}",
            f"{varied[language, cell, sharing]:.3f}",
        )
        for (language, cell, sharing), score in fixed.items()
    ]
    return ("language", "cell", "weights", "trained at N", "trained up to N"), *rows


def table_controls(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the median accuracy on each control, with the best seed."""
    within, beyond = on_controls(plan, found)
    rows = [
        (
            language.replace("_", " "),
            cell,
            f"{within.loc[arm].median():.3f}",
            f"{seeds.median():.3f} ({seeds.max():.3f})",
        )
        for arm, seeds in beyond.iterrows()
        for language, cell, _ in [arm]
    ]
    return ("control", "cell", "up to N", "N + 1 to 2N (best seed)"), *rows


def draw_curves(plan: Plan, found: Measured, languages: Collection[str]):
    """Returns the figure of accuracy by length on some languages."""
    panels: dict[str, dict] = {}
    chance = {}
    curves = found.curves.xs("all", level="lengths")
    for arm, seeds in curves.groupby(level=[*ARM, "reading"], sort=False):
        language, cell, *read = arm
        label = DRAWN.get(tuple(read))
        if label and language in languages:
            title = f"{language.replace('_', ' ')}\n{cell}"
            panels.setdefault(title, {})[label] = seeds.dropna(axis=1).to_numpy()
            chance[title] = found.chance[language]
    return draw_lengths(panels, plan.train_max_length, chance)


def draw_languages(plan: Plan, found: Measured):
    """Returns the figure of the languages, which Q2 and A3 share."""
    figure = draw_curves(plan, found, plan.languages)
    text = (
        "literal untied keeps its accuracy past the trained lengths (A3), or tied "
        "falls there as well (Q2)"
    )
    say_what_refutes(figure, text)
    return figure


def draw_controls(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of the controls."""
    return draw_curves(plan, found, plan.controls)


def draw_varied(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of what accuracy at N it costs that lengths vary."""
    fixed, varied = at_full_length(plan, found)
    rows = []
    for (language, cell, sharing), seeds in (fixed - varied).iterrows():
        label = f"{language.replace('_', ' ')}, {cell}: {NAMES[sharing]}"
        rows.append(IntervalRow(label, bootstrap_interval(seeds), NAMES[sharing]))
    figure = draw_intervals(
        rows,
        f"accuracy at length N = {plan.train_max_length}:\n"
        "trained at N alone less trained at lengths 1 to N",
        sides=("varied lengths help", "varied lengths cost"),
    )
    figure.axes[0].axvline(LOST, color=INK, lw=1.2, ls=":")
    return figure


SHARING = Claim(
    id="Q2",
    rule=(
        f"For every cell, language ({', '.join(REGULAR).replace('_', ' ')}) and start "
        "of the untied weights: supported if the tied model's median accuracy at "
        f"lengths 2N - {LAST - 1} to 2N is at least {GOOD:g} and that of {_LITERAL} at "
        f"most chance + {NEAR_CHANCE:g}; undecided if untied is below {GOOD:g} at "
        "lengths up to N; else refuted. Supported if two thirds of all are supported; "
        "refuted if more than a third is refuted; else inconclusive. Unseen-step "
        "policies are reported apart."
    ),
    judge=judge_sharing,
    draw="lengths",
    table=table,
)
VARIED = Claim(
    id="Q2b",
    rule=(
        "Trained on lengths up to N, against trained at N alone, both tested at N; "
        f"counted where untied reaches {GOOD:g} when trained at N alone. Supported if "
        f"untied loses at least {2 * LOST:g} (median) and tied less than {LOST:g} in "
        f"most of these; refuted if untied loses less than {LOST:g} in most; else, or "
        "if there are none, inconclusive."
    ),
    judge=judge_varied,
    draw=draw_varied,
    table=table_varied,
    refuted_if=f"untied (orange) lies left of the dotted line, {LOST:g}",
)
UNSEEN = Claim(
    id="A3",
    rule=(
        f"Where untied reaches {GOOD:g} at lengths up to N: supported if the mean "
        f"accuracy at N + 1 to N + {NEXT} of {_LITERAL} has lost at least half of its "
        f"lead over chance while tied keeps {GOOD:g} to 2N, in two thirds of the "
        "cases; refuted if in fewer than a third; else, or if there are none, "
        "inconclusive."
    ),
    judge=judge_unseen,
    draw="lengths",
)
CONVERSE = Claim(
    id="A3b",
    rule=(
        "On the controls (reverse, duplicate, odds first, stack manipulation) at "
        "lengths N + 1 to 2N: supported if tied's median accuracy is at least "
        f"{GOOD:g} on most; refuted if below {POOR:g} on most; else inconclusive."
    ),
    judge=judge_controls,
    draw=draw_controls,
    table=table_controls,
    refuted_if=f"tied falls below {POOR:g} past the trained lengths: then sharing "
    "alone does not make it generalise",
)
EXPERIMENT = Experiment(
    name="length_generalisation",
    plans=PLANS,
    measure=measure,
    claims=(SHARING, VARIED, UNSEEN, CONVERSE),
    figures={"lengths": draw_languages},
)

"""What accuracy by length says of Q2, Q2b, A3 and A3b."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import say_lost
from experiments.length_generalisation.figure import NAMES, draw_lengths
from experiments.length_generalisation.measure import (
    ARM,
    GOOD,
    LAST,
    NEAR_CHANCE,
    NEXT,
    Measured,
    at_full_length,
    cases_of,
    measure,
    on_controls,
    over_rows,
    paired,
)
from experiments.length_generalisation.plan import PLANS, POLICIES, REGULAR, Plan
from rnnshare.analysis.statistics import mean_interval
from rnnshare.plotting import IntervalRow, draw_intervals
from rnnshare.plotting.style import INK, say_what_refutes

POOR = 0.75  # an accuracy
LOST, CLOSE = 0.05, 0.05  # differences of accuracies
MOST, SOME = 2 / 3, 1 / 3  # of the cases
_LITERAL = (
    "the literal arm (untied; steps past the training keep their initial weights)"
)


def judge_sharing(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of Q2: tied holds at twice the length, and untied is gone."""
    judged, _, (literal, tied) = cases_of(plan, found)
    words, learnt = list(judged.q2), judged.learnt
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
        decide(
            words.count("supported") / len(words) >= MOST,
            words.count("refuted") / len(words) > SOME,
        ),
        mean_interval(over_rows(tied - literal)),
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
    return Verdict(
        decide(loses > len(own) / 2, keeps > len(own) / 2),
        mean_interval(over_rows(untied[counted] if len(own) else untied)),
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
    some = len(gone) > 0
    literal, tied = (each[judged.learnt] if some else each for each in falls)
    return Verdict(
        decide(some and gone.mean() >= MOST, some and gone.mean() < SOME),
        mean_interval(over_rows(literal)),
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
    return Verdict(
        decide(good.mean() > 0.5, poor.mean() > 0.5),
        mean_interval(over_rows(beyond)),
        "tied accuracy on the controls at lengths N + 1 to 2N",
        f"Tied is below {POOR:g} on {poor.sum()} of {len(medians)} controls, which a "
        f"finite state cannot solve, and at least {GOOD:g} on {good.sum()}.",
        plan.num_seeds,
        diverged(found, plan.controls),
    )


def diverged(
    found: Measured,
    languages: tuple[str, ...],
    lengths: tuple[str, ...] = ("all",),
    before: str = "",
) -> str:
    """Returns how many runs on some languages diverged; '' if none did."""
    every = found.diverged.groupby(level=[*ARM, "lengths", "seed"]).any().reset_index()
    own = every[every.language.isin(languages) & every.lengths.isin(lengths)]["lost"]
    return say_lost(own, "chance", before)


def table(plan: Plan, found: Measured, verdict: Verdict | None = None) -> tuple:
    """Returns rows of medians over the seeds, with the best seed of the unseen ones."""
    n, end = plan.train_max_length, plan.eval_max_length
    top = min(end, 100)
    windows = (1, n), (n + 1, n + NEXT), (n + 1, top), (n + 1, end)
    curves = found.curves.xs("all", level="lengths")
    means = pd.concat(
        [curves.loc[:, a:b].mean(axis=1, skipna=False) for a, b in windows], axis=1
    )
    groups = means.groupby(level=[*ARM, "reading"], sort=False)
    text = groups.median().map(_or_dash)
    text[2] += " (" + groups.max()[2].map(_or_dash) + ")"
    text["chance"] = [
        _or_dash(found.chance[arm[0]][n:top].mean()) for arm in text.index
    ]
    weights = {key: name[0].lower() + name[1:] for key, name in NAMES.items()}
    text = text.rename(index=weights, level="sharing")
    heads = [f"{a} to {b}" for a, b in windows]
    heads[2] += " (best seed)"
    return _rows(("language", "cell", "weights", "read as", *heads, "chance"), text)


def table_varied(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the median accuracy at length N, a row an arm."""
    medians = [each.median(axis=1) for each in at_full_length(plan, found)]
    text = pd.concat(medians, axis=1).map(_or_dash)
    heads = "language", "cell", "weights", "trained at N", "trained up to N"
    return _rows(heads, text)


def table_controls(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the median accuracy on each control, with the best seed."""
    text = [each.median(axis=1).map(_or_dash) for each in on_controls(plan, found)]
    text[1] += " (" + on_controls(plan, found)[1].max(axis=1).map(_or_dash) + ")"
    heads = "control", "cell", "up to N", "N + 1 to 2N (best seed)"
    return _rows(heads, pd.concat(text, axis=1).droplevel("sharing"))


def _rows(heads: tuple[str, ...], text: pd.DataFrame) -> tuple[tuple[str, ...], ...]:
    """Returns the rows of a table, the names of languages in words."""
    named = text.rename(lambda name: name.replace("_", " "), level="language")
    return heads, *named.reset_index().itertuples(index=False, name=None)


def _or_dash(score: float) -> str:
    """Returns a score as text; a dash where some lengths were not measured."""
    return "-" if np.isnan(score) else f"{score:.3f}"


def draw_curves(plan: Plan, found: Measured, languages: Collection[str]):
    """Returns the figure of accuracy by length on some languages."""
    curves = found.curves.xs("all", level="lengths").loc[list(languages)]
    return draw_lengths(curves, found.chance, plan.train_max_length)


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
        rows.append(IntervalRow(label, mean_interval(seeds), NAMES[sharing]))
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

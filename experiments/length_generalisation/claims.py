"""What accuracy by length says of Q2, Q2b, A3 and A3b."""

import numpy as np

from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import LEARNT, learnt_first
from experiments.lab.power import say_why_not
from experiments.length_generalisation.measure import (
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
from experiments.length_generalisation.tables import (
    LOST,
    diverged,
    draw_controls,
    draw_languages,
    draw_varied,
    table,
    table_controls,
    table_varied,
)
from rnnshare.analysis.statistics import mean_interval

REACHES, POOR = 0.9, 0.75  # accuracies
CLOSE = 0.05  # a difference of accuracies
MOST, SOME = 2 / 3, 1 / 3  # of the cases
LEAST_VARIED, LEAST_LANGUAGES, LEAST_CONTROLS = 6, 2, 4  # cases that must be counted
_LITERAL = (
    "the literal arm (untied; steps past the training keep their initial weights)"
)
_LEMMA = (
    "That weights of a step without gradient stay where they began is a lemma, which a "
    "test proves; what could have come out otherwise is how far tied holds, and the "
    "policies."
)
_FIRST = (
    f"learnt is an accuracy of {GOOD:g} in at least {100 * LEARNT:g} % of the seeds; "
    "those that did not learn count as 0 and as 1, and what is said must hold for both"
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
    rates = ", ".join(f"{rate:g}" for rate in plan.rates)
    chosen = " by validation loss" if len(plan.rates) > 1 else ""
    verdict = decide(
        words.count("supported") / len(words) >= MOST,
        words.count("refuted") / len(words) > SOME,
    )
    return Verdict(
        verdict,
        mean_interval(over_rows(tied - literal)),
        "tied less literal untied accuracy at twice the trained length, mean over "
        "languages, cells and starts",
        f"Of {len(words)} cases {words.count('supported')} are supported, "
        f"{words.count('refuted')} refuted and {words.count('undecided')} "
        f"undecided; both learnt the trained lengths in {learnt.sum()}. A policy "
        f"within {100 * CLOSE:g} points of tied refutes the necessity of full sharing: "
        f"the best ({best}) is in {close[best]} of {learnt.sum()}, so full sharing is "
        f"{'not necessary there' if close[best] else 'not shown to be unnecessary'}.",
        plan.num_seeds,
        f"Trained on lengths 1 to {n}; medians over the seeds, learning rate {rates}"
        f"{chosen}{'' if chosen else ', no other tried'}. {_LEMMA} Within "
        f"{100 * CLOSE:g} points of tied at twice the trained length: {counts} of "
        f"{learnt.sum()}."
        + _more_cases(plan, verdict, words)
        + diverged(found, plan.languages, before="\n\n"),
    )


def _more_cases(plan: Plan, verdict: str, words: list[str]) -> str:
    """Returns what would decide cases that decide nothing, and why it was not run."""
    if verdict != "inconclusive":
        return ""
    short = int(np.ceil(MOST * len(words))) - words.count("supported")
    return (
        f"\n\nWhat would decide: it needs {short} more of the {len(words)} cases "
        f"supported, and {words.count('undecided')} are undecided because one side "
        "did not learn the trained lengths. More seeds would not change that; more "
        f"updates would. {say_why_not(plan, PLANS)}"
    )


def judge_varied(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of Q2b: what accuracy it costs that lengths vary."""
    fixed, varied = at_full_length(plan, found)
    untied, tied = paired(fixed - varied)
    counted, *ends = learnt_first(paired(fixed)[0], untied, GOOD)
    low, high = (each.median(axis=1) for each in ends)
    loses = counted & (low >= 2 * LOST) & (tied.median(axis=1) < LOST)
    keeps = counted & (high < LOST)
    count = int(counted.sum())
    languages = untied.index[counted].unique("language")
    enough = count >= LEAST_VARIED and len(languages) >= LEAST_LANGUAGES
    verdict = decide(
        enough and loses.sum() > count / 2, enough and keeps.sum() > count / 2
    )
    missing = (
        f"\n\nWhat would decide: at least {LEAST_VARIED} cases of {LEAST_LANGUAGES} "
        f"languages that untied learns at one length; there are {count} of "
        f"{len(languages)}, at any number of seeds. Shorter strings are learnt at one "
        "length, which these rows have not."
    )
    return Verdict(
        verdict,
        mean_interval(over_rows(untied[counted] if count else untied)),
        f"untied accuracy at length {plan.train_max_length}, trained at that length "
        "alone less trained at all lengths",
        f"Untied learnt one length alone in {count} of {len(untied)} cases "
        f"({', '.join(name.replace('_', ' ') for name in languages) or 'none'}); "
        f"trained at all lengths it loses less than {100 * LOST:g} points in "
        f"{keeps.sum()} of these and at least {200 * LOST:g} in {loses.sum()}.",
        plan.num_seeds,
        "Trained at all lengths a model meets fewer strings of the full length, which "
        "counts against untied here, and so does not help what refutes."
        + ("" if enough else missing)
        + diverged(found, plan.fixed, ("all", "fixed")),
    )


def judge_unseen(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of A3: untied loses its lead just past the training."""
    judged, falls, _ = cases_of(plan, found)
    words = list(judged.a3[judged.learnt])
    gone, count = words.count("supported"), len(words)
    literal, tied = (each[judged.learnt] if count else each for each in falls)
    return Verdict(
        decide(
            count and gone / count >= MOST,
            count and 1 - words.count("refuted") / count < SOME,
        ),
        mean_interval(over_rows(literal)),
        "accuracy that literal untied loses from the last three trained lengths to the "
        "next three",
        f"In {gone} of the {count} cases that both learnt (of {len(judged)}), half of "
        "untied's lead over chance is gone within three steps past the training, while "
        f"tied holds to twice the length. Tied loses {tied.to_numpy().mean():.3f} "
        "there.",
        plan.num_seeds,
        f"{_LEMMA} Policies for steps that were never trained are told with Q2: where "
        f"one is within {100 * CLOSE:g} points of tied, the necessity of full sharing "
        "is refuted." + diverged(found, plan.languages),
    )


def judge_controls(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of A3b: tied past the trained lengths of the controls."""
    within, beyond = on_controls(plan, found)
    counted, lowest, highest = learnt_first(within, beyond, GOOD)
    count = int(counted.sum())
    good = counted & (lowest.median(axis=1) >= REACHES)
    poor = counted & (highest.median(axis=1) < POOR)
    enough = count >= LEAST_CONTROLS
    best = within.mean(axis=1).idxmax()
    missing = (
        f"\n\nWhat would decide: {LEAST_CONTROLS} controls that are learnt at the "
        f"trained lengths; {count} are, and the best is "
        f"{best[0].replace('_', ' ')}, {best[1]}, at {within.mean(axis=1).max():.3f} "
        "there. More seeds would not help, as none is near; more updates, more units "
        "or shorter strings would."
    )
    return Verdict(
        decide(enough and good.sum() > count / 2, enough and poor.sum() > count / 2),
        mean_interval(over_rows(beyond[counted] if count else beyond)),
        "tied accuracy on the controls at lengths N + 1 to 2N"
        + ("" if count else ", none of them learnt at lengths up to N"),
        f"Tied learnt {count} of {len(counted)} controls, which a finite state cannot "
        f"solve, at the trained lengths; beyond them it is at least {REACHES:g} on "
        f"{good.sum()} of these, and below {POOR:g} on {poor.sum()}.",
        plan.num_seeds,
        f"Trained on lengths 1 to {plan.train_max_length}, {plan.hidden_features} "
        "units. What is not learnt where it was trained says nothing of lengths beyond."
        + ("" if enough else missing)
        + diverged(found, plan.controls),
    )


SHARING = Claim(
    id="Q2",
    rule=(
        f"For every cell, language ({', '.join(REGULAR).replace('_', ' ')}) and start "
        "of the untied weights: supported if the tied model's median accuracy at "
        f"lengths 2N - {LAST - 1} to 2N is at least {GOOD:g} and that of {_LITERAL} at "
        f"most chance + {NEAR_CHANCE:g}; undecided if tied or untied has not learnt "
        f"lengths up to N ({_FIRST}); else refuted. Supported if two thirds of all are "
        "supported; refuted if more than a third is refuted; else inconclusive. "
        "Unseen-step policies are reported apart: one within "
        f"{100 * CLOSE:g} points of tied refutes the necessity of full sharing. "
        "Amended, because a tied model that did not learn counted as a refutation; "
        "under the former rule: inconclusive (quick: 0.492 [0.466, 0.518]) and "
        "supported (full: 0.563 [0.541, 0.584])."
    ),
    judge=judge_sharing,
    draw="lengths",
    table=table,
)
VARIED = Claim(
    id="Q2b",
    rule=(
        "Trained on lengths up to N, against trained at N alone, both tested at N; "
        f"counted where untied has learnt when trained at N alone ({_FIRST}). "
        f"Supported if untied loses at least {2 * LOST:g} (median) and tied less than "
        f"{LOST:g} in most of these; refuted if untied loses less than {LOST:g} in "
        f"most; inconclusive else, and if fewer than {LEAST_VARIED} cases or "
        f"{LEAST_LANGUAGES} languages are counted. Amended, because one language "
        "decided; under the former rule: refuted (quick and full: 0 [0, 0])."
    ),
    judge=judge_varied,
    draw=draw_varied,
    table=table_varied,
    refuted_if=f"untied (orange) lies left of the dotted line, {LOST:g}",
    full_decides=False,  # it has one language, too
)
UNSEEN = Claim(
    id="A3",
    rule=(
        f"Where tied and untied have learnt lengths up to N ({_FIRST}): supported if "
        f"the median accuracy at N + 1 to N + {NEXT} of {_LITERAL} has lost at least "
        f"half of its lead over chance while tied keeps {GOOD:g} to 2N, in two thirds "
        "of these cases; refuted if in fewer than a third; else, or if there are none, "
        "inconclusive. Amended, because a tied model that did not learn counted "
        "against the claim; under the former rule: supported (quick: 0.481 [0.440, "
        "0.521]; full: 0.507 [0.494, 0.521])."
    ),
    judge=judge_unseen,
    draw="lengths",
)
CONVERSE = Claim(
    id="A3b",
    rule=(
        "On the controls (reverse, duplicate, odds first, stack manipulation), of "
        f"those that tied has learnt at lengths up to N ({_FIRST}), at least "
        f"{LEAST_CONTROLS}: supported if tied's median accuracy at lengths N + 1 to 2N "
        f"is at least {REACHES:g} on most; refuted if below {POOR:g} on most; else, or "
        "if fewer are learnt, inconclusive. Amended, because no control had been "
        "learnt where it was trained, and that says nothing of where it was not; under "
        "the former rule: refuted (quick: 0.609 [0.603, 0.616]; full: 0.581 [0.580, "
        "0.582])."
    ),
    judge=judge_controls,
    draw=draw_controls,
    table=table_controls,
    refuted_if=f"tied is at least {GOOD:g} at the trained lengths (grey) and falls "
    f"below {POOR:g} past them",
    full_decides=False,  # its strings are longer, and its updates few
)
EXPERIMENT = Experiment(
    name="length_generalisation",
    plans=PLANS,
    measure=measure,
    claims=(SHARING, VARIED, UNSEEN, CONVERSE),
    figures={"lengths": draw_languages},
)

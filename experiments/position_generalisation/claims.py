"""What is concluded from positions never shown (A4) and words in new orders (A5)."""

import numpy as np
import pandas as pd

from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import contrast, say_lost
from experiments.position_generalisation import figure
from experiments.position_generalisation.measure import (
    CHANCE,
    NO_ORDER,
    Measured,
    by_cell,
    examples_needed,
    measure,
)
from experiments.position_generalisation.plan import PLANS, Plan
from rnnshare.analysis.statistics import log_log_slope, mean_interval
from rnnshare.plotting import draw_paired

NEAR = 0.05  # so near are accuracies at shown and at unseen steps that are alike
GUESSES = 0.6  # at most so accurate is who does not know the rule
STEEPER = 0.5  # so much more must untied's examples grow, as a power of T
LEARNT = 0.95  # as trained, of a cell that counts
ABOVE, ALIKE = 0.2, 0.05  # differences on held-out pairs that support and refute


def judge_positions(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of A4: the local rule, and the slopes of the examples."""
    runs = found.rule.fillna(CHANCE)
    lost = runs.assign(lost=runs.seen - runs.unseen).groupby(["cell", "arm"])
    medians = lost[["lost", "unseen"]].median()
    moves = {
        cell: medians.lost[cell, "Tied"] < NEAR
        and medians.unseen[cell, "Untied"] <= GUESSES
        for cell in runs.cell.unique()
    }
    needed = {
        arm: np.array(
            [examples_needed(found.patches[arm, t], plan.accuracy) for t in every]
        ).T
        for arm, every in dict.fromkeys(("Tied", "Untied"), plan.patch_steps).items()
    }
    used = np.isfinite([*needed.values()]).all((0, 1))
    steps, slopes = np.array(plan.patch_steps)[used], {}
    if len(steps) >= 3:
        for arm, values in needed.items():
            each = [log_log_slope(steps, row[used]).estimate for row in values]
            slopes[arm] = np.array(each)
        gap = mean_interval(slopes["Untied"] - slopes["Tied"])
        label = "untied less tied slope of log examples needed on log T"
    else:  # no slope: what is left is the local rule
        gap = mean_interval(_apart(runs).mean(0))
        label = "tied less untied accuracy at steps never shown"
    steeper = gap.estimate >= STEEPER and gap.low > 0
    told = "; ".join(f"{arm} {v.mean():.2f}" for arm, v in slopes.items())
    accuracies = [found.rule.unseen]
    accuracies += [v for of_size in found.patches.values() for v in of_size.values()]
    return Verdict(
        decide(
            slopes and all(moves.values()) and steeper,
            slopes and not any(moves.values()) and gap.high < STEEPER,
        ),
        gap,
        label,
        f"A rule shown at half of {plan.rule_steps} steps is known at the others "
        f"by tied weights and not by untied ones in {sum(moves.values())} of "
        f"{len(moves)} cells. The examples needed to find a signal in one of T "
        f"steps grow as T to the power of: {told or 'not measured'}.",
        plan.num_seeds,
        f"The slope is over T = {', '.join(map(str, steps))}, where every "
        f"seed of both came to {plan.accuracy:.0%} with at most "
        f"{plan.most_examples:,} examples; LSTM, equal width "
        f"({plan.hidden_features}), rate and start tuned by validation."
        + say_lost(np.isnan(np.concatenate(accuracies)), "guessing"),
        data=needed,
    )


def positions_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the median accuracies of the rule, and the examples needed."""
    heads = "cell", "weights", "accuracy at shown steps", "at unseen steps"
    table = [heads, *_medians(found.rule, "cell", "arm")]
    for arm, values in verdict.data.items():
        medians = zip(plan.patch_steps, np.median(values, 0), strict=True)
        told = ", ".join(f"T = {t}: {m:,.0f}" for t, m in medians)
        table.append(("LSTM", arm, "examples needed", told))
    return tuple(table)


def draw_positions(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the accuracy at shown and unseen steps, and the examples over T."""
    panels = {
        f"{cell}\n{where}": {arm: scores[i] for arm, scores in of_arm.items()}
        for i, where in enumerate(("shown", "unseen"))
        for cell, of_arm in by_cell(found.rule).items()
    }
    return figure.draw_rule_and_needed(
        panels,
        plan.patch_steps,
        verdict.data,
        f"training examples\nfor {plan.accuracy:.0%}",
    )


def judge_word_order(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of A5: one fact, in the order that was held out."""
    runs = found.words[found.words.facts == 1].fillna(CHANCE)
    apart = _apart(runs)
    both = runs[runs.arm != NO_ORDER].groupby(["cell", "arm"], sort=False)
    learnt = both.seen.median().groupby("cell", sort=False).min() >= LEARNT
    counted = apart[learnt]
    mean = mean_interval(apart.mean(0))
    above = [g.mean() >= ABOVE and mean_interval(g).low > 0 for g in counted]
    alike = [gap.mean() < ALIKE for gap in counted]
    return Verdict(
        decide(above and all(above), alike and all(alike)),
        mean,
        "tied less untied accuracy on held-out pairs of word and order",
        "A word for weather met in one order only is understood in the other with "
        f"{100 * mean.estimate:.0f} points more by tied weights (mean over "
        f"{len(apart)} cells; {len(counted)} of them learnt what they were trained "
        "on).",
        plan.num_seeds,
        "One fact can be told by counting words, in any order; two facts cannot: "
        "there a word has to be bound to its neighbours."
        + say_lost(np.isnan(found.words.unseen), "guessing"),
    )


def word_order_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the median accuracies of the grammar."""
    heads = "facts", "model", "weights", "as trained", "held-out pairs"
    runs = found.words.replace({"arm": {NO_ORDER: ""}})
    return heads, *_medians(runs, "facts", "cell", "arm")


def draw_word_order(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the accuracy on held-out pairs, a panel a cell and number of facts."""
    panels = {
        f"{cell}\n{named}": {arm: scores[1] for arm, scores in of_arm.items()}
        for facts, named in ((1, "one fact"), (2, "two facts"))
        for cell, of_arm in by_cell(found.words[found.words.facts == facts]).items()
    }
    levels = dict.fromkeys(panels, CHANCE), dict.fromkeys(panels, 1.0)
    return draw_paired(panels, "accuracy on held-out pairs", *levels)


def _apart(runs: pd.DataFrame) -> np.ndarray:
    """Returns tied less untied accuracy where it was not trained, [cell, S]."""
    sides = contrast(runs, "unseen", by=["cell"], arms=("Tied", "Untied"))
    return sides.to_numpy()


def _medians(runs: pd.DataFrame, *by: str):
    """Returns rows of a table: of each case its median accuracies."""
    cases = runs.fillna(CHANCE).groupby([*by], sort=False)[["seen", "unseen"]]
    told = cases.median().map("{:.3f}".format).reset_index().astype(str)
    return told.itertuples(index=False, name=None)


POSITIONS = Claim(
    id="A4",
    rule=(
        "(i) A rule whose answers are shown at half of the steps: in every cell the "
        f"tied model's median accuracy at the others is within {NEAR:g} of that at the "
        f"shown ones, and the untied model's at most {GUESSES:g} (chance {CHANCE:g}). "
        "(ii) Training examples that bring an LSTM to "
        f"{100 * PLANS['full'].accuracy:g} % on a signal in one of T steps: the slope "
        f"of their logarithm on log T, untied less tied, is at least {STEEPER:g} and "
        "its 95 % interval above 0. Supported if both hold; refuted if (i) holds in no "
        f"cell and the interval of (ii) is below {STEEPER:g}; else inconclusive."
    ),
    judge=judge_positions,
    draw=draw_positions,
    table=positions_table,
    refuted_if=(
        "untied does as well as tied at unseen steps (top), and its line is no steeper "
        "than tied's (bottom)"
    ),
)
WORD_ORDER = Claim(
    id="A5",
    rule=(
        "One fact, weathers in the order that was held out for them, over the cells of "
        f"which tied and untied both reach {LEARNT:g} as trained. Supported if tied is "
        f"above untied by at least {ABOVE:g}, its 95 % interval above 0, in each; "
        f"refuted if by less than {ALIKE:g} in each; else, or if there are none, "
        "inconclusive."
    ),
    judge=judge_word_order,
    draw=draw_word_order,
    table=word_order_table,
    refuted_if="with one fact untied does as well as tied",
)
EXPERIMENT = Experiment(
    "position_generalisation", PLANS, measure, (POSITIONS, WORD_ORDER)
)

"""What is concluded from real data about the law's predictions (L3)."""

import math
from typing import NamedTuple

import pandas as pd

from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import tests
from experiments.real_law import figure
from experiments.real_law.measure import Measured, measure, real_data
from experiments.real_law.plan import PLANS, Plan
from experiments.real_law.predictions import (
    Score,
    balanced_accuracy,
    over_sources,
    predict,
)
from rnnshare.analysis.statistics import Interval

GOOD, CHANCE = 0.8, 0.5  # balanced accuracy that supports; of the better constant
SOURCES, EACH = 9, 3  # sources with a decided pair, and pairs a winner, at least


class Result(NamedTuple):
    """What the rule makes of the pairs.

    Attributes:
      pairs: all, a row each: source, N, crossover, gain, estimate, wins.
      decided: those with a winner; untied says whether it was that.
      scores: {who predicts: score over the decided}.
      accuracy: balanced, of the law, over resampled sources.
      allowing: pairs with a winner where the overlap of a set's splits is allowed for.
      law_alone: balanced accuracy of N above N*, without an offset.
    """

    pairs: pd.DataFrame
    decided: pd.DataFrame
    scores: dict[str, Score]
    accuracy: Interval
    allowing: int
    law_alone: float


def read(found: Measured) -> Result:
    """Returns the pairs, who won them, and who predicts it."""
    # Holm's method over all sources of Q5. The winner is that on this set's splits.
    pairs = found.readings.join(tests(found.differences)).reset_index()
    beyond = tests(found.differences, overlaps=found.overlaps).loc[found.readings.index]
    decided = pairs[pairs["wins"] != 0]
    decided = decided.assign(untied=decided["wins"] < 0).reset_index(drop=True)
    scores = predict(decided)
    marked = decided.assign(predicted=scores["law"].untied)
    accuracy = over_sources(
        lambda own: balanced_accuracy(own["predicted"], own["untied"]), marked
    )
    alone = balanced_accuracy(decided["N"] > decided["crossover"], decided["untied"])
    allowing = int((beyond["wins"] != 0).sum())
    return Result(pairs, decided, scores, accuracy, allowing, alone)


def verdict_of(
    accuracy: Interval, others: list[float], num_sources: int, fewest: int
) -> str:
    """Returns the verdict of L3 by its rule.

    Args:
      accuracy: balanced, of the law.
      others: of whom it is compared with.
      num_sources: with a decided pair.
      fewest: decided pairs of the winner who has the fewer.
    """
    enough = num_sources >= SOURCES and fewest >= EACH
    better = accuracy.estimate > max(CHANCE, *others) and accuracy.low > CHANCE
    return decide(
        enough and better and accuracy.estimate >= GOOD,
        enough and accuracy.estimate <= CHANCE,
    )


def judge(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of L3."""
    result = read(found)
    decided, scores = result.decided, result.scores
    untied = int(decided["untied"].sum())
    tied, sources = len(decided) - untied, decided["source"].nunique()
    others = [scores[who].accuracy for who in ("size", "linear models")]
    fewest = min(untied, tied)
    verdict = verdict_of(result.accuracy, others, sources, fewest)
    effect, label = result.accuracy, "balanced accuracy of the law's predictions"
    if sources < SOURCES or fewest < EACH:  # too few to have one
        effect = Interval(*3 * (float(len(decided)),))
        label = f"pairs, of {len(result.pairs)}, that tied or untied wins"
    return Verdict(
        verdict,
        effect,
        label,
        f"Of {len(result.pairs)} pairs of a real source and a size, tied {plan.cell}s "
        f"win {tied} and untied ones {untied}; the others are undecided. Of the "
        "winners, in the mean over tied and untied, the law with an offset fitted "
        f"without the source predicts {result.accuracy.estimate:.0%}, and without one "
        f"{result.law_alone:.0%}; the size alone {others[0]:.0%}, cross-validated "
        f"linear models {others[1]:.0%}.",
        len(decided),
        "\n\n".join(_details(plan, result, verdict, sources, fewest)),
        "pairs",
        data=result,
    )


def _details(
    plan: Plan, result: Result, verdict: str, sources: int, fewest: int
) -> list[str]:
    of_data = real_data.PLANS[plan.preset]
    told = [
        f"Networks and rates are those of real_data, {of_data.num_seeds} seeds; pairs "
        "are decided by Holm's method over these and the other sources of Q5. The law "
        "is fitted on each seed's own training part, and its median taken: "
        f"principal components of the features, at most {plan.most_weights} weights of "
        "all steps, classes as indicators whose noise and bias are summed; where the "
        "training part has too few sequences for that, its answer is tied. What a GRU "
        "needs beyond linear rules is an offset of log N*, fitted without the source "
        "that is judged; where the other sources have one winner, it is 0. The "
        "interval resamples sources. A winner is that on this data set, whose splits "
        "overlap; where that is allowed for (Nadeau and Bengio, 2003), "
        f"{result.allowing} pairs have one.",
    ]
    if verdict == "inconclusive" and (sources < SOURCES or fewest < EACH):
        told.append(
            f"{sources} sources have a decided pair, and {fewest} pairs have the rarer "
            f"winner; the rule asks for {SOURCES} and {EACH}. More seeds decide more "
            "pairs, smaller parts of the sets add pairs; sources with fixed steps are "
            f"{len(plan.sources)} so far, so that no preset decides it without more of "
            "them."
        )
    return told


def table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns a row a pair."""
    rows: list = [("source", "N", "N* of the law", "untied / tied test loss", "won by")]
    names = {-1: "untied", 0: "undecided", 1: "tied"}
    for pair in verdict.data.pairs.itertuples():
        star = f"{pair.crossover:,.0f}" if math.isfinite(pair.crossover) else "none"
        ratio = Interval(*(math.exp(x) for x in (pair.estimate, pair.low, pair.high)))
        rows.append(
            (pair.source, f"{pair.N:,}", star, f"{ratio:.3f}", names[pair.wins])
        )
    return tuple(rows)


def draw(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure: N against the law's N*, by who won."""
    return figure.draw(verdict.data.pairs)


LAW_OF_DATA = Claim(
    id="L3",
    rule=(
        "Written after the winners on the whole sets were known (Q5), but not what the "
        "law says of them. On real sources whose steps stand at fixed places, each at "
        "its sizes N, the winner of tied and untied GRUs (equal width, rates chosen "
        "for each; Holm) is predicted by whether N is above the N* of the law fitted "
        "on the training part, up to an offset that is fitted without the source "
        "judged. Supported if "
        f"the balanced accuracy over the decided pairs is at least {GOOD:g}, its 95 % "
        f"interval over resampled sources above {CHANCE:g}, and it is above that of a "
        "threshold on N alone and of cross-validated linear models; refuted if it is "
        f"at most {CHANCE:g}, that of the better constant; inconclusive else, or with "
        f"fewer than {SOURCES} sources or {EACH} decided pairs of either winner."
    ),
    judge=judge,
    draw=draw,
    table=table,
    refuted_if="the N* of both winners lay on either side of N",
    full_decides=False,
)
EXPERIMENT = Experiment(
    "real_law", PLANS, measure, (LAW_OF_DATA,), check=real_data.load_all
)

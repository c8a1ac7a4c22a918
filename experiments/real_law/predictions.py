"""Who predicts the winner of a pair: the law, the size alone, or linear models."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnshare.analysis.statistics import Interval

Values = npt.NDArray[np.float64]


class Score(NamedTuple):
    """How well the winners of the decided pairs are predicted.

    Attributes:
      untied: bool[P], which pairs are predicted to be untied's.
      accuracy: balanced: the mean of the parts of either winner's pairs that are right.
    """

    untied: npt.NDArray[np.bool_]
    accuracy: float


def balanced_accuracy(predicted: npt.ArrayLike, won: npt.ArrayLike) -> float:
    """Returns the mean over the winners of the part predicted right; 0 of no pairs.

    Args:
      predicted: bool[P], whether it is untied's.
      won: bool[P], whether it was.
    """
    predicted, won = np.asarray(predicted, bool), np.asarray(won, bool)
    parts = [np.mean(predicted[won == side] == side) for side in np.unique(won)]
    return float(np.mean(parts)) if parts else 0.0


def threshold(values: Values, won: npt.NDArray[np.bool_], other: float) -> float:
    """Returns the value above which untied is predicted that is best on these pairs.

    Args:
      values: [P].
      won: bool[P], whether untied won.
      other: the threshold where the pairs have one winner, and so say nothing of it.
    """
    if len(np.unique(won)) < 2:
        return other
    known = np.unique(values[np.isfinite(values)])
    between = (known[1:] + known[:-1]) / 2
    edges = [known[0] - 1, *between, known[-1] + 1] if len(known) else [other]
    # Of thresholds that are as good, the one in the middle.
    scores = np.array([balanced_accuracy(values > edge, won) for edge in edges])
    best = np.flatnonzero(scores == scores.max())
    return float(edges[best[(len(best) - 1) // 2]])


def without_own_source(
    values: Values, won: npt.NDArray[np.bool_], sources: npt.NDArray, other: float
) -> Score:
    """Returns predictions by thresholds that are fitted to the other sources."""
    predicted = np.zeros(len(values), bool)
    for source in np.unique(sources):
        own = sources == source
        predicted[own] = values[own] > threshold(values[~own], won[~own], other)
    return Score(predicted, balanced_accuracy(predicted, won))


def predict(pairs: pd.DataFrame) -> dict[str, Score]:
    """Returns {who: score} of 'law', 'size' and 'linear models'.

    Args:
      pairs: decided ones, a row each: source, N, crossover, gain, untied (it won).
    """
    won, sources = pairs["untied"].to_numpy(bool), pairs["source"].to_numpy(str)
    size = np.log(pairs["N"].to_numpy(float))
    # What is infinite lies below every threshold: tied.
    beyond = size - np.log(pairs["crossover"].to_numpy(float))
    linear = pairs["gain"].to_numpy(float) < 0
    return {
        "law": without_own_source(beyond, won, sources, 0.0),
        "size": without_own_source(size, won, sources, np.inf),
        "linear models": Score(linear, balanced_accuracy(linear, won)),
    }


def over_sources(
    score: Callable[[pd.DataFrame], float], pairs: pd.DataFrame, count: int = 2_000
) -> Interval:
    """Returns a score with its 95 % interval, by resampling sources, not pairs.

    Samples with one winner are drawn anew, since they have no balanced accuracy; where
    the pairs have one, or there is one source, the interval is all from 0 to 1.

    Args:
      score: of pairs.
      pairs: a row each: source, untied, and what the score reads.
      count: of samples.
    """
    estimate = score(pairs)
    rng, names = np.random.default_rng(0), pairs["source"].unique()
    if len(names) < 2 or pairs["untied"].nunique() < 2:
        return Interval(estimate, 0.0, 1.0)
    of_name = {name: pairs[pairs["source"] == name] for name in names}
    found: list[float] = []
    while len(found) < count:
        drawn = pd.concat([of_name[name] for name in rng.choice(names, len(names))])
        if drawn["untied"].nunique() > 1:
            found.append(score(drawn))
    low, high = np.quantile(found, [0.025, 0.975])
    return Interval(estimate, min(float(low), estimate), max(float(high), estimate))

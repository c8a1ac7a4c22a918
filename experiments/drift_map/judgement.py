"""What counts as a win in the map of drift, and what the map comes to (Q5, B5).

Shape letters: C values of T, A drifts, X training-set sizes, S seeds.
"""

from typing import NamedTuple

import numpy as np

from rnnshare.analysis.statistics import (
    Interval,
    bootstrap_interval,
    holm,
    paired_p_value,
)

MATCHINGS = {
    "Untied": "equal width (and FLOPs)",
    "Untied, equal parameters": "equal parameters",
}
_LEVEL = 0.05
_EQUAL = 0.005  # of the target's variance


class Judgement(NamedTuple):
    """What a map comes to.

    Attributes:
      verdict: as in a finding.
      effect: untied less tied test loss, with its interval.
      effect_label: of which cell and seeds.
      untied_wins: {arm: bool[C, A, X]}, confirmed on fresh seeds.
      tied_wins: {arm: bool[C, A, X]}.
    """

    verdict: str
    effect: Interval
    effect_label: str
    untied_wins: dict
    tied_wins: dict


def differences_of(losses):
    """Returns {untied arm: [C, A, X, S]}, untied less tied test loss."""
    return {arm: losses[arm] - losses["Tied"] for arm in MATCHINGS}


def won(differences):
    """Returns {arm: whose cells they are}: -1 untied, +1 tied, 0 nobody, [C, A, X].

    Untied's are still to be confirmed. Holm's correction is over all of the map.
    """
    p_values = {
        arm: _over_cells(lambda row: paired_p_value(row, np.zeros_like(row)), values)
        for arm, values in differences.items()
    }
    joined = holm(np.concatenate([p.ravel() for p in p_values.values()]))
    ends = np.cumsum([p.size for p in p_values.values()])[:-1]
    parts = np.split(joined, ends)
    found = {}
    for (arm, values), part in zip(differences.items(), parts, strict=True):
        low, high = (
            _over_cells(lambda row, end=end: bootstrap_interval(row)[end], values)
            for end in (1, 2)
        )
        clear = part.reshape(low.shape) < _LEVEL
        found[arm] = np.where(clear, 1 * (low > 0) - 1 * (high < 0), 0)
    return found


def judge_map(differences, fresh, drifts, describe):
    """Returns the judgement of the map by the rule of Q5.

    Args:
      differences: {untied arm: [C, A, X, S]}.
      fresh: {(arm, c, a, x): [S]}, the differences on fresh seeds of untied's wins.
      drifts: [A].
      describe: `describe(arm, c, a, x)` names a cell.
    """
    whose = won(differences)
    tied = {arm: cells > 0 for arm, cells in whose.items()}
    untied = {arm: np.zeros(cells.shape, bool) for arm, cells in whose.items()}
    for (arm, *place), values in fresh.items():
        again = bootstrap_interval(values).high < 0
        untied[arm][tuple(place)] = whose[arm][tuple(place)] < 0 and again
    moves = np.asarray(drifts) > 0
    with_drift = sum(cells[:, moves].sum() for cells in untied.values())
    anywhere = sum(cells.sum() for cells in untied.values())
    cells = sum(each.size for each in tied.values())
    if with_drift:
        verdict = "supported"
    elif not anywhere and 2 * sum(each.sum() for each in tied.values()) >= cells:
        verdict = "refuted"
    else:
        verdict = "inconclusive"
    # A confirmed cell is told by its fresh seeds, which had no part in its choice.
    candidates = {
        key: values
        for key, values in fresh.items()
        if moves[key[2]] and untied[key[0]][key[1:]]
    }
    seeds = "fresh seeds"
    if not candidates:
        seeds = "where untied does best of all cells with drift"
        candidates = {
            (arm, *place): values[place]
            for arm, values in differences.items()
            for place in np.ndindex(values.shape[:3])
            if moves[place[1]]
        }
    best = min(candidates, key=lambda key: candidates[key].mean())
    label = (
        "untied less tied test loss, of the target's variance "
        f"({describe(*best)}; {seeds})"
    )
    return Judgement(verdict, bootstrap_interval(candidates[best]), label, untied, tied)


def judge_limit(differences, drifts):
    """Returns the verdict of B5, the interval at every drift, and {d > 0: Holm's p}.

    Args:
      differences: [A, S], untied less tied test loss, every example met once.
      drifts: [A], increasing, the last above 0.
    """
    intervals = [bootstrap_interval(row) for row in differences]
    moves = [i for i, drift in enumerate(drifts) if drift > 0]
    adjusted = holm(
        [paired_p_value(differences[i], np.zeros_like(differences[i])) for i in moves]
    )
    p_values = {drifts[i]: float(p) for i, p in zip(moves, adjusted, strict=True)}
    below = [p_values[drifts[i]] < _LEVEL and intervals[i].high < 0 for i in moves]
    last = intervals[-1]
    if all(below):
        verdict = "supported"
    elif last.estimate > -_EQUAL and last.high >= 0:
        verdict = "refuted"
    else:
        verdict = "inconclusive"
    return verdict, intervals, p_values


def crossover(sizes, means):
    """Returns where mean differences first turn negative, on log N; inf for nowhere.

    Args:
      sizes: [X], N in increasing order.
      means: [..., X], untied less tied test loss.

    Returns:
      [...]: the N of the line through the points, the least N where all are negative.
    """
    logs, means = np.log(np.asarray(sizes, np.float64)), np.asarray(means, np.float64)
    below = means < 0
    first = below.argmax(-1)
    before = np.maximum(first - 1, 0)
    high = np.take_along_axis(means, before[..., None], -1)[..., 0]
    low = np.take_along_axis(means, first[..., None], -1)[..., 0]
    inside = below.any(-1) & (first > 0)
    part = np.where(inside, high / np.where(inside, high - low, 1.0), 0.0)
    found = np.exp(logs[before] + part * (logs[first] - logs[before]))
    return np.where(below.any(-1), found, np.inf)


def crossover_interval(sizes, differences, num_resamples=2_000):
    """Returns the crossover of the mean over seeds, with its bootstrap interval.

    Args:
      sizes: [X].
      differences: [X, S].
      num_resamples: of the seeds, together at all N.

    Returns:
      An interval of N, whose numbers may be infinite.
    """
    rng = np.random.default_rng(0)
    count = differences.shape[1]
    drawn = rng.integers(count, size=(num_resamples, count))
    found = crossover(sizes, differences[:, drawn].mean(-1).T)
    # No interpolation, since some may be infinite.
    low, high = np.quantile(found, [0.025, 0.975], method="inverted_cdf")
    return Interval(float(crossover(sizes, differences.mean(1))), low, high)


def _over_cells(function, values):
    """Returns a function of the seeds of each cell: [..., S] to [...]."""
    rows = values.reshape(-1, values.shape[-1])
    return np.array([function(row) for row in rows]).reshape(values.shape[:-1])

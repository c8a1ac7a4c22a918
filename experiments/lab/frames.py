"""Tables of runs, and the paired comparisons that verdicts are made of.

A frame of runs has a row a training: the columns that name its case, its arm and its
repeat, and its metrics.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.lab.trials import replicates
from rnnshare.analysis.statistics import (
    Interval,
    holm,
    mean_interval,
    paired_p_value,
    resampled_interval,
)
from rnnshare.training import Setting
from rnnshare.training.rows import Row

if TYPE_CHECKING:
    import pandas as pd

    from experiments.lab.trials import Lab

LEVEL = 0.05  # of tests
LEARNT = 0.8  # of the seeds: 8 of 10 must have learnt, for a case to be counted


def frame(
    labels: Sequence[Mapping[str, Any]], rows: Sequence[Row], count: int
) -> "pd.DataFrame":
    """Returns rows of `Lab.train` as a frame, with the labels of their settings.

    Args:
      labels: of each setting, in the order that it was trained in; they win over a
        row's column of the same name.
      rows: what `Lab.train` returned.
      count: repeats of a setting.
    """
    import pandas as pd

    named = [label for label in labels for _ in range(count)]
    return pd.DataFrame(
        [{**row, **label} for label, row in zip(named, rows, strict=True)]
    )


def train(
    lab: "Lab",
    settings: Mapping[tuple, Setting],
    names: Sequence[str],
    num_seeds: int,
    first: int = 0,
) -> "pd.DataFrame":
    """Returns the runs of settings on paired seeds, as `frame`.

    Args:
      lab: trains them.
      settings: {labels: setting}.
      names: the columns of the labels.
      num_seeds: of each.
      first: seed.
    """
    rows = lab.train(list(settings.values()), replicates(num_seeds, first))
    labels = [dict(zip(names, values, strict=True)) for values in settings]
    return frame(labels, rows, num_seeds)


def count_lost(runs: "pd.DataFrame", values: Mapping[str, Any]) -> "pd.DataFrame":
    """Returns runs with `lost`: which diverged, and so were given values.

    Args:
      runs: see `frame`.
      values: {metric: value, or values by run} of who diverged, those of the trivial
        predictor.
    """
    filled = {name: runs[name].astype(float).fillna(v) for name, v in values.items()}
    return runs.assign(lost=runs["test_loss"].isna(), **filled)


def say_lost(lost: Any, alike: str, before: str = " ") -> str:
    """Returns a sentence on the runs that diverged; '' if there are none.

    Args:
      lost: bool[R], which did.
      alike: what they count as.
      before: what parts the sentence from the text that it is added to.
    """
    lost = np.asarray(lost, bool)
    told = f"{before}{lost.sum()} of {lost.size} runs diverged and count as {alike}."
    return told if lost.any() else ""


def learnt_first(
    trained: "pd.DataFrame", scores: "pd.DataFrame", mark: float
) -> tuple["pd.Series", "pd.DataFrame", "pd.DataFrame"]:
    """Returns which cases are counted, and their scores at either extreme.

    A model that did not learn what it was trained on says nothing of anything else, so
    a verdict must hold whatever it would have scored.

    Args:
      trained: accuracies where they were trained, a row a case, a column a repeat.
      scores: accuracies elsewhere, of the same cases and repeats.
      mark: the accuracy of who has learnt.

    Returns:
      Whether at least `LEARNT` of a case's repeats have learnt; the scores with 0, and
      with 1, in the place of those that have not.
    """
    learnt = trained >= mark
    counted = learnt.mean(axis=1) >= LEARNT
    return counted, scores.where(learnt, 0), scores.where(learnt, 1)


def say_edges(chosen: Mapping[str, float], rates: Sequence[float]) -> str:
    """Returns a sentence on the arms whose rate lies at an edge of the grid.

    Args:
      chosen: {arm: its rate}.
      rates: the grid.

    Returns:
      The sentence, after a blank; '' if there is none at an edge.
    """
    ends = {min(rates), max(rates)}
    at = ", ".join(f"{arm} {rate:g}" for arm, rate in chosen.items() if rate in ends)
    grid = f"from {min(rates):g} to {max(rates):g}"
    return f" Chosen rates at an edge of the grid, {grid}: {at}." if at else ""


def mean_oracle(make_task: Callable[[int], Any], num_seeds: int) -> float:
    """Returns the mean over the seeds of the best time-invariant linear model's loss.

    Args:
      make_task: makes the drift task of a split.
      num_seeds: each with a split of its own.
    """
    return float(np.mean([float(make_task(i).oracle) for i in range(num_seeds)]))


def contrast(
    runs: "pd.DataFrame",
    metric: str,
    *,
    by: Sequence[str],
    arms: tuple[str, str] = ("Untied", "Tied"),
    arm: str = "arm",
    repeat: str = "seed",
    missing: float | None = None,
) -> "pd.DataFrame":
    """Returns one arm less another, paired: a row a case, a column a repeat.

    Args:
      runs: a row a training.
      metric: a column.
      by: the columns that make a case.
      arms: what is subtracted from what: (a, b) gives a - b.
      arm: the column that names the arm.
      repeat: the column that pairs two runs.
      missing: the value of a run that diverged; NaN by default.

    Raises:
      ValueError: if a case has two runs of one arm and repeat, or a pair is not whole.
    """
    keys = [*by, arm, repeat]
    twice = runs[runs.duplicated(keys, keep=False)]
    if len(twice):
        first = twice.iloc[0][keys].to_dict()
        raise ValueError(
            f"{len(twice)} runs share case, arm and repeat, such as {first}. Name the "
            "column that tells them apart in `by`."
        )
    sides = []
    for name in arms:
        own = runs[runs[arm] == name]
        cases = own[list(by)].drop_duplicates()
        wide = own.pivot(index=list(by), columns=repeat, values=metric).astype(float)
        order = [tuple(case) if len(by) > 1 else case[0] for case in cases.to_numpy()]
        sides.append(wide.reindex(order))
    first, second = sides
    pairs = [
        set(map(tuple, runs[runs[arm] == name][[*by, repeat]].to_numpy()))
        for name in arms
    ]
    if pairs[0] != pairs[1]:
        raise ValueError(
            f"{arms[0]} and {arms[1]} were not run on the same cases and repeats, so "
            "they cannot be paired. Train both on all."
        )
    second = second.reindex(index=first.index, columns=first.columns)
    if missing is not None:
        first, second = first.fillna(missing), second.fillna(missing)
    return first - second


def tests(
    differences: "pd.DataFrame",
    level: float = LEVEL,
    overlaps: Sequence[float] | None = None,
) -> "pd.DataFrame":
    """Returns estimate, low, high, Holm's p and who wins, a row a case.

    Args:
      differences: of `contrast`.
      level: of the test.
      overlaps: of each case's splits, where repeats are splits of one data set: test
        examples over training examples, see `rnnshare.analysis.resampled_interval`.

    Returns:
      A frame; `wins` is -1 where the first arm is lower, +1 where the second is, and 0
      where neither is: the interval leaves out 0 and p, by Holm's method over all
      cases, is below the level.
    """
    import pandas as pd

    values = differences.to_numpy(float)
    shared = np.zeros(len(values)) if overlaps is None else np.asarray(overlaps, float)
    pairs = [*zip(values, shared, strict=True)]
    intervals = np.array([interval_of(*pair) for pair in pairs]).reshape(-1, 3)
    p = holm([paired_p_value(row, np.zeros_like(row), part) for row, part in pairs])
    low, high = intervals[:, 1], intervals[:, 2]
    wins = np.where(p < level, 1 * (low > 0) - 1 * (high < 0), 0)
    return pd.DataFrame(
        {"estimate": intervals[:, 0], "low": low, "high": high, "p": p, "wins": wins},
        index=differences.index,
    )


def interval_of(values: Any, overlap: float = 0.0) -> Interval:
    """Returns the t interval of a mean over repeats, or over splits that overlap."""
    return resampled_interval(values, overlap) if overlap else mean_interval(values)


def overlap_of(make_task: Callable[[int], Any]) -> float:
    """Returns the test examples of a data set's splits over the training examples."""
    task = make_task(0)
    return len(task.held_out("test").targets) / len(task.train.targets)

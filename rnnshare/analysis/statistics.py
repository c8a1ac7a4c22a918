"""What the answers rest on: paired differences, intervals, slopes, corrections.

Everything takes NumPy-like arrays of finished measurements and returns plain floats, so
that a figure, a report and a test read the same numbers. scipy does the statistics.

Shape letters: S seeds, X points on an axis, such as numbers of steps.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rnnshare.analysis.intervals import Interval as Interval
from rnnshare.analysis.intervals import (
    Statistic,
    check_confidence,
    finite,
    scipy_stats,
)
from rnnshare.analysis.intervals import bootstrap_interval as bootstrap_interval
from rnnshare.analysis.intervals import mean_interval as mean_interval
from rnnshare.analysis.intervals import resampled_interval as resampled_interval
from rnnshare.analysis.intervals import solved_interval as solved_interval


class LineFit(NamedTuple):
    """A fitted line `y = intercept + slope x` and the share of variance it explains."""

    slope: Interval
    intercept: float
    r_squared: float


def paired_difference(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    statistic: Statistic = np.mean,
    num_resamples: int = 9_999,
    seed: int = 0,
) -> Interval:
    """Returns the interval of a - b, entry s of both from one seed.

    Of the mean it is `mean_interval`, of other statistics `bootstrap_interval`.

    Args:
      a: [S] measurements of one model.
      b: [S] measurements of the other, in the same order of seeds.
      confidence: the coverage that the interval aims at.
      statistic: of the differences; the mean by default.
      num_resamples: of the bootstrap.
      seed: of the resampling.

    Raises:
      ValueError: unless both are finite, of one length, and that at least 2.
    """
    differences = _differences(*_pair(a, b))
    if statistic is np.mean:
        return mean_interval(differences, confidence=confidence)
    return bootstrap_interval(
        differences,
        confidence=confidence,
        statistic=statistic,
        num_resamples=num_resamples,
        seed=seed,
    )


def log_log_slope(
    x: npt.ArrayLike, y: npt.ArrayLike, *, confidence: float = 0.95
) -> Interval:
    """Returns the exponent k of the power law `y = c x^k`, fitted in logarithms.

    Args:
      x: [X], positive, at least 3 points.
      y: [X], positive: the interval is that of least squares, and has no width where
        the points lie on a power law; or [S, X]: one slope a seed, and the interval is
        the bootstrap's over the seeds.
      confidence: the coverage that the interval aims at.

    Returns:
      The slope (its mean over the seeds) and its interval.

    Raises:
      ValueError: if anything is not positive and finite, or of the wrong shape.
    """
    rows = np.asarray(y, dtype=np.float64)
    if rows.ndim not in (1, 2):
        raise ValueError(
            f"log_log_slope takes y of [X] or [S, X], but got shape {rows.shape}."
        )
    for name, array in (("x", np.asarray(x, dtype=np.float64)), ("y", rows)):
        if not (np.isfinite(array).all() and (array > 0).all()):
            raise ValueError(
                f"log_log_slope takes logarithms, but {name} holds values that are not "
                "positive and finite. Leave those points out, or use line_fit."
            )
    log_x = np.log(np.asarray(x, dtype=np.float64))
    if rows.ndim == 1:
        return line_fit(log_x, np.log(rows), confidence=confidence).slope
    slopes = [line_fit(log_x, np.log(row)).slope.estimate for row in rows]
    return mean_interval(slopes, confidence=confidence)


def line_fit(
    x: npt.ArrayLike, y: npt.ArrayLike, *, confidence: float = 0.95
) -> LineFit:
    """Fits `y = intercept + slope x` by least squares.

    Whole numbers that lie on a line give that line exactly, with a zero-width interval
    and `r_squared` 1.0. A constant y is a line too: slope 0, `r_squared` 1.0.

    Args:
      x: [X], at least 3 points, not all equal.
      y: [X].
      confidence: the coverage that the slope's t interval aims at.

    Returns:
      The slope with its interval, the intercept, and R^2.

    Raises:
      ValueError: if the points are not finite, fewer than 3, or all at one x.
    """
    first, second = _pair(x, y, names=("x", "y"), least=3)
    check_confidence(confidence)
    if np.ptp(first) == 0.0:
        raise ValueError(
            f"line_fit needs points at different x, but all are at {first[0]:g}."
        )
    # Times the number of points, so that whole numbers stay whole and exact.
    count = len(first)
    dx, dy = count * first - first.sum(), count * second - second.sum()
    slope = float(dx @ dy / (dx @ dx))
    intercept = float((second.sum() - slope * first.sum()) / count)
    residuals = second - intercept - slope * first
    scale = np.abs(second).max() + np.abs(slope * first).max()
    if np.abs(residuals).max() <= 32 * np.finfo(np.float64).eps * scale:
        return LineFit(Interval(slope, slope, slope), intercept, 1.0)
    error = np.sqrt(residuals @ residuals / (count - 2) / (dx @ dx)) * count
    half = float(error * scipy_stats().t.ppf(0.5 + confidence / 2, count - 2))
    r_squared = float(1.0 - residuals @ residuals / (dy @ dy) * count**2)
    return LineFit(Interval(slope, slope - half, slope + half), intercept, r_squared)


def paired_p_value(a: npt.ArrayLike, b: npt.ArrayLike, overlap: float = 0.0) -> float:
    """Returns the two-sided p-value of the paired t test that the mean of a - b is 0.

    Where all differences are equal, there is nothing to estimate: 1.0 if they are zero,
    0.0 if not.

    Args:
      a: [S] measurements of one model.
      b: [S] measurements of the other, in the same order of seeds.
      overlap: of the splits that the seeds have, see `resampled_interval`.

    Raises:
      ValueError: unless both are finite, of one length, and that at least 2, and the
        overlap is not negative.

    Reference: Nadeau, Bengio, 2003, "Inference for the generalization error".
    """
    differences = _differences(*_pair(a, b))
    if np.ptp(differences) == 0.0:
        return 1.0 if differences[0] == 0.0 else 0.0
    if not overlap:
        return float(scipy_stats().ttest_1samp(differences, 0.0).pvalue)
    mean, low, _ = resampled_interval(differences, overlap)
    freedom, t = len(differences) - 1, scipy_stats().t
    error = (mean - low) / t.ppf(0.975, freedom)
    return float(2 * t.sf(abs(mean) / error, freedom))


def holm(p_values: npt.ArrayLike) -> np.ndarray:
    """Returns p-values adjusted for their number: reject where they are below alpha.

    The i-th smallest of m becomes `max_{j <= i} min(1, (m - j + 1) p_j)`; the chance of
    a single false rejection among all is then at most alpha, however they depend on
    one another.

    Args:
      p_values: [m], in any order.

    Returns:
      [m], in the given order.

    Raises:
      ValueError: if one is not a probability.

    Reference: Holm, 1979, "A simple sequentially rejective multiple test procedure".
    """
    given = np.asarray(p_values, dtype=np.float64)
    if given.ndim != 1 or not np.all((given >= 0.0) & (given <= 1.0)):
        raise ValueError(
            f"holm takes a list of p-values between 0 and 1, but got {given.tolist()}."
        )
    order = np.argsort(given, kind="stable")
    scaled = given[order] * np.arange(len(given), 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def rank_correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Returns Spearman's rank correlation, 0 where one of both does not vary.

    Args:
      x: [X].
      y: [X].

    Raises:
      ValueError: unless both are finite, of one length, and that at least 2.
    """
    first, second = _pair(x, y, names=("x", "y"))
    if np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        return 0.0
    return float(scipy_stats().spearmanr(first, second).statistic)


def memorised_bits(accuracy: npt.ArrayLike, num_examples: npt.ArrayLike) -> np.ndarray:
    """Returns how many bits of N random binary labels a classifier holds.

    `N (1 + p log2 p + (1 - p) log2(1 - p))`, the mutual information of the labels and
    the answers at training accuracy p: N where all labels are known, 0 at p = 1/2. An
    accuracy below a half holds nothing, and counts as 1/2.

    Args:
      accuracy: p, on the training set, of any shape.
      num_examples: N, broadcast against it.

    Raises:
      ValueError: if an accuracy is outside [0, 1], or N is below 1.

    Reference: Collins, Sohl-Dickstein, Sussillo, 2017, "Capacity and trainability in
    recurrent neural networks".
    """
    given, count = np.asarray(accuracy, np.float64), np.asarray(num_examples)
    if not np.all((given >= 0.0) & (given <= 1.0)):
        raise ValueError(
            f"memorised_bits takes accuracies in [0, 1], but got {given.tolist()}."
        )
    if not np.all(count >= 1):
        raise ValueError(f"num_examples is {count.tolist()}. Use at least 1.")
    p = np.maximum(given, 0.5)
    q = 1.0 - p
    known = 1.0 + p * np.log2(p) + q * np.log2(np.where(q > 0.0, q, 1.0))
    return np.maximum(count * known, 0.0)


def _differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns a - b, made equal where only rounding tells the differences apart."""
    differences = a - b
    rounding = 64 * np.finfo(np.float64).eps * max(np.abs(a).max(), np.abs(b).max())
    if np.ptp(differences) <= rounding:
        return np.full_like(differences, differences[0])
    return differences


def _pair(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    names: tuple[str, str] = ("a", "b"),
    least: int = 2,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns both as float64 of one length, or says what is wrong with them."""
    first, second = finite(names[0], a, least), finite(names[1], b, least)
    if len(first) != len(second):
        raise ValueError(
            f"{names[0]} has {len(first)} values and {names[1]} has {len(second)}, "
            "but they are compared one by one. Give both for the same points."
        )
    return first, second

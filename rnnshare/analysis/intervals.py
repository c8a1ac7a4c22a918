"""Intervals of one sample: Student's t, of logarithms, exact binomial, bootstrap.

Which is for what: the mean of a few values takes `mean_interval`, losses their
logarithms (`scale="log"`), solved or not over seeds `solved_interval`; the bootstrap is
for other statistics of a few dozen values and more.

Shape letters: S values.
"""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Statistic = Callable[..., Any]  # takes values and, where it can, `axis`
SCALES = ("linear", "log")
_BATCH = 1_000_000  # resampled values at once: 8 MB


class Interval(NamedTuple):
    """An estimate and the two ends of its confidence interval.

    A format is that of each number: `f"{interval:+.2f}"` is `-0.12 [-0.20, -0.04]`.
    """

    estimate: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        estimate, low, high = (format(value, spec) for value in self)
        return f"{estimate} [{low}, {high}]"


def mean_interval(
    values: npt.ArrayLike, *, confidence: float = 0.95, scale: str = "linear"
) -> Interval:
    """Returns Student's t interval of a mean, which holds for few values as well.

    With `scale="log"` it is that of the logarithms' mean, taken back: the geometric
    mean, as fits losses, and ratios of losses. Equal values give a zero-width interval.

    Measured on 200,000 samples of 5, 6 and 10 values, a 95 % interval covers

    - normal values (and log-normal ones on the log scale): 95.0, 95.0, 95.0 %;
    - differences of two log-normal values (paired losses): 97.5, 97.3, 96.8 %;
    - exponential values: 88.3, 88.7, 90.1 %;
    - log-normal values on the linear scale: 82.2, 82.3, 84.0 %;
    - solved or not at a rate of .9: 40.8, 46.6, 64.9 % (see `solved_interval`).

    Args:
      values: [S]; positive where the scale is 'log'.
      confidence: the coverage that the interval aims at.
      scale: 'linear' or 'log'.

    Raises:
      ValueError: unless there are at least 2 values, all finite, and positive for
        logarithms.

    Reference: Student, 1908, "The probable error of a mean".
    """
    sample = finite("values", values)
    check_confidence(confidence)
    if scale not in SCALES:
        raise ValueError(f"scale is {scale!r}. Use 'linear' or 'log'.")
    if scale == "log":
        if not (sample > 0).all():
            raise ValueError(
                "mean_interval with scale='log' takes positive values, but the least "
                f"is {sample.min():g}. Use scale='linear'."
            )
        logs = mean_interval(np.log(sample), confidence=confidence)
        return Interval(*(float(np.exp(end)) for end in logs))
    estimate = float(sample.mean())
    if np.ptp(sample) == 0.0:
        return Interval(estimate, estimate, estimate)
    error = sample.std(ddof=1) / np.sqrt(len(sample))
    half = float(error * scipy_stats().t.ppf(0.5 + confidence / 2, len(sample) - 1))
    return Interval(estimate, estimate - half, estimate + half)


def resampled_interval(
    values: npt.ArrayLike, overlap: float, *, confidence: float = 0.95
) -> Interval:
    """Returns the t interval of a mean over splits of one data set, which overlap.

    The variance of the mean is `(1 / S + overlap) s^2`, since what two splits say is
    not independent; with overlap 0 it is `mean_interval`.

    Args:
      values: [S], one a split.
      overlap: test examples over training examples; 0 where all have one split.
      confidence: the coverage that it aims at.

    Raises:
      ValueError: unless there are two finite values and more, and the overlap is not
        negative.

    Reference: Nadeau, Bengio, 2003, "Inference for the generalization error".
    """
    found = finite("values", values)
    check_confidence(confidence)
    if not overlap >= 0:
        raise ValueError(
            f"overlap is {overlap}. Give the test examples over the training examples."
        )
    error = np.sqrt((1 / len(found) + overlap) * found.var(ddof=1))
    half = float(error * scipy_stats().t.ppf(0.5 + confidence / 2, len(found) - 1))
    mean = float(found.mean())
    return Interval(mean, mean - half, mean + half)


def solved_interval(solved: int, tried: int, *, confidence: float = 0.95) -> Interval:
    """Returns the exact binomial interval of a rate: of the seeds that solved a task.

    It never covers less than it aims at, however few are tried, where a t interval of
    rates such as 9 in 10 covers about a half.

    Args:
      solved: how many did.
      tried: of how many, at least 1.
      confidence: the coverage that the interval has at least.

    Raises:
      ValueError: unless both are whole numbers, 0 <= solved <= tried.

    Reference: Clopper, Pearson, 1934, "The use of confidence or fiducial limits".
    """
    check_confidence(confidence)
    if solved != int(solved) or tried != int(tried) or not 0 <= solved <= tried > 0:
        raise ValueError(
            f"solved_interval: {solved} of {tried} is no count. Use whole numbers, "
            "0 <= solved <= tried."
        )
    beta, tail = scipy_stats().beta, (1 - confidence) / 2
    low = beta.ppf(tail, solved, tried - solved + 1) if solved else 0.0
    high = beta.isf(tail, solved + 1, tried - solved) if solved < tried else 1.0
    return Interval(float(solved / tried), float(low), float(high))


def bootstrap_interval(
    values: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    statistic: Statistic = np.mean,
    num_resamples: int = 9_999,
    seed: int = 0,
) -> Interval:
    """Returns the bootstrap interval (BCa) of a statistic of one sample.

    Equal values give a zero-width interval. Where BCa is not defined (a median whose
    jackknife does not move, for one), the interval is that of the percentiles. The
    bootstrap is too narrow for few values: on normal data a 95 % interval of a mean
    holds the truth in about 84 % of studies of 5 seeds, and 90 % of studies of 12.

    Args:
      values: [S].
      confidence: the coverage that the interval aims at.
      statistic: takes [S] (with `axis`, it is vectorised) and returns a number.
      num_resamples: bootstrap resamples.
      seed: of the resampling.

    Returns:
      The statistic of the values and the ends of its interval.

    Raises:
      ValueError: unless there are at least 2 values, all finite.

    Reference: Efron, 1987, "Better bootstrap confidence intervals".
    """
    sample = finite("values", values)
    check_confidence(confidence)
    estimate = float(statistic(sample))
    if np.ptp(sample) == 0.0:
        return Interval(estimate, estimate, estimate)
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            # A degenerate BCa warns and returns NaN: percentiles then take its place.
            warnings.simplefilter("ignore")
            result = scipy_stats().bootstrap(
                (sample,),
                statistic,
                confidence_level=confidence,
                n_resamples=num_resamples,
                batch=max(1, _BATCH // len(sample)),
                method=method,
                rng=np.random.default_rng(seed),
            )
        low, high = map(float, result.confidence_interval)
        if np.isfinite(low) and np.isfinite(high):
            break
    return Interval(estimate, low, high)


def finite(name: str, values: npt.ArrayLike, least: int = 2) -> np.ndarray:
    """Returns the values as float64[n], or says what is wrong with them."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(
            f"{name} has shape {array.shape}, but one axis is expected. Flatten it."
        )
    if len(array) < least:
        raise ValueError(f"{name} has {len(array)} values. Give at least {least}.")
    if not np.isfinite(array).all():
        where = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(
            f"{name}[{where}] is {array[where]}, but only finite values can be "
            "compared. Leave that run out of both sides, and say so."
        )
    return array


def check_confidence(confidence: float) -> None:
    """Raises unless the confidence lies between 0 and 1."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence is {confidence}. Use one between 0 and 1.")


def scipy_stats() -> Any:
    """Returns scipy.stats, imported when it is first needed."""
    import scipy.stats

    return scipy.stats

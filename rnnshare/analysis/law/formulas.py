"""The law of sharing: a bias against a variance, and how much data turns the scale.

A linear rule a step, `y_t = w_t . x_t + noise`, is learnt by least squares from N
sequences. Untied weights estimate every w_t by itself, and pay in variance; tied ones
estimate a common w from T times the rows, and pay the bias b, what the best common w
misses. With s^2 the variance of the noise, Gaussian inputs and independent rows, the
excess errors a step (over s^2) are, for N > p + 1,

    untied: s^2 p / (N - p - 1)
    tied:   b + (s^2 p + (p + 1) b) / (N T - p - 1)

and cross exactly at `N* = p + 1 + s^2 p (1 - 1 / T) / b`. Where inputs and noise both
correlate over time, the T rows of a sequence count as T_eff: tied's s^2 p is T / T_eff
times as large, and N* is p + 1 more than the positive root n of

    b n (n + p + 1) = s^2 p ((1 - 1 / T_eff) n + (1 - 1 / T) (p + 1))

which is about s^2 p (1 - 1 / T_eff) / b where it is large beside p.

One answer a sequence, `y = sum_t w_t . x_t + noise`, with B what the best common w
misses:

    untied: s^2 p T / (N - p T - 1)
    tied:   B + (s^2 + B) p / (N - p - 1)

which cross exactly at `N* = p T + 1 + s^2 p (T - 1) / B`.

Where the weights are `w + d_t` with entries of d_t drawn from N(0, tau^2), the best of
all linear estimates ties softly, at every N: `best_strength`.

Shape letters: N sequences, T steps, p weights a step.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class ExcessErrors(NamedTuple):
    """Mean squared errors above the variance of the noise: of a step, or of the answer.

    Infinite where there are too few sequences for a mean.
    """

    tied: float
    untied: float


def excess_errors(
    num_examples: float,
    *,
    num_weights: int,
    num_steps: int,
    noise_variance: float,
    bias: float,
    effective_steps: float | None = None,
    per_sequence: bool = False,
) -> ExcessErrors:
    """Returns the expected excess errors of least squares, tied and untied.

    Args:
      num_examples: N.
      num_weights: p.
      num_steps: T.
      noise_variance: s^2.
      bias: b, or B of one answer a sequence.
      effective_steps: T_eff, from 1 to T; T by default. See `effective_steps`.
      per_sequence: one answer a sequence, in place of one a step.

    Raises:
      ValueError: on a number that is out of its range.
    """
    steps = _check(num_weights, num_steps, noise_variance, bias, effective_steps)
    if not 0 < num_examples < math.inf:
        raise ValueError(f"num_examples is {num_examples}. Use a number above 0.")
    p, s2, n = num_weights, noise_variance, num_examples
    if per_sequence:
        _refuse_effective_steps(effective_steps)
        tied = _over(n - p - 1, (s2 + bias) * p)
        untied = _over(n - p * num_steps - 1, s2 * p * num_steps)
    else:
        noise = s2 * p * num_steps / steps
        tied = _over(n * num_steps - p - 1, noise + (p + 1) * bias)
        untied = _over(n - p - 1, s2 * p)
    return ExcessErrors(bias + tied, untied)


def crossover(
    *,
    num_weights: int,
    num_steps: int,
    noise_variance: float,
    bias: float,
    effective_steps: float | None = None,
    per_sequence: bool = False,
) -> float:
    """Returns N*, the number of sequences from which on untied weights do better.

    `p + 1 + s^2 p (1 - 1 / T) / b`; of one answer a sequence
    `p T + 1 + s^2 p (T - 1) / B`; with T_eff see above. It is infinite where the
    bias is 0: what is one rule is never worth untying.

    Args:
      num_weights: p.
      num_steps: T.
      noise_variance: s^2, in the targets' unit squared, as is the bias.
      bias: `b = mean_t E[((w_t - w) . x_t)^2]` of the best common w, which for inputs
        of variance v without correlation is `v mean_t |w_t - mean w|^2`; of one answer
        a sequence `B = min_w Var sum_t (w_t - w) . x_t`.
      effective_steps: T_eff, from 1 to T; T by default. See `effective_steps`.
      per_sequence: one answer a sequence, in place of one a step.

    Raises:
      ValueError: on a number that is out of its range.
    """
    steps = _check(num_weights, num_steps, noise_variance, bias, effective_steps)
    if bias == 0:
        return math.inf
    if per_sequence:
        _refuse_effective_steps(effective_steps)
        more = noise_variance * num_weights * (num_steps - 1) / bias
        return num_weights * num_steps + 1 + more
    cost, least = noise_variance * num_weights / bias, num_weights + 1
    linear = cost * (1 - 1 / steps) - least
    constant = cost * (1 - 1 / num_steps) * least
    return least + (linear + math.sqrt(linear**2 + 4 * constant)) / 2


def best_strength(*, noise_variance: float, drift_variance: float) -> float:
    """Returns `s^2 / tau^2`, the best strength of soft tying, at every N.

    For `w_t = w + d_t`, d_t of independent entries N(0, tau^2), the best estimate (the
    posterior mean under a flat prior on w) minimises the *sum* of squared errors plus
    the strength times `sum_t |w_t - mean w|^2`, which is `tying_penalty(kind="mean")`.
    Beside a *mean* of squared errors, over N sequences of T steps, the factor is the
    strength divided by N T. It belongs into the loss: a proximal step after Adam is
    another prior. A strength of 0 is untied, an infinite one tied.

    Args:
      noise_variance: s^2.
      drift_variance: tau^2.

    Raises:
      ValueError: if one is negative or not finite, or both are 0.
    """
    _check_variance("noise_variance", noise_variance)
    _check_variance("drift_variance", drift_variance)
    if noise_variance == drift_variance == 0:
        raise ValueError(
            "noise_variance and drift_variance are both 0: then every strength learns "
            "the rule. Give one that is positive."
        )
    return noise_variance / drift_variance if drift_variance else math.inf


def effective_steps(inputs: npt.ArrayLike, noise: npt.ArrayLike) -> float:
    """Returns T_eff = `T^2 / sum_tu C_x[t, u] C_e[t, u]`.

    It is T where one of both does not correlate over time.

    Args:
      inputs: C_x [T, T], the correlation of an input at step t with itself at step u.
      noise: C_e [T, T], that of the noise.

    Raises:
      ValueError: unless both are square and of one size.
    """
    first, second = np.asarray(inputs, np.float64), np.asarray(noise, np.float64)
    square = first.ndim == 2 and first.shape[0] == first.shape[1] > 0
    if not square or first.shape != second.shape:
        raise ValueError(
            f"effective_steps takes two correlations of [T, T], but got {first.shape} "
            f"and {second.shape}."
        )
    return float(first.shape[0] ** 2 / np.sum(first * second))


def _over(freedom: float, cost: float) -> float:
    """Returns cost / freedom; infinite where there is no mean."""
    return cost / freedom if freedom > 0 else math.inf


def _check(
    num_weights: int,
    num_steps: int,
    noise_variance: float,
    bias: float,
    effective: float | None,
) -> float:
    """Returns T_eff, or says what is wrong."""
    for name, count in (("num_weights", num_weights), ("num_steps", num_steps)):
        if isinstance(count, bool) or count < 1 or count != int(count):
            raise ValueError(f"{name} is {count}. Use a whole number of at least 1.")
    _check_variance("noise_variance", noise_variance)
    _check_variance("bias", bias)
    if effective is None:
        return num_steps
    if not 1 <= effective < math.inf:
        raise ValueError(f"effective_steps is {effective}. Use a number of at least 1.")
    return effective


def _check_variance(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is {value}. Use a finite number of at least 0.")


def _refuse_effective_steps(effective: float | None) -> None:
    if effective is not None:
        raise ValueError(
            "effective_steps counts the rows of an answer a step; with per_sequence "
            "there is one row a sequence. Leave it out."
        )

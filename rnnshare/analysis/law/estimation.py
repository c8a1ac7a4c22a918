"""The law read from data: what noise, drift and bias a data set has, and which side.

Shape letters: N sequences, T steps, p weights a step.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnshare.analysis.law.formulas import crossover

MOST_GROUPS = 100  # of the jackknife: with more sequences than that, by blocks of them
_DEPENDENT = (
    "estimate: at step {} feature {} is constant, or those before it determine it. "
    "Leave that feature out."
)


class Estimate(NamedTuple):
    """What `estimate` reads from data.

    Attributes:
      noise_variance: s^2, what per-step linear weights leave unexplained; in the
        targets' unit squared, as is `bias`.
      drift_variance: tau^2, of one entry of the weights over the steps.
      bias: b (or B), unbiased, so that it may be negative.
      bias_error: its standard error, by the jackknife over sequences.
      effective_steps: T_eff.
      crossover: N* in sequences; infinite where the bias is not positive.
      strength: of the best soft tying; infinite where the drift is not positive.
      side: that does better at this N: 'tied', 'untied' or 'cannot tell'.
      confidence: that the side which the estimates point to is the right one, from .5
        to 1; 'cannot tell' is said below the level that was asked for.
    """

    noise_variance: float
    drift_variance: float
    bias: float
    bias_error: float
    effective_steps: float
    crossover: float
    strength: float
    side: str
    confidence: float


class Variances(NamedTuple):
    """What `variances` reads from data; see `Estimate`.

    Attributes:
      noise_variance: s^2.
      bias: b (or B), unbiased, so that it may be negative.
      effective_steps: T_eff.
      drift_variance: tau^2.
    """

    noise_variance: float
    bias: float
    effective_steps: float
    drift_variance: float


def variances(inputs: npt.ArrayLike, targets: npt.ArrayLike) -> Variances:
    """Returns the estimates of `estimate` without their errors, a hundred times sooner.

    Args:
      inputs: [N, T, p], with N > p + 2 (p T + 2 for one answer each).
      targets: [N, T], an answer a step; or [N], one a sequence.

    Raises:
      ValueError: as `estimate`, and on fewer sequences.
    """
    x, y = _check_data(inputs, targets)
    own = _num_weights(x, y)
    if len(x) <= own + 2:
        raise ValueError(
            f"variances: {len(x)} sequences are fitted by {own} weights. Give at least "
            f"{own + 3} sequences, or fewer features."
        )
    noise, bias, common, drift = _read(x, y)
    return Variances(noise, bias, 1 / common, drift)


def estimate(
    inputs: npt.ArrayLike, targets: npt.ArrayLike, *, level: float = 0.95
) -> Estimate:
    """Says of data whether a linear rule a step is better tied or untied.

    Inputs and targets are centred at every step: an intercept a step is free. What the
    estimated weights differ by is mostly noise, so b is what they explain beyond common
    weights *less what noise alone would make of it*, which needs the covariances of the
    noise at two steps, `r_t . r_u / tr((I - H_t)(I - H_u))` of the residuals r and the
    hat matrices H. Given the inputs that is unbiased. Errors are those of the jackknife
    over sequences (blocks of neighbours where there are more than 100).

    With at most p + 2 sequences (p T + 2 for one answer each), untied weights fit all,
    there are no residuals, and it cannot tell.

    Args:
      inputs: [N, T, p].
      targets: [N, T], an answer a step; or [N], one a sequence.
      level: the confidence below which it cannot tell.

    Raises:
      ValueError: on other shapes, fewer than 3 sequences, fewer than 2 steps, values
        that are not finite, or features that are not independent at some step.
    """
    x, y = _check_data(inputs, targets)
    if not 0.5 <= level < 1:
        raise ValueError(f"level is {level}. Use one from 0.5 to below 1.")
    (count, steps, p), per_sequence = x.shape, y.ndim == 1
    own = _num_weights(x, y)
    if count <= own + 2:
        nan = math.nan
        return Estimate(nan, nan, nan, nan, nan, nan, nan, "cannot tell", 0.5)
    found = _read(x, y)
    size = min(math.ceil(count / MOST_GROUPS), count - own - 2)
    blocks = np.array_split(np.arange(count), math.ceil(count / size))
    again = np.array([_read(np.delete(x, b, 0), np.delete(y, b, 0)) for b in blocks])

    more = count - own - 1

    def gain(noise: Any, bias: Any, common: Any) -> Any:
        """Returns untied's lead over tied, in proportion; 0 at the crossover."""
        share = ((1 - common) * more + (1 - 1 / steps) * (p + 1)) / (more + p + 1)
        return bias * more - noise * p * (steps - 1 if per_sequence else share)

    noise, bias, common, drift = map(float, found)
    leads = gain(again[:, 0], again[:, 1], again[:, 2])
    lead, error = gain(noise, bias, common), _jackknife_error(leads)
    confidence = _confidence(abs(lead), error, len(blocks) - 1)
    side = "untied" if lead > 0 else "tied"
    return Estimate(
        noise_variance=noise,
        drift_variance=drift,
        bias=bias,
        bias_error=_jackknife_error(again[:, 1]),
        effective_steps=1 / common,
        crossover=crossover(
            num_weights=p,
            num_steps=steps,
            noise_variance=noise,
            bias=max(bias, 0.0),
            effective_steps=None if per_sequence else 1 / common,
            per_sequence=per_sequence,
        ),
        strength=noise / drift if drift > 0 else math.inf,
        side=side if confidence >= level else "cannot tell",
        confidence=confidence,
    )


def _num_weights(x: np.ndarray, y: np.ndarray) -> int:
    """Returns how many weights an answer has, untied: p, or p T."""
    return x.shape[2] * (x.shape[1] if y.ndim == 1 else 1)


def _read(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float, float]:
    """Returns s^2, b or B, 1 / T_eff and tau^2."""
    return _read_sequences(x, y) if y.ndim == 1 else _read_steps(x, y)


def _read_steps(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float, float]:
    """Returns s^2, b, 1 / T_eff and tau^2 of an answer a step.

    Args:
      x: [N, T, p].
      y: [N, T].
    """
    x, y = (np.moveaxis(a - a.mean(0), 0, 1) for a in (x, y))  # [T, N, ...]
    steps, count, p = x.shape
    basis, upper = np.linalg.qr(x)  # [T, N, p], [T, p, p]
    _check_rank(upper)
    along = np.einsum("tnp,tn->tp", basis, y)
    residuals = y - np.einsum("tnp,tp->tn", basis, along)
    flat = np.moveaxis(basis, 1, 0).reshape(count, steps * p)
    overlap = (flat.T @ flat).reshape(steps, p, steps, p) ** 2
    freedom = count - 1 - 2 * p + overlap.sum((1, 3))  # tr((I - H_t)(I - H_u))
    covariance = residuals @ residuals.T / np.maximum(freedom, 1e-9)
    gram = np.einsum("tqp,tqr->tpr", upper, upper)
    root = np.linalg.cholesky(gram.sum(0))
    pull = np.linalg.solve(root, np.einsum("tqp,tq->p", upper, along))
    whole = np.linalg.solve(root, np.swapaxes(x, 1, 2)).reshape(steps, -1)
    # What tied weights fit of the noise, and what untied ones fit beyond it.
    tied = float(np.sum(covariance * (whole @ whole.T)))
    untied = float(p * np.trace(covariance))
    explained = float(np.sum(along**2) - pull @ pull) - (untied - tied)
    noise = untied / (p * steps)
    within = np.linalg.solve(root, gram)
    spread = np.trace(gram, axis1=1, axis2=2).sum() - np.sum(within**2)
    common = min(max(tied / max(untied, 1e-300), 1e-9), 1.0)
    bias = explained / ((count - 1) * steps - p - 1)
    return noise, bias, common, explained / spread


def _read_sequences(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float, float]:
    """Returns s^2, B, 1 / T and tau^2 of one answer a sequence.

    Args:
      x: [N, T, p].
      y: [N].
    """
    x, y = x - x.mean(0), y - y.mean(0)
    count, steps, p = x.shape
    every = x.reshape(count, steps * p)
    basis, upper = np.linalg.qr(every)
    _check_rank(upper[None])
    summed, _ = np.linalg.qr(x.sum(1))
    left, left_tied = (y - q @ (q.T @ y) for q in (basis, summed))
    noise = float(left @ left) / (count - 1 - steps * p)
    explained = float(left_tied @ left_tied - left @ left) - noise * p * (steps - 1)
    spread = np.sum(every**2) - np.sum((summed.T @ every) ** 2)
    return noise, explained / (count - 1 - p), 1 / steps, explained / float(spread)


def _jackknife_error(values: np.ndarray) -> float:
    """Returns the standard error of what was estimated without each of some groups."""
    count = len(values)
    return float(math.sqrt((count - 1) / count * np.sum((values - values.mean()) ** 2)))


def _confidence(lead: float, error: float, freedom: int) -> float:
    import scipy.stats

    if error == 0:
        return 1.0 if lead else 0.5
    return float(scipy.stats.t.cdf(lead / error, freedom))


def _check_data(
    inputs: npt.ArrayLike, targets: npt.ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Returns both as float64, or says what is wrong with them."""
    x, y = np.asarray(inputs, np.float64), np.asarray(targets, np.float64)
    if x.ndim != 3 or y.shape not in (x.shape[:2], x.shape[:1]):
        raise ValueError(
            f"estimate takes inputs [N, T, p] and targets [N, T] or [N], but got "
            f"shapes {x.shape} and {y.shape}."
        )
    if len(x) < 3 or x.shape[1] < 2 or x.shape[2] < 1:
        raise ValueError(
            f"estimate: inputs of shape {x.shape} are {x.shape[0]} sequences of "
            f"{x.shape[1]} steps and {x.shape[2]} features. Give at least 3 sequences "
            "of 2 steps and 1 feature."
        )
    for name, array in (("inputs", x), ("targets", y)):
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            place = ", ".join(map(str, bad[0]))
            raise ValueError(
                f"estimate: {name}[{place}] is {array[tuple(bad[0])]}. Leave out "
                "sequences with values that are not finite."
            )
    still = np.argwhere(np.ptp(x, axis=0) == 0)
    if len(still):
        raise ValueError(_DEPENDENT.format(*still[0]))
    return x, y


def _check_rank(upper: np.ndarray) -> None:
    """Raises unless triangular factors [T, p, p] are of full rank."""
    sizes = np.abs(np.diagonal(upper, axis1=1, axis2=2))
    weak = np.argwhere(sizes <= 1e-9 * np.linalg.norm(upper, axis=1))
    if len(weak):
        raise ValueError(_DEPENDENT.format(*weak[0]))

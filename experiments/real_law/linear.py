"""The law read from real data, and the linear models that it is about.

Shape letters: N sequences, T steps, D features, p of them that are used, O outputs.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rnnshare.analysis import law

_LEAST = 1e-6  # of a spread that is none

Array = npt.NDArray[np.float64]


class Reading(NamedTuple):
    """What linear rules say of a training set.

    Attributes:
      crossover: N* of the law; infinite where it is too small to tell, or no drift is
        seen: then tied is its answer at every N.
      gain: log of the cross-validated error of untied linear rules over tied ones.
      num_weights: p.
      num_steps: T of them that vary.
    """

    crossover: float
    gain: float
    num_weights: int
    num_steps: int


def read(inputs: Array, targets: Array, most_weights: int, folds: int) -> Reading:
    """Returns what linear rules say of a training set.

    Features are the leading principal components over all steps, as many as leave half
    as many weights of all steps as there are sequences, and are independent at each;
    steps at which the first is constant are left out. Of several outputs noise and
    bias are summed.

    Args:
      inputs: [N, T, D].
      targets: [N, T, O], answers a step; or [N, O], one a sequence.
      most_weights: of all steps.
      folds: of the cross-validation.
    """
    count, steps, features = inputs.shape
    room = min(most_weights, count // 2) // steps
    p = min(features, room)
    if p < 1:
        return Reading(math.inf, 0.0, 0, steps)
    x = components(inputs, p)
    varies = x[..., 0].std(0) > _LEAST
    x = x[:, varies]
    while p > 1 and not _independent(x[..., :p]):
        p -= 1
    x = x[..., :p]
    per_sequence = targets.ndim == 2
    y = targets if per_sequence else targets[:, varies]
    noise, bias, effective = 0.0, 0.0, []
    for output in range(targets.shape[-1]):
        found = law.variances(x, y[..., output])
        noise, bias = noise + found.noise_variance, bias + found.bias
        effective.append(found.effective_steps)
    star = law.crossover(
        num_weights=p,
        num_steps=x.shape[1],
        noise_variance=noise,
        bias=max(bias, 0.0),
        effective_steps=None if per_sequence else float(np.mean(effective)),
        per_sequence=per_sequence,
    )
    errors = cross_validated(x, y, folds)
    return Reading(star, math.log(errors[1] / errors[0]), p, x.shape[1])


def components(inputs: Array, count: int) -> Array:
    """Returns the leading principal components [N, T, p], over all steps together."""
    flat = inputs.reshape(-1, inputs.shape[-1])
    flat = flat - flat.mean(0)
    _, _, axes = np.linalg.svd(flat, full_matrices=False)
    return (flat @ axes[:count].T).reshape(*inputs.shape[:-1], count)


def _independent(x: Array) -> bool:
    """Returns whether at every step no feature is a combination of the others."""
    spreads = np.linalg.svd((x - x.mean(0)).swapaxes(0, 1), compute_uv=False)
    return bool(np.all(spreads[:, -1] > _LEAST * spreads[:, 0]))


def cross_validated(x: Array, y: Array, folds: int) -> tuple[float, float]:
    """Returns the squared errors of tied and of untied linear rules, by folds.

    Both have an intercept a step (or one a sequence, where there is one answer).
    """
    number = np.random.default_rng(0).permutation(len(x)) % folds
    errors = np.zeros(2)
    for fold in range(folds):
        train, test = number != fold, number == fold
        means = x[train].mean(0), y[train].mean(0)
        inside, outside = (
            (x[rows] - means[0], y[rows] - means[1]) for rows in (train, test)
        )
        for i, fit in enumerate((_tied, _untied)):
            errors[i] += np.sum((fit(*inside, outside[0]) - outside[1]) ** 2)
    return float(errors[0]), float(errors[1])


def _tied(x: Array, y: Array, new: Array) -> Array:
    """Returns what one rule for all steps answers."""
    if y.ndim == 2:
        return new.sum(1) @ np.linalg.lstsq(x.sum(1), y)[0]
    shape = -1, x.shape[-1]
    weights = np.linalg.lstsq(x.reshape(shape), y.reshape(-1, y.shape[-1]))[0]
    return new @ weights


def _untied(x: Array, y: Array, new: Array) -> Array:
    """Returns what a rule a step answers."""
    if y.ndim == 2:
        flat = x.reshape(len(x), -1)
        return new.reshape(len(new), -1) @ np.linalg.lstsq(flat, y)[0]
    return np.stack(
        [new[:, t] @ np.linalg.lstsq(x[:, t], y[:, t])[0] for t in range(x.shape[1])],
        axis=1,
    )

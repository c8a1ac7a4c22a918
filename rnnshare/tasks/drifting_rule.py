"""The rule that drifts over time: its weights, its loss, what linear models can reach.

How far the rule moves from step to step is a dial.

Shape letters: T steps, D input features, l lags.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import Batch, Task, masked_mean

PATHS = ("random_walk", "periodic", "linear")
LARGEST = 100.0  # inputs are U(0, 100)
FILLED = 0.1  # of the inputs are not 0
# The variance of one input: 0.1 E[U^2] - (0.1 E[U])^2.
INPUT_VARIANCE = FILLED * LARGEST**2 / 3 - (FILLED * LARGEST / 2) ** 2


class DriftRegression(Task):
    """What all forms of the task share: its loss, and the lines it is held against.

    Attributes:
      oracle: float32[], the test loss of the best time-invariant linear model.
      noise: float32[], the standard deviation of what is added to the targets; None for
        none.
    """

    oracle: Any
    noise: Any
    readout = "every"
    out_features = 1

    def loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Returns the mean squared error of the scored steps."""
        # What is not scored is cleared before it is squared, for the gradient's sake.
        mask = jnp.asarray(batch.mask)
        outputs = jnp.where(mask[..., None], outputs.astype(jnp.float32), 0.0)
        errors = (outputs - jnp.where(mask[..., None], batch.targets, 0.0)) ** 2
        return masked_mean(errors[..., 0], mask)

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """The best linear models, and predicting the mean; of the test set's steps."""
        floor = 0.0 if self.noise is None else float(self.noise) ** 2
        return {
            "mean": {"loss": 1.0 + floor},
            "time-invariant linear": {"loss": float(self.oracle)},
            "per-step linear": {"loss": floor},
        }

    def _noise_of_name(self) -> str:
        return "" if self.noise is None else f"_s{float(self.noise):g}"


def drift_oracles(step_weights: Any, input_variance: float) -> tuple[float, float]:
    """Returns the errors of the best linear models of a target whose weights drift.

    For `y_t = sum(W_t * X_t) + c`, X_t the last l inputs, uncorrelated and of one
    variance v, a model with weights V at every step errs by `v ||W_t - V||^2` on top of
    what no linear model explains. Over the steps that is least for V the mean, so

        time-invariant: v mean_t ||W_t - mean W||^2        per step: 0

    The constant c must not move with t, which holds for weights with one sum at every
    step where all inputs have one mean (and for inputs of mean 0).

    Args:
      step_weights: [T, l, D], the true linear weights of the scored steps.
      input_variance: v, that of each input.

    Returns:
      The excess mean squared error of the best predictor that is linear in the last l
      inputs with one weight set for all steps, and of the best with one for each.

    Raises:
      ValueError: if the weights are not [T, l, D], or the variance is negative.

    Reference: Oh, Wang, Tang, Sjoding, Wiens, 2019, "Relaxed Parameter Sharing" (the
    task).
    """
    weights = np.asarray(step_weights, np.float64)
    if weights.ndim != 3 or not len(weights):
        raise ValueError(
            "drift_oracles takes step_weights of [T, l, D], at least one step, but got "
            f"shape {weights.shape}."
        )
    if not 0 <= input_variance < math.inf:
        raise ValueError(
            f"drift_oracles: input_variance is {input_variance}. Use the variance of "
            "one input, at least 0."
        )
    apart = weights - weights.mean(0)
    return float(input_variance * np.mean(np.sum(apart**2, axis=(1, 2)))), 0.0


def draw_weights(
    rng: np.random.Generator,
    amount: float,
    path: str,
    num_steps: int,
    num_lags: int,
    num_features: int,
    period: int,
) -> np.ndarray:
    """Returns the weights of every step, [T, l, D]; a linear amount is by the step."""
    factors = [rng.uniform(size=size) for size in (num_lags, num_features)]
    if path == "linear":
        ends = [
            np.outer(*(_normalised(rng.uniform(size=len(f))) for f in factors))
            for _ in range(2)
        ]
        far = amount * np.arange(num_steps)[:, None, None]
        return ends[0] + far * (ends[1] - ends[0])
    if path == "periodic":
        moves = [rng.uniform(-1, 1, (period, len(f))) for f in factors]
        phases = [
            np.outer(*(_normalised(f + 5 * amount * m[i])
                       for f, m in zip(factors, moves, strict=True)))
            for i in range(period)
        ]  # fmt: skip
        return np.stack(phases)[np.arange(num_steps) % period]
    walked = [_normalised(factor) for factor in factors]
    found = []
    for _ in range(num_steps):
        found.append(np.outer(*walked))
        walked = [_normalised(f + amount * rng.uniform(-1, 1, len(f))) for f in walked]
    return np.stack(found)


def _normalised(values: np.ndarray) -> np.ndarray:
    """Returns the values with a least of 0 and a sum of 1; all equal if they are."""
    from_zero = values - values.min()
    if not from_zero.max() > 0:
        return np.full(len(values), 1 / len(values))
    return from_zero / from_zero.sum()


def check_drift(
    split: Any,
    amount: float,
    path: str,
    num_steps: int,
    num_lags: int,
    longest: int,
    noise: float = 0.0,
) -> None:
    """Refuses a split, a drift, a noise or sizes of which no task can be made."""
    if isinstance(split, bool) or not isinstance(split, int) or split < 0:
        raise ValueError(f"split is {split!r}. Use a whole number of at least 0.")
    if path not in PATHS:
        raise ValueError(
            f"drift: path is {path!r}. Use one of {', '.join(map(repr, PATHS))}."
        )
    if not 0 <= amount < math.inf:
        raise ValueError(f"drift: amount is {amount}. Use a number of at least 0.")
    if not 0 <= noise < math.inf:
        raise ValueError(f"drift: noise is {noise}. Use a number of at least 0.")
    if not 1 <= num_lags < num_steps <= longest:
        raise ValueError(
            f"drift: num_lags={num_lags}, num_steps={num_steps}, test_steps={longest} "
            "leave nothing to score. Use num_lags < num_steps <= test_steps."
        )

"""The drifting regression with examples drawn as they are needed: N, or ever new ones.

The rule and the inputs are those of `drift`; nothing is stored but the weights, so that
a map over N and drift is one compilation, and N may be as large as there are numbers.

Shape letters: N examples, T steps, D input features, l lags.
"""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import Batch, as_pytree, generated
from rnnshare.tasks.draws import normal, uniform
from rnnshare.tasks.drifting_rule import (
    FILLED,
    INPUT_VARIANCE,
    LARGEST,
    PATHS,
    DriftRegression,
    check_drift,
    draw_weights,
    drift_oracles,
)
from rnnshare.tasks.generated import GeneratedTask

STREAMING = 2**31 - 1  # so many examples that none is met twice
_PATH = "random_walk"


@as_pytree(
    "num_examples", "seed", "step_weights", "constant", "amount", "oracle", "noise"
)
@dataclasses.dataclass(frozen=True, eq=False)
class DriftStream(GeneratedTask, DriftRegression):
    """`drift` along a random walk, its training set N draws; made by `drift_stream`.

    Targets are `y_t = sum_j W_tj . x_{t-j} - constant`, j = 1..l, of mean 0 and
    variance 1 over the scored steps, those with l steps before them; and noise.

    Attributes:
      step_weights: float32[T, l, D], the true weights of every step.
      constant: float32[], what takes the targets' mean to 0.
      amount: float32[], how much the weights drift.
      oracle: float32[], the loss of the best time-invariant linear model.
      noise: float32[], the standard deviation of the targets' noise; None for none.
    """

    # Filled by `drift_stream`; defaults only because those of the base have some.
    step_weights: Any = None
    constant: Any = None
    amount: Any = None
    oracle: Any = None
    noise: Any = None

    @property
    def name(self) -> str:  # type: ignore[override]
        """T, l, the drift, the noise, and N."""
        count = int(self.num_examples)
        size = "streaming" if count == STREAMING else f"n{count}"
        lags = self.step_weights.shape[-2]
        drift = f"d{float(self.amount):g}{self._noise_of_name()}"
        return f"drift_t{self.num_steps}_l{lags}_{drift}_{size}"

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """T."""
        return self.step_weights.shape[-3]

    @property
    def in_features(self) -> int:  # type: ignore[override]
        """D."""
        return self.step_weights.shape[-1]

    def example(self, key: jax.Array, split: str) -> Batch:
        """Draws inputs [T, D], a tenth of them U(0, 100), and their targets [T, 1]."""
        del split
        steps, lags, features = self.step_weights.shape
        for_values, for_places = jax.random.split(key)
        filled = num_filled(steps * features)
        values = uniform(
            for_values, (filled,), maxval=LARGEST / math.sqrt(INPUT_VARIANCE)
        )
        values = jnp.pad(values, (0, steps * features - filled))
        inputs = jax.random.permutation(for_places, values).reshape(steps, features)
        before = jnp.pad(inputs, ((lags, 0), (0, 0)))
        past = jnp.stack(
            [before[lags - j : lags - j + steps] for j in range(1, lags + 1)], axis=1
        )
        targets = jnp.sum(self.step_weights * past, axis=(1, 2)) - self.constant
        if self.noise is not None:  # of a stream apart from those of the inputs
            draws = normal(jax.random.fold_in(key, 2), (steps,))
            targets += self.noise * draws
        return Batch(inputs, targets[:, None], mask=jnp.arange(steps) >= lags)


@functools.lru_cache(maxsize=1_024)
@generated()
def drift_stream(
    split: int = 0,
    *,
    amount: float = 0.05,
    num_steps: int = 20,
    num_features: int = 3,
    num_lags: int = 5,
    num_examples: int = STREAMING,
    num_held_out: int = 1_000,
    noise: float = 0.0,
) -> DriftStream:
    """Returns the drifting regression as a stream; see `drift` for the rule.

    The weights are those of `drift(split, amount=amount, path='random_walk')` at the
    same sizes, but for the unit of the targets, which is here their exact deviation.

    Args:
      split: numbers the draw of weights and data.
      amount: how far each number of the weights moves a step, at most.
      num_steps: T.
      num_features: D.
      num_lags: l.
      num_examples: N of the training set; `STREAMING` for ever new ones.
      num_held_out: sequences in each held-out set.
      noise: s, the standard deviation of normal noise on the targets of all sets, in
        units of that of the targets without it. Tasks of other noise above 0 share one
        compilation.

    Raises:
      ValueError: on sizes that leave nothing to score, or no example.

    Reference: Oh, Wang, Tang, Sjoding, Wiens, 2019, "Relaxed Parameter Sharing".
    """
    check_drift(split, amount, _PATH, num_steps, num_lags, num_steps, noise)
    rng = np.random.default_rng([split, PATHS.index(_PATH)])
    weights = draw_weights(rng, amount, _PATH, num_steps, num_lags, num_features, 1)
    unit = math.sqrt(INPUT_VARIANCE)
    mean, variance, covariance = input_moments(num_steps * num_features)
    means, variances = target_moments(weights[num_lags:], mean, variance, covariance)
    deviation = math.sqrt(variances.mean() + means.var())
    scaled = weights * unit / deviation
    # Of equally correlated inputs, weights of one sum err by v - c for each square.
    apart = (variance - covariance) / INPUT_VARIANCE
    return DriftStream(
        num_examples,
        split,
        num_held_out,
        step_weights=scaled.astype(np.float32),
        constant=np.float32(means.mean() / deviation),
        amount=np.float32(amount),
        oracle=np.float32(drift_oracles(scaled[num_lags:], apart)[0] + noise**2),
        noise=np.float32(noise) if noise else None,
    )


def num_filled(num_inputs: int) -> int:
    """Returns how many of a sequence's inputs are not 0: a tenth, at least 1."""
    return max(1, round(FILLED * num_inputs))


def input_moments(num_inputs: int) -> tuple[float, float, float]:
    """Returns mean and variance of one of n inputs, and the covariance of two.

    With K of n places filled by U(0, 100), `P(filled) = K / n` and
    `P(both filled) = K (K - 1) / (n (n - 1))`.

    Args:
      num_inputs: n = T D, at least 2.
    """
    filled = num_filled(num_inputs)
    one = filled / num_inputs
    both = one * (filled - 1) / (num_inputs - 1)
    mean, square = LARGEST / 2, LARGEST**2 / 3
    return one * mean, one * square - (one * mean) ** 2, (both - one**2) * mean**2


def target_moments(
    weights: np.ndarray, mean: float, variance: float, covariance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns means and variances of `y_t = sum(W_t * X_t)`, both [T].

    For inputs of one mean, one variance v and one covariance c: the variance is
    `(v - c) ||W_t||^2 + c (sum W_t)^2`.

    Args:
      weights: [T, l, D].
      mean: of an input.
      variance: v.
      covariance: c, of two inputs.
    """
    sums, squares = weights.sum((1, 2)), (weights**2).sum((1, 2))
    return mean * sums, (variance - covariance) * squares + covariance * sums**2

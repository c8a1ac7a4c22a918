"""A regression whose true weights drift over time, with what linear models can reach.

The conditional shift of Oh et al.: how far the rule moves from step to step is a dial.

Shape letters: N examples, T steps, D input features, l lags.
"""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import (
    Batch,
    Task,
    as_pytree,
    check_split,
    generated,
    masked_mean,
)
from rnnshare.tasks.draws import randint

PATHS = ("random_walk", "periodic", "linear")
_LARGEST = 100.0  # inputs are U(0, 100)
_FILLED = 0.1  # of the inputs are not 0
# The variance of one input: 0.1 E[U^2] - (0.1 E[U])^2.
_INPUT_VARIANCE = _FILLED * _LARGEST**2 / 3 - (_FILLED * _LARGEST / 2) ** 2


class DriftRegression(Task):
    """What all forms of the task share: its loss, and the lines it is held against.

    Attributes:
      oracle: float32[], the test loss of the best time-invariant linear model.
    """

    oracle: Any
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
        return {
            "mean": {"loss": 1.0},
            "time-invariant linear": {"loss": float(self.oracle)},
            "per-step linear": {"loss": 0.0},
        }


@as_pytree(
    "train", "validation", "test", "step_weights", "num_examples", "amount", "oracle"
)
@dataclasses.dataclass(frozen=True, eq=False)
class DriftTask(DriftRegression):
    """Regression of every step on the inputs of the l steps before it.

    The loss is the mean squared error over the scored steps, those with l steps before
    them, in units of the variance of the training targets: predicting their mean costs
    1.

    Attributes:
      train, validation, test: the sets: inputs [N, T, D], targets [N, T, 1], and the
        scored steps, mask [N, T].
      step_weights: [T, l, D], the true weights of every step of the longest set, in the
        task's units.
      num_examples: int32[], N: how many rows of the training set there are; the others
        are neither drawn nor scored.
      amount: float32[], how much the weights drift.
      oracle: float32[], the test loss of the best time-invariant linear model.
      path: how they drift.
    """

    train: Batch
    validation: Batch
    test: Batch
    step_weights: Any
    num_examples: Any
    amount: Any
    oracle: Any
    path: str

    @property
    def name(self) -> str:  # type: ignore[override]
        """Path and amount, and where they are not 1000, the examples."""
        count = int(self.num_examples)
        size = "" if count == 1_000 else f"_n{count}"
        return f"drift_{self.path}_{float(self.amount):g}{size}"

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """T, of the training set."""
        return self.train.inputs.shape[-2]

    @property
    def in_features(self) -> int:  # type: ignore[override]
        """D."""
        return self.train.inputs.shape[-1]

    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """Draws training examples with replacement."""
        rows = randint(key, (batch_size,), 0, self.num_examples)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], self.train)

    def held_out(self, split: str) -> Batch:  # noqa: D102
        check_split(split)
        return getattr(self, split)


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


@functools.lru_cache(maxsize=128)
@generated()
def drift(
    split: int = 0,
    *,
    amount: float = 0.05,
    path: str = "random_walk",
    num_steps: int = 30,
    num_features: int = 3,
    num_lags: int = 10,
    num_examples: int = 1_000,
    period: int = 5,
    test_steps: int | None = None,
    num_rows: int = 1_000,
) -> DriftTask:
    """Returns a task whose weights drift: `y_t = sum_j k_tj (d_t . x_{t-j})`, j = 1..l.

    A tenth of the inputs of a sequence are U(0, 100), the rest 0. The weights
    W_t = k_t d_t are products of l and D numbers, each normalised to a least of 0 and a
    sum of 1. Along the path

    - `random_walk`, every number moves by U(-amount, amount) a step (Oh et al.);
    - `periodic`, each phase of the period has numbers of its own, `5 amount` U(-1, 1)
      from common ones;
    - `linear`, W_t moves `5 amount` of the way between two such products in T steps,
      and on at that rate.

    Amounts differ in how far the same draws move the weights. Stored inputs are divided
    by their standard deviation and not centred; targets are standardised.

    Args:
      split: numbers the draw of weights and data.
      amount: the dial; 0 is one rule for all steps.
      path: see above.
      num_steps: T of the training and validation sets.
      num_features: D.
      num_lags: l.
      num_examples: N of the training set.
      period: in steps.
      test_steps: of the test set; where there are more than T, those from T on are
        scored.
      num_rows: of each set, at least num_examples; tasks that differ in how many of
        them are training examples share one compilation.

    Raises:
      ValueError: on an unknown path, or sizes that leave nothing to score.

    Reference: Oh, Wang, Tang, Sjoding, Wiens, 2019, "Relaxed Parameter Sharing".
    """
    longest = num_steps if test_steps is None else test_steps
    _check(split, amount, path, num_steps, num_lags, longest)
    sizes = {"num_examples": num_examples, "num_features": num_features}
    for name, size in (sizes | {"period": period}).items():
        if size < 1:
            raise ValueError(f"drift: {name} is {size}. Use at least 1.")
    rng = np.random.default_rng([split, PATHS.index(path)])
    # The linear path's rate is by T; a longer test set goes on at it.
    rate = 5 * amount / num_steps if path == "linear" else amount
    weights = _weights(rng, rate, path, longest, num_lags, num_features, period)
    rows = max(num_rows, num_examples)
    raw = {}
    for number, name in enumerate(("train", "validation", "test")):
        steps = longest if name == "test" else num_steps
        draw = np.random.default_rng([split, PATHS.index(path), number])
        raw[name] = _draw(draw, rows, steps, weights)
    scored = raw["train"][1][:num_examples, num_lags:]
    mean, deviation = scored.mean(), max(float(scored.std()), 1e-6)

    def batch(name: str) -> Batch:
        inputs, targets = raw[name]
        steps = np.arange(inputs.shape[1])
        beyond = name == "test" and longest > num_steps
        real = steps >= (num_steps if beyond else num_lags)
        there = np.arange(rows) < (num_examples if name == "train" else rows)
        return Batch(
            (inputs / math.sqrt(_INPUT_VARIANCE)).astype(np.float32),
            ((targets - mean) / deviation).astype(np.float32)[..., None],
            mask=there[:, None] & real[None],
        )

    first = num_steps if longest > num_steps else num_lags
    weights = weights * math.sqrt(_INPUT_VARIANCE) / deviation
    return DriftTask(
        train=batch("train"),
        validation=batch("validation"),
        test=batch("test"),
        step_weights=weights,
        num_examples=np.int32(num_examples),
        amount=np.float32(amount),
        oracle=np.float32(drift_oracles(weights[first:], 1.0)[0]),
        path=path,
    )


def _weights(
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


def _draw(
    rng: np.random.Generator, count: int, num_steps: int, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns inputs [N, T, D] and targets [N, T], 0 at the first l steps."""
    _, num_lags, num_features = weights.shape
    size = num_steps * num_features
    filled = max(1, round(_FILLED * size))
    where = rng.random((count, size)).argsort(axis=1)[:, :filled]
    inputs = np.zeros((count, size))
    np.put_along_axis(inputs, where, rng.uniform(0, _LARGEST, where.shape), axis=1)
    inputs = inputs.reshape(count, num_steps, num_features)
    targets = np.zeros((count, num_steps))
    for j in range(1, num_lags + 1):
        past = inputs[:, num_lags - j : num_steps - j]
        now = weights[num_lags:num_steps, j - 1]
        targets[:, num_lags:] += np.einsum("ntd,td->nt", past, now)
    return inputs, targets


def _check(
    split: Any, amount: float, path: str, num_steps: int, num_lags: int, longest: int
) -> None:
    if isinstance(split, bool) or not isinstance(split, int) or split < 0:
        raise ValueError(f"split is {split!r}. Use a whole number of at least 0.")
    if path not in PATHS:
        raise ValueError(
            f"drift: path is {path!r}. Use one of {', '.join(map(repr, PATHS))}."
        )
    if not 0 <= amount < math.inf:
        raise ValueError(f"drift: amount is {amount}. Use a number of at least 0.")
    if not 1 <= num_lags < num_steps <= longest:
        raise ValueError(
            f"drift: num_lags={num_lags}, num_steps={num_steps}, test_steps={longest} "
            "leave nothing to score. Use num_lags < num_steps <= test_steps."
        )

"""A regression whose true weights drift over time, its sets drawn once and stored.

The conditional shift of Oh et al.

Shape letters: N examples, T steps, D input features, l lags.
"""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import Batch, as_pytree, check_split, generated
from rnnshare.tasks.draws import randint
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


@as_pytree(
    *("train", "validation", "test", "step_weights"),
    *("num_examples", "amount", "oracle", "noise"),
)
@dataclasses.dataclass(frozen=True, eq=False)
class DriftTask(DriftRegression):
    """Regression of every step on the inputs of the l steps before it.

    The loss is the mean squared error over the scored steps, those with l steps before
    them, in units of the variance of the training targets without their noise:
    predicting their mean costs 1, and the noise's variance.

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
      noise: float32[], the standard deviation of the targets' noise; None for none.
    """

    train: Batch
    validation: Batch
    test: Batch
    step_weights: Any
    num_examples: Any
    amount: Any
    oracle: Any
    path: str
    noise: Any = None
    in_memory = True

    @property
    def name(self) -> str:  # type: ignore[override]
        """Path, amount and noise, and where they are not 1000, the examples."""
        count = int(self.num_examples)
        size = "" if count == 1_000 else f"_n{count}"
        noise = self._noise_of_name()
        return f"drift_{self.path}_{float(self.amount):g}{noise}{size}"

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
    noise: float = 0.0,
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
      noise: s, the standard deviation of normal noise on the targets of all sets, in
        units of that of the targets without it.

    Raises:
      ValueError: on an unknown path, or sizes that leave nothing to score.

    Reference: Oh, Wang, Tang, Sjoding, Wiens, 2019, "Relaxed Parameter Sharing".
    """
    longest = num_steps if test_steps is None else test_steps
    check_drift(split, amount, path, num_steps, num_lags, longest, noise)
    sizes = {"num_examples": num_examples, "num_features": num_features}
    for name, size in (sizes | {"period": period}).items():
        if size < 1:
            raise ValueError(f"drift: {name} is {size}. Use at least 1.")
    rng = np.random.default_rng([split, PATHS.index(path)])
    # The linear path's rate is by T; a longer test set goes on at it.
    rate = 5 * amount / num_steps if path == "linear" else amount
    weights = draw_weights(rng, rate, path, longest, num_lags, num_features, period)
    rows = max(num_rows, num_examples)
    raw = {}
    for number, name in enumerate(("train", "validation", "test")):
        steps = longest if name == "test" else num_steps
        draw = np.random.default_rng([split, PATHS.index(path), number])
        raw[name] = _draw(draw, rows, steps, weights)
    scored = raw["train"][1][:num_examples, num_lags:]
    mean, deviation = scored.mean(), max(float(scored.std()), 1e-6)

    def batch(number: int, name: str) -> Batch:
        inputs, targets = raw[name]
        targets = (targets - mean) / deviation
        if noise:
            draw = np.random.default_rng([split, PATHS.index(path), number, 1])
            targets += noise * draw.normal(size=targets.shape)
        steps = np.arange(inputs.shape[1])
        beyond = name == "test" and longest > num_steps
        real = steps >= (num_steps if beyond else num_lags)
        there = np.arange(rows) < (num_examples if name == "train" else rows)
        return Batch(
            (inputs / math.sqrt(INPUT_VARIANCE)).astype(np.float32),
            targets.astype(np.float32)[..., None],
            mask=there[:, None] & real[None],
        )

    first = num_steps if longest > num_steps else num_lags
    weights = weights * math.sqrt(INPUT_VARIANCE) / deviation
    return DriftTask(
        train=batch(0, "train"),
        validation=batch(1, "validation"),
        test=batch(2, "test"),
        step_weights=weights,
        num_examples=np.int32(num_examples),
        amount=np.float32(amount),
        oracle=np.float32(drift_oracles(weights[first:], 1.0)[0] + noise**2),
        path=path,
        noise=np.float32(noise) if noise else None,
    )


def _draw(
    rng: np.random.Generator, count: int, num_steps: int, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns inputs [N, T, D] and targets [N, T], 0 at the first l steps."""
    _, num_lags, num_features = weights.shape
    size = num_steps * num_features
    filled = max(1, round(FILLED * size))
    where = rng.random((count, size)).argsort(axis=1)[:, :filled]
    inputs = np.zeros((count, size))
    np.put_along_axis(inputs, where, rng.uniform(0, LARGEST, where.shape), axis=1)
    inputs = inputs.reshape(count, num_steps, num_features)
    targets = np.zeros((count, num_steps))
    for j in range(1, num_lags + 1):
        past = inputs[:, num_lags - j : num_steps - j]
        now = weights[num_lags:num_steps, j - 1]
        targets[:, num_lags:] += np.einsum("ntd,td->nt", past, now)
    return inputs, targets

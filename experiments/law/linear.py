"""The linear rule a step: its task, its model, and how it is trained to the end.

Shape letters: N sequences, T steps, p weights a step, O rules at once.
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from rnnshare import Sharing, expand, map_steps, tying_penalty
from rnnshare.tasks import Batch, Task
from rnnshare.tasks.base import as_pytree, check_split, generated, masked_mean
from rnnshare.training import Call, Setting

MOMENTUM = 0.95
STABLE = 0.7  # of the rate 1 / L, L the largest curvature that is expected


class Answers(NamedTuple):
    """What `LinearSteps` returns: answers [N, T, O], and its weights [T, p, O]."""

    values: jax.Array
    weights: jax.Array


class LinearSteps(nnx.Module):
    """`y_t = x_t W_t`, the weights under a sharing; called as `SequenceModel` is."""

    def __init__(
        self,
        num_weights: int,
        num_outputs: int,
        num_steps: int,
        sharing: Sharing,
        *,
        rngs: nnx.Rngs,
    ):
        """Draws the weights: LeCun normal.

        Args:
          num_weights: p.
          num_outputs: O.
          num_steps: T.
          sharing: of the weights.
          rngs: where the draws come from.
        """
        self.num_steps, self.sharing = num_steps, nnx.static(sharing)
        shape = num_weights, num_outputs
        self.kernel = nnx.data(
            jax.tree.map(
                nnx.Param,
                sharing.init(
                    rngs.params(),
                    lambda key: nnx.initializers.lecun_normal()(
                        key, shape, jnp.float32
                    ),
                ),
            )
        )

    def __call__(
        self, inputs: jax.Array, *, seq_lengths: Any = None, rngs: Any = None
    ) -> Answers:
        """Returns the answers to inputs [N, T, p]."""
        del rngs
        stored = jax.tree.map(
            lambda leaf: leaf[...],
            self.kernel,
            is_leaf=lambda leaf: isinstance(leaf, nnx.Variable),
        )
        values = map_steps(
            lambda kernel, x: x @ kernel,
            self.sharing,
            stored,
            jnp.swapaxes(inputs, 0, 1),
            lengths=seq_lengths,
        )
        weights = expand(self.sharing, stored, self.num_steps)
        return Answers(jnp.swapaxes(values, 0, 1), weights)


class LinearSetting(Setting):
    """Linear steps in the place of an RNN."""

    __public_name__ = "experiments.law.LinearSetting"  # in keys, wherever it stands

    def make_model(self):
        """Returns the model's factory."""
        task = self.make_task(0)
        return Call(
            LinearSteps,
            num_weights=task.in_features,
            num_outputs=task.out_features,
            num_steps=task.num_steps,
            sharing=self.sharing,
        )


@as_pytree("train", "probes", "answers", "num_examples", "strength")
@dataclasses.dataclass(frozen=True, eq=False)
class LinearRule(Task):
    """O linear rules a step, with noise, learnt from the same N sequences.

    The loss is the mean squared error, and `strength` times the tying penalty of a
    rule divided by N T: the sum of squared errors and the penalty, in that proportion.
    A batch is the training set, whatever size is asked for. The held-out inputs are
    `sqrt(p)` times the unit vectors, and their answers have no noise: their loss is the
    excess error exactly, as no finite draw of inputs would give it.

    Attributes:
      train: inputs [R, T, p], targets [R, T, O], mask [R, T] of the N first rows.
      probes: [p, T, p], the held-out inputs.
      answers: [p, T, O], theirs.
      num_examples: int32[], N.
      strength: float32[], of soft tying.
    """

    train: Batch
    probes: Any
    answers: Any
    num_examples: Any
    strength: Any
    readout = "every"

    @property
    def name(self) -> str:  # type: ignore[override]
        """T, p, N and the strength."""
        size = f"linear_t{self.num_steps}_p{self.in_features}"
        return f"{size}_n{int(self.num_examples)}_l{float(self.strength):.4g}"

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """T."""
        return self.probes.shape[-2]

    @property
    def in_features(self) -> int:  # type: ignore[override]
        """P."""
        return self.probes.shape[-1]

    @property
    def out_features(self) -> int:  # type: ignore[override]
        """O."""
        return self.answers.shape[-1]

    def sample(self, key: jax.Array, batch_size: int) -> Batch:
        """Returns the whole training set."""
        del key, batch_size
        return jax.tree.map(jnp.asarray, self.train)

    def held_out(self, split: str) -> Batch:  # noqa: D102
        check_split(split)
        if split == "train":
            return jax.tree.map(jnp.asarray, self.train)
        return Batch(jnp.asarray(self.probes), jnp.asarray(self.answers))

    def loss(self, outputs: Answers, batch: Batch) -> jax.Array:  # type: ignore[override]
        """Returns the mean squared error and the penalty."""
        return self._error(outputs, batch) + self._scale() * tying_penalty(
            outputs.weights
        )

    def metrics(self, outputs: Answers, batch: Batch) -> dict[str, jax.Array]:  # type: ignore[override]
        """Returns the error alone as `loss`, and norms of the gradient of the loss.

        `gradient` is of weights of each step, `shared_gradient` of one for all, which
        is their sum.
        """

        def loss(weights: jax.Array) -> jax.Array:
            values = jnp.einsum("ntp,tpo->nto", jnp.asarray(batch.inputs), weights)
            return self.loss(Answers(values, weights), batch)

        found = jax.grad(loss)(outputs.weights)
        return {
            "loss": self._error(outputs, batch),
            "gradient": jnp.sqrt(jnp.sum(found**2)),
            "shared_gradient": jnp.sqrt(jnp.sum(jnp.sum(found, 0) ** 2)),
        }

    def _error(self, outputs: Answers, batch: Batch) -> jax.Array:
        errors = jnp.mean((outputs.values - jnp.asarray(batch.targets)) ** 2, -1)
        return masked_mean(errors, batch.mask)

    def _scale(self) -> jax.Array:
        rows = jnp.asarray(self.num_examples).astype(jnp.float32) * self.num_steps
        return self.strength / (rows * self.out_features)


@functools.lru_cache(maxsize=2_048)
@generated()
def linear_rule(
    split: int,
    *,
    num_steps: int,
    num_weights: int,
    num_outputs: int,
    num_rows: int,
    num_examples: int,
    bias: float,
    noise_variance: float,
    correlation: float = 0.0,
    strength: float = 0.0,
) -> LinearRule:
    """Returns a linear rule whose weights are normal around a common one.

    Tasks of one split that differ in N share their first sequences, and those that
    differ in bias or noise their numbers.

    Args:
      split: numbers the draw.
      num_steps: T.
      num_weights: p.
      num_outputs: O.
      num_rows: R, at least N.
      num_examples: N.
      bias: b, which the mean of the rules drawn has exactly.
      noise_variance: s^2.
      correlation: of inputs, and of the noise, from one step to the next.
      strength: of soft tying.
    """
    draws = [np.random.default_rng([split, number]) for number in range(4)]
    shape = num_steps, num_weights, num_outputs
    apart = draws[0].normal(size=shape)
    apart -= apart.mean(0)
    apart *= math.sqrt(bias / np.mean(np.sum(apart**2, 1)))
    weights = draws[1].normal(size=shape[1:]) + apart
    # Sequence by sequence, so that more rows begin with the same ones.
    inputs = _walk(draws[2], (num_rows, num_steps, num_weights), correlation)
    noise = _walk(draws[3], (num_rows, num_steps, num_outputs), correlation)
    clean = np.einsum("ntp,tpo->nto", inputs, weights)
    targets = clean + math.sqrt(noise_variance) * noise
    there = np.arange(num_rows) < num_examples
    probes = math.sqrt(num_weights) * np.eye(num_weights)[:, None]
    probes = np.broadcast_to(probes, (num_weights, num_steps, num_weights))
    return LinearRule(
        train=Batch(
            inputs.astype(np.float32),
            targets.astype(np.float32),
            mask=np.broadcast_to(there[:, None], inputs.shape[:2]),
        ),
        probes=probes.astype(np.float32),
        answers=np.einsum("ntp,tpo->nto", probes, weights).astype(np.float32),
        num_examples=np.int32(num_examples),
        strength=np.float32(strength),
    )


def _walk(draw: np.random.Generator, shape: tuple, correlation: float) -> np.ndarray:
    """Returns normal numbers [N, T, ...] of variance 1, correlated over the steps."""
    found = draw.normal(size=shape)
    for t in range(1, shape[1]):
        found[:, t] *= math.sqrt(1 - correlation**2)
        found[:, t] += correlation * found[:, t - 1]
    return found


def step_size(task_arguments: dict[str, Any], tied: bool) -> float:
    """Returns the rate of gradient descent on a linear rule: so much of 1 / L.

    L is the curvature that the loss is expected to have at most, of random inputs
    `2 (1 + sqrt(p / N))^2 / O`, for untied weights a T-th of it and of the penalty's.
    """
    given = task_arguments
    count, outputs = given["num_examples"], given["num_outputs"]
    largest = 2 * (1 + math.sqrt(given["num_weights"] / count)) ** 2 / outputs
    if tied:
        return STABLE / largest
    penalty = 2 * given.get("strength", 0.0) / (count * outputs)
    return STABLE * given["num_steps"] / (largest + penalty)


def annealed(rate: Any, *, num_steps: int) -> optax.GradientTransformation:
    """Returns gradient descent with Nesterov's momentum, its rate a cosine to 0."""
    schedule = optax.cosine_decay_schedule(rate, num_steps)
    return optax.sgd(schedule, momentum=MOMENTUM, nesterov=True)

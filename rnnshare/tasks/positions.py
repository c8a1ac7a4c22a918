"""Tasks about positions: is what is learnt at one step known at the others?

Shape letters: T steps, D input features.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import (
    Batch,
    Classification,
    Metrics,
    as_pytree,
    check_counts,
)
from rnnshare.tasks.draws import bernoulli, normal, randint, signs
from rnnshare.tasks.generated import GeneratedTask

_ENDLESS = 2**31 - 1  # examples: more than any training meets


@as_pytree("num_examples", "seed", "shown")
@dataclasses.dataclass(frozen=True, eq=False)
class LocalRule(GeneratedTask, Classification):
    """One rule at every step, of which only some steps are ever shown the answer.

    The inputs are fair coins, x_t = +1 or -1; the answer at step t is whether x_t and
    x_{t-1} differ (x_{-1} = -1). `loss` and `accuracy` are those of the shown steps,
    `loss_unseen` and `accuracy_unseen` those of the other steps before T, `loss_later`
    and `accuracy_later` those of the steps from T on, where a test has any.

    Attributes:
      num_examples: N; by default so many that a training meets each but once.
      num_held_out: sequences in each held-out set.
      shown: bool[T], the steps whose answers are in the loss.
      test_steps: of the test set, whose later steps no training reads; None: T.
    """

    num_examples: Any = _ENDLESS
    seed: Any = 0
    num_held_out: int = 500
    shown: Any = dataclasses.field(kw_only=True)
    test_steps: int | None = None
    in_features = 1
    out_features = 2
    readout = "every"

    @classmethod
    def of(cls, num_steps: int, split: int = 0, **options: Any) -> "LocalRule":
        """Returns the task with half of the steps shown; `split` draws them and it.

        Raises:
          ValueError: if there are fewer than 2 steps, or fewer in the test.
        """
        if num_steps < 2:
            raise ValueError(f"LocalRule: num_steps is {num_steps}. Use at least 2.")
        longest = options.get("test_steps")
        if longest is not None and longest < num_steps:
            raise ValueError(
                f"LocalRule: test_steps is {longest}, but num_steps is {num_steps}. "
                "Use at least as many, or None."
            )
        order = np.random.default_rng(split).permutation(num_steps)
        return cls(shown=order < num_steps // 2, seed=split, **options)

    @property
    def name(self) -> str:  # type: ignore[override]
        """`local_rule_` and T; N where it has an end, and the test's steps."""
        count = int(self.num_examples)
        size = "" if count == _ENDLESS else f"_n{count}"
        longest = "" if self.test_steps is None else f"_to_{self.test_steps}"
        return f"local_rule_{self.num_steps}{size}{longest}"

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """T."""
        return self.shown.shape[-1]

    def example(self, key: jax.Array, split: str) -> Batch:  # noqa: D102
        count = self.num_steps
        if split == "test" and self.test_steps is not None:
            count = self.test_steps
        coins = bernoulli(key, shape=(count,))
        before = jnp.pad(coins, (1, 0))[:-1]
        inputs = signs(coins)[:, None]
        mask = jnp.pad(jnp.asarray(self.shown), (0, count - self.num_steps))
        return Batch(inputs, (coins != before).astype(jnp.int32), mask=mask)

    def metrics(self, outputs: jax.Array, batch: Batch) -> Metrics:
        """Returns loss and accuracy of shown steps, of unseen, and of later ones."""
        later = jnp.arange(batch.mask.shape[-1])[None] >= self.num_steps
        masks = {"": batch.mask, "_unseen": ~batch.mask & ~later}
        if batch.mask.shape[-1] > self.num_steps:
            masks["_later"] = jnp.broadcast_to(later, batch.mask.shape)
        found: Metrics = {}
        for suffix, mask in masks.items():
            measured = super().metrics(outputs, batch._replace(mask=mask))
            found |= {f"{name}{suffix}": value for name, value in measured.items()}
        return found

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Guessing a coin, and the rule; the same at every step."""
        return {
            "chance": {"accuracy": 0.5, "loss": math.log(2.0)},
            "oracle": {"accuracy": 1.0, "loss": 0.0},
        }


@as_pytree("num_examples", "seed", "label_noise")
@dataclasses.dataclass(frozen=True, eq=False)
class SignalPatch(GeneratedTask, Classification):
    """T patches of D features, one of which carries the signal: which sign has it?

    All patches are standard normal; to one of them, at a uniform step, the label's sign
    times `strength` is added along a fixed direction, the same at every step.

    Attributes:
      num_steps: T.
      num_features: D.
      strength: of the signal, in standard deviations of the noise.
      label_noise: float32[], the probability that an example's label is flipped. It is
        so in every split: training and test examples are draws of one distribution, so
        what does not depend on the training set has no train-test gap.

    Reference: the counterpart in time of the signal patches of Lahoti, Karp, Winston,
    Singh, Li, 2024, "Role of locality and weight sharing in image-based tasks".
    """

    num_steps: int = 8
    num_features: int = 8
    strength: float = 5.0
    label_noise: Any = 0.0
    out_features = 2

    def __post_init__(self):
        super().__post_init__()
        check_counts(self, num_steps=1, num_features=1, num_held_out=1)
        if not 0 < self.strength < math.inf:
            raise ValueError(
                f"SignalPatch: strength is {self.strength}. Use a positive number."
            )
        if isinstance(self.label_noise, int | float):
            if not 0 <= self.label_noise < 0.5:
                raise ValueError(
                    f"SignalPatch: label_noise is {self.label_noise}. Use a "
                    "probability below 0.5."
                )
            # An array, so that amounts of noise share one compilation.
            object.__setattr__(self, "label_noise", np.float32(self.label_noise))

    @property
    def name(self) -> str:  # type: ignore[override]
        """`signal_patch_`, T and N, and the label noise if there is any."""
        name = f"signal_patch_{self.num_steps}_n{int(self.num_examples)}"
        return f"{name}_noise{self.label_noise:g}" if self.label_noise else name

    @property
    def in_features(self) -> int:  # type: ignore[override]
        """D."""
        return self.num_features

    @property
    def direction(self) -> np.ndarray:
        """The fixed direction, float32[D] of norm 1."""
        drawn = np.random.default_rng(0).normal(size=self.num_features)
        return (drawn / np.linalg.norm(drawn)).astype(np.float32)

    def example(self, key: jax.Array, split: str) -> Batch:  # noqa: D102
        del split
        for_noise, for_place, for_label, for_flip = jax.random.split(key, 4)
        noise = normal(for_noise, (self.num_steps, self.num_features))
        place = randint(for_place, (), 0, self.num_steps)
        label = bernoulli(for_label).astype(jnp.int32)
        signal = jnp.where(label, self.strength, -self.strength) * self.direction
        here = jnp.arange(self.num_steps) == place
        flipped = bernoulli(for_flip, self.label_noise)
        given = jnp.where(flipped, 1 - label, label)
        return Batch(noise + jnp.where(here[:, None], signal, 0.0), given)

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Guessing, and the posterior of the label, on 100,000 draws.

        Of projections z_t the signs' likelihoods are as sum_t exp(+-strength z_t); the
        posterior p of a clean label is, of one flipped with probability e,
        (1 - e) p + e (1 - p).
        """
        rng = np.random.default_rng(1)
        z = rng.normal(size=(100_000, self.num_steps))
        z[:, 0] += self.strength
        likelihoods = [np.logaddexp.reduce(s * self.strength * z, axis=1)
                       for s in (1, -1)]  # fmt: skip
        e = float(self.label_noise)
        # Of the true sign, from its odds; and of what is given, right or flipped.
        posterior = 1 / (1 + np.exp(likelihoods[1] - likelihoods[0]))
        given = (1 - 2 * e) * posterior + e
        loss = -(1 - e) * np.log(given).mean()
        if e:  # else 1 - given is 0 where the sign is plain
            loss -= e * np.log1p(-given).mean()
        oracle = {
            "accuracy": float((1 - 2 * e) * np.mean(posterior > 0.5) + e),
            "loss": float(loss),
        }
        return {
            "chance": {"accuracy": 0.5, "loss": math.log(2)},
            "oracle": oracle,
        }

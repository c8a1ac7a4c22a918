"""A class that only the order of the steps tells, by a dial, beside one that sums tell.

Shape letters: T steps.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.tasks.base import Batch, Classification, as_pytree, check_counts
from rnnshare.tasks.draws import bernoulli, normal, one_hot, randint, signs
from rnnshare.tasks.generated import GeneratedTask

_STATES = 3


@as_pytree("num_examples", "seed", "dependence", "shuffled")
@dataclasses.dataclass(frozen=True, eq=False)
class Rotation(GeneratedTask, Classification):
    """Which way does a chain of three states turn?

    The state goes one on with probability (1 + c r) / 2, else one back; c = +1 or -1 is
    the class and r the dependence. The chain starts at a uniform state, so that each
    step is uniform in both classes, and the one class is the other one back in time:
    the states without their order say nothing of the class, at any r. The inputs are
    the state, one-hot, and a normal number of mean c `offset`, which says the same of
    the class at any r.

    Attributes:
      dependence: float32[], r, from 0 (each step is drawn by itself given the one
        before, alike for both classes) to 1.
      shuffled: bool[], put the steps of each example in an order of its own.
      num_steps: T.
      offset: in standard deviations of the normal number.
    """

    dependence: Any = 0.0
    shuffled: Any = False
    num_steps: int = 16
    offset: float = 0.2
    out_features = 2
    in_features = _STATES + 1

    def __post_init__(self):
        super().__post_init__()
        check_counts(self, num_steps=2, num_held_out=1)
        if isinstance(self.dependence, float | int):
            if not 0 <= self.dependence < 1:
                raise ValueError(
                    f"Rotation: dependence is {self.dependence}. Use 0 to below 1."
                )
            # Arrays, so that tasks along the dial share one compilation.
            object.__setattr__(self, "dependence", np.float32(self.dependence))
            object.__setattr__(self, "shuffled", np.bool_(self.shuffled))

    @property
    def name(self) -> str:  # type: ignore[override]
        """`rotation_`, T, the dial, whether shuffled, and N."""
        how = "_shuffled" if self.shuffled else ""
        dial = f"{self.num_steps}_{float(self.dependence):.3g}{how}"
        return f"rotation_{dial}_n{int(self.num_examples)}"

    def example(self, key: jax.Array, split: str) -> Batch:  # noqa: D102
        del split
        for_label, for_start, for_turns, for_noise, for_order = jax.random.split(key, 5)
        label = bernoulli(for_label)
        sign = signs(label)
        start = randint(for_start, (1,), 0, _STATES)
        on = bernoulli(
            for_turns, (1 + sign * self.dependence) / 2, (self.num_steps - 1,)
        )
        turns = jnp.concatenate([start, jnp.where(on, 1, -1)])
        states = one_hot(jnp.cumsum(turns) % _STATES, _STATES)
        noise = normal(for_noise, (self.num_steps, 1))
        steps = jnp.concatenate([states, noise + sign * self.offset], axis=1)
        order = jax.random.permutation(for_order, self.num_steps)
        order = jnp.where(self.shuffled, order, jnp.arange(self.num_steps))
        return Batch(steps[order], label.astype(jnp.int32))

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Guessing; the best that ignores the order; and the likelier class.

        With k turns on of the T - 1, the logarithm of the likelihoods' ratio is
        (2 k - T + 1) log((1 + r) / (1 - r)) + 2 offset sum_t z_t. Without the order its
        first term is gone, as it is where each example is shuffled.
        """
        scale = self.offset * math.sqrt(self.num_steps)
        unordered = _normal(scale)
        r = 0.0 if self.shuffled else float(self.dependence)
        n = self.num_steps - 1
        oracle = sum(
            math.comb(n, k)
            * ((1 + r) / 2) ** k
            * ((1 - r) / 2) ** (n - k)
            * _normal(scale + (2 * k - n) * math.log((1 + r) / (1 - r)) / (2 * scale))
            for k in range(n + 1)
        )
        return {
            "chance": {"accuracy": 0.5},
            "unordered": {"accuracy": unordered},
            "oracle": {"accuracy": oracle},
        }


def _normal(x: float) -> float:
    """Returns the probability of a standard normal number below x."""
    return (1 + math.erf(x / math.sqrt(2))) / 2

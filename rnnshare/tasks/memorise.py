"""Random labels on random inputs: nothing to learn, only to memorise.

Shape letters: T steps, D input features, N examples.
"""

import dataclasses

import jax
import jax.numpy as jnp

from rnnshare.tasks.base import Batch, Classification, as_pytree, check_counts
from rnnshare.tasks.draws import bernoulli, signs
from rnnshare.tasks.generated import GeneratedTask


@as_pytree("num_examples", "seed")
@dataclasses.dataclass(frozen=True, eq=False)
class RandomLabels(GeneratedTask, Classification):
    """Sequences of fair coins, x in {-1, +1}^[T, D], each labelled by a fair coin.

    What is right of the training labels is held in the weights. All N examples are
    measured, each as often as another, only if `num_held_out` is a multiple of N:
    powers of two are.

    Attributes:
      num_steps: T.
      num_features: D.

    Reference: Collins, Sohl-Dickstein, Sussillo, 2017, "Capacity and trainability in
    recurrent neural networks".
    """

    num_steps: int = 8
    num_features: int = 4
    out_features = 2

    def __post_init__(self):
        super().__post_init__()
        check_counts(self, num_steps=1, num_features=1, num_held_out=1)

    @property
    def name(self) -> str:  # type: ignore[override]
        """`random_labels_`, T and N."""
        return f"random_labels_{self.num_steps}_n{int(self.num_examples)}"

    @property
    def in_features(self) -> int:  # type: ignore[override]
        """D."""
        return self.num_features

    def example(self, key: jax.Array, split: str) -> Batch:  # noqa: D102
        del split
        for_inputs, for_label = jax.random.split(key)
        shape = (self.num_steps, self.num_features)
        coins = bernoulli(for_inputs, shape=shape)
        label = bernoulli(for_label).astype(jnp.int32)
        return Batch(signs(coins), label)

    @property
    def baselines(self) -> dict[str, dict[str, float]]:
        """Guessing a coin; training labels can be known, those of other sets not."""
        return {"chance": {"accuracy": 0.5}, "all memorised": {"train_accuracy": 1.0}}

"""The two ends: `Tied`, one weight set at every step, and `Untied`, T of them.

Shape letters: T steps; a weight set is any pytree of arrays.
"""

import dataclasses

import jax
import jax.numpy as jnp

from rnnshare.sharing.base import (
    Sharing,
    check_positive,
    check_stack,
    init_stack,
    leaf_at,
    reads_mean,
    take,
)
from rnnshare.sharing.products import batched_products, flat_product
from rnnshare.sharing.unseen import check_policy


@dataclasses.dataclass(frozen=True, repr=False)
class Tied(Sharing):
    """One weight set at every step: `W_t = W`. The RNN as everybody knows it.

    Stored: the weights of one cell. Parameters: P, those of one cell. Defined at every
    step.
    """

    num_steps = None

    def init(self, key, init_cell):  # noqa: D102
        return init_cell(key)

    def split(self, stored, steps):  # noqa: D102
        return stored, None

    def merge(self, common, per_step_t):  # noqa: D102
        return common

    def supports_fused(self, per_step):  # noqa: D102
        return True

    def products(self, common, per_step, path, x):
        """Returns `x W`, one product for all steps."""
        return flat_product(x, leaf_at(common, path))


@dataclasses.dataclass(frozen=True, repr=False)
class Untied(Sharing):
    """A weight set of its own at every step: `W_t = stored[t]`.

    Stored: leaves [T, ...]. Parameters: T P.

    Attributes:
      num_steps: T, the number of steps it holds weights for.
      same_init: start as T copies of one initialisation, that of the tied model,
        instead of as T initialisations.
      beyond: what an unseen step reads; see `resolve_steps`.
    """

    num_steps: int
    same_init: bool = False
    beyond: str = "error"
    policies = ("error", "hold", "cycle", "stretch", "mean")

    def __post_init__(self):
        check_positive(self, num_steps=self.num_steps)
        check_policy(self)

    def init(self, key, init_cell):  # noqa: D102
        return init_stack(key, init_cell, self.num_steps, self.same_init)

    def split(self, stored, steps):  # noqa: D102
        check_stack(self, stored, self.num_steps)
        if reads_mean(self, steps):
            stored = jax.tree.map(
                lambda w: jnp.concatenate([w, jnp.mean(w, 0, keepdims=True)]), stored
            )
        return None, jax.tree.map(lambda w: take(w, steps), stored)

    def merge(self, common, per_step_t):  # noqa: D102
        return per_step_t

    def supports_fused(self, per_step):  # noqa: D102
        return True

    def products(self, common, per_step, path, x):
        """Returns `x_t W_t`, a batch of products."""
        return batched_products(x, leaf_at(per_step, path))

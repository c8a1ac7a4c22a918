"""Sharings that select: tied, untied, and a few templates in segments or cycles.

Shape letters: T steps, K templates; a weight set is any pytree of arrays.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.sharing.base import (
    Sharing,
    check_positive,
    check_stack,
    init_stack,
    leaf_at,
    pick,
    reads_mean,
    save_all_but_slices,
    take,
    to_index,
    weighted_mean,
)
from rnnshare.sharing.products import (
    batched_products,
    flat_product,
    grouped_products,
    groups_well,
)
from rnnshare.sharing.unseen import check_int32, check_policy


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


@dataclasses.dataclass(frozen=True, repr=False)
class Segments(Sharing):
    """K consecutive segments of steps, tied within: `W_t = stored[floor(t K / T)]`.

    Stored: leaves [K, ...]. Parameters: K P. `mean`, at an unseen step, is the mean of
    the weights over the T steps, so a longer segment counts for more.

    Attributes:
      num_steps: T, the number of steps it holds weights for.
      num_segments: K, from 1 (tied) to T (untied).
      same_init: start as K copies of one initialisation instead of as K of them.
      beyond: what an unseen step reads; see `resolve_steps`.

    Reference: Oh, Wang, Tang, Sjoding, Wiens, 2019, "Relaxed Parameter Sharing"
    (shiftLSTM).
    """

    num_steps: int
    num_segments: int
    same_init: bool = False
    beyond: str = "error"
    policies = ("error", "hold", "cycle", "stretch", "mean")
    remat_policy = staticmethod(save_all_but_slices)

    def __post_init__(self):
        check_positive(self, num_steps=self.num_steps, num_segments=self.num_segments)
        if self.num_segments > self.num_steps:
            raise ValueError(
                f"{self!r} has more segments than steps. Use num_segments between 1 "
                f"(tied) and {self.num_steps} (untied)."
            )
        check_policy(self)

    def init(self, key, init_cell):  # noqa: D102
        return init_stack(key, init_cell, self.num_segments, self.same_init)

    def split(self, stored, steps):  # noqa: D102
        check_stack(self, stored, self.num_segments)
        if reads_mean(self, steps):
            segment_of = np.arange(self.num_steps) * self.num_segments // self.num_steps
            share = np.bincount(segment_of) / self.num_steps
            stored = jax.tree.map(
                lambda w: jnp.concatenate([w, weighted_mean(w, share)[None]]), stored
            )
        if not isinstance(steps, np.ndarray):
            check_int32(self, self.num_steps + 1, self.num_segments)
        # The fallback is step num_steps, which falls on the row after the last segment.
        return stored, to_index(steps * self.num_segments // self.num_steps)

    def merge(self, common, per_step_t):  # noqa: D102
        return pick(common, per_step_t)

    def supports_fused(self, per_step):  # noqa: D102
        return groups_well(per_step)

    def products(self, common, per_step, path, x):
        """Returns `x_t W_t`, one product for all steps that share a template."""
        return grouped_products(x, leaf_at(common, path), per_step)


@dataclasses.dataclass(frozen=True, repr=False)
class Cyclic(Sharing):
    """Weights that repeat with a period: `W_t = stored[t mod K]`, K the period.

    Stored: leaves [K, ...]. Parameters: K P. Defined at every step.

    Attributes:
      period: K, in steps; 1 is tied.
      same_init: start as K copies of one initialisation instead of as K of them.
    """

    period: int
    same_init: bool = False
    num_steps = None
    remat_policy = staticmethod(save_all_but_slices)

    def __post_init__(self):
        check_positive(self, period=self.period)

    def init(self, key, init_cell):  # noqa: D102
        return init_stack(key, init_cell, self.period, self.same_init)

    def split(self, stored, steps):  # noqa: D102
        check_stack(self, stored, self.period)
        return stored, to_index(steps % self.period)

    def merge(self, common, per_step_t):  # noqa: D102
        return pick(common, per_step_t)

    def supports_fused(self, per_step):  # noqa: D102
        return groups_well(per_step)

    def products(self, common, per_step, path, x):
        """Returns `x_t W_t`, one product for all steps that share a template."""
        return grouped_products(x, leaf_at(common, path), per_step)

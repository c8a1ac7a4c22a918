"""Sharings that select one of a few templates: `Segments`, `Cyclic` and `Schedule`.

Shape letters: T steps, K templates; a weight set is any pytree of arrays.
"""

import abc
import dataclasses
from collections.abc import Mapping, Set
from typing import Any

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
    to_index,
    weighted_mean,
)
from rnnshare.sharing.products import grouped_products, groups_well
from rnnshare.sharing.unseen import check_int32, check_policy


class Selection(Sharing):
    """K templates, of which every step reads one: `W_t = stored[s_t]`.

    Stored: leaves [K, ...]. Parameters: K P. A subclass says which step reads which.
    """

    remat_policy = staticmethod(save_all_but_slices)
    num_templates: int  # K
    same_init: bool

    @abc.abstractmethod
    def template_of(self, steps: Any) -> Any:
        """Returns s_t of the steps, int[n]; K, the row of the mean, of step T."""

    def init(self, key, init_cell):  # noqa: D102
        return init_stack(key, init_cell, self.num_templates, self.same_init)

    def split(self, stored, steps):  # noqa: D102
        check_stack(self, stored, self.num_templates)
        if reads_mean(self, steps):
            count: Any = self.num_steps
            read = self.template_of(np.arange(count))
            share = np.bincount(read) / count
            stored = jax.tree.map(
                lambda w: jnp.concatenate([w, weighted_mean(w, share)[None]]), stored
            )
        return stored, to_index(self.template_of(steps))

    def merge(self, common, per_step_t):  # noqa: D102
        return pick(common, per_step_t)

    def supports_fused(self, per_step):  # noqa: D102
        return groups_well(per_step)

    def products(self, common, per_step, path, x):
        """Returns `x_t W_t`, one product for all steps that share a template."""
        return grouped_products(x, leaf_at(common, path), per_step)


@dataclasses.dataclass(frozen=True, repr=False)
class Segments(Selection):
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

    def __post_init__(self):
        check_positive(self, num_steps=self.num_steps, num_segments=self.num_segments)
        if self.num_segments > self.num_steps:
            raise ValueError(
                f"{self!r} has more segments than steps. Use num_segments between 1 "
                f"(tied) and {self.num_steps} (untied)."
            )
        check_policy(self)

    @property
    def num_templates(self) -> int:  # type: ignore[override]
        """K."""
        return self.num_segments

    def template_of(self, steps):  # noqa: D102
        if not isinstance(steps, np.ndarray):
            check_int32(self, self.num_steps + 1, self.num_segments)
        return steps * self.num_segments // self.num_steps


@dataclasses.dataclass(frozen=True, repr=False)
class Cyclic(Selection):
    """Weights that repeat with a period: `W_t = stored[t mod K]`, K the period.

    Stored: leaves [K, ...]. Parameters: K P. Defined at every step.

    Attributes:
      period: K, in steps; 1 is tied.
      same_init: start as K copies of one initialisation instead of as K of them.
    """

    period: int
    same_init: bool = False
    num_steps = None

    def __post_init__(self):
        check_positive(self, period=self.period)

    @property
    def num_templates(self) -> int:  # type: ignore[override]
        """K."""
        return self.period

    def template_of(self, steps):  # noqa: D102
        return steps % self.period


@dataclasses.dataclass(frozen=True, repr=False)
class Schedule(Selection):
    """Any schedule: step t reads the template that it names, `W_t = stored[s_t]`.

        Schedule((0, 1, 2, 2, 1, 0))  # there and back

    Tied is `Schedule((0,) * T)`, untied `Schedule(range(T))`; `Segments` and `Cyclic`
    are the schedules 0, 0, 1, 1, ... and 0, 1, 0, 1, ...

    Stored: leaves [K, ...], K the largest index + 1. Parameters: K P. `mean`, at an
    unseen step, is the mean of the weights over the T steps, so a template that is read
    more often counts for more.

    Attributes:
      indices: s_0 .. s_{T-1}, integers that name each of 0 .. K-1 at least once.
      same_init: start as K copies of one initialisation instead of as K of them.
      beyond: what an unseen step reads; see `resolve_steps`. `'cycle'` begins again.

    Reference: Takase, Kiyono, 2021, "Lessons on parameter sharing across layers in
    transformers" (for weights that are shared across depth).
    """

    indices: Any  # Iterable[int]; kept as a tuple of Python's, so that it hashes
    same_init: bool = False
    beyond: str = "error"
    policies = ("error", "hold", "cycle", "stretch", "mean")

    def __post_init__(self):
        object.__setattr__(self, "indices", _as_indices(self.indices))
        check_policy(self)

    @property
    def num_steps(self) -> int:  # type: ignore[override]
        """T, the number of indices."""
        return len(self.indices)

    @property
    def num_templates(self) -> int:  # type: ignore[override]
        """K."""
        return max(self.indices) + 1

    def template_of(self, steps):  # noqa: D102
        table = np.array([*self.indices, self.num_templates], np.int32)
        if isinstance(steps, np.ndarray):
            return table[steps]
        return jnp.take(jnp.asarray(table), steps, mode="clip")


def _as_indices(indices: Any) -> tuple[int, ...]:
    """Returns a schedule as Python's integers.

    Raises:
      TypeError: if it is no sequence of integers.
      ValueError: if it is empty, or names no template, or not all of them.
    """
    in_order = np.iterable(indices) and not isinstance(indices, Set | Mapping)
    given = list(indices) if in_order else None
    if given is None or any(
        isinstance(i, bool | np.bool_) or not isinstance(i, int | np.integer)
        for i in given
    ):
        raise TypeError(
            f"Schedule: indices is {indices!r}. Give one integer a step, as in "
            "Schedule((0, 1, 1, 0))."
        )
    given = [int(i) for i in given]  # a narrow integer of NumPy's wraps round
    if not given or min(given) < 0:
        raise ValueError(
            f"Schedule: indices is {indices!r}. Give one index from 0 on for each of "
            "at least one step, as in Schedule((0, 1, 1, 0))."
        )
    read = sorted(set(given))
    if read[-1] >= len(read):
        unread = next(k for k, index in enumerate(read) if k != index)
        raise ValueError(
            f"Schedule: indices {tuple(given)} name {read[-1] + 1} templates, but no "
            f"step reads number {unread}. Number them from 0 on, without a gap."
        )
    return tuple(given)

"""Sharings: differentiable maps from the stored pytree to one weight set a step.

An RNN unrolled for T steps is a function of T weight sets. A sharing says how those T
sets come from the one pytree that the optimiser stores: `Tied` is the constant map,
`Untied` the identity, `Segments`, `Cyclic` and `Schedule` select one of a few
templates. Everything here is plain pytrees and pure functions;
`rnnshare.unrolling.unroll` runs them.

Shape letters: T steps, K templates; a weight set is any pytree of arrays.
"""

import abc
import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.sharing.drawing import draw_many
from rnnshare.sharing.unseen import Steps, resolve_steps

Weights = Any  # a pytree of arrays: what a cell reads at one step
Stored = Any  # the pytree that is trained and saved
Common = Any  # the half of a sharing that every step sees
PerStep = Any  # the half that only step t sees: leaves are [T, ...]
InitCell = Callable[[jax.Array], Weights]


save_nothing = jax.checkpoint_policies.nothing_saveable


def save_all_but_slices(primitive: Any, *_: Any, **__: Any) -> bool:
    """A policy of `jax.checkpoint`: slices are taken again, all else is saved."""
    return primitive.name not in ("dynamic_slice", "squeeze")


class Sharing(abc.ABC):
    """How the weights of T steps come from one stored pytree.

    A sharing is a small frozen dataclass: it prints, compares and hashes, and is a
    static argument of `jax.jit`. A subclass declares `num_steps`, the number of steps
    it holds weights for, or None where it is defined at every step; where it is finite,
    a field `beyond` says what an unseen step reads (see `resolve_steps`).
    """

    num_steps: int | None
    policies: ClassVar[tuple[str, ...]] = ()  # what the field `beyond` may be
    # Whether its members answer for steps that they hold no weights for.
    delegates_steps: ClassVar[bool] = False
    # What the backward pass saves of a step (a policy of `jax.checkpoint`; None: all),
    # where `merge` makes new kernels: saved, they fill the memory of untied weights.
    remat_policy: ClassVar[Callable[..., bool] | None] = None

    @abc.abstractmethod
    def init(self, key: jax.Array, init_cell: InitCell) -> Stored:
        """Draws the stored pytree; `init_cell(key)` draws the weights of one cell."""

    @abc.abstractmethod
    def split(self, stored: Stored, steps: Steps) -> tuple[Common, PerStep]:
        """Parts the stored pytree into what all steps see and what each step sees.

        Called once a sequence.

        Args:
          stored: what `init` returns.
          steps: int[T], the steps to be run, as `resolve_steps` returns them: NumPy
            while they are known at trace time, else traced.
        """

    @abc.abstractmethod
    def merge(self, common: Common, per_step_t: PerStep) -> Weights:
        """Returns the weights of one step; called once a step."""

    def apply(
        self,
        function: Callable[..., Any],
        common: Common,
        per_step_t: PerStep,
        *args: Any,
    ) -> Any:
        """Returns `function(weights, *args)` at the weights of one step."""

        def run(common, per_step_t, *args):
            return function(self.merge(common, per_step_t), *args)

        if self.remat_policy is not None:
            # In a scan the barrier against common subexpressions is not needed.
            run = jax.checkpoint(run, prevent_cse=False, policy=self.remat_policy)
        return run(common, per_step_t, *args)

    def product(
        self, common: Common, per_step_t: PerStep, path: tuple[Any, ...], x: jax.Array
    ) -> jax.Array:
        """Returns `x @ kernel`, the kernel being the leaf of the weights at `path`.

        A sharing that has a cheaper way than to make the kernel takes it here.

        Args:
          common: from `split`.
          per_step_t: one step's slice of what `split` returns.
          path: the keys that lead to the kernel, as in `('recurrent', 'kernel')`.
          x: [*batch, H].
        """

        def times(weights: Weights, x: jax.Array) -> jax.Array:
            return x @ leaf_at(weights, path)

        return self.apply(times, common, per_step_t, x)

    def supports_fused(self, per_step: PerStep) -> bool:
        """Whether a fused unroll pays: `products` needs no kernel of its own a step.

        Args:
          per_step: from `split`, its index arrays NumPy where steps are known.
        """
        del per_step
        return False

    def products(
        self, common: Common, per_step: PerStep, path: tuple[Any, ...], x: jax.Array
    ) -> jax.Array:
        """Returns `x_t @ kernel_t` of all steps at once.

        Args:
          common: from `split`.
          per_step: from `split`.
          path: see `product`.
          x: [T, *batch, H].
        """

        def one(_: Any, per_step_t: PerStep, x: jax.Array) -> jax.Array:
            return self.product(common, per_step_t, path, x)

        return jax.vmap(one)(jnp.arange(x.shape[0]), per_step, x)

    def map_members(self, function: Callable[["Sharing"], "Sharing"]) -> "Sharing":
        """Returns the sharing with `function` of each sharing that it is built of."""
        del function
        return self

    def __repr__(self) -> str:
        """Prints the fields that differ from their defaults."""
        shown = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if field.default is dataclasses.MISSING
            or getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def expand(sharing: Sharing, stored: Stored, num_steps: int | None = None) -> Weights:
    """Returns the weights of every step: the meaning of a sharing, and how to untie it.

    `unroll(step, sharing, stored, ...)` equals
    `unroll(step, Untied(T), expand(sharing, stored, T), ...)`.

    Args:
      sharing: the map.
      stored: what it maps.
      num_steps: T; by default the number that the sharing holds weights for.

    Returns:
      The weights, each leaf with a leading axis T.

    Raises:
      ValueError: if T is needed and not given, or past the end under `beyond='error'`.
    """
    count = sharing.num_steps if num_steps is None else num_steps
    if count is None:
        raise ValueError(
            f"{sharing!r} is defined at every step, so expand needs to know how many "
            "you want. Use expand(sharing, stored, num_steps=...)."
        )
    steps = resolve_steps(sharing, count)
    common, per_step = sharing.split(stored, steps)
    # The steps come along for their axis: a tied sharing has nothing else to map over.
    return jax.vmap(lambda _, per_step_t: sharing.merge(common, per_step_t))(
        as_index(steps), per_step
    )


def num_parameters(tree: Any) -> int:
    """Returns the number of scalars in a pytree of arrays (or of their shapes)."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


# What sharings of templates have in common.


def init_stack(
    key: jax.Array, init_cell: InitCell, count: int, same_init: bool
) -> Stored:
    """Returns `count` weight sets, [count, ...]: copies of one init, or inits."""
    if same_init:
        weights = init_cell(key)
        return jax.tree.map(lambda w: jnp.repeat(w[None], count, axis=0), weights)
    return draw_many(init_cell, jax.random.split(key, count))


def pick(templates: Weights, index: jax.Array) -> Weights:
    """Returns template `index` of leaves [K, ...]."""
    return jax.tree.map(
        lambda w: jax.lax.dynamic_index_in_dim(w, index, keepdims=False), templates
    )


def leaf_at(tree: Any, path: tuple[Any, ...]) -> Any:
    """Returns the node of nested dictionaries that the keys lead to."""
    for key in path:
        tree = tree[key]
    return tree


def take(leaf: jax.Array, steps: Steps) -> jax.Array:
    """Returns rows `steps` of a leaf [T, ...]; a run of static steps is a slice."""
    if isinstance(steps, np.ndarray) and len(steps) and np.all(np.diff(steps) == 1):
        return leaf[int(steps[0]) : int(steps[-1]) + 1]
    return jnp.take(leaf, as_index(steps), axis=0, mode="clip")


def to_index(steps: Steps) -> Any:
    """Returns steps as int32[T]; they stay NumPy while they are known."""
    return steps.astype(np.int32)


def as_index(steps: Steps) -> jax.Array:
    """Returns steps as int32[T], ready to pick with."""
    return jnp.asarray(to_index(steps))


def weighted_mean(leaf: jax.Array, share: np.ndarray) -> jax.Array:
    """Returns `sum_k share_k leaf_k` of a leaf [K, ...], in the leaf's dtype."""
    return jnp.tensordot(jnp.asarray(share, leaf.dtype), leaf, axes=1)


def reads_mean(sharing: Any, steps: Steps) -> bool:
    """Whether a step reads (or, traced, may read) the row past the last: the mean."""
    if getattr(sharing, "beyond", None) != "mean":
        return False
    traced = not isinstance(steps, np.ndarray)
    return traced or bool(np.any(steps >= sharing.num_steps))


def check_positive(sharing: Sharing, **counts: int) -> None:
    """Raises unless every count is an integer of at least 1."""
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int | np.integer):
            raise TypeError(
                f"{type(sharing).__name__}: {name} is {count!r}, but it counts steps. "
                "Use an integer of at least 1."
            )
        if count < 1:
            raise ValueError(
                f"{type(sharing).__name__}: {name} is {count}. Use at least 1."
            )


def check_stack(sharing: Sharing, stored: Stored, count: int) -> None:
    """Raises unless every leaf of the stored pytree is [count, ...]."""
    for leaf in jax.tree.leaves(stored):
        if np.ndim(leaf) == 0 or np.shape(leaf)[0] != count:
            raise ValueError(
                f"{sharing!r} stores leaves of [{count}, ...], but got one of shape "
                f"{np.shape(leaf)}. Use what its init returns."
            )

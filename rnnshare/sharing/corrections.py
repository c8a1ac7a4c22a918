"""Sharings that correct a base at every step: `LowRank`, `Scaled` and `TimeInput`.

A leaf of rank 2 or more is a kernel, its last axis the output; one of lower rank is a
bias. Shape letters: T steps, r rank, P parameters of one cell.
"""

import abc
import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.sharing.base import (
    Sharing,
    check_positive,
    check_stack,
    leaf_at,
    save_nothing,
    take,
)
from rnnshare.sharing.combinations import check_kind, check_period
from rnnshare.sharing.products import batched_products, flat_product
from rnnshare.sharing.templates import Tied
from rnnshare.sharing.time_functions import KINDS, time_functions
from rnnshare.sharing.unseen import Steps, apply_beyond, check_member, check_policy


def is_kernel(leaf: Any) -> bool:
    """Whether a leaf of a cell's weights is a kernel, and not a bias."""
    return leaf.ndim >= 2


class Correction(Sharing):
    """A base sharing, and of each of T steps a correction of its own.

    Stored: a dictionary of the `base`, as its sharing stores it, and the `correction`,
    leaves [T, ...]. At an unseen step under `beyond='base'` there is no correction.
    """

    remat_policy = staticmethod(save_nothing)
    policies = ("error", "hold", "cycle", "stretch", "base")
    num_steps: int
    base: Sharing
    beyond: str

    @abc.abstractmethod
    def init_correction(self, key: jax.Array, shapes: Any) -> Any:
        """Returns a correction [T, ...] that leaves weights of these shapes alone."""

    @abc.abstractmethod
    def correct(self, leaf: jax.Array, correction: Any) -> jax.Array:
        """Returns a leaf of the base corrected by its correction of one step."""

    def init(self, key, init_cell):  # noqa: D102
        shapes = jax.eval_shape(init_cell, key)
        return {
            "base": self.base.init(key, init_cell),
            "correction": self.init_correction(jax.random.fold_in(key, 1), shapes),
        }

    def split(self, stored, steps):  # noqa: D102
        correction = stored["correction"]
        check_stack(self, correction, self.num_steps)
        common, per_step = self.base.split(
            stored["base"], apply_beyond(self.base, steps)
        )
        if self.beyond == "base":
            correction = jax.tree_util.tree_map_with_path(
                lambda path, c: jnp.concatenate([c, self.none_of(path, c)]), correction
            )
            xp: Any = np if isinstance(steps, np.ndarray) else jnp
            steps = xp.minimum(steps, self.num_steps)
        return common, (per_step, jax.tree.map(lambda c: take(c, steps), correction))

    def none_of(self, path: Any, correction: jax.Array) -> jax.Array:
        """Returns the row [1, ...] of a correction that corrects nothing."""
        return jnp.zeros_like(correction[:1])

    def map_members(self, function):  # noqa: D102
        return dataclasses.replace(self, base=function(self.base))  # type: ignore[type-var]

    def supports_fused(self, per_step):  # noqa: D102
        base, _ = per_step
        return self.base.supports_fused(base)

    def merge(self, common, per_step_t):  # noqa: D102
        base, correction = per_step_t
        weights = self.base.merge(common, base)
        return jax.tree.map(self.correct, weights, correction)


@dataclasses.dataclass(frozen=True, repr=False)
class LowRank(Correction):
    """A base, and a correction of low rank at every step: `W_t = W + U_t V_t`.

    A bias has no rank; it gets a correction of its own size, `b_t = b + d_t`.

    Stored: the base, and for each kernel U [T, in, r] and V [T, r, out], for each bias
    d [T, ...]. Parameters: those of the base + T (r sum(in + out) + biases), sums over
    kernels and biases of one cell; of the base alone for r = 0. V and d start at zero,
    so it starts as its base. Leading axes of a kernel of rank 3 and more count as `in`.

    Attributes:
      num_steps: T, the number of steps it holds corrections for.
      rank: r; 0 is the base, that of the kernels is untied.
      base: a sharing; tied by default.
      beyond: what an unseen step reads; see `unseen`. `'base'` reads the base
        without correction.

    Reference: Bae et al., 2024, "Relaxed recursive transformers" (for weights that are
    shared across depth).
    """

    num_steps: int
    rank: int = 1
    base: Sharing = Tied()
    beyond: str = "error"

    def __post_init__(self):
        check_positive(self, num_steps=self.num_steps)
        if self.rank != 0:
            check_positive(self, rank=self.rank)
        check_policy(self)
        check_member(self, self.base)

    def init_correction(self, key, shapes):  # noqa: D102
        if self.rank == 0:
            return jax.tree.map(lambda _: None, shapes)
        leaves = jax.tree.leaves(shapes)
        structure: Any = jax.tree.structure(shapes)
        keys = jax.random.split(key, max(1, len(leaves)))
        steps = self.num_steps

        def start(leaf, key):
            if not is_kernel(leaf):
                return jnp.zeros((steps, *leaf.shape), leaf.dtype)
            inputs, outputs = math.prod(leaf.shape[:-1]), leaf.shape[-1]
            u = jax.random.normal(key, (steps, inputs, self.rank), leaf.dtype)
            v = jnp.zeros((steps, self.rank, outputs), leaf.dtype)
            return {"u": u / math.sqrt(inputs), "v": v}

        return structure.unflatten(map(start, leaves, keys))

    def correct(self, leaf, correction):  # noqa: D102
        if correction is None:
            return leaf
        if not isinstance(correction, dict):
            return leaf + correction
        return leaf + (correction["u"] @ correction["v"]).reshape(leaf.shape)

    def product(self, common, per_step_t, path, x):
        """Returns `x W + (x U_t) V_t`, without the kernel."""
        base, correction = per_step_t
        y = self.base.product(common, base, path, x)
        c = leaf_at(correction, path)
        return y if c is None else y + (x @ c["u"]) @ c["v"]

    def products(self, common, per_step, path, x):  # noqa: D102
        base, correction = per_step
        y = self.base.products(common, base, path, x)
        c = leaf_at(correction, path)
        if c is None:
            return y
        return y + batched_products(batched_products(x, c["u"]), c["v"])


@dataclasses.dataclass(frozen=True, repr=False)
class Scaled(Correction):
    """A base with a gain and a bias per step: `W_t = W diag(s_t)`, `b_t = b + d_t`.

    Stored: the base, and for each kernel s [T, out], for each bias d [T, ...].
    Parameters: those of the base + T (sum(out) + biases), sums over kernels and biases
    of one cell. Gains start at one and d at zero, so it starts as its base.

    Attributes:
      num_steps: T, the number of steps it holds gains and biases for.
      base: a sharing; tied by default.
      beyond: what an unseen step reads; see `unseen`. `'base'` reads the base
        without gain, and `'hold'` is what recurrent batch normalisation does.

    Reference: Cooijmans, Ballas, Laurent, Gulcehre, Courville, 2016, "Recurrent batch
    normalization" (statistics per step).
    """

    num_steps: int
    base: Sharing = Tied()
    beyond: str = "error"

    def __post_init__(self):
        check_positive(self, num_steps=self.num_steps)
        check_policy(self)
        check_member(self, self.base)

    def init_correction(self, key, shapes):  # noqa: D102
        del key

        def start(leaf):
            if is_kernel(leaf):
                return {"gain": jnp.ones((self.num_steps, leaf.shape[-1]), leaf.dtype)}
            return jnp.zeros((self.num_steps, *leaf.shape), leaf.dtype)

        return jax.tree.map(start, shapes)

    def none_of(self, path, correction):  # noqa: D102
        is_gain = path[-1] == jax.tree_util.DictKey("gain")
        row = correction[:1]
        return jnp.ones_like(row) if is_gain else jnp.zeros_like(row)

    def correct(self, leaf, correction):  # noqa: D102
        if not isinstance(correction, dict):
            return leaf + correction
        gain = correction["gain"]
        return leaf * gain.reshape((1,) * (leaf.ndim - 1) + gain.shape)

    def product(self, common, per_step_t, path, x):
        """Returns `(x W) s_t`, without the kernel."""
        base, correction = per_step_t
        y = self.base.product(common, base, path, x)
        gain = leaf_at(correction, path)["gain"]
        return y * gain.reshape((1,) * (y.ndim - 1) + gain.shape)

    def products(self, common, per_step, path, x):  # noqa: D102
        base, correction = per_step
        y = self.base.products(common, base, path, x)
        gain = leaf_at(correction, path)["gain"]
        return y * gain.reshape(len(gain), *(1,) * (y.ndim - 2), gain.shape[-1])


@dataclasses.dataclass(frozen=True, repr=False)
class TimeInput(Sharing):
    """Tied, with time as a further input: `b_t = b + phi(t) V` for every bias.

    phi are the functions of `time_functions` (without the constant, which the
    bias is). It is the tied cell on inputs with phi(t) beside them.

    Stored: the base, weights of one cell, and for each bias V [F, ...]. Parameters:
    P + F biases, the number of scalars in the biases of one cell. V starts at zero, so
    it starts as the tied model. Defined at every step: Fourier functions repeat with
    the period, the others hold their value at t = period.

    Attributes:
      num_functions: F.
      kind: 'fourier', 'chebyshev' or 'bspline'.
      period: see `rnnshare.sharing.combinations.Basis`; in steps.

    Reference: Oh, Wang, Tang, Sjoding, Wiens, 2019, "Relaxed Parameter Sharing" (time
    as an input, by a sinusoidal encoding).
    """

    num_functions: int = 8
    kind: str = "fourier"
    period: float = 32.0
    num_steps = None

    def __post_init__(self):
        check_positive(self, num_functions=self.num_functions)
        check_kind(self, KINDS)
        check_period(self, self.period)

    def init(self, key, init_cell):  # noqa: D102
        def start(leaf):
            if is_kernel(leaf):
                return None
            return jnp.zeros((self.num_functions, *leaf.shape), leaf.dtype)

        weights = init_cell(key)
        encoding = jax.tree.map(start, weights)
        if not jax.tree.leaves(encoding):
            raise ValueError(
                f"{self!r} moves the biases of a cell, but this one has none. Use a "
                "cell with biases, or Basis(...)."
            )
        return {"base": weights, "encoding": encoding}

    def split(self, stored, steps: Steps):  # noqa: D102
        check_stack(self, stored["encoding"], self.num_functions)
        count = self.num_functions + 1  # with the constant
        return stored, time_functions(self.kind, count, self.period, steps)[:, 1:]

    def merge(self, common, per_step_t):  # noqa: D102
        def move(leaf, v):
            if v is None:
                return leaf
            return leaf + jnp.tensordot(jnp.asarray(per_step_t).astype(v.dtype), v, 1)

        return jax.tree.map(move, common["base"], common["encoding"])

    def product(self, common, per_step_t, path, x):
        """Returns `x W`; the kernels are tied."""
        return x @ leaf_at(common["base"], path)

    def supports_fused(self, per_step):  # noqa: D102
        return True

    def products(self, common, per_step, path, x):  # noqa: D102
        return flat_product(x, leaf_at(common["base"], path))

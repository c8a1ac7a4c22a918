"""Sharings whose weights are weighted sums of K templates: `W_t = sum_k c_tk W_k`.

They differ in where the coefficients c come from: `Mixture` trains them, `Basis` and
`Drift` take fixed functions of time, `Hypernetwork` a small network of time.

Shape letters: T steps, K templates, P parameters of one cell.
"""

import abc
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.sharing.base import (
    Sharing,
    Weights,
    check_positive,
    check_stack,
    init_stack,
    reads_mean,
    save_nothing,
    take,
)
from rnnshare.sharing.time_functions import KINDS, as_times, time_functions
from rnnshare.sharing.unseen import Steps, check_policy

TEMPLATES = "templates"  # the key of the templates in `stored`


class Combination(Sharing):
    """A sharing of templates and coefficients.

    Stored: a dictionary whose `templates` are leaves [K, ...], and what the
    coefficients are made of.
    """

    remat_policy = staticmethod(save_nothing)
    num_templates: int  # K

    @abc.abstractmethod
    def coefficients(self, stored: Any, steps: Steps) -> jax.Array:
        """Returns the coefficients of the steps, [n, K]."""

    def split(self, stored, steps):  # noqa: D102
        templates = stored[TEMPLATES]
        check_stack(self, templates, self.num_templates)
        return templates, self.coefficients(stored, steps)

    def merge(self, common, per_step_t):  # noqa: D102
        return jax.tree.map(lambda w: weighted_sum(w, per_step_t), common)


@dataclasses.dataclass(frozen=True, repr=False)
class Mixture(Combination):
    """K templates, mixed by coefficients that are trained: `W_t = sum_k a_tk W_k`.

    With `kind='softmax'`, a_t = softmax(logits[t]), a mixture of weights; with
    `'free'`, a_t = coefficients[t], a template bank.

    Stored: templates [K, ...] and logits (or coefficients) [T, K]. Parameters:
    K P + T K. `mean`, at an unseen step, is the mean of the weights over the T steps.

    Attributes:
      num_steps: T, the number of steps it holds coefficients for.
      num_templates: K; 1 is tied.
      kind: 'softmax' or 'free'.
      same_init: start from K copies of one initialisation, and so from the tied model,
        with unequal coefficients, by which the copies part; instead of from K
        initialisations, whose mixture is smaller than one of them.
      beyond: what an unseen step reads; see `rnnshare.sharing.unseen`.

    References: Oh, Wang, Tang, Sjoding, Wiens, 2019, "Relaxed Parameter Sharing"
    (mixLSTM); Savarese, Maire, 2019, "Learning implicitly recurrent CNNs through
    parameter sharing" (template bank).
    """

    num_steps: int
    num_templates: int = 4
    kind: str = "softmax"
    same_init: bool = True
    beyond: str = "error"
    policies = ("error", "hold", "cycle", "stretch", "mean")

    def __post_init__(self):
        check_positive(self, num_steps=self.num_steps, num_templates=self.num_templates)
        check_kind(self, ("softmax", "free"))
        check_policy(self)

    @property
    def key(self) -> str:
        """What the coefficients are stored as."""
        return "logits" if self.kind == "softmax" else "coefficients"

    def init(self, key, init_cell):  # noqa: D102
        templates = init_stack(key, init_cell, self.num_templates, self.same_init)
        shape = (self.num_steps, self.num_templates)
        logits = jax.random.normal(jax.random.fold_in(key, 1), shape)
        start = logits if self.kind == "softmax" else jax.nn.softmax(logits)
        return {TEMPLATES: templates, self.key: start}

    def coefficients(self, stored, steps):  # noqa: D102
        rows = stored[self.key]
        check_stack(self, rows, self.num_steps)
        if self.kind == "softmax":
            rows = jax.nn.softmax(rows, axis=-1)
        if reads_mean(self, steps):
            rows = jnp.concatenate([rows, jnp.mean(rows, 0, keepdims=True)])
        return take(rows, steps)


@dataclasses.dataclass(frozen=True, repr=False)
class Basis(Combination):
    """Weights as a smooth function of time: `W_t = sum_k phi_k(t) W_k`.

    The functions are those of `time_functions`. Starts as the tied model.

    Stored: templates [K, ...]. Parameters: K P. Defined at every step: Fourier
    functions repeat with the period, the others hold their value at t = period.

    Attributes:
      num_functions: K; 1 is tied.
      kind: 'fourier', 'chebyshev' or 'bspline'.
      period: of the lowest Fourier function, or the span [0, period] that the others
        cover; in steps.

    Reference: Massaroli, Poli, Park, Yamashita, Asama, 2020, "Dissecting neural ODEs"
    (for weights that vary with depth).
    """

    num_functions: int
    kind: str = "fourier"
    period: float = 32.0
    num_steps = None

    def __post_init__(self):
        check_positive(self, num_functions=self.num_functions)
        check_kind(self, KINDS)
        check_period(self, self.period)

    @property
    def num_templates(self) -> int:  # type: ignore[override]
        """K."""
        return self.num_functions

    def init(self, key, init_cell):  # noqa: D102
        if self.kind == "bspline":  # they sum to one
            return {TEMPLATES: init_stack(key, init_cell, self.num_functions, True)}
        return {TEMPLATES: one_and_zeros(key, init_cell, self.num_functions)}

    def coefficients(self, stored, steps):  # noqa: D102
        return time_functions(self.kind, self.num_functions, self.period, steps)


@dataclasses.dataclass(frozen=True, repr=False)
class Drift(Combination):
    """Weights that change at a constant rate: `W_t = W + (t / unit) D`.

    Stored: templates [2, ...], W and D. Parameters: 2 P. D starts at zero, so it starts
    as the tied model. Defined at every step: the drift goes on.

    Attributes:
      unit: the steps in which weights move by D; 1 by default. Of the size of T, it
        keeps the two templates on one scale for the optimiser.
    """

    unit: float = 1.0
    num_steps = None
    num_templates = 2

    def __post_init__(self):
        check_period(self, self.unit, "unit")

    def init(self, key, init_cell):  # noqa: D102
        return {TEMPLATES: one_and_zeros(key, init_cell, 2)}

    def coefficients(self, stored, steps):  # noqa: D102
        xp, times = as_times(steps)
        return xp.stack([xp.ones_like(times), times / self.unit], axis=-1)


@dataclasses.dataclass(frozen=True, repr=False)
class Hypernetwork(Combination):
    """A small network of time makes the weights: `W_t = W + sum_j z_tj M_j`.

    `z_t = tanh(e_t A + b)`, where e_t is an embedding of the step: Fourier functions of
    t without the constant, or, with `kind='learned'`, trained, of each of T steps.

    Stored: templates [E + 1, ...] (W, then the M_j), kernel A [E, E], bias b [E], and a
    learned embedding [T, E]. Parameters: (E + 1) P + E (E + 1), learned + T E. The M_j
    start at zero, so it starts as the tied model. With Fourier functions it is defined
    at every step and repeats with the period; a learned embedding follows `beyond`.

    Attributes:
      embedding_size: E.
      kind: 'fourier' or 'learned'.
      period: of the lowest Fourier function, in steps.
      num_steps: T, for a learned embedding alone.
      beyond: what an unseen step reads; see `rnnshare.sharing.unseen`.

    Reference: Ha, Dai, Le, 2016, "HyperNetworks" (the static hypernetwork).
    """

    embedding_size: int = 4
    kind: str = "fourier"
    period: float = 32.0
    num_steps: int | None = None
    beyond: str = "error"
    policies = ("error", "hold", "cycle", "stretch")

    def __post_init__(self):
        check_positive(self, embedding_size=self.embedding_size)
        check_kind(self, ("fourier", "learned"))
        check_period(self, self.period)
        if (self.kind == "learned") != (self.num_steps is not None):
            raise ValueError(
                f"{self!r}: a learned embedding needs num_steps, and a Fourier one is "
                "defined at every step. Use kind='learned' with num_steps=..., or "
                "kind='fourier' without."
            )
        if self.num_steps is None:
            object.__setattr__(self, "policies", ())
        else:
            check_positive(self, num_steps=self.num_steps)
            check_policy(self)

    @property
    def num_templates(self) -> int:  # type: ignore[override]
        """K = E + 1."""
        return self.embedding_size + 1

    def init(self, key, init_cell):  # noqa: D102
        size = self.embedding_size
        for_kernel, for_embedding = jax.random.split(jax.random.fold_in(key, 1))
        stored = {
            TEMPLATES: one_and_zeros(key, init_cell, size + 1),
            "kernel": jax.random.normal(for_kernel, (size, size)) / np.sqrt(size),
            "bias": jnp.zeros(size),
        }
        if self.num_steps is not None:
            shape = (self.num_steps, size)
            stored["embedding"] = jax.random.normal(for_embedding, shape)
        return stored

    def coefficients(self, stored, steps):  # noqa: D102
        kernel, bias = stored["kernel"], stored["bias"]
        if self.num_steps is None:
            functions = time_functions(
                "fourier", self.num_templates, self.period, steps
            )
            embedding = jnp.asarray(functions[:, 1:], kernel.dtype)
        else:
            check_stack(self, stored["embedding"], self.num_steps)
            embedding = take(stored["embedding"], steps)
        z = jnp.tanh(embedding @ kernel + bias[None])
        return jnp.concatenate([jnp.ones_like(z[:, :1]), z], axis=1)


def weighted_sum(leaf: jax.Array, coefficients: Any) -> jax.Array:
    """Returns `sum_k c_k leaf_k` of a leaf [K, ...], in the leaf's dtype.

    One product of a row and a matrix, whose gradient is products as well: XLA's other
    ways to write it (a sum, an unrolled sum) are 2 to 25 times slower on CPU.
    """
    c = jnp.asarray(coefficients).astype(leaf.dtype)
    return (c[None] @ leaf.reshape(len(c), -1)).reshape(leaf.shape[1:])


def one_and_zeros(key: jax.Array, init_cell: Any, count: int) -> Weights:
    """Returns [count, ...]: a draw, and zeros."""
    return jax.tree.map(
        lambda w: jnp.concatenate([w[None], jnp.zeros((count - 1, *w.shape), w.dtype)]),
        init_cell(key),
    )


def check_kind(sharing: Any, kinds: tuple[str, ...]) -> None:
    """Raises unless the sharing's `kind` is one of these."""
    if sharing.kind not in kinds:
        raise ValueError(
            f"{type(sharing).__name__}: kind is {sharing.kind!r}. Use one of "
            f"{', '.join(map(repr, kinds))}."
        )


def check_period(sharing: Any, period: float, name: str = "period") -> None:
    """Raises unless a period is a positive, finite number of steps."""
    if not isinstance(period, int | float) or not 0 < period < float("inf"):
        raise ValueError(
            f"{type(sharing).__name__}: {name} is {period!r}. Use a positive number of "
            "steps."
        )

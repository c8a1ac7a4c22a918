"""Measures of the weights of T steps: how alike they are, and how far from tied.

Weights are a pytree of leaves [T, ...], as `rnnshare.expand` returns them. Measures
are computed in float64 NumPy; w_t, the weight set of step t, is all its leaves,
flattened and joined, a complex number as its two parts.

Shape letters: T steps.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnshare.sharing.base import Sharing, Stored, Weights, expand


def weight_similarity(weights: Weights) -> np.ndarray:
    """Returns how alike the weight sets of every two steps are.

    `M[s, t] = w_s . w_t / (|w_s| |w_t|)`, the cosine of the angle between them; 1.0
    exactly where they are equal. A zero weight set has 0 to any other.

    Args:
      weights: leaves [T, ...].

    Returns:
      [T, T], symmetric, in [-1, 1].

    Raises:
      ValueError: if there are no leaves, or their leading axes differ.
    """
    rows = _rows(weights)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(norms == 0.0, 1.0, norms)
    # Equal sets have one number: comparing each with each would take T^2 P bytes.
    seen: dict[bytes, int] = {}
    number = np.array([seen.setdefault(row.tobytes(), len(seen)) for row in rows])
    same = number[:, None] == number[None]
    return np.where(same, 1.0, np.clip(unit @ unit.T, -1.0, 1.0))


def distance_from_tied(weights: Weights) -> float:
    """Returns the share of the weights that the nearest tied weights do not explain.

    `sqrt(sum_t |w_t - m|^2 / sum_t |w_t|^2)`, m the mean of w_t over the steps: 0 for
    tied weights (zero ones too), 1 where the mean is zero, and sqrt(1 - 1 / T) for
    orthogonal weight sets of equal norm.

    Args:
      weights: leaves [T, ...].

    Returns:
      In [0, 1].

    Raises:
      ValueError: if there are no leaves, or their leading axes differ.
    """
    rows = _rows(weights)
    moved = rows - rows[:1]  # tied weights leave no rounding behind
    left = np.sum((moved - moved.mean(axis=0)) ** 2)
    return float(np.sqrt(min(1.0, left / np.sum(rows**2)))) if left > 0.0 else 0.0


def effective_num_steps(weights: Weights) -> float:
    """Returns how many directions the weight sets of the steps span, softly counted.

    The participation ratio `(sum_i l_i)^2 / sum_i l_i^2` of the eigenvalues l of the
    Gram matrix `G[s, t] = w_s . w_t`: 1 for tied weights (zero ones too), T for
    orthogonal weight sets of equal norm, K for segments of equal length of K such sets.

    Args:
      weights: leaves [T, ...].

    Returns:
      In [1, T].

    Raises:
      ValueError: if there are no leaves, or their leading axes differ.

    Reference: Gao, Trautmann, Yu, Santhanam, Ryu, Shenoy, Ganguli, 2017, "A theory of
    multineuronal dimensionality, dynamics and measurement".
    """
    rows = _rows(weights)
    gram = rows @ rows.T
    # The eigenvalues themselves are not needed: the trace is their sum, the squares
    # of the entries add up to the sum of theirs.
    squares = np.sum(gram**2)
    if squares == 0.0:
        return 1.0
    return float(np.clip(np.trace(gram) ** 2 / squares, 1.0, len(rows)))


def step_norms(weights: Weights) -> np.ndarray:
    """Returns the norm of each step's weight set, `|w_t|`.

    Of `per_step_gradients`, it is the norm of the gradient at each step.

    Args:
      weights: leaves [T, ...].

    Returns:
      [T].

    Raises:
      ValueError: if there are no leaves, or their leading axes differ.
    """
    return np.linalg.norm(_rows(weights), axis=1)


def per_step_gradients(
    loss: Callable[[Weights], jax.Array],
    sharing: Sharing,
    stored: Stored,
    num_steps: int | None = None,
) -> Weights:
    """Returns the gradient of a loss with respect to the weights of every step.

    `g_t = dL / dW_t` at `W = expand(sharing, stored, num_steps)`. What is stored has
    the gradient `sum_t (dW_t / dstored)^T g_t`: of a tied model, the sum over steps.

    Args:
      loss: takes weights, leaves [T, ...], and returns a scalar; such as one that
        unrolls them under `Untied(T)`.
      sharing: the map.
      stored: what it maps.
      num_steps: T; by default the number that the sharing holds weights for.

    Returns:
      A pytree like the weights, leaves [T, ...], of JAX arrays in their dtypes.

    Raises:
      ValueError: if T is needed and not given, or past the end under `beyond='error'`.
    """
    return jax.grad(loss)(expand(sharing, stored, num_steps))


def nudged(step: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a step whose inputs are pairs `(x, nudge)`, the nudge added to the carry.

    `step(W_t, carry + n_t, x_t)`: at nudges of zero it is the step itself, and the
    gradient at n_t is that at the carry which step t was given; see `carry_gradients`.

    Args:
      step: `(weights, carry, x) -> (carry, y)`, as `rnnshare.unroll` takes it.
    """

    def run(weights: Any, carry: Any, inputs: tuple[Any, Any]) -> tuple[Any, Any]:
        x, nudge = inputs
        return step(weights, jax.tree.map(jnp.add, carry, nudge), x)

    return run


def carry_gradients(
    loss: Callable[[Any], jax.Array], carry: Any, num_steps: int
) -> Any:
    """Returns the gradient of a loss with respect to the carry that each step is given.

    `g_t = dL / d carry_t`, all of them by one backward pass, since each is the gradient
    at a nudge of zero. `step_norms` of it tells how fast a gradient vanishes.

    Args:
      loss: takes nudges, the carry's pytree with leaves [T, *B, H], and returns a
        scalar; such as one of `unroll(nudged(step), ..., (inputs, nudges), carry)`.
      carry: the initial one, leaves [*B, H].
      num_steps: T.

    Returns:
      A pytree like the carry, leaves [T, *B, H]; at t = 0, the initial carry's.

    Raises:
      ValueError: if there is no step.
    """
    if num_steps < 1:
        raise ValueError(f"carry_gradients: num_steps is {num_steps}. Use at least 1.")

    def zeros(leaf: jax.Array) -> jax.Array:
        return jnp.zeros((num_steps, *leaf.shape), leaf.dtype)

    return jax.grad(loss)(jax.tree.map(zeros, carry))


def distance(weights: Weights, others: Weights) -> float:
    """Returns the relative distance of others from weights, `|a - b| / |a|`.

    What a conversion between sharings lost: weights before it, others after. 0 where
    they are equal, and infinite if only the weights are zero.

    Args:
      weights: pytree of arrays.
      others: of the same structure and shapes.

    Raises:
      ValueError: if there are no leaves, or structures or shapes differ.
    """
    before, after = jax.tree.structure(weights), jax.tree.structure(others)
    if before != after:  # type: ignore[operator]
        raise ValueError(
            f"distance compares leaf by leaf, but got the structures {before} and "
            f"{after}. Expand both to weights of [T, ...] leaves first."
        )
    lost = size = 0.0
    paths = jax.tree_util.tree_leaves_with_path(weights)
    if not paths:
        raise ValueError("distance got no arrays. Pass what rnnshare.expand returns.")
    for (path, leaf), other in zip(paths, jax.tree.leaves(others), strict=True):
        if np.shape(leaf) != np.shape(other):
            raise ValueError(
                f"distance compares leaf by leaf, but {jax.tree_util.keystr(path)} has "
                f"the shapes {np.shape(leaf)} and {np.shape(other)}. Expand both to as "
                "many steps, of cells of one size."
            )
        a, b = (np.asarray(array).astype(np.float64) for array in (leaf, other))
        lost, size = lost + np.sum((a - b) ** 2), size + np.sum(a**2)
    if lost == 0.0:
        return 0.0
    return float(np.sqrt(lost / size)) if size > 0.0 else float("inf")


def _rows(weights: Weights) -> np.ndarray:
    """Returns the weight sets of the steps, float64[T, P], or says what is wrong."""
    leaves: list[Any] = [np.asarray(leaf) for leaf in jax.tree.leaves(weights)]
    if not leaves:
        raise ValueError(
            "weights hold no arrays, so there are no steps to compare. Pass leaves of "
            "[T, ...], as rnnshare.expand(sharing, stored, T) returns them."
        )
    if any(a.ndim == 0 or len(a) != len(leaves[0]) or not len(a) for a in leaves):
        raise ValueError(
            "weights must share their leading axis, time, but have the shapes "
            f"{', '.join(str(a.shape) for a in leaves)}. Pass leaves of [T, ...], as "
            "rnnshare.expand(sharing, stored, T) returns them, and not what is stored."
        )
    rows = np.concatenate([as_rows(a) for a in leaves], axis=1)
    return rows + 0.0  # -0.0 becomes 0.0


def as_rows(leaf: Any) -> np.ndarray:
    """Returns a leaf [T, ...] as float64[T, P]; a complex number is two reals."""
    rows = np.reshape(leaf, (len(leaf), -1))
    return np.ascontiguousarray(rows, double_of(leaf)).view(np.float64)


def double_of(leaf: Any) -> type:
    """Returns float64, or complex128 if a leaf is complex."""
    return np.complex128 if np.iscomplexobj(leaf) else np.float64

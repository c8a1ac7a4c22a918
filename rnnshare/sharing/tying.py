"""Soft tying: untied weights that are drawn towards one another.

Strength 0 is untied, infinite strength tied: sharing as a prior, in its degree. Each
function takes a pytree whose leaves are [T, ...], such as what `Untied` stores, or what
`expand` returns of any sharing.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

KINDS = ("mean", "steps", "fused")
_ITERATIONS = 100  # of the fused proximal step


def tying_penalty(weights: Any, kind: str = "mean") -> jax.Array:
    """Returns how far apart the weights of the steps are, to be added to a loss.

    - `mean`: `sum_t ||W_t - mean||^2`.
    - `steps`: `sum_t ||W_t - W_{t-1}||^2`, for weights that change slowly.
    - `fused`: `sum_t ||W_t - W_{t-1}||`, for weights that change seldom: segments.

    The norms are of the whole weight set, all leaves together. Where two steps are
    equal, the gradient of `fused` is taken as 0.

    Args:
      weights: leaves [T, ...].
      kind: one of the above.

    Raises:
      ValueError: on another kind.

    References: Nowlan, Hinton, 1992, "Simplifying neural networks by soft
    weight-sharing"; Tibshirani et al., 2005, "Sparsity and smoothness via the fused
    lasso".
    """
    _check_kind(kind)
    if kind == "mean":
        apart = jax.tree.map(lambda w: w - jnp.mean(w, 0, keepdims=True), weights)
    else:
        apart = jax.tree.map(lambda w: w[1:] - w[:-1], weights)
    squares = _squared_norms(apart)
    if kind != "fused":
        return jnp.sum(squares)
    # Twice where: the root has no derivative at 0, and a NaN would reach the rest.
    away = squares > 0
    return jnp.sum(jnp.where(away, jnp.sqrt(jnp.where(away, squares, 1.0)), 0.0))


def soft_tying(
    learning_rate: Any, strength: float, kind: str = "mean"
) -> optax.GradientTransformation:
    """Returns the proximal step of `tying_penalty`, to follow an optimiser.

    `prox(V) = argmin_W ||W - V||^2 / 2 + learning_rate * strength * c * penalty(W)`, V
    the updated weights, c = 1/2 for the squared kinds and 1 for `fused`. It is
    decoupled from the gradient, as AdamW's decay is, and holds at any strength, where
    the penalty's gradient would need ever smaller steps: an infinite strength ties the
    weights, and `fused` makes steps equal.

        optax.chain(optax.adam(1e-3), soft_tying(1e-3, strength=10.0))

    With `optax.masked` it takes the leaves [T, ...] of a larger tree.

    Args:
      learning_rate: of the optimiser before it.
      strength: of the penalty, at least 0.
      kind: see `tying_penalty`.

    Raises:
      ValueError: on another kind, or a negative strength.

    Reference: Parikh, Boyd, 2014, "Proximal algorithms".
    """
    _check_kind(kind)
    if not strength >= 0:
        raise ValueError(f"soft_tying: strength is {strength}. Use at least 0.")
    proximal = {"mean": _near_mean, "steps": _near_steps, "fused": _fused}[kind]

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        if params is None:
            raise ValueError(
                "soft_tying draws the parameters together, so its update needs them. "
                "Use update(updates, state, params)."
            )
        if strength == 0:
            return updates, state
        moved = jax.tree.map(lambda p, u: p + u, params, updates)
        drawn = proximal(moved, jnp.float32(strength) * learning_rate)
        return jax.tree.map(lambda d, p: d - p, drawn, params), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def _near_mean(weights: Any, size: jax.Array) -> Any:
    def draw(w: jax.Array) -> jax.Array:
        mean = jnp.mean(w, 0, keepdims=True)
        return mean + (w - mean) / (1 + size).astype(w.dtype)

    return jax.tree.map(draw, weights)


def _near_steps(weights: Any, size: jax.Array) -> Any:
    """Solves `(I + size L) W = weights`, L the Laplacian of the chain of steps."""
    count = len(jax.tree.leaves(weights)[0])
    # By the eigenvectors of L, so that an infinite size leaves the mean.
    steps = jnp.arange(count, dtype=jnp.float32)
    vectors = jnp.cos(jnp.pi * steps[None] * (steps[:, None] + 0.5) / count)
    vectors /= jnp.linalg.norm(vectors, axis=0, keepdims=True)
    values = 2 - 2 * jnp.cos(jnp.pi * steps / count)
    shrink = jnp.where(steps == 0, 1.0, 1 / (1 + size * values))
    solve = (vectors * shrink[None]) @ vectors.T
    return jax.tree.map(
        lambda w: jnp.tensordot(solve.astype(w.dtype), w, axes=1), weights
    )


def _fused(weights: Any, size: jax.Array) -> Any:
    """Solves for the dual, a vector of at most `size` for each pair of steps, by FISTA.

    A size beyond which all steps are equal is no larger for being infinite: it is
    limited to the norm of all weights, and there the mean is the answer.
    """
    flat = jax.tree.map(lambda w: w.astype(jnp.float32).reshape(len(w), -1), weights)
    if len(jax.tree.leaves(flat)[0]) < 2:
        return weights
    partial_sums = jax.tree.map(
        lambda w: jnp.cumsum(w - jnp.mean(w, 0, keepdims=True), 0)[:-1], flat
    )
    # The dual of equal steps are the partial sums; small enough, they are the answer.
    ties = jnp.max(jnp.sqrt(_squared_norms(partial_sums))) <= size

    def primal(dual: Any) -> Any:
        def pull(w: jax.Array, d: jax.Array) -> jax.Array:
            edge = jnp.zeros_like(w[:1])
            return w - jnp.concatenate([edge, d]) + jnp.concatenate([d, edge])

        return jax.tree.map(pull, flat, dual)

    def iterate(i: jax.Array, state: tuple[Any, Any]) -> tuple[Any, Any]:
        old, ahead = state
        moved = jax.tree.map(
            lambda d, w: d + (w[1:] - w[:-1]) / 4, ahead, primal(ahead)
        )
        norms = jnp.sqrt(_squared_norms(moved))
        scale = jnp.minimum(1.0, size / jnp.maximum(norms, 1e-30))[:, None]
        new = jax.tree.map(lambda d: d * scale, moved)
        pace = i.astype(jnp.float32) / (i.astype(jnp.float32) + 3)
        return new, jax.tree.map(lambda n, o: n + pace * (n - o), new, old)

    start = jax.tree.map(lambda w: jnp.zeros_like(w[1:]), flat)
    dual, _ = jax.lax.fori_loop(0, _ITERATIONS, iterate, (start, start))

    def choose(w: jax.Array, f: jax.Array, drawn: jax.Array) -> jax.Array:
        mean = jnp.mean(f, 0, keepdims=True)
        return jnp.where(ties, mean, drawn).astype(w.dtype).reshape(w.shape)

    return jax.tree.map(choose, weights, flat, primal(dual))


def _squared_norms(tree: Any) -> jax.Array:
    """Returns float32[n], the squared norms over all leaves [n, ...]."""

    def squares(leaf: jax.Array) -> jax.Array:
        return jnp.sum(leaf.astype(jnp.float32) ** 2, axis=tuple(range(1, leaf.ndim)))

    leaves = jax.tree.leaves(tree)
    return sum(map(squares, leaves[1:]), squares(leaves[0]))


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}. Use one of {', '.join(map(repr, KINDS))}.")

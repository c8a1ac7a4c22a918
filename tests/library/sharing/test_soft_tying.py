"""Soft tying: penalties against NumPy, proximal steps against minimisers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize

from rnnshare.sharing.tying import KINDS, soft_tying, tying_penalty
from tests.library.law_cases import (
    assert_close,
    assert_equal,
    assert_equal_to_rounding,
    generic,
)

T = 5
by_kind = pytest.mark.parametrize("kind", KINDS)


def tree(seed=0, steps=T):
    return {"a": generic((steps, 2, 3), seed), "b": [generic((steps,), seed + 1)]}


def rows(weights):
    leaves = jax.tree.leaves(weights)
    return np.concatenate(
        [np.asarray(w, np.float64).reshape(len(w), -1) for w in leaves], axis=1
    )


def penalty(kind, w):
    """The docstring, of [T, P] in NumPy."""
    if kind == "mean":
        return np.sum((w - w.mean(0)) ** 2)
    steps = [w[t] - w[t - 1] for t in range(1, len(w))]
    if kind == "steps":
        return sum(np.sum(d**2) for d in steps)
    return sum(np.sqrt(np.sum(d**2)) for d in steps)


def objective(kind, w, v, size):
    """What the proximal step makes least."""
    c = 1.0 if kind == "fused" else 0.5
    return np.sum((w - v) ** 2) / 2 + size * c * penalty(kind, w)


def proximal(weights, kind, strength, learning_rate=0.1, moved=None):
    """The weights after one step whose optimiser moved them by `moved`."""
    moved = jax.tree.map(np.zeros_like, weights) if moved is None else moved
    step = soft_tying(learning_rate, strength, kind)
    updates, _ = jax.jit(step.update)(moved, step.init(weights), weights)
    return optax.apply_updates(weights, updates)


# The penalty


@by_kind
def test_penalties_are_the_docstrings(kind):
    weights = tree()
    found = tying_penalty(weights, kind)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, penalty(kind, rows(weights)), rtol=1e-5)


@by_kind
def test_one_step_is_tied(kind):
    weights = tree(steps=1)
    assert tying_penalty(weights, kind) == 0
    assert_close(proximal(weights, kind, 3.0), weights, 1e-6)


@by_kind
def test_gradients_are_finite_and_zero_where_steps_are_equal(kind):
    gradient = jax.jit(jax.grad(lambda w: tying_penalty(w, kind)))
    tied = jax.tree.map(lambda w: np.repeat(w[:1], T, axis=0), tree())
    for leaf in jax.tree.leaves(gradient(tied)):
        np.testing.assert_allclose(leaf, 0, atol=1e-6)
    # Two equal steps among unequal ones: the rest has its own gradient.
    some = jax.tree.map(lambda w: w[np.array([0, 1, 1, 3, 4])], tree())
    found, w = rows(gradient(some)), rows(some)
    assert np.isfinite(found).all()
    slopes = np.zeros_like(w)
    for t in (0, 3, 4):
        for i in range(w.shape[1]):
            e = np.zeros_like(w)
            e[t, i] = 1e-6
            slopes[t, i] = (penalty(kind, w + e) - penalty(kind, w - e)) / 2e-6
    assert np.abs(slopes[[0, 3, 4]]).min() > 1e-4
    np.testing.assert_allclose(found[[0, 3, 4]], slopes[[0, 3, 4]], atol=1e-4)


# The proximal step


@pytest.mark.parametrize("kind", ["mean", "steps"])
@pytest.mark.parametrize("strength", [0.5, 20.0])
def test_squared_kinds_are_the_minimiser(kind, strength):
    weights = tree()
    v, size = rows(weights), 0.1 * strength
    best = scipy.optimize.minimize(
        lambda w: objective(kind, w.reshape(v.shape), v, size), v.ravel(), tol=1e-10
    ).x.reshape(v.shape)
    found = rows(proximal(weights, kind, strength))
    assert np.abs(found - v).max() > 0.01
    np.testing.assert_allclose(found, best, atol=2e-5)


@pytest.mark.parametrize("strength", [0.5, 3.0, 20.0])
def test_fused_is_the_minimiser(strength):
    """Of the gain that there is over the start, by a long run on the dual."""
    weights = tree()
    v, size = rows(weights), 0.1 * strength
    dual = np.zeros((T - 1, v.shape[1]))
    gap = np.eye(T)[1:] - np.eye(T)[:-1]  # W -> its steps
    for _ in range(20_000):
        dual = dual + gap @ (v - gap.T @ dual) / 4
        dual *= np.minimum(1, size / np.linalg.norm(dual, axis=1, keepdims=True))
    best = v - gap.T @ dual
    least, start = (objective("fused", w, v, size) for w in (best, v))
    # No duality gap: this is the minimum, and no run that stopped early.
    dual_value = np.sum((gap.T @ dual) * v) - np.sum((gap.T @ dual) ** 2) / 2
    np.testing.assert_allclose(dual_value, least, rtol=1e-5)
    found = rows(proximal(weights, "fused", strength))
    reached = objective("fused", found, v, size)
    assert least - 1e-4 <= reached <= least + 0.02 * (start - least)
    assert np.linalg.norm(found - best) < 0.02 * np.linalg.norm(v - best)


@by_kind
def test_the_step_starts_from_the_updated_weights(kind):
    weights, moved = tree(0), tree(5)
    there = jax.tree.map(np.add, weights, moved)
    found = proximal(weights, kind, 3.0, moved=moved)
    assert_close(found, proximal(there, kind, 3.0), 1e-5)


@by_kind
def test_no_strength_is_the_optimiser_alone(kind):
    weights, moved = tree(0), tree(5)
    step = soft_tying(0.1, 0.0, kind)
    updates, _ = step.update(moved, step.init(weights), weights)
    assert_equal(updates, moved)
    # Nor is there a jump next to 0.
    assert_close(proximal(weights, kind, 1e-6), weights, 1e-5)


@pytest.mark.parametrize("kind", ["mean", "steps"])
def test_an_infinite_strength_ties(kind):
    weights = tree()
    found = proximal(weights, kind, float("inf"))
    tied = jax.tree.map(lambda w: np.repeat(w.mean(0, keepdims=True), T, 0), weights)
    assert_close(found, tied, 1e-6)


def test_a_large_strength_ties_by_fused_steps():
    weights = tree()
    found = proximal(weights, "fused", 1e4)
    tied = jax.tree.map(lambda w: np.repeat(w.mean(0, keepdims=True), T, 0), weights)
    assert_close(found, tied, 1e-3)


def test_an_infinite_strength_ties_by_fused_steps():
    """`soft_tying`: an infinite strength ties the weights; of more steps as well."""
    weights = tree(steps=30)
    found = proximal(weights, "fused", float("inf"))
    tied = jax.tree.map(lambda w: np.repeat(w.mean(0, keepdims=True), 30, 0), weights)
    assert_close(found, tied, 1e-3)


def test_fused_steps_find_the_segments():
    """Two levels and noise: two constants, drawn together by size / length each."""
    noise = np.random.default_rng(0).normal(size=(8, 3))
    levels = np.where(np.arange(8)[:, None] < 5, -1.0, 1.0)
    weights = {"w": (levels + 0.05 * noise).astype(np.float32)}
    found = np.asarray(proximal(weights, "fused", 3.0)["w"])
    v = weights["w"]
    assert np.ptp(v[:5], axis=0).min() > 0.05
    for part in (found[:5], found[5:]):
        assert np.ptp(part, axis=0).max() < 1e-3
    means = v[:5].mean(0), v[5:].mean(0)
    # The norm's slope: by each segment's mean along the direction of the jump.
    jump = found[7] - found[0]
    pull = 0.3 * jump / np.linalg.norm(jump)
    np.testing.assert_allclose(found[0], means[0] + pull / 5, atol=1e-3)
    np.testing.assert_allclose(found[7], means[1] - pull / 3, atol=1e-3)


# With an optimiser


@by_kind
def test_it_follows_adam_under_jit_on_a_part_of_the_tree(kind):
    targets = {"steps": tree(3), "readout": generic((4,), 9)}
    params = jax.tree.map(np.zeros_like, targets)
    mask = {"steps": True, "readout": False}

    def fit(strength):
        rate = jnp.float32(0.05)
        tie = optax.masked(soft_tying(0.05, strength, kind), mask)
        optimiser = optax.chain(optax.adam(rate), tie)

        def descend(carry, _):
            params, state = carry
            gradient = jax.tree.map(lambda p, y: p - y, params, targets)
            updates, state = optimiser.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), None

        with jax.numpy_dtype_promotion("standard"):  # optax mixes them
            run = jax.jit(lambda p: jax.lax.scan(
                descend, (p, optimiser.init(p)), length=200)[0][0])  # fmt: skip
            return run(params)

    free, tied = fit(0.0), fit(30.0)
    assert_close(free, targets, 1e-2)
    # Adam's 200 steps, some 15 operations each, in two programs.
    assert_equal_to_rounding(tied["readout"], free["readout"], 200 * 15)
    apart = [float(tying_penalty(found["steps"], kind)) for found in (free, tied)]
    assert apart[1] < 0.05 * apart[0]


@by_kind
def test_learning_rates_may_be_traced_and_dtypes_stay(kind):
    weights = jax.tree.map(lambda w: jnp.asarray(w, jnp.bfloat16), tree())

    @jax.jit
    def step(rate, weights):
        tie = soft_tying(rate, 2.0, kind)
        updates = jax.tree.map(jnp.zeros_like, weights)
        return tie.update(updates, tie.init(weights), weights)[0]

    updates = step(jnp.float32(0.1), weights)
    assert {leaf.dtype for leaf in jax.tree.leaves(updates)} == {jnp.bfloat16.dtype}


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: tying_penalty(tree(), "l1"), r"kind is 'l1'\. Use one of 'mean', 'st"),
        (lambda: soft_tying(0.1, 1.0, "l1"), r"'mean', 'steps', 'fused'"),
        (lambda: soft_tying(0.1, -1.0), r"strength is -1\.0\. Use at least 0"),
        (lambda: soft_tying(0.1, float("nan")), r"strength is nan\. Use at least 0"),
        (
            lambda: soft_tying(0.1, 1.0).update(tree(), optax.EmptyState()),
            r"params",
        ),
    ],
)
def test_errors_say_the_way_out(call, error):
    with pytest.raises(ValueError, match=error):
        call()

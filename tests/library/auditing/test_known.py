"""Indices are computed as JAX computes them; and calls are walked into."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from rnnshare.auditing import audit_function
from rnnshare.auditing.known import evaluate

INTEGERS = np.array([-7, -3, -1, 0, 1, 2, 5], np.int32)
D = 2


@pytest.mark.parametrize(
    "name", ["add", "and", "div", "eq", "ge", "lt", "max", "mul", "or", "rem", "sub"]
)
def test_integers_of_two(name):
    a, b = (x.ravel() for x in np.meshgrid(INTEGERS, INTEGERS[INTEGERS != 0]))
    of_bits = {"and": lax.bitwise_and, "or": lax.bitwise_or}
    wanted = of_bits.get(name, getattr(lax, name, None))(a, b)
    found = evaluate(name, {}, [a, b])
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == wanted.dtype


def test_what_is_not_defined_or_rounds_is_not_known():
    zero = np.zeros(1, np.int32)
    for name in ("div", "rem"):
        assert evaluate(name, {}, [zero + 1, zero]) is None
    third = evaluate("div", {}, [np.float32([1]), np.float32([3])])
    assert third is None
    half = evaluate("div", {}, [np.float32([1]), np.float32([2])])
    np.testing.assert_array_equal(half, [0.5])
    narrow = {"new_dtype": np.dtype(np.int8)}
    assert evaluate("convert_element_type", narrow, [np.int32([300])]) is None
    assert evaluate("exp", {}, [np.float32([0])]) is None


@pytest.mark.parametrize(
    ("mode", "index"),
    [("clip", (0, 2, 0, 1)), ("fill", (0, None, None, 1)), ("wrap", (0, 2, 1, 1))],
)
def test_an_index_outside_of_the_array_reads_what_jax_reads(mode, index):
    outside = np.array([0, 5, -5, 1])

    def run(w, x):
        rows = jnp.take(w, outside, axis=0, mode=mode)
        return lax.scan(lambda h, w: (h @ w, None), x, rows)[0]

    (read,) = audit_function(run, jnp.ones((3, D, D)), jnp.ones(D))["params"].reads
    assert read.index == index


def test_a_dynamic_index_is_clipped():
    def run(w, x):
        def step(t, h):
            return h @ lax.dynamic_index_in_dim(w, 2 * t - 3, keepdims=False)

        return lax.fori_loop(0, 5, step, x)

    (read,) = audit_function(run, jnp.ones((3, D, D)), jnp.ones(D))["params"].reads
    assert read.index == (0, 2, 1, 2, 2)  # -3 and -1 count from the end


@jax.custom_vjp
def times(h, w):
    return h @ w


times.defvjp(
    lambda h, w: (h @ w, (h, w)), lambda r, g: (g @ r[1].T, jnp.outer(r[0], g))
)


@jax.custom_jvp
def doubled(w):
    return w + w


doubled.defjvp(lambda w, dw: (doubled(*w), dw[0] + dw[0]))


def test_calls_are_walked_into():
    def run(w, x):
        @jax.checkpoint
        def step(h, i):
            return times(h, jax.jit(doubled)(w[i % 2])), None

        return lax.scan(step, x, np.arange(4))[0]

    w, x = jnp.ones((2, D, D)), jnp.ones((3, D))
    plain = audit_function(run, w, x[0])
    mapped = audit_function(jax.jit(jax.vmap(run, (None, 0))), w, x)
    both = audit_function(jax.grad(lambda w, x: jnp.sum(run(w, x))), w, x[0])
    for found in (plain, mapped, both):
        for read in found["params"].reads:
            assert read.index == (0, 1, 0, 1), found
    assert len(both["params"].reads) == 2  # forward, and backward

"""Law: weights picked by an index have the matrix of that index, in whatever way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnshare.auditing import audit_function

D = 3
X = jax.ShapeDtypeStruct((D,), jnp.float32)


def scanned(w, x, index):
    return jax.lax.scan(lambda h, w: (h @ w, None), x, w[np.array(index)])[0]


def backwards(w, x, index):
    def run(h, w):
        return (h @ w, None)

    return jax.lax.scan(run, x, w[np.array(index)], reverse=True)[0]


def scanned_index(w, x, index):
    return jax.lax.scan(lambda h, i: (h @ w[i], None), x, np.array(index))[0]


def looked_up(w, x, index):
    table = jnp.array(index)

    def body(carry, _):
        step, h = carry
        return (step + 1, h @ w[table[step]]), None

    return jax.lax.scan(body, (0, x), length=len(index))[0][1]


def one_hot(w, x, index):
    rows = jax.nn.one_hot(np.array(index), len(w))
    return jax.lax.scan(lambda h, r: (h @ jnp.tensordot(r, w, 1), None), x, rows)[0]


def stack_of_leaves(w, x, index):
    stack = jnp.stack([w[i].T for i in index])
    return jax.lax.scan(lambda h, w: (h @ w.T, None), x, stack)[0]


def filled(w, x, index):
    buffer = jnp.zeros((len(index), D, D))
    for t, i in enumerate(index):
        buffer = jax.lax.dynamic_update_index_in_dim(buffer, w[i], t, 0)
    return jax.lax.scan(lambda h, w: (h @ w, None), x, buffer)[0]


def fori(w, x, index):
    table = jnp.array(index)
    return jax.lax.fori_loop(0, len(index), lambda i, h: h @ w[table[i]], x)


def while_loop(w, x, index):
    table = jnp.array(index)

    def body(carry):
        return carry[0] - 1, carry[1] @ w[table[len(index) - carry[0]]]

    return jax.lax.while_loop(lambda carry: carry[0] > 0, body, (len(index), x))[1]


def switched(w, x, index):
    ways = [lambda h, k=k: h @ w[k] for k in range(len(w))]

    def run(h, i):
        return (jax.lax.switch(i, ways, h), None)

    return jax.lax.scan(run, x, np.array(index))[0]


def carried(w, x, index):
    """The weights go round in the carry, as far as the next index is away."""
    index = np.array(index)

    def body(carry, away):
        rolled, h = carry
        h = h @ rolled[0]
        return (jnp.roll(rolled, -away, 0), h), None

    start = (jnp.roll(w, -index[0], 0), x)
    return jax.lax.scan(body, start, np.append(np.diff(index), 0))[0][1]


def unrolled(w, x, index):
    for i in index:
        x = x @ w[i]
    return x


WAYS = (
    scanned, backwards, scanned_index, looked_up, one_hot, stack_of_leaves, filled,
    fori, while_loop, switched, carried, unrolled,
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_the_matrix_is_that_of_the_index(way, data):
    count = data.draw(st.integers(1, 4))
    index = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=7))
    w = jnp.ones((count, D, D))
    found = audit_function(lambda w, x: way(w, x, index), w, X)
    steps = np.array(index)
    np.testing.assert_array_equal(found.tying("params"), steps[:, None] == steps)
    (read,) = found["params"].reads
    assert read.loop == (None if way is unrolled else 0)
    if count > 1:
        assert (read.axis, read.index) == (0, tuple(index))


@settings(max_examples=15, deadline=None)
@given(a=st.integers(-5, 5), b=st.integers(-5, 5), c=st.integers(2, 6))
def test_an_index_that_is_worked_out_inside_of_the_loop(a, b, c):
    def index_at(step):
        return (a * step + b) % c // 2

    def run(w, x):
        return jax.lax.fori_loop(0, 9, lambda t, h: h @ w[index_at(t)], x)

    found = audit_function(run, jnp.ones((3, D, D)), X)
    steps = index_at(np.arange(9))
    assert found["params"].reads[0].index == tuple(steps)
    np.testing.assert_array_equal(found.tying("params"), steps[:, None] == steps)


def test_an_index_in_floating_point_is_known_only_where_it_is_exact():
    def run(w, x, rate):
        def body(h, step):
            return h @ w[jnp.floor(step * rate).astype(int)], None

        return jax.lax.scan(body, x, np.arange(6, dtype=np.float32))[0]

    w = jnp.ones((6, D, D))
    exact = audit_function(lambda w, x: run(w, x, np.float32(0.5)), w, X)
    assert exact["params"].reads[0].index == (0, 0, 1, 1, 2, 2)
    rounded = audit_function(lambda w, x: run(w, x, np.float32(0.1)), w, X)
    assert rounded["params"].reads[0].how == "unknown"

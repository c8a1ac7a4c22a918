"""What an audit prints, and the errors that name the way out."""

import functools

import haiku
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from rnnshare import RNN, GRUCell, LowRank
from rnnshare.auditing import audit, audit_function

D = 2
X = jnp.ones(D)


def model(w, x):
    def step(h, scanned):
        step, own, choice = scanned
        h = h @ w["tied"] + h @ own + h @ w["cyclic"][step % 2] + h @ w["data"][choice]
        h = jax.lax.cond(step == 1, lambda: h @ w["one step"], lambda: h)
        h = jax.lax.cond(step % 2 == 0, lambda: h @ w["even"], lambda: h)
        return h, None

    chosen = jnp.argsort(x)[jnp.arange(3) % D]
    x = x @ w["before"] @ w["before"]
    return jax.lax.scan(step, x, (np.arange(3), w["own"], chosen))[0] @ w["after"]


@functools.cache
def found():
    matrix = jnp.ones((D, D))
    names = ("tied", "before", "after", "one step", "even", "unread")
    w = dict.fromkeys(names, matrix) | {
        "own": jnp.ones((3, D, D)),
        "cyclic": jnp.ones((2, D, D)),
        "data": jnp.ones((2, D, D)),
    }
    return audit_function(model, w, X)


def test_every_parameter_has_a_sentence():
    loop, *lines = str(found()).splitlines()
    assert loop.startswith("loop 0: scan, 3 steps (") and "model" in loop
    assert lines == [
        "after [2, 2]: once, outside of loops",
        "before [2, 2]: 2 times outside of loops, the same numbers each time: shared",
        "cyclic [2, 2, 2]: by index along axis 0 at the 3 steps of loop 0: 0, 1, 0",
        "data [2, 2, 2]: unknown in loop 0: it is picked by an index that is not "
        "worked out, as it depends on the inputs, or on what is not followed",
        "even [2, 2]: the same numbers at 2 of the 3 steps of loop 0 (0, 2)",
        "one step [2, 2]: at step 1 of loop 0 alone",
        "own [3, 2, 2]: a slice of axis 0 at each step of loop 0: not shared",
        "tied [2, 2]: the same numbers at every step of loop 0: shared",
        "unread [2, 2]: not read",
    ]


def test_a_notebook_shows_a_table():
    page = found()._repr_html_()
    assert page.count("<tr>") == 10 and "of loop 0: not shared</td>" in page


def test_a_step_that_reads_nothing_is_tied_to_none():
    even = np.array([True, False, True])
    np.testing.assert_array_equal(found().tying("even"), even[:, None] & even)


def test_parts_are_told():
    def run(w, x):
        def halves(h, t):
            return (
                h + jnp.sum(x * jax.lax.dynamic_slice(w, (t,), (D,))),
                None,
            )

        edge = x @ w[1 : 1 + D]
        return jax.lax.scan(halves, edge, np.arange(3))[0] + w[0] * x[0]

    outside, inside = audit_function(run, jnp.ones(4), X)["params"].reads
    assert str(outside) == "2 times outside of loops, 2 different parts"
    assert str(inside) == "in 3 different parts at the 3 steps of loop 0"
    assert [part.rows[0].tolist() for part in inside.parts] == [[0, 1], [1, 2], [2, 3]]


def test_products_before_the_loop_are_told():
    rnn = RNN(
        functools.partial(GRUCell, 3, 4), LowRank(5, 1), rngs=nnx.Rngs(0),
        implementation="fused",
    )  # fmt: skip
    told = str(audit(rnn, jnp.ones((2, 5, 3)))["weights/base/input/kernel"])
    assert "once, outside of loops; the same numbers at every step of loop 0" in told
    assert told.endswith("(by what is computed before the loop)")


@pytest.mark.parametrize(
    ("ask", "error", "text"),
    [
        (lambda: found().tying("data"), ValueError, "which .* not worked out"),
        (lambda: found().tying("unread"), ValueError, "unread: not read. Print"),
        (lambda: found().tying("tied", 1), ValueError, "tied: not read in loop 1"),
        (lambda: found().tying("tie"), KeyError, "parameter 'tie'. Use one of 'af"),
        (lambda: audit(linen.Dense(3), X), TypeError, "Use audit_function"),
        (lambda: audit(haiku.transform(lambda x: x), X), TypeError, "model.apply"),
        (lambda: audit(model, X), TypeError, "not a function"),
        (lambda: audit_function(model, 3, X), TypeError, "no floating-point array"),
    ],
)  # fmt: skip
def test_errors_say_the_way_out(ask, error, text):
    with pytest.raises(error, match=text):
        ask()


def test_two_loops_are_to_be_chosen_from():
    def run(w, x):
        def run(h, _):
            return (h @ w, None)

        return jax.lax.scan(run, jax.lax.scan(run, x, length=2)[0], length=3)[0]

    twice = audit_function(run, jnp.ones((D, D)), X)
    with pytest.raises(ValueError, match=r"read in the loops 0, 1. Choose one: tying"):
        twice.tying("params")
    assert twice.tying("params", loop=1).shape == (3, 3)
    with pytest.raises(ValueError, match="Outside of loops each parameter has its own"):
        audit_function(lambda w, x: x @ w, jnp.ones((D, D)), X).tying()


def test_scalars_empty_arrays_and_what_is_no_array():
    def run(params, x, flag, scale=1):
        assert flag is True and scale == 2  # handed over as they are
        return x * params["gain"] + jnp.sum(params["none"]), params["name"]

    params = {"gain": jnp.float32(1), "none": jnp.zeros((0, 3)), "name": "n", "n": 3}
    found = audit_function(run, params, X, True, scale=2)
    assert str(found).splitlines() == [
        "no loops",
        "gain []: once, outside of loops",
        "none [0, 3]: not read",
    ]

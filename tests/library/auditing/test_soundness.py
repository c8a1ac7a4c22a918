"""What hangs on data is 'unknown': never said to be shared, nor not to be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare.auditing import audit_function

T, K, D = 5, 3, 2
W = jnp.ones((K, D, D))
X = jnp.ones((T, D))
STEPS = np.arange(T)


def over_time(body):
    """Returns a model: `body(w, h, x, t)` is the next h."""

    def run(w, x):
        def step(h, xt):
            return (body(w, h, *xt), None)

        return jax.lax.scan(step, jnp.zeros(D), (x, STEPS))[0]

    return run


def by_data(w, h, x, t):
    return h @ w[jnp.argmax(x)]


def by_state(w, h, x, t):
    return x + h @ jax.lax.dynamic_index_in_dim(w, jnp.sum(h > 0) % K, keepdims=False)


def by_condition(w, h, x, t):
    return jax.lax.cond(x[0] > 0, lambda: h @ w[0], lambda: h @ w[1]) + x


def skipped(w, h, x, t):
    return jax.lax.cond(x[0] > 0, lambda: h @ w[0], lambda: h) + x


def chosen(w, h, x, t):
    return x + h @ jnp.where(x[0] > 0, w[0], w[1])


def masked(w, h, x, t):
    return x + h @ jnp.where(x > 0, w[0], jnp.zeros((D, D)))


def weights_of_a_condition(w, h, x, t):
    return x + h @ jax.lax.cond(x[0] > 0, lambda: w[0], lambda: w[1])


def in_an_inner_loop(w, h, x, t):
    return jax.lax.fori_loop(0, jnp.sum(x > 0), lambda i, h: h @ w[i], h) + x


def sorted_by_data(w, h, x, t):
    return x + h @ w[jnp.argsort(jnp.tile(x, 2)[:K])][0]


def by_a_parameter(w, h, x, t):
    return x + h @ w[jnp.argmax(w[:, 0, 0])]


def a_callback(w, h, x, t):
    return x + jax.pure_callback(lambda w: np.asarray(w)[0, 0], x, w)


def scattered(w, h, x, t):
    return x + h @ w.at[jnp.argmax(x)].set(0.0)[0]


UNKNOWN = (
    by_data, by_state, by_condition, skipped, chosen, masked, weights_of_a_condition,
    in_an_inner_loop, sorted_by_data, by_a_parameter, a_callback, scattered,
)  # fmt: skip


@pytest.mark.parametrize("body", UNKNOWN)
def test_it_is_unknown(body):
    found = audit_function(over_time(body), W, X)
    assert [read.how for read in found["params"].reads if read.loop == 0] == ["unknown"]
    with pytest.raises(ValueError, match=r"params: .* is not known: \w+"):
        found.tying("params", loop=0)


def test_branches_that_read_the_same_are_known():
    def same(w, h, x, t):
        return x + jax.lax.cond(x[0] > 0, lambda: h @ w[t % K], lambda: -h @ w[t % K])

    found = audit_function(over_time(same), W, X)
    assert found["params"].reads[0].index == tuple(STEPS % K)


def test_the_step_chooses_between_branches():
    def alternate(w, h, x, t):
        return x + jax.lax.cond(t % 2 == 0, lambda: h @ w[0], lambda: h @ w[1])

    found = audit_function(over_time(alternate), W, X)
    assert found["params"].reads[0].index == tuple(STEPS % 2)
    chosen = audit_function(
        over_time(lambda w, h, x, t: x + h @ jnp.where(t % 2 == 0, w[0], w[1])), W, X
    )
    assert chosen["params"].reads[0].index == tuple(STEPS % 2)


def test_a_known_zero_is_not_read_and_an_initial_state_of_zeros_is():
    lower = np.tril(np.ones((D, D), np.float32), -1)
    found = audit_function(over_time(lambda w, h, x, t: x + h @ (w[0] * lower)), W, X)
    (part,) = set(found["params"].reads[0].parts)
    assert [row.tolist() for row in part.rows] == [[0], [1], [0]]
    assert found.tying("params").all()  # the first step multiplies zeros


def test_a_while_loop_of_unknown_length():
    def run(w, x):
        def body(carry):
            step, h = carry
            return step + 1, jnp.tanh(h @ w["tied"] + h @ w["own"][step])

        def going(carry):
            return jnp.sum(carry[1]) < 3

        return jax.lax.while_loop(going, body, (0, x))[1]

    found = audit_function(run, {"tied": W[0], "own": W}, X[0])
    assert found.loops[0].length is None and "not known" in str(found.loops[0])
    assert [read.how for read in found["tied"].reads] == ["the same"]
    assert [read.how for read in found["own"].reads] == ["unknown"]
    with pytest.raises(ValueError, match="number is computed of the inputs"):
        found.tying("tied")


def test_what_a_loop_computes_of_weights_for_itself_is_unknown():
    """No step meets data: the state is made of weights alone."""

    def run(w, x):
        def step(h, _):
            return (jnp.tanh(h @ w["kernel"]), None)

        return jax.lax.scan(step, w["start"], length=T)[0] + x

    found = audit_function(run, {"kernel": W[0], "start": X[0]}, X[0])
    assert {read.how for p in found.parameters for read in p.reads} == {"unknown"}


def test_a_start_that_is_learnt_is_read_by_the_first_step_alone():
    def run(w, x):
        def step(h, x):
            return (jnp.tanh(h @ w["kernel"] + x), None)

        return jax.lax.scan(step, w["start"], x)[0]

    found = audit_function(run, {"kernel": W[0], "start": X[0]}, X)
    assert found.tying("kernel").all()
    assert [part is not None for part in found["start"].reads[0].parts] == [True] + [
        False
    ] * (T - 1)


def test_weights_that_a_loop_makes_are_followed_into_the_next():
    def run(w, x):
        def make(_, ab):
            return (None, jnp.outer(*ab))

        kernels = jax.lax.scan(make, None, (w["a"], w["b"]))[1]
        return jax.lax.scan(lambda h, wx: (h @ wx[0] + wx[1], None), x[0], (kernels, x))

    params = {"a": jnp.ones((T, D)), "b": jnp.ones((T, D)), "unread": X}
    found = audit_function(run, params, X)
    assert [(r.loop, r.how) for r in found["a"].reads] == [(1, "a slice a step")]
    assert found["unread"].reads == ()


def test_what_no_result_needs_is_not_read():
    def run(w, x):
        def step(h, x):
            return jnp.tanh(h @ w[0] + x), x @ w[1]

        return jax.lax.scan(step, X[0], x)[0]

    (read,) = audit_function(run, W, X)["params"].reads
    assert read.index == (0,) * T


def test_weights_that_fade_from_step_to_step_are_read_at_every_step():
    def run(w, x):
        def step(c, x):
            return ((c[0] * np.float32(0.9), c[1] @ c[0] + x), None)

        return jax.lax.scan(step, (w, x[0]), x)[0][1]

    assert audit_function(run, W[0], X).tying("params").all()


def test_weights_beside_data_in_one_primitive_stay_weights():
    for beside in (jax.lax.optimization_barrier, jax.device_put):
        found = audit_function(
            over_time(lambda w, h, x, t, f=beside: x + jnp.dot(*f((h, w[t % K])))), W, X
        )
        assert found["params"].reads[0].index == tuple(STEPS % K)


def test_no_two_parameters_have_one_name():
    params = {"a": {"b/c": W[0]}, "a/b": {"c": W[1]}, "d": W[2]}
    found = audit_function(lambda p, x: x @ p["a"]["b/c"], params, X)
    assert [(p.path, len(p.reads)) for p in found.parameters] == [
        ("['a']['b/c']", 1), ("['a/b']['c']", 0), ("d", 0),
    ]  # fmt: skip


def test_empty_data_and_loops_that_end_apart_under_vmap():
    def run(w, x):
        empty = (x[:0] @ w[0]).reshape(0)

        def repeat(n, h):
            return jax.lax.fori_loop(0, n, lambda i, h: h @ w[i], h)

        return empty, jax.vmap(repeat)(jnp.arange(T, dtype=jnp.int32), x)

    reads = audit_function(run, W, X)["params"].reads
    assert [read.how for read in reads if read.loop == 0] == ["unknown"]

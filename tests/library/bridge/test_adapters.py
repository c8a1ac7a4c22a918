"""Cells of linen, Haiku, Equinox and plain functions, against their own ways to run."""

import functools
import itertools

import equinox
import haiku
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from rnnshare import (
    RNN,
    LowRank,
    Scaled,
    Segments,
    Tied,
    TimeInput,
    Untied,
    expand,
    num_parameters,
    unroll,
)
from rnnshare.bridge import Equinox, Function, Haiku, Linen
from rnnshare.sharing.corrections import is_kernel
from rnnshare.training.identity import key_of
from tests.cases import with_slow

T, B, D, H = 5, 3, 2, 4
X = np.random.default_rng(0).standard_normal((B, T, D), np.float32)


def draw(key):
    kernel, recurrent = jax.random.split(key)
    return {
        "kernel": jax.random.normal(kernel, (D, H)),
        "recurrent": jax.random.normal(recurrent, (H, H)) / 4,
        "bias": jnp.zeros(H),
    }


def run(weights, carry, x):
    z = x @ weights["kernel"] + carry @ weights["recurrent"]
    carry = jnp.tanh(z + weights["bias"].reshape((1,) * (z.ndim - 1) + (H,)))
    return carry, carry


ADAPTERS = {
    "linen LSTM": Linen(functools.partial(linen.LSTMCell, H), D),
    "linen GRU": Linen(functools.partial(linen.GRUCell, H), D),
    "haiku LSTM": Haiku(functools.partial(haiku.LSTM, H), D),
    "haiku GRU": Haiku(functools.partial(haiku.GRU, H), D),
    "equinox LSTM": Equinox(functools.partial(equinox.nn.LSTMCell, D, H)),
    "equinox GRU": Equinox(functools.partial(equinox.nn.GRUCell, D, H)),
    "function": Function(run, draw, carry_sizes=H, in_features=D),
}
LOW_RANK = LowRank(T, 1)
SHARINGS = (Untied(T), Segments(T, 2), LOW_RANK, Scaled(T), TimeInput(2))
by_adapter = pytest.mark.parametrize("name", ADAPTERS)


def theirs(name, weights):
    """Returns the outputs of the cell's own library under one set of weights."""
    adapter = ADAPTERS[name]
    if isinstance(adapter, Linen):
        return linen.RNN(adapter.make()).apply({"params": {"cell": weights}}, X)
    if isinstance(adapter, Haiku):

        def dynamic(x):
            core = adapter.make()
            return haiku.dynamic_unroll(
                core, x, core.initial_state(B), time_major=False
            )[0]

        return haiku.without_apply_rng(haiku.transform(dynamic)).apply(weights, X)
    if isinstance(adapter, Equinox):
        cell = adapter.make(key=jax.random.key(1))
        names = [n for n in weights if getattr(cell, n, None) is not None]
        assert len(names) == len(weights)
        values = [weights[n].T if weights[n].ndim == 2 else weights[n] for n in names]
        cell = equinox.tree_at(lambda c: [getattr(c, n) for n in names], cell, values)
        outputs = []
        for sequence in X:
            pair = isinstance(cell, equinox.nn.LSTMCell)
            carry = (jnp.zeros(H),) * 2 if pair else jnp.zeros(H)
            for x in sequence:
                carry = cell(x, carry)
                outputs.append(carry[0] if pair else carry)
        return jnp.stack(outputs).reshape(B, T, H)
    carry, outputs = jnp.zeros((B, H)), []
    for t in range(T):
        carry, y = run(weights, carry, X[:, t])
        outputs.append(y)
    return jnp.stack(outputs, 1)


@by_adapter
def test_tied_is_what_its_own_library_runs(name):
    rnn = RNN(ADAPTERS[name], rngs=nnx.Rngs(0))
    y = rnn(X)
    assert y.shape == (B, T, H) and float(jnp.abs(y).min()) > 0
    weights = rnn.stored["weights"]
    np.testing.assert_allclose(y, theirs(name, weights), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "sharing"),
    with_slow(
        itertools.product(ADAPTERS, SHARINGS),
        {*itertools.product(["function"], SHARINGS[:1]),
         *itertools.product(["linen GRU", "haiku LSTM", "equinox LSTM"], [LOW_RANK])},
    ),
    ids=str,
)  # fmt: skip
def test_a_sharing_is_its_expansion(name, sharing):
    """Outputs and gradients, by the functions without Flax; no leaf is left out."""
    adapter = ADAPTERS[name]
    stored = sharing.init(jax.random.key(0), adapter.init)
    keys = iter(jax.random.split(jax.random.key(1), 100))
    stored = jax.tree.map(
        lambda w: w + 0.3 * jax.random.normal(next(keys), w.shape), stored
    )
    inputs = jnp.moveaxis(X, 1, 0)
    carry = adapter.initialize_carry(inputs.shape[1:])

    def loss(sharing, stored):
        _, y = unroll(adapter.step, sharing, stored, inputs, carry)
        return jnp.sum(y**2), y

    def slow(stored):
        return loss(Untied(T), expand(sharing, stored, T))

    graded = jax.value_and_grad(loss, argnums=1, has_aux=True)
    (_, y), grads = jax.jit(graded, static_argnums=0)(sharing, stored)
    of_each = jax.jit(jax.value_and_grad(slow, has_aux=True))
    (_, wanted), wanted_grads = of_each(stored)
    np.testing.assert_allclose(y, wanted, rtol=2e-5, atol=2e-6)
    for grad, want in zip(*map(jax.tree.leaves, (grads, wanted_grads)), strict=True):
        np.testing.assert_allclose(grad, want, rtol=1e-4, atol=1e-4)
        assert float(jnp.abs(grad).max()) > 0


@by_adapter
def test_equal_cells_are_one_program_and_one_row(name):
    adapter = ADAPTERS[name]
    again = type(adapter)(
        **{n: functools.partial(v.func, *v.args) if hasattr(v, "func") else v
           for n, v in vars(adapter).items()}
    )  # fmt: skip
    assert again == adapter and hash(again) == hash(adapter)
    first, second = (nnx.split(RNN(a, rngs=nnx.Rngs(0)))[0] for a in (adapter, again))
    assert first == second and hash(first) == hash(second)
    assert key_of(adapter) == key_of(again)
    assert len({*map(key_of, ADAPTERS.values())}) == len(ADAPTERS)


@pytest.mark.parametrize(
    "name",
    with_slow(ADAPTERS, {"haiku GRU", "function"}),
)
def test_it_runs_as_any_layer_does(name):
    """Lengths, batches of more axes, chunks, a count of weights."""
    adapter = ADAPTERS[name]
    rnn = RNN(adapter, Untied(T), rngs=nnx.Rngs(0))
    assert num_parameters(rnn.stored) == T * num_parameters(
        adapter.init(jax.random.key(0))
    )
    lengths = np.array([5, 0, 2])
    holes = np.where(np.arange(T)[:, None] < lengths[:, None, None], X, np.nan)
    y = rnn(holes, seq_lengths=lengths)
    np.testing.assert_array_equal(y[1], np.zeros_like(y[1]))
    np.testing.assert_allclose(y[2, :2], rnn(X)[2, :2], rtol=1e-5, atol=1e-6)
    head_carry, head = rnn(X[:, :2], return_carry=True)
    tail = rnn(X[:, 2:], initial_carry=head_carry, start=2)
    whole = rnn(X)
    np.testing.assert_allclose(
        jnp.concatenate([head, tail], 1), whole, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(rnn(X[None])[0], whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(rnn(X[0]), whole[0], rtol=1e-5, atol=1e-6)


def test_kernels_have_their_outputs_last():
    for adapter in ADAPTERS.values():
        for leaf in filter(is_kernel, jax.tree.leaves(adapter.init(jax.random.key(0)))):
            assert leaf.shape[0] in (D, H, D + H) and leaf.shape[1] % H == 0


def test_equinox_draws_what_equinox_draws():
    cell = equinox.nn.GRUCell(D, H, key=jax.random.key(3))
    drawn = ADAPTERS["equinox GRU"].init(jax.random.key(3))
    np.testing.assert_array_equal(drawn["weight_ih"], cell.weight_ih.T)


def test_a_cell_with_a_dtype_computes_in_it():
    make = functools.partial(linen.GRUCell, H, dtype=jnp.float32)
    rnn = RNN(Linen(make, D), rngs=nnx.Rngs(0))
    x = jnp.asarray(X, jnp.bfloat16)
    y = rnn(x)
    params = {"params": {"cell": rnn.stored["weights"]}}
    assert y.dtype == jnp.float32
    np.testing.assert_allclose(y, linen.RNN(make()).apply(params, x), rtol=1e-5)
    plain = RNN(ADAPTERS["linen GRU"], rngs=nnx.Rngs(0))
    assert plain(x).dtype == jnp.bfloat16


def test_a_drawn_carry_is_drawn_anew():
    draw = linen.initializers.normal(1.0)
    make = functools.partial(linen.GRUCell, H, carry_init=draw)
    rnn = RNN(Linen(make, D), rngs=nnx.Rngs(0))
    first, again, other = (rnn(X, rngs=nnx.Rngs(carry=i)) for i in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert float(jnp.abs(first - other)[:, 0].min()) > 0
    cell = Linen(make, D)(rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="Give the cell a carry_init"):
        cell.initialize_carry((B, D), carry_init=draw)


def test_a_function_that_reads_what_changes_is_read_again():
    """Its draws are not those that a program of before would make."""
    scale = 1.0

    def scaled(key):
        return jax.tree.map(lambda w: scale * w, draw(key))

    adapter = Function(run, scaled, carry_sizes=np.int64(H))
    one = RNN(adapter, rngs=nnx.Rngs(0)).stored["weights"]["kernel"]
    scale = 2.0
    two = RNN(adapter, rngs=nnx.Rngs(0)).stored["weights"]["kernel"]
    np.testing.assert_allclose(two, 2 * one, rtol=1e-6)


class Normed(linen.RNNCellBase):
    @linen.compact
    def __call__(self, carry, x):
        x = linen.BatchNorm(use_running_average=False)(linen.Dense(H)(x))
        return x, x

    def initialize_carry(self, rng, input_shape):
        return jnp.zeros((*input_shape[:-1], H))

    num_feature_axes = 1


class Bare(equinox.Module):
    kernel: jax.Array

    def __init__(self, *, key):
        self.kernel = jax.random.normal(key, (H, H))

    def __call__(self, x, carry):
        del x
        return jnp.tanh(carry @ self.kernel)


class Counted(Bare):
    counts: jax.Array

    def __init__(self, *, key):
        super().__init__(key=key)
        self.counts = jnp.arange(3)


def counting():
    class Counting(haiku.RNNCore):
        def __call__(self, x, state):
            haiku.set_state("calls", jnp.ones(()))
            return x, state

        def initial_state(self, batch_size):
            return jnp.zeros(D)

    return Counting()


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(
        ValueError, match=r"Normed holds batch_stats beside .*LayerNorm"
    ):
        RNN(Linen(Normed, D), Untied(T), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"Bare has no hidden_size.*carry_sizes=64"):
        RNN(Equinox(Bare), rngs=nnx.Rngs(0))(X)
    with pytest.raises(ValueError, match="transform_with_state"):
        RNN(Haiku(counting, D), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="takes in_features=2, but"):
        RNN(ADAPTERS["linen GRU"], rngs=nnx.Rngs(0))(X[..., :1])
    with pytest.raises(ValueError, match=r"Counted holds arrays .* counts"):
        RNN(Equinox(Counted, carry_sizes=H), rngs=nnx.Rngs(0))


def test_kernels_that_stand_the_other_way_are_left():
    key = jax.random.key(3)
    for out_first, kernel in (
        (False, Bare(key=key).kernel),
        (True, Bare(key=key).kernel.T),
    ):
        adapter = Equinox(Bare, carry_sizes=H, out_first=out_first)
        np.testing.assert_array_equal(adapter.init(key)["kernel"], kernel)
        y = RNN(adapter, Tied(), rngs=nnx.Rngs(0))(X, initial_carry=jnp.ones((B, H)))
        carry, stored = jnp.ones(H), RNN(adapter, rngs=nnx.Rngs(0)).stored["weights"]
        own = stored["kernel"].T if out_first else stored["kernel"]
        np.testing.assert_allclose(y[0, 0], jnp.tanh(carry @ own), rtol=1e-5)

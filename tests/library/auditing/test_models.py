"""Models of every library: looped layers are shared, stacked ones are not."""

import functools

import equinox
import haiku
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from rnnshare.auditing import audit, audit_function

T, B, D, H = 4, 2, 3, 3
X = jax.ShapeDtypeStruct((B, T, D), jnp.float32)
TOKENS = jax.ShapeDtypeStruct((B, T), jnp.int32)


def hows(found, skip=()):
    """Returns {how a parameter is read}, of all parameters but some."""
    return {
        read.how
        for parameter in found.parameters
        if parameter.path not in skip
        for read in parameter.reads
    }


def test_nnx_rnn_is_shared_over_time():
    found = audit(nnx.RNN(nnx.GRUCell(D, H, rngs=nnx.Rngs(0))), X)
    assert hows(found) == {"the same"}
    assert [(loop.kind, loop.length) for loop in found.loops] == [("scan", T)]
    kernel = "cell/dense_h/kernel"
    assert found[kernel].shape == (H, 3 * H)
    assert found.tying(kernel).all() and found.tying(kernel).shape == (T, T)


def test_linen_rnn_is_shared_over_time():
    model = linen.RNN(linen.LSTMCell(H))
    variables = jax.eval_shape(model.init, jax.random.key(0), X)
    found = audit_function(model.apply, variables, X)
    assert hows(found) == {"the same"} and found.loops[0].length == T
    assert "params/cell/hf/kernel" in [parameter.path for parameter in found.parameters]


@pytest.mark.parametrize(
    ("options", "how"),
    [
        ({"variable_broadcast": "params", "split_rngs": {"params": False}}, "the same"),
        ({"variable_axes": {"params": 0}, "split_rngs": {"params": True}},
         "a slice a step"),
        ({"variable_axes": {"params": 1}, "split_rngs": {"params": True}},
         "a slice a step"),
    ],
)  # fmt: skip
def test_linen_scan_is_as_its_axes_say(options, how):
    class Layer(linen.Module):
        @linen.compact
        def __call__(self, h, _):
            return h + linen.Dense(D)(linen.relu(linen.Dense(5)(h))), None

    model = linen.scan(linen.remat(Layer), length=6, **options)()
    variables = jax.eval_shape(model.init, jax.random.key(0), X, None)
    found = audit_function(model.apply, variables, X, None)
    assert hows(found) == {how}
    if how == "a slice a step":
        axes = {read.axis for p in found.parameters for read in p.reads}
        assert axes == {options["variable_axes"]["params"]}
    wanted = np.ones((6, 6)) if how == "the same" else np.eye(6)
    np.testing.assert_array_equal(found.tying(), wanted)


class Block(nnx.Module):
    def __init__(self, rngs):
        self.norm = nnx.LayerNorm(4, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(2, 4, rngs=rngs, decode=False)
        self.map = nnx.Linear(4, 4, rngs=rngs)

    def __call__(self, x):
        x = x + self.attention(self.norm(x))
        return x + jax.nn.gelu(self.map(x))


class Transformer(nnx.Module):
    def __init__(self, num_blocks, depth, rngs):
        self.embed = nnx.Embed(7, 4, rngs=rngs)
        self.blocks = nnx.List([Block(rngs) for _ in range(num_blocks)])
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.depth = depth

    def __call__(self, tokens, scanned=False):
        x = self.dropout(self.embed(tokens))
        if scanned:
            graphdef, params = nnx.split(self.blocks[0])

            def run(x, _):
                return (nnx.merge(graphdef, params)(x), None)

            return jax.lax.scan(run, x, length=self.depth)[0]
        for step in range(self.depth):
            x = self.blocks[step % len(self.blocks)](x)
        return x


@functools.cache
def transformer(num_blocks, scanned=False):
    model = nnx.eval_shape(lambda: Transformer(num_blocks, 3, nnx.Rngs(0)))
    return audit(model, TOKENS, scanned=scanned)


def test_a_looped_transformer_is_shared_over_depth():
    found = transformer(1, scanned=True)
    table = "embed/embedding"
    assert hows(found, skip=[table]) == {"the same"} and len(found.loops) == 1
    assert found.tying("blocks/0/attention/query/kernel").all()
    assert [read.how for read in found[table].reads] == ["unknown"]  # by tokens


def test_loops_in_python_are_several_readings():
    found, table = transformer(1), ["embed/embedding"]
    assert found.loops == () and hows(found, skip=table) == {"the same"}
    assert found.tying("blocks/0/map/kernel").shape == (3, 3)
    assert hows(transformer(3), skip=table) == {"once"}


def test_an_equinox_scan_over_layers_is_not_shared():
    class Deep(equinox.Module):
        layers: equinox.nn.Linear
        order: jax.Array  # of integers: no parameter, and known

        def __init__(self, key, order):
            def make(key):
                return equinox.nn.Linear(D, D, key=key)

            self.layers = equinox.filter_vmap(make)(jax.random.split(key, T))
            self.order = jnp.array(order)

        def __call__(self, x):
            arrays, static = equinox.partition(self.layers, equinox.is_array)

            def run(h, one):
                return jax.nn.relu(equinox.combine(one, static)(h)), None

            ordered = jax.tree.map(lambda w: w[self.order], arrays)
            return jax.lax.scan(run, x, ordered)[0]

    x = jax.ShapeDtypeStruct((D,), jnp.float32)
    found = audit(Deep(jax.random.key(0), range(T)), x)
    assert hows(found) == {"a slice a step"}
    assert {parameter.path for parameter in found.parameters} == {
        "layers/weight",
        "layers/bias",
    }
    looped = audit(Deep(jax.random.key(0), [0, 1, 0, 1]), x)
    assert looped["layers/weight"].reads[0].index == (0, 1, 0, 1)


def test_haiku_unrolls_are_shared_in_a_loop_and_without():
    def run(unroll, x):
        core = haiku.LSTM(H)
        return unroll(core, x, core.initial_state(B), time_major=False)[0]

    for unroll, loop in ((haiku.dynamic_unroll, 0), (haiku.static_unroll, None)):
        model = haiku.transform(functools.partial(run, unroll))
        params = jax.eval_shape(model.init, jax.random.key(0), X)
        found = audit_function(model.apply, params, None, X)
        assert hows(found) == {"the same"}
        assert found["lstm/linear/w"].reads[0].loop == loop
        assert found.tying("lstm/linear/w").shape == (T, T)


def test_layers_in_a_loop_around_a_loop_over_time():
    """Layers that are RNNs: the outer loop slices, the inner one does not."""

    def run(params, x):
        def layer(x, weights):
            def step(h, x):
                h = jnp.tanh(x @ weights["in"] + h @ weights["back"])
                return h, h

            return jax.lax.scan(step, jnp.zeros((B, D)), x)[1], None

        return jax.lax.scan(layer, x, params)[0]

    params = {"in": jnp.ones((2, D, D)), "back": jnp.ones((2, D, D))}
    found = audit_function(run, params, jnp.ones((T, B, D)))
    assert [(loop.num_steps, loop.parent) for loop in found.loops] == [
        (2, None),
        (8, 0),
    ]
    np.testing.assert_array_equal(found.tying("back", loop=0), np.eye(2))
    layer = np.arange(8) // T
    np.testing.assert_array_equal(found.tying("back", 1), layer[:, None] == layer)


def test_a_forward_pass_and_its_gradient_read_the_same_weights():
    def loss(w, x):
        return jnp.sum(
            jax.lax.scan(lambda h, x: (jnp.tanh(h @ w + x), None), x[0], x)[0]
        )

    found = audit_function(jax.grad(loss), jnp.ones((D, D)), jnp.ones((T, B, D)))
    assert hows(found) == {"the same"} and len(found.loops) == 2

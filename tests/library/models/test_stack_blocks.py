"""What is no block of a `Stack`, and blocks of other libraries without one."""

import functools

import equinox
import jax
import jax.numpy as jnp
import pytest
from flax import linen, nnx

from rnnshare import (
    LowRank,
    Partition,
    Scaled,
    Stack,
    Tied,
    TimeInput,
    Untied,
    expand,
    unroll,
)
from tests.cases import with_slow
from tests.library.law_cases import assert_close, gradient_of
from tests.library.models.stack_cases import DEPTH, MLP, SHARINGS, F, inputs, stack_of


class Holding(nnx.Module):
    """A block that holds another module, made without or with rngs."""

    def __init__(self, make, *, rngs):
        self.inner = make(rngs=rngs)

    def __call__(self, x):
        return self.inner(x)


class Decoder(nnx.Module):
    def __init__(self, *, rngs):
        self.attention = nnx.MultiHeadAttention(2, F, decode=True, rngs=rngs)
        self.attention.init_cache((2, 4, F))

    def __call__(self, x):
        return self.attention(x)


class Table(nnx.Module):
    def __init__(self, *, rngs):
        self.table = jnp.zeros((4, F))

    def __call__(self, x):
        return x + self.table


class Rounded(Holding):
    def __init__(self, *, rngs):
        super().__init__(functools.partial(nnx.Linear, F, F), rngs=rngs)

    def __call__(self, x):
        return jnp.round(super().__call__(x)).astype(jnp.int32)


class Modulus(Rounded):
    def __call__(self, x):
        return jnp.abs(x)


def stacked(make, sharing=Tied(), depth=DEPTH):
    return lambda: Stack(make, sharing, depth, rngs=nnx.Rngs(0))


def holding(make):
    return stacked(functools.partial(Holding, make))


ERRORS = {
    "batch norm": (
        holding(functools.partial(nnx.BatchNorm, F)),
        r"Holding holds state other than parameters: inner\.mean, inner\.var\. It may "
        r"hold nnx\.Param only; normalise with nnx\.LayerNorm or nnx\.RMSNorm",
    ),
    "cache": (
        stacked(Decoder),
        r"state other than parameters: attention\.cache_index, attention\.cached_key, "
        r"attention\.cached_value\. .*; leave init_cache out",
    ),
    "dropout": (
        holding(functools.partial(nnx.Dropout, 0.5)),
        r"parameters: inner\.rngs\.count, inner\.rngs\.key\. .*; build what is random "
        r"without rngs of its own \(nnx\.Dropout\(rate\), keep_rngs=False\), and hand",
    ),
    "nnx.RNN": (
        holding(lambda *, rngs: nnx.RNN(nnx.GRUCell(F, F, rngs=rngs))),
        r"inner\.rngs\.count, .*take rnnshare\.RNN in the place of nnx\.RNN",
    ),
    "constant": (
        stacked(Table),
        r"Table holds state other than parameters: table\. It may hold nnx\.Param "
        r"only; compute what is constant in __call__",
    ),
    "no module": (
        stacked(lambda *, rngs: jnp.tanh),
        r"make_block must return an nnx\.Module that is called as block\(x\), but it "
        r"returned a .*Blocks of other libraries run through rnnshare\.unroll",
    ),
    "no call": (
        stacked(lambda *, rngs: nnx.Module()),
        r"called as block\(x\), but it returned a Module\.",
    ),
    "no sharing": (stacked(MLP, "tied"), r"sharing is 'tied'\. Use a Sharing, such as"),
    "no depth": (stacked(MLP, depth=0), r"Stack: depth is 0\. Use at least 1"),
    "half a depth": (
        stacked(MLP, depth=1.5),
        r"Stack: depth is 1\.5, but it counts steps\. Use an integer of at least 1",
    ),
    "too deep": (
        stacked(MLP, Untied(4), 6),
        r"Untied\(num_steps=4\) holds weights for 4 passes, but depth is 6\. Choose "
        r"what the others read, as in beyond='hold', or build it for 6\.",
    ),
    "too deep in a part": (
        stacked(MLP, Partition({"norm": Untied(9)}, LowRank(9, base=Untied(4))), 6),
        r"Untied\(num_steps=4\) holds weights for 4 passes, but depth is 6",
    ),
    "too deep a call": (
        lambda: stack_of("MLP", "Untied")(inputs(), depth=5),
        r"Untied\(num_steps=3\) holds weights for 3 passes, but depth is 5",
    ),
    "another shape": (
        lambda: stacked(functools.partial(nnx.Linear, F, 5))()(inputs()),
        r"Linear\(4, 5\) returns \(2, 4, 5\) for \(2, 4, 4\), but each pass takes what "
        r"the last one returned\. Give the block as many outputs as inputs",
    ),
    "integers for floating numbers": (
        lambda: stacked(Rounded)()(inputs()),
        r"Rounded\(\) returns int32 for float32, so that the first pass would take x "
        r"cut to int32\. Pass x as int32, or return float32\.",
    ),
    "real numbers for complex ones": (
        lambda: stacked(Modulus)()(jax.lax.complex(inputs(), inputs())),
        r"Modulus\(\) returns float32 for complex64, .* Pass x as float32",
    ),
    "a key for rngs": (
        lambda: stack_of("MLP", "Tied")(inputs(), rngs=jax.random.key(0)),
        r"rngs is a \w+\. Use nnx\.Rngs\(dropout=key\)",
    ),
    "no biases": (
        stacked(
            lambda *, rngs: nnx.Linear(F, F, use_bias=False, rngs=rngs), TimeInput()
        ),
        r"moves the biases of a cell, but this one has none\. Use .*Basis",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_refusals_say_the_way_out(name):
    call, error = ERRORS[name]
    with pytest.raises((TypeError, ValueError), match=error) as refused:
        call()
    assert "\n" not in str(refused.value)


def test_a_traced_depth_is_refused():
    with pytest.raises(
        TypeError, match=r"it counts steps\. Use an integer of at least"
    ):
        jax.eval_shape(lambda d: stack_of("MLP", "Tied")(inputs(), depth=d), 3)


# Other libraries


def of_equinox(key):
    """Returns (init_block, step) of an Equinox block, and the block."""

    def make(key):
        return equinox.nn.MLP(F, F, 5, 1, activation=jnp.tanh, key=key)

    def init_block(key):
        return equinox.filter(make(key), equinox.is_array)

    static = equinox.partition(make(key), equinox.is_array)[1]

    def block(weights, x):
        return x + jax.vmap(jax.vmap(equinox.combine(weights, static)))(x)

    return init_block, block


def of_linen(key):
    del key
    module = linen.Sequential([linen.LayerNorm(), linen.Dense(F), linen.tanh])

    def init_block(key):
        return module.init(key, inputs())["params"]

    def block(weights, x):
        return x + module.apply({"params": weights}, x)

    return init_block, block


FOREIGN = [
    (of_equinox, Tied()),
    (of_equinox, SHARINGS["Segments"]),
    (of_equinox, LowRank(DEPTH, 1)),
    (of_linen, SHARINGS["Schedule"]),
    (of_linen, Scaled(DEPTH)),
]


@pytest.mark.parametrize(
    ("library", "sharing"),
    with_slow(FOREIGN, [FOREIGN[1], FOREIGN[4]]),
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_blocks_of_other_libraries(library, sharing):
    """`unroll` over the numbers of the passes, the input as the carry."""
    init_block, block = library(jax.random.key(0))
    stored = sharing.init(jax.random.key(1), init_block)

    def run(stored, x):
        def step(weights, x, t):
            return block(weights, x), None

        return unroll(step, sharing, stored, jnp.arange(DEPTH), x)[0]

    def by_hand(stored, x):
        each = expand(sharing, stored, DEPTH)
        for t in range(DEPTH):
            x = block(jax.tree.map(lambda w, t=t: w[t], each), x)
        return x

    both = gradient_of(run)(stored, inputs()), gradient_of(by_hand)(stored, inputs())
    assert_close(*both)

"""`Stack`: the loop over depth is a Python loop over the expanded weights."""

import dataclasses
import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rnnshare import (
    LowRank,
    Stack,
    Tied,
    Untied,
    convert,
    count_parameters,
    num_parameters,
)
from rnnshare.cells import pure_params
from tests.cases import with_slow
from tests.library.law_cases import (
    assert_close,
    gradient_of,
    pulled,
)
from tests.library.models.stack_cases import (
    BLOCKS,
    DEPTH,
    MLP,
    SHARINGS,
    F,
    by_hand,
    inputs,
    run,
    stack_of,
)
from tests.library.ordinary.cases import generic_module

KEPT = {
    *(("MLP", "Partition"), ("MLP", "TimeInput"), ("convolution", "Schedule")),
    *(("attention", "Scaled"), ("nnx.RNN", "Untied")),
}
PARTS = {"Partition": ("MLP", "transformer", "stack"),
         "Partition-of-blocks": ("transformer",)}  # fmt: skip
PAIRS = [
    (block, sharing)
    for block, sharing in itertools.product(BLOCKS, SHARINGS)
    if block in PARTS.get(sharing, BLOCKS)
    # Of the blocks whose own weights are stacks, [T, ...], no leaf is a bias.
    and not (sharing == "TimeInput" and block in ("RNN", "stack"))
]


@pytest.mark.parametrize(("block", "sharing"), with_slow(PAIRS, KEPT))
def test_it_is_the_loop_over_blocks(block, sharing):
    """Outputs and gradients, of x and of what is stored."""
    stack = stack_of(block, sharing)
    assert_close(
        gradient_of(functools.partial(run, stack))(stack.stored, inputs()),
        gradient_of(functools.partial(by_hand, BLOCKS[block], stack.sharing))(
            stack.stored, inputs()
        ),
    )


def test_the_gradient_of_tied_weights_is_the_sum_over_the_passes():
    tied, untied = stack_of("MLP", "Tied"), stack_of("MLP", "Untied")
    copies = convert(tied.stored, tied.sharing, untied.sharing)
    results, (gradient, of_x) = gradient_of(functools.partial(run, tied))(
        tied.stored, inputs()
    )
    own, (gradients, of_same_x) = gradient_of(functools.partial(run, untied))(
        copies, inputs()
    )
    assert_close((results, of_x), (own, of_same_x))
    assert_close(gradient, jax.tree.map(lambda g: np.sum(g, 0), gradients))
    assert not np.allclose(gradients["up"]["kernel"][0], gradients["up"]["kernel"][1])


DEEPER = [
    Tied(),
    *(Untied(DEPTH, beyond=beyond) for beyond in ("hold", "cycle", "stretch", "mean")),
    LowRank(DEPTH, 1, beyond="base"),
]


@pytest.mark.parametrize("sharing", with_slow(DEEPER, DEEPER[::2]), ids=repr)
@pytest.mark.parametrize("depth", [DEPTH - 1, DEPTH + 3])
def test_another_depth_reads_what_the_policy_says(sharing, depth):
    stack = stack_of("MLP", sharing)
    expected = by_hand(MLP, sharing, stack.stored, inputs(), depth)
    assert_close(stack(inputs(), depth=depth), expected)


@pytest.mark.parametrize(
    "options", with_slow([{"remat": True}, {"unroll": 2}], [{"remat": True}]), ids=str
)
def test_ways_to_run(options):
    plain, other = stack_of("MLP", "LowRank"), stack_of("MLP", "LowRank", **options)
    assert_close(
        *(
            gradient_of(functools.partial(run, stack))(plain.stored, inputs())
            for stack in (other, plain)
        )
    )


def test_the_program_does_not_grow_with_the_depth():
    stack = stack_of("MLP", "Tied")

    def num_lines(depth):
        loss = jax.grad(lambda s: pulled(run(stack, s, inputs(), depth=depth)))
        return len(str(jax.make_jaxpr(loss)(stack.stored)).splitlines())

    assert num_lines(3) == num_lines(9)


# What is random


def dropping(*, rngs):
    return MLP(dropout=0.5, rngs=rngs)


@pytest.mark.parametrize("stream", with_slow(["dropout", "default"], ["dropout"]))
def test_each_pass_has_keys_of_its_own(stream):
    """Those of the stream, the number of the pass folded in."""
    sharing = SHARINGS["Untied"]
    stack = Stack(dropping, sharing, DEPTH, rngs=nnx.Rngs(0))
    key = nnx.Rngs(**{stream: 7})[stream]()
    keys = [jax.random.fold_in(key, t) for t in range(DEPTH)]
    calls = [{"rngs": nnx.Rngs(**{stream: key})} for key in keys]
    # A stream draws a key by its count: the loop's are made as the stack makes them.
    expected = by_hand(dropping, sharing, stack.stored, inputs(), calls=calls)
    found = stack(inputs(), rngs=nnx.Rngs(**{stream: 7}))
    assert_close(found, expected)
    rngs = nnx.Rngs(7)
    first, second = stack(inputs(), rngs=rngs), stack(inputs(), rngs=rngs)
    assert not np.allclose(first, second)  # a stream goes on
    still = by_hand(dropping, sharing, stack.stored, inputs())
    assert_close(stack(inputs()), still)
    assert not np.allclose(found, still)


def test_a_block_that_takes_no_rngs_is_called_without():
    stack = stack_of("convolution", "Cyclic")
    plain = Stack(lambda *, rngs: nnx.Linear(F, F, rngs=rngs), Tied(), 2,
                  rngs=nnx.Rngs(0))  # fmt: skip
    for one in (stack, plain):
        assert_close(one(inputs(), rngs=nnx.Rngs(1)), one(inputs()))


# A module like any other


def test_it_starts_as_its_sharing_says():
    make = functools.partial(MLP, F, 5)

    def drawn(sharing):
        return Stack(make, sharing, DEPTH, rngs=nnx.Rngs(3)).stored

    tied, copies = drawn(Tied()), drawn(Untied(DEPTH, same_init=True))
    key = nnx.Rngs(3).params()
    assert_close(tied, pure_params(make(rngs=nnx.Rngs(key))))
    assert_close(copies, jax.tree.map(lambda w: np.stack([w] * DEPTH), tied))
    kernels = drawn(Untied(DEPTH))["up"]["kernel"]
    assert not np.allclose(kernels[0], kernels[1])
    wide = functools.partial(MLP, F)
    for name in ("Untied", "LowRank", "Partition"):
        sharing = SHARINGS[name]
        stack = nnx.eval_shape(lambda s=sharing: Stack(make, s, 3, rngs=nnx.Rngs(0)))
        assert count_parameters(wide, sharing, 5) == num_parameters(stack.stored)


def test_it_trains():
    """Under `jit`, by optax, from `nnx.split` to `nnx.merge`; one trace."""
    stack = Stack(MLP, Untied(DEPTH), DEPTH, rngs=nnx.Rngs(0))
    graphdef, params = nnx.split(stack)
    optimizer = optax.adam(1e-2)
    x, target = inputs(1), jnp.flip(inputs(1), axis=1)

    @jax.jit
    @chex.assert_max_traces(n=1)
    def train_step(params, state):
        def loss(params):
            return jnp.mean((nnx.merge(graphdef, params)(x) - target) ** 2)

        value, gradient = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state, value

    state, losses = optimizer.init(params), []
    with jax.numpy_dtype_promotion("standard"):  # optax's
        for _ in range(60):
            params, state, value = train_step(params, state)
            losses.append(float(value))
    assert losses[-1] < 0.5 * losses[0]
    trained = nnx.merge(graphdef, params)
    assert not np.allclose(trained.stored["up"]["kernel"], stack.stored["up"]["kernel"])
    again = nnx.eval_shape(lambda: Stack(MLP, Untied(3), 3, rngs=nnx.Rngs(1)))
    assert nnx.split(again)[0] == graphdef


def test_an_ensemble_is_one_module():
    @nnx.split_rngs(splits=2)
    @nnx.vmap
    def make(rngs):
        return Stack(MLP, Tied(), 2, rngs=rngs)

    stack = generic_module(lambda: make(nnx.Rngs(0)))
    found = nnx.vmap(lambda one, x: one(x), in_axes=(0, None))(stack, inputs())
    for i in range(2):
        stored = jax.tree.map(lambda w, i=i: w[i], stack.stored)
        assert_close(found[i], by_hand(MLP, Tied(), stored, inputs(), 2))


def test_vmap_is_the_loop():
    """Over the batch; over what is stored it is the ensemble's."""
    stack = stack_of("MLP", "Cyclic")
    call = functools.partial(run, stack)
    rows = jax.vmap(call, in_axes=(None, 0))(stack.stored, inputs())
    assert_close(rows, stack(inputs()))


def test_what_it_shows():
    stack = nnx.eval_shape(lambda: Stack(MLP, Tied(), 4, rngs=nnx.Rngs(0), remat=True))
    assert repr(stack) == "Stack(MLP(), Tied(), depth=4, remat=True, 57 parameters)"


# What a block takes and returns


class Masked(nnx.Module):
    """A block whose input is a pair, of which it changes the one."""

    def __init__(self, *, rngs):
        self.linear = nnx.Linear(F, F, rngs=rngs)

    def __call__(self, pair):
        x, mask = pair
        return jnp.where(mask[..., None], self.linear(x), x), mask


def test_x_may_be_a_pytree():
    stack = Stack(Masked, Tied(), DEPTH, rngs=nnx.Rngs(0))
    pair = inputs(), np.array([[True, False, True, True]] * 2)
    assert_close(stack(pair), by_hand(Masked, Tied(), stack.stored, pair))


class Noisy(nnx.Module):
    """A block that carries its random key along."""

    def __init__(self, *, rngs):
        self.linear = nnx.Linear(F, F, rngs=rngs)

    def __call__(self, pair):
        x, key = pair
        own, key = jax.random.split(key)
        return self.linear(x) + jax.random.normal(own, x.shape), key


def test_a_key_may_be_carried():
    stack, pair = (
        Stack(Noisy, Tied(), 2, rngs=nnx.Rngs(0)),
        (inputs(), jax.random.key(1)),
    )
    (found, key), (expected, last) = (
        stack(pair),
        by_hand(Noisy, Tied(), stack.stored, pair, 2),
    )
    assert_close(found, expected)
    assert key == last


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32, jnp.int32])
def test_dtypes_are_those_of_the_loop(dtype):
    """The block says them: its float32 weights make float32 of any input."""
    with jax.numpy_dtype_promotion("standard"):
        make = functools.partial(nnx.Linear, F, F)
        stack = Stack(make, Tied(), 2, rngs=nnx.Rngs(0))
        x = (4 * inputs()).astype(dtype)
        expected = by_hand(make, Tied(), stack.stored, x, 2)
        assert stack(x).dtype == expected.dtype == jnp.float32
        assert_close(stack(x), expected)


def test_a_sharing_may_hold_more_passes_than_the_depth():
    stack = stack_of("MLP", dataclasses.replace(Untied(DEPTH), num_steps=5))
    expected = by_hand(MLP, stack.sharing, stack.stored, inputs())
    assert_close(stack(inputs()), expected)

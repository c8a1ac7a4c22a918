"""What JAX transforms, it transforms here: results and gradients are those by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.cases import with_slow
from tests.library.ordinary.cases import (
    ALL_PAIRS,
    CELLS,
    PAIRS,
    H,
    assert_same,
    case,
    generic,
    generic_like,
    graded,
    ids,
    pulled,
)

POLICIES = {
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "named": jax.checkpoint_policies.save_only_these_names("h"),
}


def first_of(tree):
    return jax.tree.map(lambda leaf: leaf[0], tree)


def over_weights(run):
    """One weight set beside another, mapped over at once."""

    def both(state, inputs):
        two = jax.tree.map(lambda w: jnp.stack([w, np.float32(0.5) * w]), state)
        mapped = jax.vmap(graded(run), (0, None))(two, inputs)
        return first_of(mapped)

    return jax.jit(both)


def ahead_of_time(run):
    def both(*arguments):
        shapes = jax.eval_shape(lambda *args: args, *arguments)
        return jax.jit(graded(run)).lower(*shapes).compile()(*arguments)

    return both


def donated(run):
    """The gradient lies where the weights were."""
    function = jax.jit(graded(run), donate_argnums=0)
    return lambda state, inputs: function(jax.tree.map(jnp.copy, state), inputs)


def with_debugging(run):
    def both(*arguments):
        with jax.debug_nans(True), jax.checking_leaks():
            return jax.jit(graded(run))(*arguments)

    return both


def without_jit(run):
    def both(*arguments):
        with jax.disable_jit():
            return graded(run)(*arguments)

    return both


def in_a_loop(run):
    """Inside `lax.scan`, whose carry the results are."""

    def looped(*arguments):
        start = jax.tree.map(
            lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(run, *arguments)
        )
        return jax.lax.scan(lambda *_: (run(*arguments), None), start, length=2)[0]

    return jax.jit(graded(looped))


def in_a_branch(run):
    def branched(state, inputs):
        def other(state, inputs):
            return run(state, -inputs)

        return jax.lax.cond(jnp.sum(inputs) < 1e6, run, other, state, inputs)

    return jax.jit(graded(branched))


def by_vjp(run):
    def both(*arguments):
        results, transpose = jax.vjp(run, *arguments)
        leaves, structure = jax.tree.flatten(results)
        pull = [jnp.asarray(generic(leaf.shape, i)) for i, leaf in enumerate(leaves)]
        return results, transpose(structure.unflatten(pull))

    return jax.jit(both)


# Of a run `(state, inputs) -> results`, its results and gradients.
WAYS = {
    "jit": lambda run: jax.jit(graded(run)),
    "vjp": by_vjp,
    "vmap over weights": over_weights,
    "vmap over sequences": lambda run: jax.jit(graded(jax.vmap(run, (None, 0)))),
    "lax.map": lambda run: jax.jit(
        graded(lambda state, xs: jax.lax.map(functools.partial(run, state), xs))
    ),
    "lax.scan": in_a_loop,
    "lax.cond": in_a_branch,
    "ahead of time": ahead_of_time,
    "donated": donated,
    "debugging": with_debugging,
    "without jit": without_jit,
    "checkpoint": lambda run: jax.jit(graded(jax.checkpoint(run))),
    **{
        f"checkpoint {name}": lambda run, policy=policy: jax.jit(
            graded(jax.checkpoint(run, policy=policy))
        )
        for name, policy in POLICIES.items()
    },
}


CASES = [(way, *PAIRS[0]) for way in WAYS]
CASES += [(way, *PAIRS[1]) for way in ("vmap over weights", "lax.scan", "donated")]
CASES += [("jit", *pair) for pair in ALL_PAIRS[1:]] + [("checkpoint", *ALL_PAIRS[2])]


# Second pairs of a way, ways near to one that is kept, and the slowest of all.
SLOW = {("without jit", *PAIRS[0]), ("vjp", *PAIRS[0]), ("checkpoint", *ALL_PAIRS[2])}
SLOW |= {("lax.scan", *PAIRS[1]), ("donated", *PAIRS[1]), ("lax.map", *PAIRS[0])}
SLOW |= {("jit", *pair) for pair in ALL_PAIRS[3:]} | {("jit", *PAIRS[0])}
SLOW |= {("vmap over weights", *PAIRS[0]), ("checkpoint named", *PAIRS[0])}


@pytest.mark.parametrize(
    ("way", "sharing", "cell"),
    with_slow(CASES, {*CASES} - SLOW),
    ids=ids(CASES),
)
def test_results_and_gradients(way, sharing, cell):
    c = case(sharing, cell)
    assert_same(WAYS[way](c.run)(c.state, c.inputs), c.expected)


def forward(run):
    """Results and their tangents."""

    def both(*arguments):
        return jax.jvp(run, arguments, generic_like(arguments, 5))

    return both


def hessian(run):
    """Of two numbers, which scale the weights and the first inputs."""

    def both(state, inputs):
        def scalar(scale):
            scaled = jax.tree.map(lambda w: scale[0] * w, state)
            return pulled(run(scaled, scale[1] * inputs[:, :2]))

        return jax.hessian(scalar)(jnp.ones(2))

    return both


def jacobians(run):
    """Forward and reverse."""

    def both(state, inputs):
        def outputs(scale):
            return run(state, scale.reshape(1, 1, -1) * inputs)[1]

        ones = jnp.ones(inputs.shape[-1])
        return jax.jacfwd(outputs)(ones), jax.jacrev(outputs)(ones)

    return both


DERIVATIVES = {f.__name__: f for f in (forward, hessian, jacobians)}


@pytest.mark.parametrize(
    ("name", "sharing", "cell"),
    with_slow(
        [(name, *PAIRS[0]) for name in DERIVATIVES] + [("forward", "LowRank", "LSTM")],
        {("hessian", *PAIRS[0]), ("forward", "LowRank", "LSTM")},
    ),
)
def test_other_derivatives(name, sharing, cell):
    c = case(sharing, cell)
    derivative = DERIVATIVES[name]
    actual, expected = (
        jax.jit(derivative(run))(c.state, c.inputs) for run in (c.run, c.by_hand)
    )
    assert_same(actual, expected)


def test_scan_over_layers():
    """A stack of layers, their weights along a first axis, is one after the other."""
    c = case("LowRank", "LSTM", features=H)
    states = [c.state, generic_like(c.state, 6)]

    def scanned(states, inputs):
        def layer(x, state):
            carry, y = c.run(state, x)
            return y, carry

        outputs, carries = jax.lax.scan(layer, inputs, states)
        return carries, outputs

    def by_hand(states, inputs):
        carries = []
        for i in range(2):
            state = jax.tree.map(lambda w, i=i: w[i], states)
            carry, inputs = c.by_hand(state, inputs)
            carries.append(carry)
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *carries), inputs

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    assert_same(
        *(jax.jit(graded(run))(stacked, c.inputs) for run in (scanned, by_hand))
    )


@pytest.mark.parametrize("cell", CELLS)
def test_by_flax(cell):
    """Tied, it is `nnx.RNN`, and what is by hand here is too."""
    c = case("Tied", cell)
    flax = jax.jit(graded(c.by_flax))(c.state, c.inputs)
    assert_same(c.expected, flax)


@pytest.mark.parametrize(("sharing", "cell"), PAIRS, ids=ids(PAIRS))
def test_shapes_are_known_without_running(sharing, cell):
    c = case(sharing, cell)
    shapes = jax.eval_shape(graded(c.run), c.state, c.inputs)
    assert [(s.shape, s.dtype) for s in jax.tree.leaves(shapes)] == [
        (e.shape, e.dtype) for e in jax.tree.leaves(c.expected)
    ]


def test_a_case_is_generic():
    """Its weights are not those of its start, under which LowRank is tied."""
    first, second = case("LowRank", "LSTM").cells(case("LowRank", "LSTM").state, 2)
    assert np.any(first.input.kernel[...] != second.input.kernel[...])

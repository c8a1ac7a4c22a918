"""Linear cells by a loop and by an associative scan, each the oracle of the other."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnshare import (
    RNN,
    Cyclic,
    LinearCell,
    LowRank,
    LRUCell,
    Mixture,
    Tied,
    Untied,
)
from rnnshare.sharing.drawing import equations_of
from tests.cases import with_slow
from tests.library.law_cases import (
    LENGTHS,
    B,
    D,
    H,
    T,
    assert_close,
    case,
    generic,
    generic_like,
    gradient_of,
)

CELLS = ("MinGRU", "MinLSTM", "LRU")
OPTIONS = {
    "whole": {},
    "lengths": {"lengths": LENGTHS},
    "reverse": {"reverse": True, "lengths": LENGTHS},
    "start": {"start": 2, "num_steps": 2 + T},
    "remat": {"remat": True},
}
WAYS = list(itertools.product(("Tied", "Untied", "Cyclic", "LowRank"), CELLS, OPTIONS))
KEPT = [("Tied", "MinGRU", "lengths"), ("Untied", "MinLSTM", "whole"),
        ("Cyclic", "LRU", "reverse")]  # fmt: skip
PADDING = (0, 1e30, np.nan, -np.inf)
LONGER = {"Untied": Untied(2 + T), "Cyclic": Cyclic(4), "Tied": Tied(),
          "LowRank": LowRank(2 + T, 2)}  # fmt: skip


@pytest.mark.parametrize(("sharing", "cell", "how"), with_slow(WAYS, KEPT))
def test_every_way_is_the_scan(sharing, cell, how):
    """Results and gradients."""
    c = case(LONGER[sharing] if how == "start" else sharing, cell)
    found = [
        gradient_of(functools.partial(c.run, implementation=name, **OPTIONS[how]))(
            *c.arguments
        )
        for name in ("associative", "fused", "scan")
    ]
    assert_close(found[0], found[2])
    assert_close(found[1], found[2])


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, T), min_size=B, max_size=B), st.sampled_from(PADDING))
def test_any_lengths(lengths, padding):
    lengths = np.array(lengths, np.int32)
    one, other = case("Tied", "LRU associative"), case("Tied", "LRU scan")
    stored, inputs, carry = one.arguments
    is_real = np.arange(T)[:, None, None] < lengths[:, None]
    inputs = np.where(is_real, inputs, np.float32(padding))
    found, expected = (
        c.gradient_with_lengths(stored, inputs, carry, lengths) for c in (one, other)
    )
    assert_close(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 1, 4])
@pytest.mark.parametrize("batch", [(), (1,), (2, 3)])
def test_any_steps_and_batch_axes(batch, steps):
    c = case("Tied", "LRU")
    inputs = generic((steps, *batch, D), 5)
    carry = generic_like(c.blueprint.bind().initialize_carry((*batch, D)), 6)
    lengths = np.arange(np.prod(batch, dtype=int), dtype=np.int32).reshape(batch)
    for options in ({}, {"lengths": lengths % (steps + 1), "reverse": True}):
        found, expected = (
            c.run(c.arguments[0], inputs, carry, implementation=name, **options)
            for name in ("associative", "scan")
        )
        assert_close(found, expected)


def test_a_short_length_leaves_later_weights_alone():
    c = case("Untied", "LRU associative")
    lengths = np.array([2, 0, 4], np.int32)
    _, (grads, *_) = c.gradient_with_lengths(*c.arguments, lengths)
    for leaf in jax.tree.leaves(grads):
        assert not np.any(leaf[4:])
        assert np.all(np.any(np.reshape(leaf[:4], (4, -1)), axis=1))


class Decay(LinearCell):
    """A moving sum, whose decays are numbers of a unit: [H], without batch axes."""

    gates = ("b",)

    def __init__(self, *sizes, rngs, **options):
        super().__init__(*sizes, rngs=rngs, **options)
        self.decay = nnx.Param(jax.random.uniform(rngs.params(), (H,)))

    def coefficients(self, from_input):
        return self.decay[...], from_input


@pytest.mark.parametrize("implementation", ["scan", "fused", "associative"])
def test_batch_axes_may_be_left_out(implementation):
    """Of as many sequences as steps too, where one would stand for the other."""
    rnn = RNN(functools.partial(Decay, D, H), Untied(T), rngs=nnx.Rngs(0),
              implementation=implementation)  # fmt: skip
    inputs, pull = generic((T, T, D), 1), generic((T, T, H), 2)
    graphdef, state = nnx.split(rnn)

    @jax.jit
    def loss(stored):
        layer = nnx.merge(graphdef, jax.tree.map(lambda leaf: leaf, state))
        layer.stored = stored
        outputs = layer(jnp.asarray(inputs), time_major=True)
        return jnp.sum(outputs * pull), outputs

    (_, found), gradients = jax.value_and_grad(loss, has_aux=True)(rnn.stored)
    each = jax.tree.map(lambda w: np.asarray(w, np.float64), rnn.stored)
    h, slope, expected = np.zeros((T + 1, T, H)), np.zeros((T, H)), np.zeros((T, H))
    for t in range(T):
        b = inputs[t] @ each["input"]["kernel"][t] + each["input"]["bias"][t]
        h[t] = each["decay"][t] * h[t - 1] + b
    for t in reversed(range(T)):
        slope = slope + pull[t]
        expected[t] = np.sum(slope * h[t - 1], axis=0)
        slope = slope * each["decay"][t]
    assert_close((found, gradients["decay"]), (h[:T], expected))


def test_auto_is_the_fastest(monkeypatch):
    def primitives(sharing, batch=B, **options):
        c = case(sharing, "MinGRU")
        arguments = (c.shapes, np.zeros((T, batch, D), np.float32),
                     np.zeros((batch, H), np.float32))  # fmt: skip
        run = functools.partial(c.run, **options)
        jaxpr = jax.make_jaxpr(run)(*arguments)
        return {e.primitive.name for e in equations_of(jaxpr.jaxpr)}

    at_once, loop = "custom_linear_solve", "scan"
    assert {at_once, loop} <= primitives("Untied")
    for whole_steps in (
        primitives("Untied", batch=8),  # a batch that fills the products of a loop
        primitives("Mixture"),  # which would make a kernel a step
        primitives("Untied", remat=True),
        primitives("Untied", implementation="scan"),
    ):
        assert loop in whole_steps
        assert at_once not in whole_steps
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert loop not in primitives("Untied", batch=8)
    assert at_once not in primitives("Mixture")


@pytest.mark.parametrize(
    ("sharing", "cell", "implementation", "message"),
    [
        ("Tied", "LSTM", "associative", "not that of a LinearCell"),
        ("Mixture", "LRU", "fused", "has no products .* Use 'auto' or 'scan'"),
    ],
)
def test_errors(sharing, cell, implementation, message):
    c = case(sharing, cell)
    with pytest.raises(ValueError, match=message):
        c.run(*c.arguments, implementation=implementation)


@pytest.mark.slow
def test_a_layer_takes_it():
    """In both directions, and under a sharing that computes its weights."""
    make = functools.partial(LRUCell, D, H)
    inputs = jnp.asarray(generic((B, T, D), 1))

    def layer(**options):
        rnns = (
            RNN(make, sharing, rngs=nnx.Rngs(i), **options)
            for i, sharing in enumerate((Mixture(T, 2), Untied(T)))
        )
        return nnx.Bidirectional(*rnns)

    found = layer(implementation="associative")(inputs, seq_lengths=LENGTHS)
    assert_close(found, layer(implementation="scan")(inputs, seq_lengths=LENGTHS))

"""Sharings where they are the tied or the untied model, and against their formulas."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial import chebyshev

from rnnshare import (
    Basis,
    Cyclic,
    Drift,
    Hypernetwork,
    LowRank,
    Mixture,
    Partition,
    Scaled,
    Segments,
    TimeInput,
    Untied,
    expand,
)
from rnnshare.sharing.time_functions import KINDS
from tests.cases import with_slow
from tests.library.law_cases import (
    T,
    assert_close,
    assert_equal,
    assert_equal_to_rounding,
    case,
    generic_like,
)
from tests.library.sharing.sharing_cases import KEY, at, learned


def weights_of_one(cell="LSTM"):
    return generic_like(case("Tied", cell).shapes, seed=7)


@functools.cache
def tied_run():
    return jax.jit(case("Tied", "LSTM").run)


def assert_is_tied(sharing, stored):
    """All steps are equal, and run as the tied model with these weights."""
    weights = expand(sharing, stored, T)
    one = at(weights, 0)
    assert_close(weights, jax.tree.map(lambda w: np.stack([w] * T), one), 1e-6)
    c = case(sharing, "LSTM")
    _, inputs, carry = c.arguments
    assert_close(c.run(stored, inputs, carry), tied_run()(one, inputs, carry))
    return one


STARTS = {
    "one template": Mixture(T, 1),
    "equal templates": Mixture(T, 3),
    "equal templates, free": Mixture(T, 3, kind="free"),
    "no rank": LowRank(T, 0),
    "low rank": LowRank(T, 2),
    "no rank, of Segments": LowRank(T, 0, base=Segments(T, 2, same_init=True)),
    "gains": Scaled(T),
    **{f"one {kind}": Basis(1, kind, period=4) for kind in KINDS},
    **{f"five {kind}": Basis(5, kind, period=4) for kind in KINDS},
    "drift": Drift(),
    "hypernetwork": Hypernetwork(2, period=5),
    "hypernetwork, learned": learned(2, T),
    **{f"time, {kind}": TimeInput(3, kind, period=5) for kind in KINDS},
    "equal copies": Untied(T, same_init=True),
    "parts": Partition({"recurrent": LowRank(T, 1), "bias": TimeInput(2)}),
}


# Of functions of time one kind with several templates, and one with one.
OF_A_KIND = {*STARTS} - {
    *(f"five {kind}" for kind in ("fourier", "chebyshev")),
    *(f"one {kind}" for kind in ("chebyshev", "bspline")),
    *(f"time, {kind}" for kind in ("fourier", "chebyshev")),
    *("equal templates", "no rank", "one template"),
}


@pytest.mark.parametrize("name", with_slow(STARTS, OF_A_KIND))
def test_starts_as_the_tied_model(name):
    sharing, weights = STARTS[name], weights_of_one()
    stored = sharing.init(KEY, lambda key: jax.tree.map(jnp.asarray, weights))
    assert_close(assert_is_tied(sharing, stored), weights, 1e-6)


def zero(*names):
    """Sets what is stored under these names to zero."""

    def change(stored):
        for name in names:
            stored[name] = jax.tree.map(np.zeros_like, stored[name])
        return stored

    return change


def one_row(name):
    def change(stored):
        stored[name] = np.repeat(stored[name][:1], T, axis=0)
        return stored

    return change


def only_first(stored):
    first = jax.tree.map(lambda w: w * (np.arange(len(w)) == 0).reshape(
        (-1,) + (1,) * (w.ndim - 1)).astype(w.dtype), stored["templates"])  # fmt: skip
    return stored | {"templates": first}


LIMITS = {
    "one template": (Mixture(T, 1), lambda stored: stored),
    "equal logits": (Mixture(T, 3), one_row("logits")),
    "equal coefficients": (Mixture(T, 3, kind="free"), one_row("coefficients")),
    "no rank": (LowRank(T, 0), lambda stored: stored),
    "corrected by nothing": (LowRank(T, 2), zero("correction")),
    "period of one step": (Basis(5, period=1), lambda stored: stored),
    "time of one step": (TimeInput(4, period=1.0), lambda stored: stored),
    "no time": (TimeInput(4, period=5), zero("encoding")),
    "no drift": (Drift(), only_first),
    "no moves": (Hypernetwork(2, period=5), only_first),
    "no moves, learned": (learned(2, T), only_first),
    "constant network": (Hypernetwork(2, period=5), zero("kernel")),
    "one segment": (Segments(T, 1), lambda stored: stored),
    "period 1": (Cyclic(1), lambda stored: stored),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_the_tied_model(name):
    sharing, change = LIMITS[name]
    generic_stored = generic_like(case(sharing, "LSTM").shapes, seed=8)
    assert_is_tied(sharing, change(generic_stored))


@pytest.mark.parametrize("kind", ["free", "softmax"])
def test_one_template_a_step_is_untied(kind):
    sharing = Mixture(T, T, kind=kind)
    templates = generic_like(case(Untied(T), "LSTM").shapes, seed=9)
    sharp = np.eye(T, dtype=np.float32) * (1 if kind == "free" else 200)
    stored = {"templates": templates, sharing.key: sharp}
    # A sum of T products, all but one of which are 0.
    assert_equal_to_rounding(expand(sharing, stored), templates, 1 + T)
    _, inputs, carry = case(sharing, "LSTM").arguments
    assert_close(
        case(sharing, "LSTM").run(stored, inputs, carry),
        case(Untied(T), "LSTM").run(templates, inputs, carry),
    )


# Merging, against the formulas

FORMULAS = {
    "LowRank": (
        LowRank(T, 2, base=Cyclic(2)),
        lambda s, t: (
            s["base"]["recurrent"]["kernel"][t % 2]
            + s["correction"]["recurrent"]["kernel"]["u"][t]
            @ s["correction"]["recurrent"]["kernel"]["v"][t]
        ),
    ),
    "Scaled": (
        Scaled(T, base=Untied(T)),
        lambda s, t: (
            s["base"]["recurrent"]["kernel"][t]
            @ np.diag(s["correction"]["recurrent"]["kernel"]["gain"][t])
        ),
    ),
    "Drift": (
        Drift(unit=7.0),
        lambda s, t: (
            s["templates"]["recurrent"]["kernel"][0]
            + t / 7 * s["templates"]["recurrent"]["kernel"][1]
        ),
    ),
    "Basis": (
        Basis(3, period=5.0),
        lambda s, t: np.tensordot(
            [1.0, np.cos(2 * np.pi * t / 5), np.sin(2 * np.pi * t / 5)],
            s["templates"]["recurrent"]["kernel"],
            axes=1,
        ),
    ),
    "Hypernetwork": (
        Hypernetwork(2, period=5.0),
        lambda s, t: np.tensordot(
            np.concatenate([[1.0], np.tanh(
                np.array([np.cos(2 * np.pi * t / 5), np.sin(2 * np.pi * t / 5)])
                @ s["kernel"] + s["bias"])]),
            s["templates"]["recurrent"]["kernel"],
            axes=1,
        ),
    ),
    "Hypernetwork, learned": (
        learned(2, T),
        lambda s, t: np.tensordot(
            np.concatenate([[1.0], np.tanh(s["embedding"][t] @ s["kernel"] + s["bias"])]
            ),
            s["templates"]["recurrent"]["kernel"],
            axes=1,
        ),
    ),
    "Mixture": (
        Mixture(T, 3),
        lambda s, t: np.tensordot(
            np.exp(s["logits"][t]) / np.exp(s["logits"][t]).sum(),
            s["templates"]["recurrent"]["kernel"],
            axes=1,
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_weights_are_the_formula(name):
    sharing, formula = FORMULAS[name]
    stored = generic_like(case(sharing, "LSTM").shapes, seed=10)
    found = expand(sharing, stored, T)["recurrent"]["kernel"]
    expected = np.stack([formula(stored, t) for t in range(T)])
    assert_close(found, expected.astype(np.float32), 1e-6)


def test_time_moves_biases_only():
    sharing = TimeInput(2, "chebyshev", period=4)
    stored = generic_like(case(sharing, "LSTM").shapes, seed=11)
    found = expand(sharing, stored, T)
    phi = chebyshev.chebvander(np.minimum(np.arange(T) / 2 - 1, 1), 2)[:, 1:]
    bias = stored["base"]["input"]["bias"] + phi @ stored["encoding"]["input"]["bias"]
    assert_close(found["input"]["bias"], bias.astype(np.float32), 1e-6)
    for name in ("input", "recurrent"):
        base = stored["base"][name]["kernel"]
        assert_equal(found[name]["kernel"], np.stack([base] * T))

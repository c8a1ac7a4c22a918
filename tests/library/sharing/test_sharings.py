"""Sharings against their docstrings: limits, unseen steps, sizes, parts, errors."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.interpolate
from flax import nnx
from numpy.polynomial import chebyshev

from rnnshare import (
    RNN,
    Basis,
    Cyclic,
    Drift,
    ElmanCell,
    GRUCell,
    Hypernetwork,
    LowRank,
    LSTMCell,
    Mixture,
    Partition,
    Scaled,
    Segments,
    Tied,
    TimeInput,
    Untied,
    expand,
    num_parameters,
)
from rnnshare.sharing.time_functions import KINDS, time_functions
from rnnshare.sharing.unseen import resolve_steps
from tests.library.law_cases import (
    B,
    D,
    H,
    T,
    assert_close,
    assert_equal,
    assert_equal_to_rounding,
    case,
    generic,
    generic_like,
)

KEY = jax.random.key(5)


def learned(size, num_steps, **options):
    return Hypernetwork(size, "learned", num_steps=num_steps, **options)


def weights_of_one(cell="LSTM"):
    return generic_like(case("Tied", cell).shapes, seed=7)


def at(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


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


# Limits

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


@pytest.mark.parametrize("name", STARTS)
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


# Unseen steps

FINITE = {
    "Untied": Untied(4),
    "Segments": Segments(5, 3),
    "Mixture": Mixture(5, 3),
    "Mixture-free": Mixture(4, 2, kind="free"),
    "LowRank": LowRank(4, 1),
    "LowRank-of-Cyclic": LowRank(4, 1, base=Cyclic(3)),
    "LowRank-no-rank-of-Cyclic": LowRank(4, 0, base=Cyclic(3)),
    "Scaled": Scaled(4),
    "Scaled-of-Cyclic": Scaled(4, base=Cyclic(3)),
    "Hypernetwork": learned(2, 4),
}
POLICY_PAIRS = [(name, p) for name, s in FINITE.items() for p in s.policies]
policies = pytest.mark.parametrize(
    ("name", "policy"), POLICY_PAIRS, ids=["-".join(p) for p in POLICY_PAIRS]
)


def by_definition(sharing, stored, policy, count):
    """The weights of `count` steps from those of the T seen ones."""
    limit = sharing.num_steps
    seen = jax.tree.map(np.asarray, expand(sharing, stored, limit))
    steps = np.arange(count)
    if policy == "stretch":
        return at(seen, steps * limit // count)
    if policy == "cycle":
        return at(seen, steps % limit)
    if policy == "hold":
        return at(seen, np.minimum(steps, limit - 1))
    if policy == "mean":
        tail = jax.tree.map(lambda w: np.stack([w.mean(0)] * (count - limit)), seen)
    else:
        base = expand(sharing.base, stored["base"], count)
        tail = jax.tree.map(lambda w: np.asarray(w[limit:]), base)
    return jax.tree.map(lambda w, u: np.concatenate([w, u]), seen, tail)


@policies
def test_unseen_steps_read_what_the_policy_says(name, policy):
    sharing = FINITE[name]
    chosen = dataclasses.replace(sharing, beyond=policy)
    limit = sharing.num_steps
    stored = generic_like(case(sharing, "LSTM").shapes, seed=12)
    if policy == "error":
        message = f"holds weights for {limit} steps, but the inputs have {limit + 1}"
        with pytest.raises(ValueError, match=message):
            expand(chosen, stored, limit + 1)
        return
    count = 2 * limit if policy == "stretch" else 4 * limit + 1
    found = expand(chosen, stored, count)
    assert_close(found, by_definition(sharing, stored, policy, count), 1e-6)
    kernel = found["recurrent"]["kernel"]
    if policy == "stretch":
        # Of one array, but not of one place in its loops: a sum of K products each.
        assert_equal_to_rounding(kernel[::2], kernel[1::2], 8)
    assert float(jnp.ptp(kernel, axis=0).max()) > 0.1 or "no-rank" in name


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("Untied", "hold"),
        ("Untied", "cycle"),
        ("Untied", "mean"),
        ("Segments", "mean"),
        ("Mixture", "mean"),
        ("LowRank-of-Cyclic", "base"),
        ("Scaled-of-Cyclic", "base"),
        ("Hypernetwork", "hold"),
    ],
)
def test_traced_steps_read_the_same(name, policy):
    """In chunks, from a start that is traced."""
    sharing = dataclasses.replace(FINITE[name], beyond=policy)
    stored = generic_like(case(sharing, "LSTM").shapes, seed=12)
    c = case(sharing, "LSTM")

    @jax.jit
    def chunk(start):
        steps = resolve_steps(sharing, 3, start=start)
        common, per_step = sharing.split(stored, steps)
        return jax.vmap(lambda _, t: sharing.merge(common, t))(steps, per_step)

    whole = expand(c.sharing, stored, 21)
    for start in (0, 3, 18):
        assert_close(chunk(start), at(whole, slice(start, start + 3)), 1e-6)


def test_parts_follow_their_own_policies():
    parts = {"recurrent": Untied(4, beyond="hold"), "kernel": LowRank(5, 1, Cyclic(3))}
    parts["kernel"] = dataclasses.replace(parts["kernel"], beyond="base")
    sharing = Partition(parts, rest=Mixture(3, 2, beyond="mean"))
    stored = generic_like(case(sharing, "LSTM").shapes, seed=13)
    found = expand(sharing, stored, 17)
    assert sharing.num_steps == 3
    for label, leaf in [
        ("recurrent", ("recurrent", "kernel")),
        ("kernel", ("input", "kernel")),
        ("rest", ("input", "bias")),
    ]:
        member = sharing.members[label]
        plain = dataclasses.replace(member, beyond="error")
        each = by_definition(plain, stored[label], member.beyond, 17)
        assert_close(found[leaf[0]][leaf[1]], each[leaf[0]][leaf[1]], 1e-6)
    strict = Partition(parts | {"kernel": Untied(4)})
    stored = generic_like(case(strict, "LSTM").shapes, 1)
    with pytest.raises(ValueError, match=r"Untied\(num_steps=4\) holds weights for 4"):
        expand(strict, stored, 5)


@pytest.mark.parametrize(
    "sharing",
    [Basis(3, period=5), TimeInput(3, period=5), Hypernetwork(2, period=5), Cyclic(5)],
    ids=repr,
)
def test_fourier_functions_repeat(sharing):
    weights = expand(sharing, generic_like(case(sharing, "LSTM").shapes, 14), 21)
    steps = np.arange(21)
    assert_close(weights, at(weights, steps % 5), 1e-6)
    assert float(jnp.ptp(weights["input"]["bias"], axis=0).max()) > 0.1


@pytest.mark.parametrize("kind", ["chebyshev", "bspline"])
@pytest.mark.parametrize("make", [Basis, TimeInput])
def test_polynomials_hold_from_the_period_on(make, kind):
    sharing = make(5, kind, period=5)
    weights = expand(sharing, generic_like(case(sharing, "LSTM").shapes, 14), 21)
    bias = weights["input"]["bias"]
    for t in (6, 7, 20):
        assert_equal_to_rounding(bias[t], bias[5], 1 + 5)  # a base and 5 products
    assert float(jnp.abs(bias[5] - bias[4]).max()) > 0.01


def test_drift_goes_on():
    sharing = Drift(unit=3)
    stored = generic_like(case(sharing, "LSTM").shapes, 14)
    kernel = expand(sharing, stored, 25)["recurrent"]["kernel"]
    first, rate = stored["templates"]["recurrent"]["kernel"]
    for t in (0, 6, 7, 24):
        assert_close(kernel[t], first + np.float32(t / 3) * rate, 1e-6)


# Functions of time


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_bsplines_are_scipys(count):
    period, steps = 10.0, np.arange(14)
    found = time_functions("bspline", count, period, steps)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    assert (found >= 0).all()
    degree = min(3, count - 1)
    inner = np.linspace(0, period, count - degree + 1)
    knots = np.concatenate([[0.0] * degree, inner, [period] * degree])
    place = np.minimum(steps, period)
    expected = scipy.interpolate.BSpline.design_matrix(place, knots, degree).toarray()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_chebyshev_and_fourier_are_the_textbooks():
    steps = np.arange(14)
    found = time_functions("chebyshev", 7, 10.0, steps)
    expected = chebyshev.chebvander(np.minimum(steps / 5 - 1, 1), 6)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    angle = 2 * np.pi * steps / 7.5
    expected = [
        np.ones(14),
        np.cos(angle),
        np.sin(angle),
        np.cos(2 * angle),
        np.sin(2 * angle),
        np.cos(3 * angle),
    ]
    found = time_functions("fourier", 6, 7.5, steps)
    np.testing.assert_allclose(found, np.stack(expected, axis=1), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("period", [7, 32.0, 100.5])
def test_traced_steps_have_the_functions_of_static_ones(kind, period):
    steps = np.array([0, 1, 6, 7, 31, 32, 100, 1000], np.int32)
    traced = jax.jit(lambda steps: time_functions(kind, 6, period, steps))(steps)
    assert traced.dtype == jnp.float32
    assert time_functions(kind, 6, period, steps).dtype == np.float64
    np.testing.assert_allclose(
        traced, time_functions(kind, 6, period, steps), atol=3e-5
    )


# Sizes

CELLS = ("LSTM", "GRU", "Elman", "nnx.GRU", "nnx.OptimizedLSTM")
PARAMETERS = {  # of one cell, by hand
    "LSTM": 4 * H * (D + H + 1),
    "GRU": 3 * H * (D + H + 2),
    "Elman": H * (D + H + 1),
    "nnx.GRU": 3 * H * (D + H + 1),
    "nnx.OptimizedLSTM": 4 * H * (D + H + 1),
}


@pytest.mark.parametrize("steps", [1, 7, 64])
@pytest.mark.parametrize("cell", CELLS)
def test_stored_parameters_are_the_docstrings(cell, steps):
    leaves = jax.tree.leaves(case("Tied", cell).shapes)
    kernels = [leaf.shape for leaf in leaves if len(leaf.shape) == 2]
    biases = sum(leaf.shape[0] for leaf in leaves if len(leaf.shape) == 1)
    P, K, E, F, r = PARAMETERS[cell], 3, 4, 5, 2
    ins, outs = (sum(shape[i] for shape in kernels) for i in (0, 1))
    half = (steps + 1) // 2
    formulas = {
        Tied(): P,
        Untied(steps): steps * P,
        Segments(steps, half): half * P,
        Cyclic(K): K * P,
        Mixture(steps, K): K * P + steps * K,
        Mixture(steps, K, kind="free"): K * P + steps * K,
        Basis(K): K * P,
        Basis(K, "bspline"): K * P,
        Drift(): 2 * P,
        Hypernetwork(E): (E + 1) * P + E * (E + 1),
        learned(E, steps): (E + 1) * P + E * (E + 1) + steps * E,
        LowRank(steps, r): P + steps * (r * (ins + outs) + biases),
        LowRank(steps, 0): P,
        LowRank(steps, r, Cyclic(K)): K * P + steps * (r * (ins + outs) + biases),
        Scaled(steps): P + steps * (outs + biases),
        TimeInput(F): P + F * biases,
        Partition({"kernel": Untied(steps)}): steps * (P - biases) + biases,
        Partition({"kernel": Drift(), "bias": Untied(steps)}): (
            2 * (P - biases) + steps * biases
        ),
    }
    for sharing, count in formulas.items():
        init = functools.partial(sharing.init, init_cell=case("Tied", cell).init_cell)
        assert num_parameters(jax.eval_shape(init, KEY)) == count, sharing


# Partition

THREE = {"recurrent": Tied(), "bias": Tied()}


@pytest.mark.parametrize("gates", [(), LSTMCell.gates])
@pytest.mark.parametrize("parts", [THREE, {"kernel": Tied()}], ids=list)
def test_tied_parts_start_as_tied_to_the_bit(parts, gates):
    c = case("Tied", "LSTM")
    sharing = Partition(parts, gates=gates)
    stored = sharing.init(KEY, c.init_cell)
    tied = c.init_cell(KEY)
    assert num_parameters(stored) == num_parameters(tied) == PARAMETERS["LSTM"]
    merged = sharing.merge(*sharing.split(stored, np.arange(1)))
    assert jax.tree.structure(merged) == jax.tree.structure(tied)
    assert_equal(merged, tied)


def test_parts_hold_what_they_own_and_nothing_else():
    shapes = case(Partition({"recurrent": Untied(T)}), "LSTM").shapes
    assert shapes["recurrent"]["input"] == {"kernel": None, "bias": None}
    assert shapes["rest"]["recurrent"] == {"kernel": None}
    assert shapes["recurrent"]["recurrent"]["kernel"].shape == (T, H, 4 * H)
    assert shapes["rest"]["input"]["kernel"].shape == (D, 4 * H)


def by_layer(path):
    return "out" if path[0] == "recurrent" else "rest"


OWNERS = [
    ({"recurrent.kernel": Drift()}, (), None, {"recurrent.kernel": "recurrent.kernel"}),
    ({"bias": Drift()}, (), None, {"input.bias": "bias", "recurrent.bias": "bias"}),
    (  # the first label wins
        {"recurrent": Drift(), "kernel": Tied()},
        (),
        None,
        {
            "recurrent.kernel": "recurrent",
            "recurrent.bias": "recurrent",
            "input.kernel": "kernel",
        },
    ),
    (
        {"kernel": Drift(), "recurrent": Tied()},
        (),
        None,
        {
            "recurrent.kernel": "kernel",
            "input.kernel": "kernel",
            "recurrent.bias": "recurrent",
        },
    ),
    (
        {"input.z": Drift(), "recurrent.bias.n": Drift()},
        GRUCell.gates,
        None,
        {
            "input.kernel.z": "input.z",
            "input.bias.z": "input.z",
            "recurrent.bias.n": "recurrent.bias.n",
        },
    ),
    (
        {"out": Drift()},
        (),
        by_layer,
        {"recurrent.kernel": "out", "recurrent.bias": "out"},
    ),
]


@pytest.mark.parametrize("row", range(len(OWNERS)))
def test_labels_own_what_they_name(row):
    parts, gates, label_of, expected = OWNERS[row]
    sharing = Partition(parts, gates=gates, label_of=label_of)
    shapes = case("Tied", "GRU").shapes
    weights = jax.tree.map(lambda s: np.zeros(s.shape), shapes)
    owned = {}
    for label, part in sharing.parts_of(weights).items():
        for path, leaf in jax.tree_util.tree_leaves_with_path(part):
            owned[".".join(key.key for key in path)] = label
            assert leaf.shape[-1] == (H if gates else 3 * H)
    count = 4 * max(1, len(gates))
    assert len(owned) == count
    assert {name: x for name, x in owned.items() if x != "rest"} == expected


def test_a_gate_is_its_columns():
    """The forget gate alone moves, and it is columns H to 2 H."""
    sharing = Partition({"recurrent.f": Untied(T)}, gates=LSTMCell.gates)
    stored = generic_like(case(sharing, "LSTM").shapes, seed=15)
    weights = expand(sharing, stored)
    moves = np.ptp(weights["recurrent"]["kernel"], axis=0).max(axis=0) > 0
    np.testing.assert_array_equal(moves, np.arange(4 * H) // H == 1)
    assert np.ptp(weights["input"]["kernel"], axis=0).max() == 0


def test_partitions_print_compare_hash_and_are_static():
    one = Partition({"recurrent": Untied(28)})
    assert repr(one) == "Partition({'recurrent': Untied(num_steps=28)})"
    assert repr(Partition({"f": Tied()}, Cyclic(2), LSTMCell.gates)) == (
        "Partition({'f': Tied()}, rest=Cyclic(period=2), gates=('i', 'f', 'g', 'o'))"
    )
    twin = Partition({"recurrent": Untied(28)}, gates=[])
    others = [
        Partition({"recurrent": Untied(27)}),
        Partition({"kernel": Untied(28)}),
        Partition({"recurrent": Untied(28)}, rest=Cyclic(2)),
        Partition({"recurrent": Untied(28)}, gates=("r",)),
        Partition({"recurrent": Untied(28)}, label_of=by_layer),
    ]
    assert one == twin
    assert len({one, twin, *others}) == 6
    traces = []

    @functools.partial(jax.jit, static_argnums=0)
    def run(sharing, x):
        traces.append(sharing)
        return 2 * x

    for sharing in (one, twin, others[0]):
        run(sharing, 1.0)
    assert traces == [one, others[0]]


@pytest.mark.parametrize(
    "sharing",
    [
        Basis(3),
        Mixture(4, 2, beyond="mean"),
        LowRank(4, 2, base=Cyclic(2)),
        Scaled(3),
        Drift(2.0),
        learned(2, 4),
        TimeInput(3),
    ],
    ids=repr,
)
def test_sharings_are_what_they_print(sharing):
    """So they compare equal and hash alike as well."""
    again = eval(repr(sharing), globals())
    assert again == sharing
    assert hash(again) == hash(sharing)
    assert again is not sharing


@pytest.mark.parametrize("gates", [(), LSTMCell.gates])
def test_partitions_train_in_a_layer(gates):
    sharing = Partition({"recurrent": LowRank(5, 1), "bias": Untied(5)}, gates=gates)
    rnn = RNN(functools.partial(LSTMCell, 3, 4), sharing, rngs=nnx.Rngs(0))
    x, y = generic((2, 5, 3), 1), generic((2, 5, 4), 2)
    graphdef, state = nnx.split(rnn)
    optimiser = optax.sgd(1.0)

    @jax.jit
    def train(state, memory):
        def loss(state):
            return jnp.mean((nnx.merge(graphdef, state)(x) - y) ** 2)

        value, gradient = jax.value_and_grad(loss)(state)
        updates, memory = optimiser.update(gradient, memory)
        return value, optax.apply_updates(state, updates), memory

    memory, losses = optimiser.init(state), []
    for _ in range(20):
        value, state, memory = train(state, memory)
        losses.append(float(value))
    assert losses[-1] < 0.95 * losses[0]
    weights = expand(sharing, nnx.merge(graphdef, state).stored, 5)
    for one, other, differs in [
        ("recurrent", "kernel", True),
        ("input", "bias", True),
        ("input", "kernel", False),
    ]:
        assert bool(np.ptp(weights[one][other], axis=0).max() > 1e-3) == differs


# Errors


def init(sharing, cell="LSTM"):
    return lambda: sharing.init(KEY, case("Tied", cell).init_cell)


def no_such_label(path):
    return "elsewhere"


ERRORS = {
    "unknown label": (
        init(Partition({"recurent": Untied(T)})),
        r"nothing is left for the label 'recurent'\. The cell has input\.bias, "
        r"input\.kernel, recurrent\.kernel, and the first label that fits owns",
    ),
    "label without a leaf left": (
        init(Partition({"kernel": Tied(), "recurrent.kernel": Untied(T)})),
        r"nothing is left for the label 'recurrent\.kernel'",
    ),
    "gates": (
        init(Partition({"f": Tied()}, gates=("r", "f", "n"))),
        r"cuts the last axis into 3 gates, but a leaf has shape \(16,\)\. Use the gat",
    ),
    "rest": (
        lambda: Partition({"rest": Tied()}),
        r"'rest' is no label\. Use Partition",
    ),
    "label_of": (
        init(Partition({"out": Tied()}, label_of=no_such_label)),
        r"label_of\('input', 'bias'\) is 'elsewhere'\. Use one of 'out', 'rest'",
    ),
    "stretch in a part": (
        lambda: Partition({"kernel": Untied(4, beyond="stretch")}),
        r"stretches over whole sequences.*Use beyond='hold' or 'cycle' inside",
    ),
    "stretch as rest": (
        lambda: Partition({}, rest=Mixture(4, 2, beyond="stretch")),
        r"Partition: Mixture\(.*stretches over whole sequences",
    ),
    "stretch as base": (
        lambda: LowRank(4, base=Segments(4, 2, beyond="stretch")),
        r"LowRank: Segments\(.*stretches over whole sequences",
    ),
    "kind of Basis": (
        lambda: Basis(3, "splines"),
        r"Basis: kind is 'splines'\. Use one of 'fourier', 'chebyshev', 'bspline'",
    ),
    "kind of Mixture": (
        lambda: Mixture(3, kind="hard"),
        r"Mixture: kind is 'hard'\. Use one of 'softmax', 'free'",
    ),
    "kind of TimeInput": (lambda: TimeInput(3, "sin"), r"TimeInput: kind is 'sin'"),
    "kind of Hypernetwork": (
        lambda: Hypernetwork(3, "chebyshev"),
        r"Hypernetwork: kind is 'chebyshev'\. Use one of 'fourier', 'learned'",
    ),
    "period": (lambda: Basis(3, period=0), r"Basis: period is 0\. Use a positive num"),
    "endless": (lambda: TimeInput(3, period=float("inf")), r"TimeInput: period is inf"),
    "unit": (lambda: Drift(-1.0), r"Drift: unit is -1\.0\. Use a positive number"),
    "learned": (
        lambda: Hypernetwork(3, "learned"),
        r"a learned embedding needs num_steps.*Use kind='learned' with num_steps=",
    ),
    "Fourier with steps": (
        lambda: Hypernetwork(3, num_steps=4),
        r"a Fourier one is defined at every step",
    ),
    "policy of a base": (
        lambda: LowRank(4, beyond="mean"),
        r"LowRank: beyond is 'mean'\. Use one of .*'base'",
    ),
    "policy of a mixture": (
        lambda: Mixture(4, beyond="base"),
        r"Mixture: beyond is 'base'\. Use one of .*'mean'",
    ),
    "no biases": (
        lambda: TimeInput(3).init(KEY, lambda key: {"kernel": jnp.ones((2, 2))}),
        r"moves the biases of a cell, but this one has none\. Use a cell with biases",
    ),
    "rank": (lambda: LowRank(4, rank=-1), r"LowRank: rank is -1\. Use at least 1"),
    "templates": (lambda: Mixture(4, 0), r"Mixture: num_templates is 0\. Use at least"),
    "stack": (
        lambda: expand(Mixture(4, 2), {"templates": {"w": np.ones((3, 5))}}),
        r"stores leaves of \[2, \.\.\.\], but got one of shape \(3, 5\)",
    ),
    "no number": (
        lambda: expand(Partition({"w": Tied()}), {}),
        r"is defined at every step, so expand needs to know",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_the_way_out(name):
    call, error = ERRORS[name]
    with pytest.raises(ValueError, match=error):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: Partition({"kernel": "untied"}),
        lambda: LowRank(4, base="tied"),
        lambda: Scaled(4, base=3),
    ],
)
def test_members_must_be_sharings(call):
    with pytest.raises(TypeError, match=r"is no Sharing\. Use Tied\(\)"):
        call()


def test_cells_without_gates_of_their_own_partition_too():
    rnn = RNN(
        functools.partial(ElmanCell, D, H),
        Partition({"h": Untied(T)}, gates=ElmanCell.gates),
        rngs=nnx.Rngs(0),
    )
    assert num_parameters(rnn.stored) == T * PARAMETERS["Elman"]
    assert rnn(generic((B, T, D), 1)).shape == (B, T, H)

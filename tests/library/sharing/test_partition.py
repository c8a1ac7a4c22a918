"""`Partition`: who owns which part, and that it trains."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rnnshare import (
    RNN,
    Cyclic,
    Drift,
    ElmanCell,
    GRUCell,
    LowRank,
    LSTMCell,
    Partition,
    Tied,
    Untied,
    expand,
    num_parameters,
)
from tests.library.law_cases import (
    B,
    D,
    H,
    T,
    assert_equal,
    case,
    generic,
    generic_like,
)
from tests.library.sharing.sharing_cases import KEY, PARAMETERS

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
    "gates", [(), pytest.param(LSTMCell.gates, marks=pytest.mark.slow)]
)
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


def test_cells_without_gates_of_their_own_partition_too():
    rnn = RNN(
        functools.partial(ElmanCell, D, H),
        Partition({"h": Untied(T)}, gates=ElmanCell.gates),
        rngs=nnx.Rngs(0),
    )
    assert num_parameters(rnn.stored) == T * PARAMETERS["Elman"]
    assert rnn(generic((B, T, D), 1)).shape == (B, T, H)

"""`convert`: from tied to anything, to untied, and what the target can say is kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare import (
    Basis,
    Cyclic,
    Drift,
    LowRank,
    LSTMCell,
    Mixture,
    Partition,
    Scaled,
    Schedule,
    Segments,
    Tied,
    TimeInput,
    Untied,
    expand,
)
from rnnshare.sharing.conversion import convert
from rnnshare.sharing.measures import distance
from tests.cases import with_slow
from tests.library.law_cases import (
    FORMS,
    ONE_PART,
    SHARINGS,
    T,
    assert_close,
    assert_equal,
    assert_equal_to_rounding,
    case,
    generic,
)
from tests.library.sharing.conversion_cases import copies, describe, stored_in, through

TARGETS = [(name, "LSTM") for name in (*SHARINGS, *FORMS)]
TARGETS += [(n, "nnx.GRU") for n in ("Segments", "Mixture", "LowRank", "TimeInput")]
# What a partition of several parts obeys, one of one does; cells differ in shapes.
OF_A_KIND = {(n, "LSTM") for n in (*SHARINGS, *FORMS) if n not in ONE_PART}
OF_A_KIND |= {("LowRank", "nnx.GRU"), ("Partition-Cyclic", "LSTM")}
by_target = pytest.mark.parametrize(("name", "cell"), with_slow(TARGETS, OF_A_KIND))


def selects(sharing):
    """Whether the weights of a step are some of those stored, without arithmetic."""
    if isinstance(sharing, Partition):
        return all(map(selects, sharing.members.values()))
    return isinstance(sharing, Tied | Untied | Segments | Cyclic | Schedule)


# From tied to anything


@by_target
def test_tied_goes_to_anything(name, cell):
    target = case(name, cell).sharing
    weights = stored_in("Tied", cell)
    stored = convert(weights, Tied(), target)
    assert describe(stored) == describe(case(name, cell).shapes)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(stored))
    expected, found = copies(weights, T), expand(target, stored, T)
    if selects(target):
        assert_equal(found, expected)
    else:  # a sum of templates, the coefficient of one of them nearly one
        assert_equal_to_rounding(found, expected, 1 + T)


LEAVING = [pair for pair in TARGETS if pair[0] not in ("Tied", "Partition-Tied")]


@pytest.mark.parametrize(("name", "cell"), with_slow(LEAVING, OF_A_KIND))
def test_gradient_steps_leave_the_tied_model(name, cell):
    target = case(name, cell).sharing
    stored = convert(stored_in("Tied", cell), Tied(), target)

    @jax.jit
    def descend(stored):
        def loss(stored):
            weights = jax.tree.leaves(expand(target, stored, T))
            return sum(
                jnp.sum(w * generic(w.shape, i) + (w * generic(w.shape, i + 50)) ** 2)
                for i, w in enumerate(weights)
            )

        gradient = jax.grad(loss)(stored)
        moved = jax.tree.map(lambda w, g: w - 0.1 * g, stored, gradient)
        return expand(target, moved, T)

    weights = descend(stored)
    moved = max(float(jnp.ptp(w, axis=0).max()) for w in jax.tree.leaves(weights))
    assert moved > 1e-3


# From anything to untied, and where the target can say the same


# One that selects, of factors, of functions, of parts, and one of a bias alone.
OF_A_FORM = {(n, "LSTM") for n in ("Segments", "LowRank", "Basis", "TimeInput")}
OF_A_FORM |= {("Partition-of-three", "LSTM"), ("LowRank", "nnx.GRU")}


@pytest.mark.parametrize(("name", "cell"), with_slow(TARGETS, OF_A_FORM))
def test_anything_goes_to_untied(name, cell):
    sharing = case(name, cell).sharing
    stored = stored_in(sharing, cell)
    weights = expand(sharing, stored, T)
    # `convert` calls `expand`, and what is untied is stored as it comes.
    assert_equal(convert(stored, sharing, Untied(T)), weights)


EXACT = {
    "Segments to finer": (Segments(T, 2), Segments(T, 6), 0),
    "Segments to Mixture": (Segments(T, 3), Mixture(T, 3), 1e-6),
    "Segments to Schedule": (Segments(T, 2), Schedule((1, 2, 1, 0, 3, 0)), 0),
    "Schedule to Mixture": (Schedule((0, 1, 2, 2, 1, 0)), Mixture(T, 3), 1e-6),
    "Untied to Mixture": (Untied(T), Mixture(T, T), 1e-6),
    "Untied to free Mixture": (Untied(T), Mixture(T, T, kind="free"), 1e-5),
    "Segments to fewer free": (Segments(T, 3), Mixture(T, 4, kind="free"), 1e-5),
    "Untied to full rank": (Untied(T), LowRank(T, 4), 1e-5),
    "Untied to full rank of Cyclic": (Untied(T), LowRank(T, 9, base=Cyclic(2)), 1e-5),
    "Cyclic to LowRank of Cyclic": (Cyclic(2), LowRank(T, 1, base=Cyclic(2)), 1e-6),
    "a cycle to a base of its own steps": (
        Schedule((1, 0, 0), beyond="cycle"),
        Scaled(T, base=Schedule((1, 0, 0), beyond="cycle")),
        1e-6,
    ),
    "Untied to LowRank of fewer": (
        Untied(3, beyond="cycle"),
        LowRank(T, 1, base=Untied(3, beyond="cycle")),
        1e-6,
    ),
    "Untied to parts of other lengths": (
        Untied(T),
        Partition({"kernel": Untied(T)}, Untied(T + 2)),
        0,
    ),
    "Untied to Fourier": (Untied(T), Basis(T, period=T), 1e-5),
    "Untied to Chebyshev": (Untied(T), Basis(T, "chebyshev", period=T), 1e-5),
    "Drift to Drift": (Drift(), Drift(unit=7.0), 1e-6),
    "Drift to Chebyshev": (Drift(), Basis(2, "chebyshev", period=T), 1e-6),
    "TimeInput to Basis": (TimeInput(3, period=5), Basis(4, period=5), 1e-6),
    "TimeInput to itself": (TimeInput(3, period=5), TimeInput(3, period=5), 1e-6),
    "Untied to Partition": (Untied(T), Partition({"kernel": Untied(T)}, Untied(T)), 0),
    "by gates": (
        Partition({"f": Cyclic(3)}, gates=LSTMCell.gates),
        Partition({"f": Untied(T)}, gates=LSTMCell.gates),
        1e-6,
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_what_the_target_can_say_is_kept(name):
    source, target, tolerance = EXACT[name]
    stored = stored_in(source)
    weights = expand(source, stored, T)
    found = through(source, target, stored)
    if tolerance:
        assert_close(found, weights, tolerance)
    else:
        assert_equal(found, weights)


@pytest.mark.parametrize(
    "target",
    [
        *(Schedule(range(3)), LowRank(3, 2), Scaled(3, base=Untied(3))),
        *(Mixture(3, 3), Mixture(3, 3, kind="free"), Basis(3, period=3)),
    ],
    ids=repr,
)
def test_each_leaf_keeps_its_dtype(target):
    """Complex ones their imaginary parts, next to real ones of two precisions."""
    real, imaginary, biases = (generic((3, 2, 2), seed) for seed in range(3))
    weights = {
        "kernel": real + 1j * imaginary,
        "bias": biases[:, 0],
        "half": jnp.asarray(biases[:, 1], jnp.bfloat16),
    }
    found = through(Untied(3), target, weights, num_steps=3)
    assert describe(found) == describe(weights)
    half, expected = found.pop("half"), weights.pop("half")
    assert_close(half.astype(jnp.float32), expected.astype(jnp.float32), 0.02)
    assert_close(found, weights, 1e-5)


@pytest.mark.parametrize(
    ("source", "target"),
    [(Cyclic(2), Cyclic(4)), (Cyclic(3), Basis(6, period=6))],
    ids=repr,
)
def test_periods_go_to_their_multiples(source, target):
    """Though neither has a number of steps; and no one says how many to keep."""
    stored = stored_in(source)
    weights = expand(source, stored, 12)
    for options in ({"num_steps": 12}, {}):
        found = convert(stored, source, target, **options)
        assert_close(expand(target, found, 12), weights, 1e-5)


def test_segments_go_to_finer_segments_of_a_longer_model():
    stored = stored_in(Segments(8, 2))
    found = convert(stored, Segments(8, 2), Segments(8, 4))
    finer = jax.tree.map(lambda w: np.repeat(w, 2, axis=0), stored)
    assert_equal_to_rounding(found, finer, 2)  # means of two equal sets


def test_mixtures_cluster_steps_wherever_they_stand():
    """As many templates as distinct steps: the same weights, in any order."""
    centres = stored_in(Untied(3))
    order = np.array([2, 0, 0, 1, 2, 1])
    weights = jax.tree.map(lambda w: w[order], centres)
    assert_close(through(Untied(T), Mixture(T, 3), weights), weights, 1e-6)
    assert distance(weights, through(Untied(T), Mixture(T, 2), weights)) > 0.1

"""`convert`: exact where it can be, and else the projection that it says it is."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnshare import (
    Basis,
    Cyclic,
    Drift,
    Hypernetwork,
    LowRank,
    LSTMCell,
    Mixture,
    Partition,
    Scaled,
    Segments,
    Sharing,
    Tied,
    TimeInput,
    Untied,
    expand,
)
from rnnshare.sharing.conversion import convert, project
from rnnshare.sharing.measures import distance
from tests.library.law_cases import (
    FORMS,
    SHARINGS,
    T,
    assert_close,
    assert_equal,
    assert_equal_to_rounding,
    case,
    generic,
    generic_like,
)

TARGETS = [(name, "LSTM") for name in (*SHARINGS, *FORMS)]
TARGETS += [(n, "nnx.GRU") for n in ("Segments", "Mixture", "LowRank", "TimeInput")]
by_target = pytest.mark.parametrize(
    ("name", "cell"), TARGETS, ids=["-".join(pair) for pair in TARGETS]
)


def stored_in(sharing, cell="LSTM", seed=3):
    """Generic arrays in the shapes of what a sharing stores."""
    return generic_like(case(sharing, cell).shapes, seed)


def describe(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), tree)


def copies(weights, count):
    return jax.tree.map(lambda w: np.repeat(w[None], count, axis=0), weights)


def through(source, target, stored, **options):
    """The weights of the steps after a conversion."""
    num_steps = options.get("num_steps", T)
    return expand(target, convert(stored, source, target, **options), num_steps)


def selects(sharing):
    """Whether the weights of a step are some of those stored, without arithmetic."""
    if isinstance(sharing, Partition):
        return all(map(selects, sharing.members.values()))
    return isinstance(sharing, Tied | Untied | Segments | Cyclic)


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


@pytest.mark.parametrize(
    ("name", "cell"), LEAVING, ids=["-".join(pair) for pair in LEAVING]
)
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


@by_target
def test_anything_goes_to_untied(name, cell):
    sharing = case(name, cell).sharing
    stored = stored_in(sharing, cell)
    weights = expand(sharing, stored, T)
    # `convert` calls `expand`, and what is untied is stored as it comes.
    assert_equal(convert(stored, sharing, Untied(T)), weights)


EXACT = {
    "Segments to finer": (Segments(T, 2), Segments(T, 6), 0),
    "Segments to Mixture": (Segments(T, 3), Mixture(T, 3), 1e-6),
    "Untied to Mixture": (Untied(T), Mixture(T, T), 1e-6),
    "Untied to free Mixture": (Untied(T), Mixture(T, T, kind="free"), 1e-5),
    "Segments to fewer free": (Segments(T, 3), Mixture(T, 4, kind="free"), 1e-5),
    "Untied to full rank": (Untied(T), LowRank(T, 4), 1e-5),
    "Untied to full rank of Cyclic": (Untied(T), LowRank(T, 9, base=Cyclic(2)), 1e-5),
    "Cyclic to LowRank of Cyclic": (Cyclic(2), LowRank(T, 1, base=Cyclic(2)), 1e-6),
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


# Projections


@pytest.mark.parametrize(
    ("target", "owner"),
    [
        (Tied(), [0] * T),
        (Segments(T, 2), [0, 0, 0, 1, 1, 1]),
        (Segments(T, 4), [0, 0, 1, 2, 2, 3]),
        (Cyclic(2), [0, 1] * 3),
        (Cyclic(4), [0, 1, 2, 3, 0, 1]),
    ],
    ids=repr,
)
def test_what_reads_one_set_gets_the_mean(target, owner):
    weights = stored_in(Untied(T))

    def mean(w):
        w = w.astype(np.float64)
        return np.stack([w[np.array(owner) == k].mean(0) for k in owner])

    expected = jax.tree.map(lambda w: mean(w).astype(np.float32), weights)
    found = through(Untied(T), target, weights)
    assert_equal_to_rounding(found, expected, 1)  # from float64


@pytest.mark.parametrize("rank", [1, 3])
def test_low_ranks_are_the_best_ones(rank):
    """Eckart and Young: what is lost is the tail of the singular values."""
    weights = stored_in(Untied(T))
    found = through(Untied(T), LowRank(T, rank), weights)
    kernel = weights["recurrent"]["kernel"].astype(np.float64)
    values = np.linalg.svd(kernel - kernel.mean(0), compute_uv=False)
    lost = np.linalg.norm(found["recurrent"]["kernel"] - kernel, axis=(1, 2))
    expected = np.sqrt(np.sum(values[:, rank:] ** 2, axis=1))
    assert expected.min() > 0.1
    np.testing.assert_allclose(lost, expected, rtol=1e-5)
    assert_close(found["input"]["bias"], weights["input"]["bias"])


def test_gains_are_least_squares_of_every_column():
    weights = stored_in(Untied(T))
    found = convert(weights, Untied(T), Scaled(T))
    kernel = weights["input"]["kernel"].astype(np.float64)
    base = kernel.mean(0)
    expected = [
        [np.linalg.lstsq(base[:, [k]], w[:, k])[0][0] for k in range(base.shape[1])]
        for w in kernel
    ]
    gain = found["correction"]["input"]["kernel"]["gain"]
    np.testing.assert_allclose(gain, expected, rtol=2e-5, atol=1e-5)
    again = expand(Scaled(T), found)
    assert_close(again["input"]["bias"], weights["input"]["bias"])


@pytest.mark.parametrize(
    "target",
    [
        Basis(3, period=5),
        Basis(4, "chebyshev", period=T),
        Basis(5, "bspline", period=T),
        Drift(),
        Hypernetwork(2, period=5),
    ],
    ids=repr,
)
def test_functions_of_time_are_least_squares(target):
    weights = stored_in(Untied(T))
    stored = convert(weights, Untied(T), target)
    c = np.asarray(target.coefficients(stored, np.arange(T)), np.float64)
    hat = c @ np.linalg.pinv(c)
    expected = jax.tree.map(
        lambda w: np.tensordot(hat, w, axes=1).astype(np.float32), weights
    )
    assert_close(expand(target, stored, T), expected, 1e-5)


def test_a_free_mixture_spans_what_steps_have_in_common():
    weights = stored_in(Untied(T))
    rows = np.concatenate([w.reshape(T, -1) for w in jax.tree.leaves(weights)], axis=1)
    found = through(Untied(T), Mixture(T, 2, kind="free"), weights)
    values = np.linalg.svd(rows, compute_uv=False)
    lost = np.sqrt(np.sum(values[2:] ** 2) / np.sum(values**2))
    np.testing.assert_allclose(distance(weights, found), lost, rtol=1e-5)


# Steps, keys and errors


@pytest.mark.parametrize(
    ("source", "target", "count"),
    [
        (Cyclic(5), Untied(T), T),  # the target's
        (Untied(T), Cyclic(4), T),  # else the source's
        (Basis(2, period=4.5), Cyclic(3), 15),  # else a common period of both
        (Tied(), Cyclic(3), 3),
        (Drift(), Tied(), 64),
    ],
    ids=repr,
)
def test_steps_to_keep_by_default(source, target, count):
    stored = stored_in(source)
    found = convert(stored, source, target)
    assert_equal(found, convert(stored, source, target, num_steps=count))


def test_the_number_of_steps_decides_what_is_kept():
    """The mean of a drift, to half the last step."""
    stored = stored_in(Drift())
    first, rate = stored["templates"]["input"]["kernel"]
    for options, count in [({}, 64), ({"num_steps": 9}, 9), ({"num_steps": 1}, 1)]:
        found = convert(stored, Drift(), Tied(), **options)["input"]["kernel"]
        assert_close(found, first + np.float32((count - 1) / 2) * rate, 1e-6)


@pytest.mark.parametrize(
    ("target", "random"),
    [
        (Mixture(T, 3), {"['logits']"}),
        (Mixture(T, 3, kind="free"), {"['coefficients']"}),
        (LowRank(T, 2), {"['u']"}),
        (Hypernetwork(2, "learned", num_steps=T), {"['kernel']", "['embedding']"}),
        (Scaled(T), set()),
        (Basis(3), set()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_key_draws_the_random_parts_only(target, random):
    weights = stored_in("Tied")
    one, same, other = (
        convert(weights, Tied(), target, *key)
        for key in ([], [jax.random.key(0)], [jax.random.key(1)])
    )
    assert_equal(one, same)
    differ = {
        jax.tree_util.keystr(path)
        for path, a in jax.tree_util.tree_leaves_with_path(
            jax.tree.map(np.array_equal, one, other)
        )
        if not a
    }
    assert bool(differ) == bool(random)
    assert all(any(path.endswith(end) for end in random) for path in differ)
    assert all(any(path.endswith(end) for path in differ) for end in random)
    tolerance = 1e-6
    assert_close(expand(target, other, T), copies(weights, T), tolerance)


def test_dtypes_are_kept():
    weights = jax.tree.map(lambda w: jnp.asarray(w, jnp.bfloat16), stored_in("Tied"))
    for target in (Segments(T, 2), Mixture(T, 2), LowRank(T, 1), Basis(2)):
        stored = convert(weights, Tied(), target)
        assert {leaf.dtype for leaf in jax.tree.leaves(stored)} == {jnp.bfloat16.dtype}


@dataclasses.dataclass(frozen=True, repr=False)
class Alternating(Sharing):
    """Two sets, by turns, in a pair."""

    num_steps = None

    def init(self, key, init_cell):
        return [init_cell(k) for k in jax.random.split(key)]

    def split(self, stored, steps):
        return stored, jnp.asarray(steps % 2 == 0)

    def merge(self, common, per_step_t):
        return jax.tree.map(lambda a, b: jnp.where(per_step_t, a, b), *common)


@dataclasses.dataclass(frozen=True, repr=False)
class Unknown(Alternating):
    """The same, without a projection; a subclass, whose parent has none either."""


def test_a_sharing_of_your_own_registers():
    weights = stored_in(Cyclic(2))
    message = r"does not know how to store weights in {}\(\)\. Register it"
    with pytest.raises(TypeError, match=message.format("Unknown")):
        convert(weights, Cyclic(2), Unknown())

    @project.register
    def _(target: Alternating, weights, key):
        return [jax.tree.map(lambda w, i=i: w[i::2].mean(0), weights) for i in range(2)]

    for target in (Alternating(), Partition({"kernel": Alternating()}, Cyclic(2))):
        found = convert(weights, Cyclic(2), target, num_steps=T)
        both = expand(target, found, T), expand(Cyclic(2), weights, T)
        assert_equal_to_rounding(*both, 3)  # means of three equal sets
        back = convert(found, target, Cyclic(2))
        assert_equal_to_rounding(back, weights, 3)


TOO_FEW = {
    "source": (Untied(4), Untied(T), {}, r"holds weights for 4 steps.*have 6"),
    "asked": (Tied(), Untied(T), {"num_steps": 4}, r"stores 6 steps, but 4.*num_steps"),
    "given": (Segments(4, 2), Cyclic(2), {"num_steps": 5}, r"holds weights for 4"),
}


@pytest.mark.parametrize("name", TOO_FEW)
def test_too_few_steps_are_an_error(name):
    source, target, options, error = TOO_FEW[name]
    with pytest.raises(ValueError, match=error):
        convert(stored_in(source), source, target, **options)


@pytest.mark.parametrize(
    "target",
    [Mixture(T, 2), Mixture(T, 2, kind="free"), LowRank(T, 1), Scaled(T),
     Segments(T, 3), Hypernetwork(2, "learned", num_steps=T)],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("num_steps", [4, 9])
def test_other_numbers_of_steps_are_refused_or_stored_in_shape(target, num_steps):
    """What comes back is what the target stores, or it says why not."""
    try:
        stored = convert(stored_in("Tied"), Tied(), target, num_steps=num_steps)
    except ValueError as error:
        assert f"num_steps={T}" in str(error)
    else:
        assert describe(stored) == describe(case(target, "LSTM").shapes)

"""The parameters of a layer, and loading them."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rnnshare import (
    ElmanCell,
    LowRank,
    Mixture,
    Partition,
    Segments,
    Tied,
    Untied,
    convert,
)
from tests.cases import with_slow
from tests.library.law_cases import assert_close
from tests.library.models.rnn_cases import D, H, make


class Frozen(nnx.Param):
    """A parameter that an optimiser is to leave alone."""


class Doubled(nnx.Param):
    """A parameter that reads twice what it holds."""

    def get_value(self, **options):
        return 2 * super().get_value(**options)


class FrozenElmanCell(ElmanCell):
    """An Elman cell whose recurrent kernel is frozen."""

    kind = Frozen

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.recurrent.kernel = self.kind(self.recurrent.kernel[...])


class DoubledElmanCell(FrozenElmanCell):
    kind = Doubled


def by_path(tree):
    return {
        "/".join(map(str, path)): leaf
        for path, leaf in nnx.to_flat_state(nnx.state(tree))
    }


# The parameters.


@pytest.mark.parametrize(
    "sharing",
    with_slow(
        [
            *(Tied(), Untied(3), Segments(3, 2), LowRank(3), Mixture(3, 2)),
            Partition({"kernel": Untied(3)}),
        ],
        [LowRank(3), Mixture(3, 2), Partition({"kernel": Untied(3)})],
    ),
    ids=repr,
)
def test_a_frozen_parameter_stays_frozen_under_a_sharing(sharing):
    """What comes of it is of its class, and stays where it is at every step."""
    model = make(sharing, FrozenElmanCell)
    rest, frozen = nnx.All(nnx.Param, nnx.Not(Frozen)), nnx.state(model, Frozen)
    assert {path[-1] for path, _ in nnx.to_flat_state(frozen)} <= {"kernel", "u", "v"}
    assert all("recurrent" in path for path, _ in nnx.to_flat_state(frozen))
    _, some, others = nnx.split(model, Frozen, ...)
    assert jax.tree.structure(some) == jax.tree.structure(frozen)
    assert not any(isinstance(v, Frozen) for _, v in nnx.to_flat_state(others))

    before = model.stored
    optimizer = nnx.Optimizer(model, optax.sgd(0.1), wrt=rest)
    x = np.random.default_rng(0).normal(size=(2, 3, D)).astype(np.float32)

    @jax.jit
    def gradient(model):
        loss = lambda model: jnp.sum(model(x) ** 2)  # noqa: E731
        return nnx.grad(loss, argnums=nnx.DiffState(0, rest))(model)

    optimizer.update(model, gradient(model))
    for path, variable in by_path(model.weights).items():
        old = functools.reduce(lambda tree, key: tree[key], path.split("/"), before)
        moved = bool(np.any(np.asarray(variable[...]) != np.asarray(old)))
        # The logits of two equal templates have no gradient but rounding's.
        if path != "logits" and not path.endswith("/u"):
            assert moved == (not isinstance(variable, Frozen)), path


def test_plain_parameters_are_held_as_ever():
    """Equal models are equal, split as they did, and hold nothing beside."""
    one, two = nnx.split(make(Untied(3))), nnx.split(make(Untied(3), seed=1))
    assert one[0] == two[0]
    assert hash(one[0]) == hash(two[0])
    assert jax.tree.structure(one[1]) == jax.tree.structure(two[1])
    for variable in by_path(make(Mixture(3, 2))).values():
        assert type(variable) is nnx.Param
        assert variable.get_metadata() == nnx.Param(1).get_metadata()


def test_what_a_parameter_shows_is_computed_once():
    """`stored` is what is held: what the cell shows of it, it shows at each step."""
    x = np.random.default_rng(0).normal(size=(2, 3, D)).astype(np.float32)
    plain, doubled = make(Tied()), make(Tied(), DoubledElmanCell)
    stored = plain.stored
    halved = {**stored, "recurrent": {"kernel": stored["recurrent"]["kernel"] / 2}}
    assert_close(doubled.stored, stored, 1e-6)
    doubled.load(halved)
    assert_close(doubled(x), plain(x), 1e-6)


def test_names_of_axes_are_kept():
    """As `nnx.vmap` does it: an axis of steps comes first, and has no name."""
    named = functools.partial(nnx.with_partitioning, sharding=(None, "model"))
    options = {
        "kernel_init": named(nnx.initializers.lecun_normal()),
        "recurrent_init": named(nnx.initializers.orthogonal()),
    }
    spec = jax.sharding.PartitionSpec
    mesh = jax.make_mesh((2,), ("model",), (jax.sharding.AxisType.Auto,))
    for sharing, path, expected in [
        (Tied(), "input/kernel", spec(None, "model")),
        (Tied(), "recurrent/kernel", spec(None, "model")),
        (Untied(3), "recurrent/kernel", spec(None, None, "model")),
        (Segments(3, 2), "input/kernel", spec(None, None, "model")),
        (LowRank(3), "base/input/kernel", spec(None, "model")),
        (LowRank(3), "correction/input/kernel/u", spec()),
        (LowRank(3), "correction/input/bias", spec()),
        (Mixture(3, 2), "logits", spec()),
    ]:
        with jax.set_mesh(mesh):
            rnn = make(sharing, **options)
        specs = nnx.get_partition_spec(nnx.state(rnn.weights))
        flat = {"/".join(map(str, k)): v for k, v in nnx.to_flat_state(specs)}
        assert flat[path].get_value() == expected, (sharing, path)
        leaf = by_path(rnn.weights)[path]
        assert leaf[...].sharding.is_equivalent_to(
            jax.sharding.NamedSharding(mesh, expected), leaf.ndim
        ), (sharing, path)


# Loading.


def test_a_trained_tied_layer_is_where_an_untied_one_starts():
    tied, untied = make(Tied()), make(Untied(5), seed=1)
    x = np.random.default_rng(0).normal(size=(2, 5, D)).astype(np.float32)
    untied.load(convert(tied.stored, tied.sharing, untied.sharing))
    assert_close(untied(x), tied(x), 1e-6)
    untied.stored = jax.tree.map(np.zeros_like, untied.stored)
    assert not np.any(untied(x))
    assert "stored" not in vars(untied)
    graphdef, _ = nnx.split(untied)
    assert graphdef == nnx.split(make(Untied(5)))[0]


def test_what_numpy_changes_later_is_not_loaded():
    rnn = make(Tied())
    arrays = jax.tree.map(np.array, rnn.stored)
    rnn.load(arrays)
    arrays["input"]["bias"][:] = 7
    assert not np.any(rnn.stored["input"]["bias"])


def test_traced_arrays_are_loaded():
    rnn = make(Tied())

    @jax.jit
    def loaded(rnn, scale):
        rnn.load(jax.tree.map(lambda w: w * scale, rnn.stored))
        return rnn

    chex.assert_trees_all_equal(
        loaded(rnn, 2.0).stored, jax.tree.map(lambda w: 2 * w, rnn.stored)
    )


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (
            lambda s: {**s, "recurrent": {"kernel": jnp.ones((H, 9))}},
            ValueError,
            r"^recurrent/kernel is \(4, 4\) here, but \(4, 9\) was given. Build the",
        ),
        (
            lambda s: {**s, "input": {**s["input"], "bias": np.zeros(H)}},
            TypeError,
            r"^input/bias is float32 here, but float64 was given. Load .*'float32'",
        ),
        (
            lambda s: {"input": s["input"]},
            ValueError,
            "^recurrent/kernel is missing: input/bias, input/kernel was given. Give",
        ),
        (
            lambda s: {**s, "scale": jnp.ones(H)},
            ValueError,
            "^scale was given, but there is none here. Give input/bias, input/kernel,",
        ),
        (
            lambda s: {**s, "recurrent": {"kernel": "w.npy"}},
            TypeError,
            "^recurrent/kernel must be an array, but 'w.npy' was given",
        ),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_loaded(change, error, text):
    rnn = make(Tied())
    before = rnn.stored
    given = change(jax.tree.map(lambda w: w + 1, before))
    with pytest.raises(error, match=text):
        rnn.load(given)
    with pytest.raises(error, match=text):
        rnn.stored = given
    chex.assert_trees_all_equal(rnn.stored, before)

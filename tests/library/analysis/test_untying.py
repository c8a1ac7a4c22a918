"""The score test: its errors under tied weights, its power, and what is advised."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rnnshare import (
    Basis,
    Cyclic,
    ElmanCell,
    GRUCell,
    LowRank,
    Partition,
    Tied,
    convert,
    tasks,
    unroll,
)
from rnnshare.analysis import dispersion_of, untying
from rnnshare.analysis.score_tests import ScoreTest, example_gradients, score_test
from rnnshare.cells.blueprint import Blueprint, pure_params
from rnnshare.models.rnn import step_of
from rnnshare.tasks import Batch
from rnnshare.training.fitting import Recipe, fit
from rnnshare.training.setting import Setting
from tests.cases import with_slow

T, D, H, N, SEEDS = 10, 2, 3, 200, 400
MAKE = functools.partial(ElmanCell, D, H)
STEP = step_of(Blueprint.of(MAKE))
BASIS = Basis(4, "chebyshev", period=T - 1)


def predict(sharing, params, x):
    _, h = unroll(STEP, sharing, params["cell"], x, jnp.zeros(H))
    return h @ params["out"]


def scores_under_tied_weights(seed):
    """Data from a tied teacher, a student of its form trained on them, its scores."""
    keys = jax.random.split(jax.random.key(seed), 5)
    cell = pure_params(MAKE(rngs=nnx.Rngs(keys[0])))
    teacher = {"cell": cell, "out": jax.random.normal(keys[1], (H,))}
    x = jax.random.normal(keys[2], (N, T, D))
    y = jax.vmap(functools.partial(predict, Tied(), teacher))(x)
    y += 0.5 * jax.random.normal(keys[3], y.shape)
    start = jax.tree.map(
        lambda w: w + 0.1 * jax.random.normal(keys[4], w.shape), teacher
    )

    def loss(params):
        outputs = jax.vmap(functools.partial(predict, Tied(), params))(x)
        return jnp.mean((outputs - y) ** 2)

    optimizer = optax.adam(optax.cosine_decay_schedule(3e-2, 300))

    def train(state, _):
        params, moments = state
        updates, moments = optimizer.update(jax.grad(loss)(params), moments)
        return (optax.apply_updates(params, updates), moments), None

    with jax.numpy_dtype_promotion("standard"):
        (params, _), _ = jax.lax.scan(
            train, (start, optimizer.init(start)), None, length=300
        )
    templates = jax.tree.map(
        lambda w: jnp.concatenate([w[None], jnp.zeros((3, *w.shape))]), params["cell"]
    )

    def of_example(params, example):
        return jnp.mean((predict(BASIS, params, example[0]) - example[1]) ** 2)

    at_tied = params | {"cell": {"templates": templates}}
    found = jax.vmap(lambda x, y: jax.grad(of_example)(at_tied, (x, y)))(x, y)
    return found["cell"]["templates"], found["out"]


@pytest.mark.slow
def test_false_positive_rate_with_data_from_a_tied_teacher():
    """At level 0.05 between 0.02 and 0.08 over 400 seeds, for every group."""
    # It trains long enough for the optimised program to pay for its compilation.
    options = {"xla_backend_optimization_level": 3}
    run = jax.jit(jax.vmap(scores_under_tied_weights), compiler_options=options)
    rejected: dict[str, list[bool]] = {}
    for first in range(0, SEEDS, 50):
        scores, nuisance = jax.device_get(run(jnp.arange(first, first + 50)))
        for i in range(50):
            one = jax.tree.map(lambda leaf, i=i: leaf[i], scores)
            tests = score_test(one, nuisance=nuisance[i], num_flips=199, seed=first + i)
            for group, test in tests.items():
                rejected.setdefault(group, []).append(test.p_value <= 0.05)
    assert set(rejected) == {"input", "recurrent", "bias", "all"}
    for group, values in rejected.items():
        assert len(values) == SEEDS
        assert 0.02 <= np.mean(values) <= 0.08, (group, np.mean(values))


@pytest.fixture(scope="module")
def trained():
    """Returns tied models of the drift task at drift 0.2."""
    make_task = functools.partial(tasks.drift, amount=0.2)
    setting = Setting(make_task, GRUCell, Tied(), 16, 1e-2)
    recipe = Recipe(num_steps=300, validate_every=100, patience=None)
    triples = [(make_task(i), i, 1e-2) for i in range(4)]
    return setting, fit(setting.make_model(), recipe, triples)


@pytest.mark.slow
def test_power_at_drift_two_tenths(trained):
    setting, fitted = trained
    rejected = []
    for i, params in enumerate(fitted.params):
        tests = untying.run_tests(
            setting.make_model(),
            params,
            setting.make_task(i),
            untying.alternatives(30),
            num_flips=99,
        )
        rejected.append(tests[untying.SMOOTH]["all"].p_value <= 0.05)
    assert np.mean(rejected) > 0.8


@pytest.fixture(scope="module")
def drawn():
    """Returns a setting of the drift task, and a tied model that is not trained."""
    make_task = functools.partial(tasks.drift, amount=0.2)
    setting = Setting(make_task, GRUCell, Tied(), 16, 1e-2)
    return setting, pure_params(setting.make_model()(rngs=nnx.Rngs(0)))


def test_scores_are_gradients_of_the_tied_model(drawn):
    """Template 0 of the scores is the tied model's own gradient, example by example."""
    setting, params = drawn
    task = setting.make_task(0)
    few = jax.tree.map(lambda leaf: leaf[:5], task.held_out("train"))
    scores, _ = untying.scores_of(
        setting.make_model(),
        params,
        untying.alternatives(30)["smooth drift"],
        task,
        few,
    )
    blueprint = Blueprint.of(setting.make_model())

    def loss(params, example):
        one = jax.tree.map(lambda leaf: leaf[None], example)
        return task.loss(blueprint.bind(params)(one.inputs), one)

    tied = example_gradients(loss, params, few)
    (layer,) = tied["layers"].values()
    for a, b in zip(
        jax.tree.leaves(scores), jax.tree.leaves(layer["weights"]), strict=True
    ):
        np.testing.assert_allclose(a[:, 0], b, atol=1e-5 * np.abs(b).max())


def made(p_value, statistic=5.0, gain=0.1):
    return ScoreTest(statistic, p_value, gain)


def test_advice():
    def tests_of(**groups):
        return {"smooth drift": {name: made(p) for name, p in groups.items()}}

    nothing = untying.advise(tests_of(input=0.3, recurrent=0.6, bias=0.2, all=0.4), 24)
    assert (nothing.text, nothing.sharing) == ("leave it tied", Tied())
    one = untying.advise(tests_of(input=0.001, recurrent=0.6, bias=0.2, all=0.002), 24)
    assert one.text == "untie the input map"
    assert one.sharing == Partition({"input.kernel": LowRank(24, 2)})
    both = untying.advise(
        tests_of(input=0.001, recurrent=0.001, bias=0.2, all=0.001), 9
    )
    assert (both.text, both.sharing) == ("untie all maps", LowRank(9, 2))
    no_gain = {"smooth drift": {"all": made(0.001, gain=-0.1)}}
    assert untying.advise(no_gain, 24).text == "leave it tied"
    little = {"smooth drift": {"all": made(0.001, gain=0.1)}}
    assert untying.advise(little, 24).text == "untie all maps"
    assert untying.advise(little, 24, least_gain=0.2).text == "leave it tied"
    periodic = {
        "smooth drift": {"input": made(0.04), "all": made(0.02)},
        "period 6": {
            "input": made(0.001), "recurrent": made(0.001), "all": made(0.001, 9.0)
        },
    }  # fmt: skip
    best = untying.advise(periodic, 24)
    assert (best.text, best.sharing) == ("period 6", Cyclic(6, same_init=True))
    # Holm over the alternatives: one p-value of 0.03 among two is not enough.
    weak = {name: {"all": made(0.03)} for name in ("smooth drift", "period 6")}
    assert untying.advise(weak, 24).text == "leave it tied"


def test_errors_say_the_way_out(drawn):
    setting, params = drawn
    with pytest.raises(ValueError, match="20 examples, and a Combination of at least"):
        score_test({"input": {"kernel": np.ones((5, 4, 2, 3))}})
    with pytest.raises(ValueError, match="A period of 20 steps does not show in 30"):
        untying.alternatives(30, (20,))
    import dataclasses

    cyclic = dataclasses.replace(setting, sharing=Cyclic(2)).make_model()
    with pytest.raises(ValueError, match="a model of one tied layer, but got Cyclic"):
        untying.scores_of(cyclic, params, BASIS, setting.make_task(0), None)
    assert convert(jnp.ones(3), Tied(), BASIS)["templates"].shape == (4, 3)


@pytest.mark.parametrize("num_steps", with_slow([1, 10], {10}))
def test_a_predicted_gain_is_the_gain(num_steps):
    """Of a linear rule that moves: by squared errors at every step."""
    rng = np.random.default_rng(num_steps)
    count, moved, noise = 4_000, 0.2, 0.5
    path = np.ones(num_steps)  # along which the one weight moves away from the tied one
    x = rng.standard_normal((count, num_steps))
    errors = x * moved * path + noise * rng.standard_normal((count, num_steps))
    loss = float((errors**2).mean())
    # d/dc of mean_t (e_t - c path_t x_t)^2 at c = 0; template 0 has nothing to say.
    score = -2 * (errors * path * x).mean(1)
    scores = {"w": jnp.asarray(np.stack([rng.standard_normal(count), score], 1))}
    task = types.SimpleNamespace(readout="every", num_steps=num_steps)
    batch = Batch(inputs=x, targets=None)
    found = score_test(scores, dispersion=dispersion_of(task, batch, loss))["all"]
    assert found.predicted_gain == pytest.approx(moved**2, rel=0.35)


def test_dispersion_counts_the_answers():
    batch = Batch(np.zeros((2, 6)), None, lengths=np.array([2, 4]))
    every, last = (
        types.SimpleNamespace(readout=r, num_steps=6) for r in ("every", "last")
    )
    assert dispersion_of(last, batch, 0.5) == 1.0
    assert dispersion_of(every, batch, 0.5) == pytest.approx(1 / 3)
    masked = batch._replace(mask=np.eye(2, 6, dtype=bool))
    assert dispersion_of(every, masked, 0.5) == 1.0
    assert dispersion_of(every, batch._replace(lengths=None), 3.0) == 1.0
    x = np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32)
    labels = tasks.from_arrays(x, (x > 0).astype(int), readout="every")(0)
    assert dispersion_of(labels, labels.held_out("train"), 0.5) == 1 / 6

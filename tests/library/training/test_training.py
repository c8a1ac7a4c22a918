"""The training loop: pure in (seed, i), the same however it is laid out."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rnnshare import GRUCell, Tied, Untied, num_parameters
from rnnshare.cells.blueprint import Blueprint
from rnnshare.tasks import Adding, japanese_vowels
from rnnshare.training.fitting import Loop, Recipe, Replica, fit
from rnnshare.training.setting import Setting
from tests.library.training.loop_cases import (
    RECIPE,
    TASK,
    assert_same_run,
    setting,
    train,
)


def test_a_replica_does_not_depend_on_the_others():
    alone = train([(TASK, 3, 1e-2)])
    among = train([(TASK, 1, 1e-2), (TASK, 2, 3e-3), (TASK, 3, 1e-2)])
    assert among.metrics[2] == alone.metrics[0]
    jax.tree.map(np.testing.assert_array_equal, among.params[2], alone.params[0])
    assert among.metrics[0] != among.metrics[2]


def test_a_device_takes_the_next_replica_when_one_is_done():
    """Runs stop at different steps; results stream, and are those of another mesh."""
    recipe = Recipe(num_steps=40, batch_size=8, validate_every=2, patience=2)
    rates = (0.3, 1e-3, 0.1, 1.0, 1e-2)
    replicas = [(TASK, seed, rate) for seed, rate in enumerate(rates)]

    def run(size):
        told, chunks = [], []
        fitted = train(
            replicas,
            recipe=recipe,
            mesh=jax.make_mesh((size,), ("replica",), devices=jax.devices()[:size]),
            on_chunk=lambda step, rows: chunks.extend((step, i) for i in rows),
            on_result=lambda index, row: told.append((index, row)),
        )
        assert sorted(index for index, _ in told) == list(range(len(replicas)))
        assert all(fitted.metrics[index] == row for index, row in told)
        for index, row in enumerate(fitted.metrics):
            mine = [step for step, i in chunks if i == index]
            assert mine == list(range(2, row["steps_trained"] + 1, 2))
        return fitted

    one, two = run(1), run(2)
    lengths = [row["steps_trained"] for row in one.metrics]
    assert len(set(lengths)) > 1 and min(lengths) < 40
    assert_same_run(one.metrics, two.metrics)
    assert_same_run(one.params, two.params)


@pytest.mark.slow
def test_the_last_parameters_are_kept_where_the_recipe_says_so():
    """At a rate that gets worse, best and last differ; training is the same."""
    recipe = Recipe(num_steps=6, batch_size=8, validate_every=1, patience=None)
    last = dataclasses.replace(recipe, keep="last")
    kept = {r.keep: train([(TASK, 0, 3.0)], recipe=r) for r in (recipe, last)}
    losses = []
    loop = Loop(setting().make_model(), last)
    replica = Replica(TASK, jnp.uint32(0), jnp.float32(3.0))
    state = jax.jit(loop.init)(replica)
    chunk = jax.jit(loop.chunk)
    for _ in range(6):
        state, measured = chunk(replica, state)
        losses.append(float(measured["validation_loss"]))
    best = kept["best"].metrics[0]
    assert best["best_step"] == 1 + int(np.argmin(losses)) < 6
    assert kept["last"].metrics[0]["best_step"] == 6
    found = kept["last"].metrics[0]["validation_loss"]
    assert found == pytest.approx(losses[-1], rel=1e-5) != best["validation_loss"]
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-5),
        kept["last"].params[0],
        state.params,
    )


@pytest.mark.slow  # one that diverges leaves its companions alone in test_divergence
def test_several_replicas_a_device_train_as_one_does():
    """To rounding; with runs that stop early, and a number that fills no device."""
    recipe = Recipe(num_steps=12, batch_size=8, validate_every=3, patience=2)
    replicas = [(TASK, seed, 1e-3 if seed else 10.0) for seed in range(5)]
    alone = train(replicas, Untied(6), recipe)
    told = []
    together = train(
        replicas,
        Untied(6),
        recipe,
        per_device=2,
        on_result=lambda index, row: told.append(index),
    )
    assert sorted(told) == list(range(5))
    lengths = [row["steps_trained"] for row in alone.metrics]
    assert len(set(lengths)) > 1
    assert lengths == [row["steps_trained"] for row in together.metrics]
    for one, other in zip(alone.params[1:], together.params[1:], strict=True):
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6),
            other,
            one,
        )


def test_no_replica_a_device_is_refused():
    with pytest.raises(ValueError, match=r"per_device is 0\. Use at least 1"):
        train([(TASK, 0, 1e-2)], per_device=0)


def test_a_chunk_is_its_steps():
    """The compiled scan is the Python loop over single steps, and optax by hand."""
    loop = Loop(setting().make_model(), RECIPE)
    replica = Replica(TASK, jnp.uint32(0), jnp.float32(1e-2))
    start = jax.jit(loop.init)(replica)
    by_scan, _ = jax.jit(loop.chunk)(replica, start)
    by_hand = start
    one_step = jax.jit(loop.step)
    for _ in range(RECIPE.validate_every):
        by_hand, _ = one_step(replica, by_hand)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=2e-5, atol=1e-7),
        by_scan.params,
        by_hand.params,
    )


def test_a_chunk_is_traced_once(monkeypatch):
    """Not again for a replica that rests."""
    traced, step = [], Loop.try_step
    monkeypatch.setattr(Loop, "try_step", lambda *args: traced.append(1) or step(*args))
    loop = Loop(setting().make_model(), RECIPE)
    replica = Replica(TASK, jnp.uint32(0), jnp.float32(1e-2))
    jax.eval_shape(loop.chunk, replica, jax.eval_shape(loop.init, replica))
    assert len(traced) == 1


def test_first_step_is_optax_on_the_clipped_gradient():
    loop = Loop(setting().make_model(), RECIPE)
    replica = Replica(TASK, jnp.uint32(0), jnp.float32(1e-2))
    start = jax.jit(loop.init)(replica)
    after, loss = jax.jit(loop.step)(replica, start)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), 1), 0)
    batch = TASK.sample(key, RECIPE.batch_size)
    blueprint = Blueprint.of(setting().make_model())

    def loss_of(params):
        return jnp.mean((blueprint.bind(params)(batch.inputs) - batch.targets) ** 2)

    expected, gradient = jax.jit(jax.value_and_grad(loss_of))(start.params)
    norm = optax.tree.norm(gradient)
    clipped = jax.tree.map(lambda g: g / jnp.maximum(norm, 1.0), gradient)
    # Adam's first step is the rate times the sign, up to its epsilon.
    moved = jax.tree.map(
        lambda p, g: p - 1e-2 * g / (jnp.abs(g) + 1e-8), start.params, clipped
    )
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, atol=1e-5), after.params, moved
    )


def test_batches_are_a_function_of_seed_and_step_alone():
    """Two models see the same batches: the losses of frozen ones agree with theirs."""
    frozen = Recipe(5, 8, 5, None, None, lambda rate: optax.set_to_zero())
    tied = train([(TASK, 0, 1.0)], Tied(), frozen)
    same = train([(TASK, 0, 1.0)], Untied(6, same_init=True), frozen)
    assert tied.metrics[0].pop("diverged") is None
    for name, value in tied.metrics[0].items():
        assert same.metrics[0][name] == pytest.approx(value, rel=1e-5), name


def test_early_stopping_keeps_the_best_and_stops():
    recipe = Recipe(200, 8, 5, patience=3, optimizer=lambda rate: optax.sgd(1e3))
    seen = []
    out = train(
        [(TASK, 0, 1e-2)], recipe=recipe, on_chunk=lambda step, rows: seen.append(rows)
    )
    losses = [rows[0]["validation_loss"] for rows in seen]
    best = int(np.argmin(losses))
    assert out.metrics[0]["best_step"] == 5 * (best + 1)
    assert out.metrics[0]["validation_loss"] == pytest.approx(losses[best], rel=1e-6)
    assert out.metrics[0]["steps_trained"] == 5 * len(losses) < 200


def test_training_learns():
    recipe = Recipe(num_steps=600, batch_size=32, validate_every=200, patience=None)
    out = train([(TASK, 0, 1e-2)], recipe=recipe)
    assert out.metrics[0]["test_loss"] < 0.5 * TASK.baselines["no memory"]["loss"]


@pytest.mark.slow  # test_study has tasks of other data side by side
def test_resampled_splits_train_side_by_side():
    tasks = [japanese_vowels(split) for split in range(3)]
    recipe = Recipe(num_steps=4, batch_size=4, validate_every=2)
    one = Setting(japanese_vowels, GRUCell, Tied(), 4, 1e-2, recipe)
    out = fit(one.make_model(), recipe, [(task, 0, 1e-2) for task in tasks])
    assert len({row["test_loss"] for row in out.metrics}) == 3


def test_equal_models_share_a_compilation():
    traces = []

    class Counted(type(TASK)):
        def sample(self, key, batch_size):
            traces.append(batch_size)
            return super().sample(key, batch_size)

    jax.tree_util.register_dataclass(
        Counted, data_fields=[], meta_fields=["num_steps", "num_held_out"]
    )
    task = Counted(6, 64)
    for seed in range(3):
        train([(task, seed, 1e-2)])
    first = len(traces)
    train([(task, 9, 3e-2)])
    assert first == len(traces) > 0


def test_dropout_differs_by_step_and_is_off_when_measuring():
    made = setting(num_layers=2, dropout=0.5).make_model()
    a = fit(made, RECIPE, [(TASK, 0, 1e-2)])
    b = fit(setting(num_layers=2).make_model(), RECIPE, [(TASK, 0, 1e-2)])
    assert a.metrics[0]["test_loss"] != b.metrics[0]["test_loss"]
    assert a.metrics == fit(made, RECIPE, [(TASK, 0, 1e-2)]).metrics


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_steps": 0}, "num_steps is 0. Use at least 1"),
        ({"num_steps": 10, "validate_every": 4}, "not a multiple of validate_every=4"),
        ({"clip_norm": 0.0}, "clip_norm is 0.0. Use a positive norm, or None"),
        ({"clip_norm": float("nan")}, "clip_norm is nan"),
        ({"keep": "first"}, "keep is 'first'. Use 'best' or 'last'"),
    ],
)
def test_bad_recipes_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        Recipe(**options)


@pytest.mark.parametrize(
    ("replicas", "text"),
    [
        ([], "nothing to train"),
        (
            [(TASK, 2**40, 1e-2)],
            r"seed is 1099511627776. Use an integer in \[0, 2\*\*3",
        ),
        ([(TASK, 0, float("nan"))], "learning_rate is nan"),
        ([(TASK, 0, 1e39)], r"learning_rate is 1e\+39. Use a positive one, between"),
        ([(TASK, 0, 1e-39)], "learning_rate is 1e-39. Use .* as float32 holds it"),
        ([(TASK, 0, 1e-2), (Adding(7), 0, 1e-2)], "differ in more than their arrays"),
    ],
)
def test_bad_replicas_are_refused(replicas, text):
    with pytest.raises(ValueError, match=text):
        train(replicas)


@pytest.mark.parametrize("seed", [1.0, 1.5, "1", None, np.float32(1), np.bool_(True)])
def test_a_seed_that_is_no_integer_is_refused(seed):
    with pytest.raises(TypeError, match=r"seed is .*\. Use an integer in \[0, 2\*\*32"):
        train([(TASK, seed, 1e-2)])


@pytest.mark.parametrize(
    ("make_model", "text"),
    [
        (setting(Tied()).make_model()(rngs=nnx.Rngs(0)), "is a model, a SequenceModel"),
        (functools.partial(nnx.Linear, 2, 1), "Linear cannot be called as .*'seq_leng"),
    ],
)
def test_what_is_no_maker_of_a_sequence_model_is_refused(make_model, text):
    with pytest.raises(TypeError, match=text):
        fit(make_model, RECIPE, [(TASK, 0, 1e-2)])


def test_blueprint_of_a_model_counts_what_is_trained():
    made = setting(Untied(6))
    model = made.make_model()(rngs=nnx.Rngs(0))
    count = num_parameters(nnx.to_pure_dict(nnx.state(model, nnx.Param)))
    assert made.num_parameters() == count

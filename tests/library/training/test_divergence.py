"""A run whose loss is not finite is told and stops, and changes no other."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnshare import GRUCell, Tied
from rnnshare.tasks import LagRecall
from rnnshare.training import Truncation, fitting, nonfinite
from rnnshare.training.fitting import Loop, Recipe, Replica, fit
from rnnshare.training.setting import Setting
from tests.cases import with_slow
from tests.library.training.loop_cases import (
    RECIPE,
    TASK,
    assert_same_run,
    setting,
    train,
)

MEASURED = ("train_loss", "validation_loss", "test_loss")


@pytest.mark.parametrize(
    ("rate", "keep"),
    with_slow(
        itertools.product([1e10, 1e38], ["best", "last"]),
        {(1e38, "last")},
    ),
)
def test_a_diverged_run_is_told_and_stops(rate, keep):
    """At the step whose loss is not finite, as a loop by hand finds it."""
    recipe = Recipe(50, 8, 5, None, None, optax.sgd, keep=keep)
    out = train([(TASK, 0, rate)], recipe=recipe)
    loop = Loop(setting().make_model(), recipe)
    replica = Replica(TASK, jnp.uint32(0), jnp.float32(rate))
    state, loss, step = jax.jit(loop.init)(replica), jnp.float32(0), jax.jit(loop.step)
    count = 0
    while jnp.isfinite(loss):
        state, loss = step(replica, state)
        count += 1
    (row,) = out.metrics
    assert 1 < row["diverged"] == count < 50
    assert row["steps_trained"] == 5 * -(-count // 5)
    assert all(np.isnan(row[name]) for name in MEASURED)


def test_a_run_diverges_where_only_its_validation_loss_is_not_finite():
    """Such as at the last step of all, whose parameters no batch has seen."""
    recipe = Recipe(1, 8, 1, None, None, optax.sgd)
    loop = Loop(setting().make_model(), recipe)
    replica = Replica(TASK, jnp.uint32(0), jnp.float32(1e38))
    chunk = jax.jit(loop.chunk)
    state, measured = chunk(replica, jax.jit(loop.init)(replica))
    assert np.isfinite(measured["train_loss"])
    assert not np.isfinite(measured["validation_loss"])
    assert int(state.diverged) == 1
    again, _ = chunk(replica, state)
    assert int(again.step) == int(state.step)
    assert train([(TASK, 0, 1e38)], recipe=recipe).metrics[0]["diverged"] == 1


@pytest.mark.parametrize("per_device", with_slow([1, 3], [3]))
def test_a_diverged_run_leaves_those_beside_and_after_it_alone(per_device):
    """More replicas than places: what takes the place of a lost one is not lost."""
    recipe = dataclasses.replace(RECIPE, optimizer=optax.sgd, clip_norm=None)
    rates = [1e38 if seed in (0, 3, 4) else 1e-2 for seed in range(8)]
    told = []
    out = train(
        [(TASK, seed, rate) for seed, rate in enumerate(rates)],
        recipe=recipe,
        per_device=per_device,
        mesh=jax.make_mesh((1,), ("replica",), devices=jax.devices()[:1]),
        on_result=lambda index, row: told.append(index),
    )
    assert sorted(told) == list(range(8))
    for rate, row in zip(rates, out.metrics, strict=True):
        lost = rate == 1e38
        assert (row["diverged"] is not None) == lost
        assert all(np.isnan(row[name]) == lost for name in MEASURED)
        assert row["steps_trained"] == (5 if lost else RECIPE.num_steps)
    alone = train([(TASK, 7, 1e-2)], recipe=recipe).metrics[0]
    assert out.metrics[7]["test_loss"] == pytest.approx(alone["test_loss"], rel=1e-4)


class Unwatched(Loop):
    """The loop without a look at whether a loss is finite."""

    def finish(self, replica, state):
        return super().finish(replica, state._replace(diverged=jnp.int32(0)))


@pytest.mark.slow
@pytest.mark.parametrize("truncation", [None, Truncation(4)])
def test_to_watch_for_divergence_changes_no_run(truncation, monkeypatch):
    task = LagRecall(8, 2, num_held_out=16)
    recipe = dataclasses.replace(RECIPE, truncation=truncation, patience=2)
    model = Setting(lambda split: task, GRUCell, Tied(), 4, recipe=recipe).make_model()
    replicas = [(task, seed, 3e-2) for seed in range(2)]
    watched = fit(model, recipe, replicas)
    monkeypatch.setattr(fitting, "Loop", Unwatched)
    monkeypatch.setattr(nonfinite, "judged", lambda _policy, _before, after, *_: after)
    unwatched = fit(model, recipe, replicas)
    assert_same_run(watched.metrics, unwatched.metrics)
    assert_same_run(watched.params, unwatched.params)

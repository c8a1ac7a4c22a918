"""The local rule from N examples: what is trained, and on which steps it is tested."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.gap_decomposition import measure as study
from experiments.gap_decomposition.plan import PLANS
from rnnshare import Untied
from rnnshare.tasks import LocalRule
from rnnshare.training import Call, Loop, Replica, fit

SMOKE = PLANS["smoke"]


@functools.cache
def trained(longer):
    """Returns the setting of a small untied model, and it trained on one seed."""
    make_task = Call(LocalRule.of, 4, num_examples=20, test_steps=8)
    (setting,) = study.candidates(SMOKE, make_task, "Elman", [Untied(8)], 8, [1e-2])
    if longer:
        setting = study.longer(setting)
    told = []
    fitted = fit(
        setting.make_model(),
        setting.recipe,
        [(make_task(3), 3, 1e-2)],
        on_chunk=lambda step, rows: told.append((step, rows[0]["validation_loss"])),
    )
    return setting, fitted, told


def test_untied_weights_past_the_training_stay_at_their_initial_values():
    setting, fitted, _ = trained(longer=False)
    replica = Replica(setting.make_task(3), np.uint32(3), np.float32(1e-2))
    loop = Loop(setting.make_model(), setting.recipe)
    initial = jax.jit(lambda: loop.init(replica).params["layers"])()
    for new, old in zip(
        jax.tree.leaves(fitted.params[0]["layers"]),
        jax.tree.leaves(initial),
        strict=True,
    ):
        np.testing.assert_array_equal(new[4:], old[4:])
        assert not np.array_equal(new[:4], old[:4])
    assert "test_loss_later" in fitted.metrics[0]
    assert "validation_loss_later" not in fitted.metrics[0]


@pytest.mark.slow
def test_the_longer_training_begins_as_the_shorter_one():
    (_, _, short), (_, _, long) = trained(longer=False), trained(longer=True)
    assert long[: len(short)] == short
    assert len(long) == study.LONGER * len(short)


def test_the_sets_of_the_rule_by_their_definition():
    task = LocalRule.of(6, split=1, num_examples=7, test_steps=12, num_held_out=40)
    seen = {str(row.tolist()) for row in jax.device_get(task.held_out("train").inputs)}
    drawn = jax.device_get(task.sample(jax.random.key(0), 200).inputs)
    assert {str(row.tolist()) for row in drawn} == seen and len(seen) <= 7
    assert task.held_out("validation").inputs.shape == (40, 6, 1)
    batch = jax.device_get(task.held_out("test"))
    assert batch.inputs.shape == (40, 12, 1)
    for i in range(40):
        before = -1
        for t in range(12):
            assert batch.targets[i, t] == (batch.inputs[i, t, 0] != before)
            before = batch.inputs[i, t, 0]
    # Probabilities that differ by set, so that each metric tells which it is of.
    chance = np.where(task.shown, 0.9, 0.6).tolist() + [0.2] * 6
    right = jnp.log(jnp.array(chance))[None, :, None]
    wrong = jnp.log(1 - jnp.array(chance))[None, :, None]
    outputs = jnp.where(jax.nn.one_hot(batch.targets, 2) == 1, right, wrong)
    found = task.metrics(outputs, batch)
    for suffix, p in (("", 0.9), ("_unseen", 0.6), ("_later", 0.2)):
        assert found[f"loss{suffix}"] == pytest.approx(-np.log(p), rel=1e-5)
        assert float(found[f"accuracy{suffix}"]) == float(p > 0.5)


def test_the_lines_are_those_of_guessing_and_of_the_rule():
    task = LocalRule.of(8, split=0, test_steps=16, num_held_out=4_000)
    batch = jax.device_get(task.held_out("test"))
    x = batch.inputs[..., 0]
    rule = np.concatenate([x[:, :1] != -1, x[:, 1:] != x[:, :-1]], axis=1)
    lines = task.baselines
    outputs = {
        "chance": jnp.zeros((4_000, 16, 2)),
        "oracle": 1e3 * jax.nn.one_hot(rule.astype(np.int32), 2),
    }
    for name, answers in outputs.items():
        found = task.metrics(answers, batch)
        for suffix in ("", "_unseen", "_later"):
            for metric, value in lines[name].items():
                assert found[f"{metric}{suffix}"] == pytest.approx(value, abs=0.02)


def test_no_coin_tells_its_own_answer():
    """So a model without memory is at chance too, but at step 0."""
    batch = LocalRule.of(4, num_held_out=4_000).held_out("validation")
    x, answers = np.asarray(batch.inputs[:, 1:, 0]), np.asarray(batch.targets[:, 1:])
    assert np.mean(answers[x == 1]) == pytest.approx(0.5, abs=0.03)
    assert np.mean(answers[x == -1]) == pytest.approx(0.5, abs=0.03)


def test_the_rule_and_its_names():
    assert LocalRule.of(4).name == "local_rule_4"
    task = LocalRule.of(4, 5, num_examples=20, test_steps=8)
    assert (task.name, int(task.seed)) == ("local_rule_4_n20_to_8", 5)
    again = dataclasses.replace(task, num_examples=np.int32(30))
    assert jax.tree.structure(task) == jax.tree.structure(again)
    with pytest.raises(ValueError, match="test_steps is 3, but num_steps is 4"):
        LocalRule.of(4, test_steps=3)


def test_noisy_labels_and_halves_by_their_definition():
    clean = LocalRule.of(6, split=1, num_examples=7, num_held_out=400)
    clear, noisy = (
        study.noisy_rule(6, 1, num_examples=7, label_noise=noise).held_out("test")
        for noise in (0.0, 0.2)
    )
    same = clean.held_out("test")
    np.testing.assert_array_equal(noisy.inputs[:400], same.inputs)
    np.testing.assert_array_equal(clear.targets[:400], same.targets)
    flips = np.asarray(noisy.targets != clear.targets)
    np.testing.assert_allclose(flips.mean(0), 0.2, atol=0.06)  # at every step
    task = study.noisy_rule(6, 1, num_examples=7, label_noise=0.2)
    assert task.name == "local_rule_6_n7_noise0.2"
    # The first half is answered with certainty .9, the other one with .6.
    sure = np.repeat([0.9, 0.6], 250)[:, None, None]
    right = jax.nn.one_hot(noisy.targets, 2) == 1
    outputs = jnp.where(right, jnp.log(sure), jnp.log(1 - sure)).astype(jnp.float32)
    found = task.metrics(outputs, noisy)
    for kind in ("", "_unseen"):
        assert found[f"loss{kind}_first"] == pytest.approx(-np.log(0.9), rel=1e-5)
        assert found[f"loss{kind}_second"] == pytest.approx(-np.log(0.6), rel=1e-5)

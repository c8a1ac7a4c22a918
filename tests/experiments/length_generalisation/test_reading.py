"""Readings of trained weights at lengths beyond the training."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.lab.trials import Lab, soonest
from experiments.length_generalisation import accuracy as length_accuracy
from experiments.length_generalisation import reading
from experiments.length_generalisation.accuracy import accuracy_by_length
from experiments.length_generalisation.plan import PLANS, POLICIES, Arm
from rnnshare import Untied
from rnnshare.cells.blueprint import Blueprint
from rnnshare.training import Loop, Replica, fit
from tests.cases import with_slow

PLAN = PLANS["smoke"]  # N = 4, L = 8


def drawn(setting, seed=0):
    replica = Replica(
        setting.make_task(0), np.array(seed, np.uint32), np.array(1, np.float32)
    )
    return jax.device_get(
        Loop(setting.make_model(), setting.recipe).init(replica).params
    )


def test_all_lengths_by_one_program_are_those_one_by_one():
    setting = reading.setting_of(PLAN, Arm("reverse_string", "Elman", "tied"))
    params = drawn(setting)
    length_accuracy._one_by_one.cache_clear()
    found = accuracy_by_length(setting, params, 5, 16)
    accuracy_by_length(setting, params, 5, 16)
    assert length_accuracy._one_by_one.cache_info().misses == 1
    task = setting.make_task(0)
    model = Blueprint.of(setting.make_model()).bind(params)
    for length in range(1, 6):
        alone = dataclasses.replace(task, max_length=5).of_length(np.int32(length), 16)
        outputs = model(alone.inputs, seq_lengths=alone.lengths)
        expected = float(jnp.mean(task.accuracy_each(outputs, alone)))
        assert found[length - 1] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("language", "beyond"),
    with_slow(
        itertools.product(["even_pairs", "modular_arithmetic"], ["hold", "stretch"]),
        {("even_pairs", "hold")},
    ),
)
def test_lengths_by_one_pass_are_those_of_cut_strings(language, beyond):
    """A string of n symbols that is run by itself, under any policy."""
    setting = reading.setting_of(PLAN, Arm(language, "Elman", "untied"))
    params = drawn(setting)
    sharing = dataclasses.replace(setting.sharing, beyond=beyond)
    setting = dataclasses.replace(setting, sharing=sharing)
    length_accuracy._at_once.cache_clear()
    found = accuracy_by_length(setting, params, 9, 32)
    assert length_accuracy._at_once.cache_info().misses == (beyond == "hold")
    task = dataclasses.replace(setting.make_task(0), max_length=9)
    model = Blueprint.of(setting.make_model()).bind(params)
    batch = task.of_every_length(32)
    for length in (1, 4, 6, 9):  # each is compiled by itself
        if beyond == "hold":
            read = int(task.read_lengths(np.int64(length)))
            inputs, targets = batch.inputs[:, :read], batch.targets[:, length - 1]
        else:
            alone = task.of_length(np.int32(length), 32)
            inputs = alone.inputs[:, : int(alone.lengths[0])]
            targets = alone.targets
        expected = np.mean(np.asarray(jnp.argmax(model(inputs), -1) == targets))
        assert found[length - 1] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("start", ["untied", "untied_same"])
def test_the_literal_arm_keeps_initial_weights_past_the_training(start):
    arm = Arm("even_pairs", "Elman", start)
    setting = reading.setting_of(PLAN, arm)
    readings = reading.readings_of(PLAN, arm)
    assert set(readings) == {"literal", *POLICIES}
    trained = jax.tree.map(lambda w: w + 1, drawn(setting, seed=3))
    assert readings["literal"] == Untied(8, start == "untied_same")
    longer = dataclasses.replace(setting, sharing=readings["literal"])
    made = reading.with_initial_weights(longer, trained, 3)
    initial = drawn(longer, seed=3)
    for new, old, first in zip(
        jax.tree.leaves(made["layers"]),
        jax.tree.leaves(initial["layers"]),
        jax.tree.leaves(trained["layers"]),
        strict=True,
    ):
        np.testing.assert_array_equal(new[:4], first)
        np.testing.assert_allclose(new[4:], old[4:], atol=1e-6)  # jitted or not
    if start == "untied_same":  # that initialisation is the trained arm's own
        own = drawn(setting, seed=3)["layers"]
        jax.tree.map(
            lambda new, old: np.testing.assert_allclose(new[4], old[0], atol=1e-6),
            made["layers"],
            own,
        )
    assert all(readings[name].beyond == name for name in POLICIES)


@pytest.mark.slow  # as those of the local rule
def test_weights_past_the_trained_lengths_stay_where_they_began():
    """The lemma of Q2's and A3's literal arm: what a training of it would make."""
    setting = reading.setting_of(PLAN, Arm("even_pairs", "Elman", "untied"))
    longer = dataclasses.replace(setting, sharing=Untied(8))
    task, rates = longer.make_task(0), (0.1, 1e-30)  # the second moves no weight
    runs = [(task, 3, rate) for rate in rates]
    ended, began = fit(longer.make_model(), longer.recipe, runs).params
    for after, before in zip(
        jax.tree.leaves(ended["layers"]), jax.tree.leaves(began["layers"]), strict=True
    ):
        past = task.num_steps
        np.testing.assert_array_equal(after[past:], before[past:])
        assert np.abs(after[:past] - before[:past]).max() > 0.01


@pytest.mark.slow  # a lab judges what it keeps in test_trials
def test_an_arm_is_measured_once(tmp_path):
    arm = Arm("even_pairs", "Elman", "untied_same")
    found = reading.rows_of(PLAN, arm, Lab(tmp_path))
    kept = (tmp_path / "kept.jsonl").read_bytes()
    again = reading.rows_of(PLAN, arm, Lab(tmp_path, judge_only=True))
    assert again == found and kept.count(b"\n") == 2 * 5
    assert (tmp_path / "trained.jsonl").read_bytes().count(b"\n") == 2  # the tuning
    (tmp_path / "trained.jsonl").unlink()  # which is not asked for again
    more = dataclasses.replace(PLAN, num_seeds=1)
    assert reading.rows_of(more, arm, Lab(tmp_path, judge_only=True)) == found[:5]
    curves = {(r["reading"], r["seed"]): r["accuracy_by_length"] for r in found}
    assert {len(curve) for curve in curves.values()} == {8}
    # Up to N every reading reads the trained weights, but for the stretched ones.
    for name in ("hold", "cycle", "mean"):
        for seed in range(2):
            assert curves[name, seed][:4] == curves["literal", seed][:4]


def test_the_rate_that_is_at_the_goal_the_soonest_is_chosen():
    def ranked(*runs):
        names = ("validation_loss", "steps_trained", "stop_loss")
        rows = [dict(zip(names, (*run, reading.GOAL), strict=True)) for run in runs]
        return soonest(rows)

    soon, late = ranked((9e-4, 100), (9e-4, 200)), ranked((1e-4, 200), (1e-4, 200))
    short, lost = ranked((1e-4, 100), (0.2, 400)), ranked((1e-4, 100), (None, 50))
    near = ranked((1e-4, 100), (0.1, 400))
    never = ranked((0.1, 400), (0.1, 400))
    assert soon < late < near < short < never
    assert late < lost < never  # who diverged is short of the goal

"""The length study: readings beyond the training, and the rules on made-up curves."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.length_generalisation import (
    accuracy as length_accuracy,
)
from experiments.length_generalisation import (
    cases as length_cases,
)
from experiments.length_generalisation import (
    claims as length_claims,
)
from experiments.length_generalisation import (
    measure as length_study,
)
from experiments.length_generalisation.accuracy import accuracy_by_length
from experiments.length_generalisation.cases import Case
from experiments.length_generalisation.measure import PLANS, Arm, readings_of
from rnnshare import Tied, Untied
from rnnshare.cells.blueprint import Blueprint
from rnnshare.training.fitting import Loop, Replica

PLAN = PLANS["smoke"]  # N = 4, L = 8


def drawn(setting, seed=0):
    replica = Replica(
        setting.make_task(0), np.array(seed, np.uint32), np.array(1, np.float32)
    )
    return jax.device_get(
        Loop(setting.make_model(), setting.recipe).init(replica).params
    )


def test_all_lengths_by_one_program_are_those_one_by_one():
    setting = length_study.setting_of(PLAN, Arm("reverse_string", "Elman", "tied"))
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


@pytest.mark.parametrize("language", ["even_pairs", "modular_arithmetic"])
@pytest.mark.parametrize("beyond", ["hold", "stretch"])
def test_lengths_by_one_pass_are_those_of_cut_strings(language, beyond):
    """A string of n symbols that is run by itself, under any policy."""
    setting = length_study.setting_of(PLAN, Arm(language, "Elman", "untied"))
    params = drawn(setting)
    sharing = dataclasses.replace(setting.sharing, beyond=beyond)
    setting = dataclasses.replace(setting, sharing=sharing)
    length_accuracy._at_once.cache_clear()
    found = accuracy_by_length(setting, params, 9, 32)
    assert length_accuracy._at_once.cache_info().misses == (beyond == "hold")
    task = dataclasses.replace(setting.make_task(0), max_length=9)
    model = Blueprint.of(setting.make_model()).bind(params)
    batch = task.of_every_length(32)
    for length in range(1, 10):
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
    setting = length_study.setting_of(PLAN, arm)
    readings = readings_of(PLAN, arm)
    assert set(readings) == {"literal", *length_study.POLICIES}
    trained = jax.tree.map(lambda w: w + 1, drawn(setting, seed=3))
    sharing, adapt = readings["literal"]
    assert sharing == Untied(8, start == "untied_same")
    made = adapt(setting, trained, 3)
    initial = drawn(dataclasses.replace(setting, sharing=sharing), seed=3)
    for new, old, first in zip(
        jax.tree.leaves(made["layers"]),
        jax.tree.leaves(initial["layers"]),
        jax.tree.leaves(trained["layers"]),
        strict=True,
    ):
        np.testing.assert_array_equal(new[:4], first)
        np.testing.assert_allclose(new[4:], old[4:], atol=1e-6)  # jitted or not
    if start == "untied_same":  # the one draw is the trained arm's own start
        own = drawn(setting, seed=3)["layers"]
        jax.tree.map(
            lambda new, old: np.testing.assert_allclose(new[4], old[0], atol=1e-6),
            made["layers"],
            own,
        )
    for name in length_study.POLICIES:
        sharing, adapt = readings[name]
        assert sharing.beyond == name and adapt(setting, trained, 3) is trained


def test_an_arm_is_measured_once(tmp_path):
    from rnnshare.training.rows import JsonLines

    arm = Arm("even_pairs", "Elman", "untied_same")
    path = tmp_path / "rows.jsonl"
    found = length_study.measure(PLAN, arm, JsonLines(path))
    kept = path.read_bytes()
    again = length_study.measure(PLAN, arm, JsonLines(path))
    assert path.read_bytes() == kept and kept.count(b"\n") == 2 * 5
    for name, curve in found.items():
        assert curve.shape == (2, 8)
        np.testing.assert_array_equal(curve, again[name])
    # Up to N every reading reads the trained weights, but for the stretched ones.
    for name in ("hold", "cycle", "mean"):
        np.testing.assert_array_equal(found[name][:, :4], found["literal"][:, :4])


def case(tied, literal, n=6):
    """Returns a case whose accuracies are levels (from, to N; N to 2N) of 3 seeds."""

    def curve(within, beyond):
        return np.tile(np.repeat([within, beyond], n), (3, 1))

    arm = Arm("parity", "Elman", "untied")
    policies = dict.fromkeys(length_study.POLICIES, curve(*tied))
    chance = np.full(2 * n, 0.5)
    return Case(arm, curve(*tied), curve(*literal), policies, chance, n)


@pytest.mark.parametrize(
    ("tied", "literal", "q2", "a3"),
    [
        ((1.0, 1.0), (1.0, 0.5), "supported", True),
        ((1.0, 1.0), (1.0, 0.7), "refuted", True),  # halved, and yet above chance
        ((1.0, 1.0), (1.0, 0.9), "refuted", False),
        ((1.0, 0.6), (1.0, 0.5), "refuted", False),  # tied does not hold either
        ((1.0, 1.0), (0.9, 0.5), "undecided", True),
    ],
)
def test_the_rules_on_made_up_curves(tied, literal, q2, a3):
    made = case(tied, literal)
    assert made.q2 == q2
    assert made.a3 == a3


def test_every_plan_is_whole():
    for plan in PLANS.values():
        assert set(plan.fixed) <= set(plan.languages)
        assert plan.eval_max_length >= 2 * plan.train_max_length
        assert plan.each_max_length >= 2 * plan.train_max_length
        for arm in length_study.arms(plan):
            assert length_study.setting_of(plan, arm).make_task(0).num_steps > 0
            sharing = length_study.setting_of(plan, arm).sharing
            assert (sharing == Tied()) == (arm.sharing == "tied")
    assert length_cases.GOOD == 0.95 and length_claims.POOR == 0.75

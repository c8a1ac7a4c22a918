"""The search for a training-set size, on made-up learning curves."""

import dataclasses

import numpy as np
import pytest

from experiments.position_generalisation import measure as position_study
from experiments.position_generalisation.measure import PLANS, samples_to_threshold

PLAN = dataclasses.replace(PLANS["quick"], num_seeds=3, most_examples=2**12)


@pytest.fixture
def made_up(monkeypatch):
    """Returns a list of the sizes that were run; seed s needs 2^(7 + s / 2)."""
    asked = []

    def run(settings, replicates, rows):
        exponent = np.log2(settings[0].make_task.num_examples)
        asked.append(int(exponent))
        # Linear in log N from 0.5 to 1, and 0.9 at the wanted size.
        return [
            {"test_accuracy": float(np.clip(0.9 + 0.1 * (exponent - 7 - r.seed / 2),
                                            0.5, 1.0))}
            for r in replicates
        ]  # fmt: skip

    monkeypatch.setattr(position_study, "run", run)
    return asked


@pytest.mark.parametrize("first", [2, 7, 11])
def test_it_finds_each_seeds_size_from_anywhere(made_up, first):
    make_task = position_study.MakePatches(4, 8)
    chosen = position_study.setting(PLAN, make_task, position_study.LSTMCell)
    found = samples_to_threshold(PLAN, chosen, 4, first, None)
    np.testing.assert_allclose(np.log2(found), [7, 7.5, 8], atol=1e-9)
    assert len(made_up) == len(set(made_up))  # nothing is run twice


def test_a_size_that_is_never_enough_is_infinite(made_up):
    few = dataclasses.replace(PLAN, most_examples=2**6)
    make_task = position_study.MakePatches(4, 8)
    chosen = position_study.setting(few, make_task, position_study.LSTMCell)
    assert np.isinf(samples_to_threshold(few, chosen, 4, 3, None)).all()
    assert max(made_up) == 6


def test_plans_hold_what_the_rules_speak_of():
    for plan in PLANS.values():
        assert plan.rule_steps >= 2 and len(plan.patch_steps) >= 2
    assert PLANS["full"].num_seeds == 10 and PLANS["full"].patch_steps[-1] == 64

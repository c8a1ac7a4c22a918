"""The plans of the gaps, and what is trained for them."""

import numpy as np
import pytest

from experiments.gap_decomposition import figure
from experiments.gap_decomposition import measure as study
from experiments.gap_decomposition.agreement_claim import MANY
from experiments.gap_decomposition.claims import EXPERIMENT
from experiments.gap_decomposition.plan import PLANS
from rnnshare.analysis.statistics import Interval

PLAN = PLANS["quick"]


def test_plans_hold_what_the_rules_speak_of():
    assert [claim.id for claim in EXPERIMENT.claims] == ["Ac1", "Ac2d"]
    for name, plan in PLANS.items():
        settings = len(plan.cells) * len(plan.lengths) * len(plan.noises)
        settings *= len(plan.agreement_sizes) * len(plan.agreement_sharings)
        assert settings >= MANY == 60 or name == "smoke"
        assert all(num_steps % 2 == 0 for num_steps in plan.lengths)
        assert plan.first_seed == 10_000
    assert PLANS["quick"].agreement_sharings == tuple(study.between(8))
    assert (PLANS["quick"].num_seeds, PLANS["full"].num_seeds) == (5, 10)


class Lab:
    """Records the trainings, a program at a time."""

    def __init__(self):
        self.asked = []

    def tune(self, candidates, budget):
        return candidates[-1]

    def train(self, settings, repeats):
        self.asked.append((settings, len(repeats)))
        sets = {*study.SETS, *study.HALVES}
        names = [name.format(m) for name in sets for m in study.GUESSING]
        return [
            {"seed": r.seed, **dict.fromkeys(names)} for _ in settings for r in repeats
        ]


def test_every_arm_is_tuned_by_as_many_trainings():
    plan = PLANS["full"]
    for count in (1, len(plan.starts)):
        options = count * len(plan.rates)
        assert plan.tuning % options == 0
    lab = Lab()
    found = study.measure(PLAN, lab)
    counts = [(len(settings), repeats) for settings, repeats in lab.asked]
    # Two rates of tied, two of each start of untied; pairs twice; one rate of 60.
    assert counts == [(12, 2), (24, 1), (24, 5), (60, 5)]
    assert len(found.pairs["loss"]) == 6 and len(found.agreement["accuracy"]) == 60
    assert found.pairs["loss"]["LSTM", 8, 200].shape == (2, 2, 5, 4)
    assert found.agreement["loss"]["Untied", "LSTM", 8, 32, 0.2].shape == (5, 4)
    assert np.isnan(found.pairs["loss"]["LSTM", 8, 200]).all()
    settings = lab.asked[2][0]
    assert [s.recipe.num_steps for s in settings[:2]] == [
        PLAN.num_steps,
        4 * PLAN.num_steps,
    ]


def test_figures_refuse_other_parts():
    bar = figure.Bar("A", [Interval(2, 1, 3)] * 2, Interval(0, 0, 1))
    with pytest.raises(ValueError, match="zip"):
        figure.draw_parts({"y": [bar]}, ["a", "b"], {"y": 0.0}, "title")

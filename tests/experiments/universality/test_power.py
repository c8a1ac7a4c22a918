"""C2: its rule on made-up data, compiled networks, and what diverged."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.universality import measure as study
from experiments.universality.claims import AMBIGUOUS, EXPERIMENT
from experiments.universality.compiled import CASES, compile_networks
from experiments.universality.measure import needs
from experiments.universality.plan import PLANS
from experiments.universality.power_claim import POWER, power_rule, trained_widths
from experiments.universality.separation import Separation
from rnnshare import ElmanCell, GRUCell, LSTMCell
from rnnshare.tasks import STREAMING
from tests.cases import with_slow
from tests.experiments.universality.power_cases import (
    FOUND,
    PLAN,
    composed,
)

FEW = np.zeros(100)


@pytest.mark.parametrize(
    ("error", "tanh", "threshold", "verdict"),
    [
        (1e-6, [2, 3], [2, 4], "refuted"),  # by proof
        (1e-6, [2, 4], [2, 3], "refuted"),  # by search
        (1e-6, [2, 4], [2, 4], "supported"),
        (2e-5, [2, 3], [2, 4], "inconclusive"),  # what is not exact says nothing
        (2e-5, [2, 4], [2, 4], "inconclusive"),
    ],
)
def test_the_rule_of_power(error, tanh, threshold, verdict):
    errors = np.append(FEW, error)
    separation = Separation([2, 4], tanh, [threshold])
    found, exact, beyond = power_rule(errors, separation)
    assert (found, exact) == (verdict, error < 1e-5)
    np.testing.assert_array_equal(beyond[:, 1], [4 - tanh[1], 4 - threshold[1]])
    # So few networks show nothing.
    assert power_rule(errors[2:], separation)[:2] == ("inconclusive", False)


@pytest.mark.parametrize("tied_solves", [False, True])
def test_failures_to_train_decide_nothing_of_power(tied_solves):
    one_short = np.array([1.0, 1.0, 1.0, 1.0, 0.9])
    last = 1.0 if tied_solves else one_short
    both = {2: 1.0}, 1.0, 100
    cells = {
        "A": {"Tied": both, "Untied": both},
        "B": {
            "Tied": ({2: one_short, 4: last}, 1.0, 100),
            "Untied": ({2: one_short, 4: one_short}, 1.0, 100),
        },
    }
    found = FOUND._replace(composed=composed(cells))
    widths = trained_widths(PLAN, found)
    assert {cell: known for cell, (_, known) in widths.items()} == {
        "A": True,
        "B": tied_solves,
    }
    judged = POWER.judge(PLAN, found)
    assert judged.verdict == "refuted" and judged.effect == (8, 8, 8)
    assert "no new function" in judged.summary and not judged.repeats
    assert "a tanh unit (proof): from 5 bits on" in judged.summary
    assert ("in some seed neither solves it" in judged.details) == (not tied_solves)
    table = POWER.table(PLAN, found, judged)
    assert table[2][2:] == ("2, 4, 8, 16, 24", "2, 4, 8, 16, 32",
                            "tied at most, by proof")  # fmt: skip


def test_updates_are_those_of_the_rate_that_solves_first():
    def row(seed, loss, accuracy, steps):
        labels = {"cell": "A", "arm": "Tied", "H": 8, "same": True, "seed": seed}
        metrics = {"validation_loss": loss, "test_accuracy": accuracy}
        size = {"num_examples": STREAMING, "steps_trained": steps}
        return labels | metrics | size

    trained = pd.DataFrame(
        [
            # It validates best, and takes longest; no rate; only the second.
            *(row(0, 0.001, 1.0, 900), row(1, 0.5, 0.9, 1_000), row(2, None, 0.0, 100)),
            *(row(0, 0.002, 0.99, 200), row(1, 0.4, 0.98, 50), row(2, 0.003, 1.0, 300)),
        ]
    )
    differs = trained.assign(same=False)
    found = needs(
        dataclasses.replace(PLAN, num_updates=1_000), pd.concat([trained, differs])
    )
    np.testing.assert_array_equal(found["updates"].loc["A", "Tied"], [200, 1_000, 300])
    best = study.best_of(trained).sort_values("seed")
    assert [*best["validation_loss"]] == [0.001, 0.4, 0.003]


def test_training_stops_only_where_the_task_is_solved():
    for plan in PLANS.values():
        # Of two answers a wrong one has a probability of at most a half.
        most = study.recipe_of(plan).stop_loss / np.log(2)
        assert 0 < most < 1 - study.SOLVED
        wrong_bit = np.log(2) / max(plan.lengths)
        assert 0 < study.recipe_of_strings(plan).stop_loss < wrong_bit


def test_runs_that_diverged_solve_nothing_and_are_counted(monkeypatch):
    class Lab:
        def train(self, settings, repeats):
            assert len({s.sharing for s in settings}) == 1
            good = {"test_accuracy": 1.0, "validation_loss": 0.1, "steps_trained": 9}
            found = [{**good, "seed": r.seed, "num_parameters": 7} for r in repeats]
            lost = dict.fromkeys(("test_accuracy", "validation_loss"))
            found[0] |= lost | {"diverged": 3}
            return found * len(settings)

    runs = [study.compose(PLAN, Lab(), "Elman", arm) for arm in study.ARMS]
    strings = study.learn_strings(PLAN, Lab())
    runs = pd.concat(runs, ignore_index=True)
    found = FOUND._replace(composed=runs, strings=strings)
    assert not trained_widths(PLAN, found)["Elman"][1]
    power, columns = POWER.judge(PLAN, found), AMBIGUOUS.judge(PLAN, found)
    assert (power.verdict, columns.verdict) == ("refuted", "inconclusive")
    count = len(found.composed)
    told = f"{count // 5} of {count} runs diverged and count as not solving their task."
    assert told in columns.details
    assert "runs diverged" in power.details
    assert "diverged" not in POWER.judge(PLAN, FOUND).details
    assert POWER.table(PLAN, found, power)[5][2].startswith("more than 4, 2, 2")
    assert AMBIGUOUS.table(PLAN, found, columns)[-1][2] == "4 of 5"


@pytest.mark.parametrize(
    "case", with_slow(CASES, CASES[:3]), ids=lambda case: case.name
)
def test_a_hundred_random_networks_equal_their_compiled_ones(case):
    assert 17 * len(CASES) >= 100
    found = compile_networks(case, 17)
    assert len(found.errors) == 17 and max(found.errors) < 1e-5
    assert max(found.gradient_errors) < 1e-5
    steps, width = case.num_steps, case.hidden_features
    units = {
        ElmanCell: steps * (width + 1),
        LSTMCell: steps * (width + case.in_features + 1),
        GRUCell: steps * (width + case.in_features + 2),
    }[case.cell]
    assert found.units == (width, units)
    assert found.parameters[0] < found.parameters[2] < found.parameters[1]


def test_every_preset_can_be_judged():
    for name, plan in PLANS.items():
        assert plan.num_updates % plan.validate_every == 0, name
        assert plan.lengths[-1] <= plan.string_steps
        assert plan.sample_width > 1 and plan.num_seeds >= 2
        assert list(plan.widths) == sorted(plan.widths)
    assert PLANS["quick"].num_seeds == 5 and PLANS["full"].num_seeds == 10
    for plan in (PLANS["quick"], PLANS["full"]):
        assert plan.num_cases == len(CASES)
        assert plan.num_networks * plan.num_cases >= 100
    assert [claim.id for claim in EXPERIMENT.claims] == ["C1", "C2", "Cc1"]
    task = study.composition(4, 3, 2, 2, same=True, num_examples=9)
    assert (task.moves == task.moves[:1]).all() and task.num_examples == 9
    other = study.composition(4, 3, 2, 2)
    assert not (other.moves == other.moves[:1]).all()
    np.testing.assert_array_equal(task.moves[0], other.moves[0])

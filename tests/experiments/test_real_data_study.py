"""The rules of Q5 on real data and of A2, on made-up losses."""

import dataclasses

import numpy as np
import pytest

from experiments.real_data import __main__ as real_data
from experiments.real_data.claims import compute_finding, finding, judge, judge_compute
from experiments.real_data.measure import PLANS, TASKS, Case, Measured, arms
from rnnshare import GRUCell, Tied, Untied, tasks
from rnnshare.analysis.statistics import holm
from rnnshare.training.study import Setting

JITTER = np.array([-0.02, 0.01, 0.02, -0.01, 0.015, -0.015])


def case(name, difference, best_step=50, task=tasks.italy_power_demand):
    """Returns a case whose untied test loss is above the tied one by so much."""
    made = dataclasses.replace(task(0), name=name)
    losses = {"Tied": 1 + JITTER, "Untied": 1 + difference + 2 * JITTER[::-1]}
    rows = {
        arm: [
            {
                "test_loss": float(x), "train_loss": float(x) - 0.1,
                "test_accuracy": 0.5, "test_bits_per_character": float(x) / 0.69,
                "best_step": best_step, "num_steps": 100,
            }
            for x in values
        ]
        for arm, values in losses.items()
    }  # fmt: skip
    chosen = {
        arm: Setting(task, GRUCell, sharing, 4)
        for arm, sharing in (("Tied", Tied()), ("Untied", Untied(made.num_steps)))
    }
    return Case(made, "GRUCell", chosen, rows)


def found(*differences, again=(), **options):
    cases = [case(f"data_{i}", d, **options) for i, d in enumerate(differences)]
    confirmed = {f"data_{i}, GRU": case(f"data_{i}", d) for i, d in again}
    return Measured(cases, holm([c.p_value for c in cases]), confirmed)


@pytest.mark.parametrize(
    ("measured", "core", "compute"),
    [
        (found(0.3, 0.3, 0.0), "refuted", "supported"),
        (found(0.3, 0.0, 0.0), "inconclusive", "inconclusive"),
        (found(0.3, 0.3, -0.3, again=[(2, -0.3)]), "supported", "supported"),
        (found(0.3, 0.3, -0.3, again=[(2, 0.0)]), "refuted", "supported"),
        (found(-0.3, -0.3, 0.0, again=[(0, 0.1), (1, 0.1)]), "inconclusive", "refuted"),
        (found(0.3, -0.3, again=[(1, -0.3)]), "supported", "inconclusive"),
    ],
)
def test_verdicts(measured, core, compute):
    assert judge(measured).verdict == core
    assert judge_compute(measured) == compute


def test_findings_say_what_was_measured(tmp_path):
    measured = found(0.3, 0.3, -0.3, again=[(2, -0.3)], best_step=100)
    measured.cases[0] = case("data_0", 0.3, task=tasks.folk_tunes)
    one = finding(measured, "quick", tmp_path, real_data.RULES["Q5"], 1.0)
    assert (one.id, one.verdict) == ("Q5", "supported")
    assert "Untied wins on data_2, GRU, tied on 2 of 3" in one.meaning
    np.testing.assert_allclose(one.effect, -0.3, atol=1e-9)
    other = compute_finding(measured, "quick", tmp_path, real_data.RULES["A2"], 1.0)
    assert (other.id, other.verdict) == ("A2", "supported")
    np.testing.assert_allclose(other.effect, 0.1, atol=1e-9)
    assert "33% of the runs were at their best before the last step" in other.meaning
    assert "got there on data_1, GRU; data_2, GRU." in other.details
    assert "cannot be tested by training" in other.details
    assert [row[1] for row in other.table[1:]] == ["Tied", "Tied", "Untied"]
    for name in ("Q5", "A2"):
        assert (tmp_path / f"figures/{name}.png").is_file()


def test_plans_hold_what_they_claim():
    full = PLANS["full"]
    assert set(full.cells) == set(TASKS) and full.num_seeds == 10
    assert all(GRUCell in cells for cells in full.cells.values())
    small = dataclasses.replace(full, hidden_features=6)
    grids = arms(tasks.italy_power_demand, GRUCell, small)
    # As many trainings for each arm to choose by.
    assert {full.tuning % len(grid) for grid in grids.values()} == {0}
    target = grids["Tied"][0].num_parameters()
    narrow = grids["Untied, equal parameters"][0]
    off = {
        width: abs(
            dataclasses.replace(narrow, hidden_features=width).num_parameters() - target
        )
        for width in (1, 2, 3)
    }
    assert off[narrow.hidden_features] == min(off.values())
    assert "Cyclic, period 9" in arms(tasks.folk_tunes, GRUCell, full)

"""Real data: the rules of Q5 and of A2 on made-up losses, the arms, lost runs."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.real_data import measure as study
from experiments.real_data.claims import COMPUTE, DATA, EXPERIMENT
from experiments.real_data.measure import TASKS, Measured, arms
from experiments.real_data.plan import PLANS, Plan
from rnnshare import Tied, tasks
from rnnshare.plotting import save
from rnnshare.training import Setting

JITTER = np.array([-0.02, 0.01, 0.02, -0.01, 0.015, -0.015])
QUICK = PLANS["quick"]


def runs_of(differences, best_step=50):
    """Returns runs of {case: how far the untied test loss is above the tied one}."""
    rows = []
    for case, difference in differences.items():
        losses = {"Tied": 1 + JITTER, "Untied": 1 + difference + 2 * JITTER[::-1]}
        for arm, values in losses.items():
            for seed, x in enumerate(values):
                rows.append(
                    {
                        "case": case, "arm": arm, "seed": seed, "test_loss": x,
                        "train_loss": x - 0.1, "test_accuracy": 0.5,
                        "test_bits_per_character": x / 0.69, "lost": False,
                        "best_step": best_step, "num_steps": 100,
                    }
                )  # fmt: skip
    columns = rows[0] if rows else runs_of({"": 0.0}).columns
    return pd.DataFrame(rows, columns=list(columns))


def found(*differences, again=(), first="data_0, GRU", **options):
    """Returns a map of these differences; `again` has those on fresh seeds."""
    cases = [first, *(f"data_{i}, GRU" for i in range(1, len(differences)))]
    chosen = {
        (case, arm): Setting(tasks.italy_power_demand, study.standard_cells()["GRU"],
                             Tied(), 4)
        for case in cases
        for arm in ("Tied", "Untied")
    }  # fmt: skip
    chance = {case: {"loss": 0.7, "accuracy": 0.5} for case in cases}
    runs = runs_of(dict(zip(cases, differences, strict=True)), **options)
    fresh = runs_of({cases[i]: difference for i, difference in again})
    return Measured(runs, fresh, chosen, chance)


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
    assert DATA.judge(QUICK, measured).verdict == core
    assert COMPUTE.judge(QUICK, measured).verdict == compute


def test_verdicts_say_what_was_measured(tmp_path):
    first = "folk_tunes, GRU"
    measured = found(0.3, 0.3, -0.3, again=[(2, -0.3)], best_step=100, first=first)
    measured.chance[first]["bits_per_character"] = 4.5
    measured.runs.loc[measured.runs["case"] == first, "best_step"] = 50
    one = DATA.judge(QUICK, measured)
    assert "Untied wins on data_2, GRU, tied on 2 of 3" in one.summary
    np.testing.assert_allclose(one.effect.estimate, -0.3, atol=1e-9)
    assert "data_2, GRU" in one.label
    table = DATA.table(QUICK, measured, one)
    assert "bits" in table[1][4] and "bits" not in table[3][4]
    assert [bool(row[-1]) for row in table[1:]] == [False, True] * 3
    save(DATA.draw(QUICK, measured, one), tmp_path / "Q5.png")
    other = COMPUTE.judge(QUICK, measured)
    np.testing.assert_allclose(other.effect.estimate, 0.1, atol=1e-9)
    assert "33% of the runs were at their best before the last step" in other.summary
    assert "got there on data_1, GRU; data_2, GRU." in other.details
    assert "cannot be tested by training" in other.details
    rows = COMPUTE.table(QUICK, measured, other)[1:]
    assert [row[1] for row in rows] == ["Tied", "Tied", "Untied"]
    save(COMPUTE.draw(QUICK, measured, other), tmp_path / "A2.png")


def test_cyclic_weights_and_shuffled_time_are_told():
    plain = runs_of({"mnist1d, GRU": 0.3, "mnist1d_shuffled, GRU": 0.1})
    plain.loc[plain["case"] == "mnist1d_shuffled, GRU", "test_accuracy"] = 0.4
    cyclic = runs_of({"mnist1d, GRU": 0.1}).query("arm == 'Untied'")
    runs = pd.concat([plain, cyclic.assign(arm="Cyclic, period 9")])
    measured = found(0.0)._replace(runs=runs)
    told = DATA.judge(QUICK, measured).details
    assert "tied, 50.0 % plain and 40.0 % shuffled (10.0 points lost)" in told
    assert "weights by cyclic, period 9, less tied +0.100" in told
    assert "and less untied -0.200" in told


class MadeUp:
    """A lab whose trainings have these test losses; None is a run that diverged."""

    def __init__(self, losses):
        self.losses, self.asked = losses, []

    def tune(self, candidates, budget):
        return candidates[0]

    def train(self, settings, repeats):
        self.asked.append((len(settings), repeats[0].seed))
        return [
            {
                "seed": r.seed, "best_step": 1, "num_steps": 2,
                **{f"{part}_{metric}": self.losses(setting, r.seed)
                   for part in ("train", "validation", "test")
                   for metric in ("loss", "accuracy")},
            }
            for setting in settings
            for r in repeats
        ]  # fmt: skip


def test_a_run_that_diverged_counts_as_chance():
    plan = dataclasses.replace(PLANS["smoke"], num_seeds=6)
    lab = MadeUp(
        lambda setting, seed: (
            None
            if seed == 3
            else (0.5 if setting.sharing == Tied() else 0.1) + JITTER[seed % 6]
        )
    )
    measured = EXPERIMENT.measure(plan, lab)
    assert lab.asked == [(4, 0), (2, 2_000)]  # the pair alone is run again
    chance = measured.chance["italy_power_demand, GRU"]
    lost = measured.runs[measured.runs["lost"]]
    assert len(lost) == 4 and set(lost["test_loss"]) == {chance["loss"]}
    assert set(lost["train_accuracy"]) == {chance["accuracy"]}
    for claim in (DATA, COMPUTE):
        verdict = claim.judge(plan, measured)
        assert np.isfinite(verdict.effect).all()
        assert "4 of 24 runs diverged and count as chance." in verdict.details


def test_plans_hold_what_they_claim():
    full = PLANS["full"]
    assert set(full.cells) == set(TASKS) and full.num_seeds == 10
    assert all(make_task(0).name == name for name, make_task in TASKS.items())
    assert all("GRU" in cells for cells in full.cells.values())
    small: Plan = dataclasses.replace(full, hidden_features=6)
    grids = arms(small, "italy_power_demand", "GRU")
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
    assert "Cyclic, period 9" in arms(full, "folk_tunes", "GRU")

"""Real data: the rules of Q5 and of A2 on made-up losses, the arms, lost runs."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.lab.power import repeats_needed
from experiments.real_data import measure as study
from experiments.real_data.claims import COMPUTE, DATA, EXPERIMENT
from experiments.real_data.measure import (
    TASKS,
    Measured,
    arms,
    family_of,
    is_generated,
    source_of,
)
from experiments.real_data.over_sources import (
    LEAST_SOURCES,
    over_sources,
    say_power,
    verdict_of,
)
from experiments.real_data.plan import PLANS, Plan
from rnnshare import Tied, tasks
from rnnshare.plotting import save
from rnnshare.training import Setting

JITTER = np.array([-0.02, 0.01, 0.02, -0.01, 0.015, -0.015])
PLAN = PLANS["full"]
BEST = {"tied": "Tied", "untied": "Untied", "partial": "LowRank(2)", "whole": "Tied"}


def runs_of(ratios, best_step=50, partial=0.0):
    """Returns runs of {case: log of the untied test loss over the tied one}."""
    rows = []
    for case, ratio in ratios.items():
        logs = {
            "Tied": JITTER,
            "Untied": ratio + 2 * JITTER[::-1],
            "LowRank(2)": partial + JITTER[[1, 0, 3, 2, 5, 4]],
        }
        for arm, values in logs.items():
            for seed, x in enumerate(np.exp(values)):
                rows.append(
                    {
                        "case": case, "arm": arm, "seed": seed, "test_loss": x,
                        "train_loss": x - 0.1, "test_accuracy": 0.5,
                        "test_bits_per_character": x / 0.69, "lost": False,
                        "test_unexplained": x, "best_step": best_step,
                        "num_steps": 100,
                    }
                )  # fmt: skip
    columns = rows[0] if rows else runs_of({"": 0.0}).columns
    return pd.DataFrame(rows, columns=list(columns))


def found(*ratios, again=(), names=(), **options):
    """Returns a map of these log ratios; `again` has those on fresh seeds."""
    names = [*names, *(f"data_{i}" for i in range(len(names), len(ratios)))]
    cases = [f"{name}, GRU" for name in names]
    setting = Setting(tasks.italy_power_demand, study.cells()["GRU"], Tied(), 4)
    chosen = {(case, arm): setting for case in cases for arm in BEST.values()}
    chance = {case: {"loss": 0.7, "accuracy": 0.5} for case in cases}
    runs = runs_of(dict(zip(cases, ratios, strict=True)), **options)
    fresh = runs_of({cases[i]: ratio for i, ratio in again})
    best, overlap = dict.fromkeys(cases, BEST), dict.fromkeys(cases, 0.25)
    return Measured(runs, fresh, chosen, best, chance, overlap)


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (found(0.3, 0.3, 0.0), "refuted"),
        (found(0.3, 0.0, 0.0), "inconclusive"),
        (found(0.3, 0.3, -0.3, again=[(2, -0.3)]), "supported"),
        (found(0.3, 0.3, -0.3, again=[(2, 0.0)]), "refuted"),
        (found(-0.3, -0.3, 0.0, again=[(0, 0.1), (1, 0.1)]), "inconclusive"),
        # Generated data decide nothing.
        (found(-0.3, 0.0, names=["mnist1d"], again=[(0, -0.3)]), "inconclusive"),
        (found(-0.3, 0.3, names=["mnist1d"], again=[(0, -0.3)]), "refuted"),
    ],
)
def test_verdicts_on_data(measured, verdict):
    assert DATA.judge(PLAN, measured).verdict == verdict


def test_the_effect_is_of_a_pair_that_was_won():
    told = DATA.judge(PLAN, found(0.3, -0.4, -0.3, again=[(1, 0.0), (2, -0.3)]))
    assert told.verdict == "supported"
    assert told.effect.estimate == pytest.approx(-0.3, abs=0.02)
    assert "untied wins by most (data_2, GRU)" in told.label


EIGHT = [0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.1, 0.2]


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ([*EIGHT, -0.01], "supported"),  # 8 of 9
        (EIGHT, "inconclusive"),  # too few sources
        ([*EIGHT[:7], -0.01, -0.01], "inconclusive"),  # 7 of 9
        ([0.01] * 8 + [5.0], "inconclusive"),  # one carries the mean
        ([-x for x in EIGHT] + [0.01], "refuted"),
        ([*EIGHT, -3.0], "inconclusive"),
    ],
)
def test_verdicts_over_sources(ratios, verdict):
    told = COMPUTE.judge(PLAN, found(*ratios))
    assert told.verdict == verdict and told.repeats == "sources"
    assert told.count == len(ratios)
    assert ("80 % power with" in told.details) == (verdict == "inconclusive")
    # Generated data are left out, and variants of a data set are one source.
    more = found(*ratios, -9.0, -9.0, names=[f"data_{i}" for i in range(len(ratios))]
                 + ["mnist1d", "mnist1d_shuffled"])  # fmt: skip
    assert COMPUTE.judge(PLAN, more).effect == told.effect


def test_variants_of_a_data_set_are_one_source():
    differences = pd.DataFrame(
        [[0.2, 0.4], [-0.1, 0.1], [0.3, 0.5]],
        ["mnist_rows, GRU", "mnist_rows_shifted, GRU", "digits, GRU"],
    )
    sources = over_sources(differences)
    np.testing.assert_allclose(sources.values, [0.15, 0.4])
    assert list(sources.values.index) == ["mnist_rows", "digits"]
    np.testing.assert_allclose(sources.left_out, [0.4, 0.15])
    assert sources.p == 0.5 and verdict_of(sources) == "inconclusive"
    assert "digits +0.400" in sources.told()
    none = over_sources(differences[:0])
    assert verdict_of(none) == "inconclusive" and np.isfinite(none.mean).all()
    assert "At least 9 sources" in say_power(none, 10)


def test_the_power_is_that_of_the_t_test():
    """34 values show a mean of half a deviation with 80 % power (Cohen's table)."""
    values = 0.5 + np.array([-1.0, 1.0]) / np.sqrt(2)
    assert repeats_needed(values) == 34


def test_verdicts_say_what_was_measured(tmp_path):
    first = "folk_tunes, GRU"
    measured = found(0.3, 0.3, -0.3, again=[(2, -0.3)], best_step=100,
                     names=["folk_tunes"], partial=-0.4)  # fmt: skip
    measured.chance[first]["bits_per_character"] = 4.5
    measured.runs.loc[measured.runs["case"] == first, "best_step"] = 50
    one = DATA.judge(PLAN, measured)
    assert "untied wins on data_2 GRU, tied on 2 of 3" in one.summary
    assert "Partial untying beats both on folk_tunes GRU, data_1 GRU" in one.summary
    np.testing.assert_allclose(one.effect.estimate, -0.3, atol=1e-9)
    assert "data_2, GRU" in one.label
    table = DATA.table(PLAN, measured, one)
    assert "bits" in table[1][4] and "bits" not in table[5][4]
    assert [bool(row[-1]) for row in table[1:4]] == [False, True, True]
    save(DATA.draw(PLAN, measured, one), tmp_path / "Q5.png")
    other = COMPUTE.judge(PLAN, measured)
    np.testing.assert_allclose(other.effect.estimate, 0.1, atol=1e-9)
    assert "last step on data_1, GRU; data_2, GRU, where" in other.details
    assert "cannot be tested by training" in other.details
    rows = COMPUTE.table(PLAN, measured, other)[1:]
    assert [row[2] for row in rows] == ["Tied", "Tied", "Untied"]
    save(COMPUTE.draw(PLAN, measured, other), tmp_path / "A2.png")


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
    plan = dataclasses.replace(PLANS["smoke"], num_seeds=6, cells={"digits": ("GRU",)})
    lab = MadeUp(
        lambda setting, seed: (
            None
            if seed == 10_003
            else (0.5 if setting.sharing == Tied() else 0.1) + JITTER[seed % 6]
        )
    )
    measured = EXPERIMENT.measure(plan, lab)
    # A tuning seed chooses the arms; the pair alone is run again.
    assert lab.asked == [(3, 1_000), (3, 10_000), (2, 11_000)]
    chance = measured.chance["digits, GRU"]
    lost = measured.runs[measured.runs["lost"]]
    assert len(lost) == 3 and set(lost["test_loss"]) == {chance["loss"]}
    assert set(lost["train_accuracy"]) == {chance["accuracy"]}
    for claim in (DATA, COMPUTE):
        verdict = claim.judge(plan, measured)
        assert np.isfinite(verdict.effect).all()
        assert "3 of 18 runs diverged and count as chance." in verdict.details


@pytest.mark.slow  # it reads all data
def test_tasks_have_their_names():
    assert all(make_task(0).name == name for name, make_task in TASKS.items())


def test_plans_hold_what_they_claim():
    full = PLANS["full"]
    assert set(full.cells) == set(TASKS) and full.num_seeds == 10
    real = {source_of(name) for name in full.cells if not is_generated(name)}
    assert len(real) == 10 >= LEAST_SOURCES
    assert len({*map(source_of, PLANS["quick"].cells)}) == LEAST_SOURCES
    small: Plan = dataclasses.replace(full, hidden_features=6)
    grids = arms(small, "italy_power_demand", "GRU")
    # As many trainings for each arm to choose by.
    assert {full.tuning % len(grid) for grid in grids.values()} == {0}
    families = [family_of(arm) for arm in (*grids, "Cyclic, period 9")]
    assert families == ["tied", "untied", "partial", "tied", "untied", "partial"]
    target = grids["Tied"][0].num_parameters()
    narrow = grids["Untied, equal parameters"][0]
    off = {
        width: abs(
            dataclasses.replace(narrow, hidden_features=width).num_parameters() - target
        )
        for width in (1, 2, 3)
    }
    assert off[narrow.hidden_features] == min(off.values())
    assert grids["Tied, three times as wide"][0].hidden_features == 18
    assert "Cyclic, period 9" in arms(full, "folk_tunes", "GRU")

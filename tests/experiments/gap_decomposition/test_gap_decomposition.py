"""The split of the tied-untied gap, the correlation of two gaps, and their verdicts."""

import dataclasses

import numpy as np
import pytest

from experiments.gap_decomposition import claims, figure
from experiments.gap_decomposition import measure as study
from experiments.gap_decomposition.claims import (
    AGREEMENT,
    EXPERIMENT,
    GAP,
    MANY,
    agreement_verdict,
    contrast,
    correlation,
    decompose,
    parts_of,
    parts_verdict,
    two_gaps,
)
from experiments.gap_decomposition.measure import Measured, whole_seeds
from experiments.gap_decomposition.plan import PLANS, SHARINGS
from rnnshare.analysis.statistics import Interval, bootstrap_interval
from rnnshare.plotting import save


def test_the_parts_add_up_to_the_gap_of_the_mixture():
    rng = np.random.default_rng(0)
    gaps, longer = rng.normal(size=(2, 50, 4))
    parts = decompose(gaps, longer)
    np.testing.assert_allclose(parts.sum(-1), gaps.mean(-1), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("gaps", "longer", "expected"),
    [
        # Longer training closes all of it: resources.
        ((1, 1, 1, 1), (0, 0, 0, 0), (1, 0, 0, 0)),
        # It stays, and is the same wherever it is measured: estimation.
        ((1, 1, 1, 1), (1, 1, 1, 1), (0, 1, 0, 0)),
        # Fresh examples alone: still estimation, as it underlies the unseen sets.
        ((0, 1, 1, 1), (0, 1, 1, 1), (0, 0.75, 0, 0)),
        ((0, 0, 1, 0), (0, 0, 1, 0), (0, 0, 0.25, 0)),
        ((0, 0, 0, 1), (0, 0, 0, 1), (0, 0, 0, 0.25)),
        # Confident wrong answers: longer training widens the gap.
        ((0, 0, 1, 0), (0, 0, 3, 0), (-0.5, 0, 0.75, 0)),
    ],
)
def test_each_part_is_what_it_is_called(gaps, longer, expected):
    np.testing.assert_allclose(decompose(np.array(gaps), np.array(longer)), expected)


def test_a_cells_parts_are_the_mean_over_its_settings_and_of_error_rates_too():
    values = np.random.default_rng(1).uniform(size=(3, 2, 2, 5, 4))
    names = [("A", 4, 10), ("A", 4, 20), ("B", 4, 10)]
    by_case = dict(zip(names, values, strict=True))
    loss, error = parts_of(by_case, "loss"), parts_of(by_case, "accuracy")
    for seed in range(5):
        gap = 0.0  # of cell A after s steps, in plain loops
        for setting in (0, 1):
            for part in range(4):
                tied, untied = values[setting, :, 0, seed, part]
                gap += (untied - tied) / 8
        assert loss["A"][seed].sum() == pytest.approx(gap)
    np.testing.assert_allclose(error["B"], -loss["B"])
    np.testing.assert_allclose(contrast(np.array([1.0, 2.0, 4.0, 8.0])), 9.0)


def by_case(values):
    """Returns {metric: {case: values}}, of a loss and an accuracy alike."""
    cases = dict(enumerate(values))
    return {"loss": cases, "accuracy": {k: v.copy() for k, v in cases.items()}}


def test_a_seed_with_a_diverged_run_is_left_out():
    found = by_case(np.arange(24.0).reshape(2, 1, 3, 4))
    found["accuracy"][1][0, 1, 2] = np.nan
    rest, told, enough = whole_seeds(found)
    for values in (*rest["loss"].values(), *rest["accuracy"].values()):
        assert values.shape == (1, 2, 4) and np.isfinite(values).all()
    assert rest["loss"][0][0, 1, 0] == 8.0 and enough
    assert told == (
        " 1 of 6 runs diverged; their seeds are left out of both sides, 2 are left."
    )
    assert whole_seeds(by_case(np.ones((2, 3, 4))))[1:] == ("", True)


def test_where_too_few_seeds_are_whole_there_is_no_verdict():
    found = by_case(np.ones((2, 3, 4)))
    found["loss"][0][:2] = np.nan
    rest, told, enough = whole_seeds(found)
    assert rest["loss"][0][0].tolist() == [study.GUESSING["loss"]] * 4
    assert rest["loss"][1].shape == (3, 4) and not enough
    assert told.startswith(" 2 of 6 runs diverged and count as guessing")


ABOVE, BELOW, ACROSS = Interval(2, 1, 3), Interval(-2, -3, -1), Interval(0, -1, 1)


@pytest.mark.parametrize(
    ("cells", "overall", "verdict"),
    [
        ([ABOVE, ABOVE, ACROSS], ABOVE, "supported"),
        ([ABOVE, ACROSS, ACROSS], ABOVE, "inconclusive"),
        ([ABOVE, ABOVE, BELOW], ACROSS, "inconclusive"),
        ([ABOVE, BELOW], ACROSS, "inconclusive"),
        ([BELOW, BELOW, ACROSS], BELOW, "refuted"),
        ([BELOW, ACROSS, ACROSS], BELOW, "inconclusive"),
    ],
)
def test_the_verdict_of_the_parts(cells, overall, verdict):
    assert parts_verdict(cells, overall) == verdict


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        (Interval(0.9, 0.4, 0.95), "supported"),
        (Interval(0.9, 0.2, 0.95), "inconclusive"),
        (Interval(0.5, 0.4, 0.6), "inconclusive"),
        (Interval(0.1, -0.3, 0.5), "refuted"),
        (Interval(0.1, -0.3, 0.85), "inconclusive"),
        (Interval(-0.9, -1.0, -0.8), "refuted"),
    ],
)
def test_the_verdict_of_the_correlation(interval, verdict):
    assert agreement_verdict(interval) == verdict


def test_the_correlation_is_that_of_the_settings_means():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(20, 1))
    x = truth + 0.1 * rng.normal(size=(20, 5))
    y = 2 * truth + 0.1 * rng.normal(size=(20, 5))
    found = correlation(x, y)
    a, b = x.mean(1) - x.mean(), y.mean(1) - y.mean()
    assert found.estimate == pytest.approx((a @ b) / np.sqrt((a @ a) * (b @ b)))
    assert 0.95 < found.low <= found.high <= 1
    assert correlation(x, -y).high < -0.95
    assert correlation(np.ones((20, 5)), y) == Interval(0, 0, 0)


def test_two_gaps_by_their_definition():
    by_case = {"a": np.array([[1.0, 1.5, 4.0]]), "b": np.array([[2.0, 2.0, 2.0]])}
    assert [gap.tolist() for gap in two_gaps(by_case, "loss")] == [
        [[0.5], [0.0]],
        [[2.5], [0.0]],
    ]
    assert two_gaps(by_case, "accuracy")[1].tolist() == [[-2.5], [0.0]]


def pairs_of(plan, gaps, longer):
    """Returns the pairs of an untied model with these gaps, with some noise."""
    rng = np.random.default_rng(3)
    untied = np.stack([gaps, longer])[:, None] + 0.01 * rng.normal(size=(2, 9, 4))
    tied = np.full((2, 9, 4), 0.1)
    cases = {
        (cell, t, n): np.stack([tied, tied + untied])
        for cell in plan.cells
        for t in plan.lengths
        for n in plan.sizes
    }
    return {
        "loss": cases,
        "accuracy": {case: 0.5 - values / 2 for case, values in cases.items()},
    }


def settings_of(plan, slope, noise=0.01):
    """Returns settings whose unseen-position gap is `slope` of the train-test gap."""
    rng = np.random.default_rng(4)
    cases = {}
    for cell in plan.cells:
        for label in plan.agreement_sharings:
            for size in plan.agreement_sizes:
                x = np.full(9, rng.uniform())
                y = slope * x + noise * rng.normal(size=9) + noise * rng.normal()
                cases[label, cell, 12, size] = np.stack([0 * x, x, x + y], -1)
    return {"loss": cases, "accuracy": {k: 1 - v / 4 for k, v in cases.items()}}


PLAN = PLANS["quick"]


@pytest.mark.parametrize(
    ("gaps", "longer", "verdict"),
    [
        ((0, 0, 1, 1), (0, 0, 1, 1), "supported"),
        ((1, 1, 1, 1), (0, 0, 0, 0), "refuted"),
        ((0, 0, 0, 0), (0, 0, 0, 0), "inconclusive"),
    ],
)
def test_the_parts_are_told_and_drawn(gaps, longer, verdict, tmp_path):
    found = Measured(pairs_of(PLAN, gaps, longer), {})
    told = GAP.judge(PLAN, found)
    assert (told.verdict, told.count) == (verdict, 9)
    expected = contrast(decompose(np.array(gaps), np.array(longer)))
    assert told.effect.estimate == pytest.approx(expected, abs=0.02)
    table = GAP.table(PLAN, found, told)
    assert [row[:2] for row in table[1:]] == [
        (cell, unit) for unit in ("nats", "error rate") for cell in PLAN.cells
    ]
    save(GAP.draw(PLAN, found, told), tmp_path / "parts.png")
    # One run diverged: its seed is left out; all of them: no verdict.
    case = found.pairs["loss"][PLAN.cells[0], 12, 200]
    case[1, 0, 2, 1] = np.nan
    fewer = GAP.judge(PLAN, found)
    assert (fewer.verdict, fewer.count) == (verdict, 8)
    assert "1 of 72 runs diverged" in fewer.details
    case[1, 0] = np.nan
    none = GAP.judge(PLAN, found)
    assert none.verdict == "inconclusive" and np.isfinite(none.effect).all()


@pytest.mark.parametrize(
    ("slope", "noise", "verdict"),
    [(2.0, 0.01, "supported"), (-2.0, 0.01, "refuted"), (1.0, 0.4, "inconclusive")],
)
def test_the_correlation_is_told_and_drawn(
    slope, noise, verdict, tmp_path, monkeypatch
):
    def quickly(values, **options):
        return bootstrap_interval(values, **{**options, "num_resamples": 99})

    monkeypatch.setattr(claims, "bootstrap_interval", quickly)
    found = Measured({}, settings_of(PLAN, slope, noise))
    told = AGREEMENT.judge(PLAN, found)
    assert (told.verdict, told.count) == (verdict, 9)
    assert "Over 30 settings" in told.summary
    table = AGREEMENT.table(PLAN, found, told)
    assert [row[0] for row in table[1::2]] == [
        "all settings",
        *(f"{label} alone" for label in SHARINGS),
    ]
    assert [row[2] for row in table[1:4]] == ["30", "30", "6"]
    save(AGREEMENT.draw(PLAN, found, told), tmp_path / "agreement.png")
    found.agreement["loss"]["Tied", "LSTM", 12, 50][4, 1] = np.nan
    fewer = AGREEMENT.judge(PLAN, found)
    assert fewer.count == 8 and "1 of 270 runs diverged" in fewer.details
    few = dataclasses.replace(PLAN, agreement_sizes=(50,))
    told = AGREEMENT.judge(few, Measured({}, settings_of(few, slope, noise)))
    assert told.verdict == "inconclusive"  # too few settings


def test_plans_hold_what_the_rules_speak_of():
    assert [claim.id for claim in EXPERIMENT.claims] == ["Ac1", "Ac2d"]
    for plan in PLANS.values():
        settings = len(plan.cells) * len(plan.lengths)
        settings *= len(plan.agreement_sizes) * len(plan.agreement_sharings)
        assert settings >= MANY == 20
        assert all(num_steps % 2 == 0 for num_steps in plan.lengths)
    assert PLANS["quick"].agreement_sharings == tuple(study.between(12))
    assert (PLANS["quick"].num_seeds, PLANS["full"].num_seeds) == (5, 10)


class Lab:
    """Records the trainings, a program at a time."""

    def __init__(self):
        self.asked = []

    def tune(self, candidates, budget):
        return candidates[-1]

    def train(self, settings, repeats):
        self.asked.append((settings, len(repeats)))
        names = [name.format(m) for name in study.SETS for m in study.GUESSING]
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
    # Two rates of tied, two of each start of untied; pairs twice; 30 settings.
    assert counts == [(4, 2), (8, 1), (8, 5), (60, 2), (30, 5)]
    assert len(found.pairs["loss"]) == 2 and len(found.agreement["accuracy"]) == 30
    assert found.pairs["loss"]["LSTM", 12, 200].shape == (2, 2, 5, 4)
    assert found.agreement["loss"]["Untied", "LSTM", 12, 50].shape == (5, 3)
    assert np.isnan(found.pairs["loss"]["LSTM", 12, 200]).all()
    settings = lab.asked[2][0]
    assert [s.recipe.num_steps for s in settings[:2]] == [250, 1_000]


def test_figures_refuse_other_parts():
    bar = figure.Bar("A", [ABOVE, ABOVE], ABOVE)
    with pytest.raises(ValueError, match="zip"):
        figure.draw_parts({"y": [bar]}, ["a", "b"], {"y": 0.0})

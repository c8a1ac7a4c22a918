"""The split of the tied-untied gap, the correlation of two gaps, and their verdicts."""

import dataclasses
import itertools

import numpy as np
import pytest
import scipy.stats

from experiments.gap_decomposition import agreement_claim
from experiments.gap_decomposition import measure as study
from experiments.gap_decomposition.agreement_claim import (
    AGREEMENT,
    agreement_verdict,
    correlation,
    two_gaps,
    without_two,
)
from experiments.gap_decomposition.claims import (
    GAP,
    decompose,
    equal_share,
    learnt_cases,
    parts_of,
    parts_verdict,
    sides,
)
from experiments.gap_decomposition.measure import Measured, without_lost
from experiments.gap_decomposition.plan import PLANS, SHARINGS
from rnnshare.analysis.statistics import Interval, bootstrap_interval
from rnnshare.plotting import save


@pytest.mark.parametrize(
    ("gaps", "longer", "expected"),
    [
        # Longer training closes all of it: resources.
        ((1, 1, 1, 1), (0, 0, 0, 0), (1, 0, 0, 0)),
        # It stays, and is the same wherever it is measured: estimation.
        ((1, 1, 1, 1), (1, 1, 1, 1), (0, 1, 0, 0)),
        # Of fresh examples alone, less at unseen steps.
        ((0, 1, 0, 0), (0, 1, 0, 0), (0, 1, -0.5, -0.5)),
        ((0, 0, 1, 0), (0, 0, 1, 0), (0, 0, 0.5, 0)),
        ((0, 0, 0, 1), (0, 0, 0, 1), (0, 0, 0, 0.5)),
        # Longer training widens the gap: no resources, whatever it is called.
        ((0, 1, 1, 1), (0, 3, 3, 3), (-2, 3, 0, 0)),
    ],
)
def test_each_part_is_what_it_is_called(gaps, longer, expected):
    parts = decompose(np.array(gaps), np.array(longer))
    np.testing.assert_allclose(parts, expected)
    # All of them are the gap of use at unseen steps, half of each kind.
    start, *_ = np.array(gaps)[1:]
    after = np.array(longer)
    assert parts.sum() == pytest.approx(start - after[1] + after[2:].mean())


def test_a_negative_part_adds_to_neither_side():
    parts = np.array([[-1.0, 2.0, 3.0, -5.0], [1.0, -1.0, -1.0, -1.0]])
    np.testing.assert_array_equal(sides(parts), [[2.0, 3.0], [1.0, 0.0]])


def test_the_equal_share_is_where_the_sides_are_equal():
    rng = np.random.default_rng(0)
    b = 1 + 0.1 * rng.normal(size=8)
    found = equal_share(np.stack([0.3 * b, b], -1))
    np.testing.assert_allclose(found, [0.3] * 3, atol=6e-4)
    # Its interval is where a t test does not tell the sides apart.
    a = 0.3 + 0.05 * rng.normal(size=8)
    found = equal_share(np.stack([a, b], -1))
    for end, outward in zip(found[1:], (-0.0005, 0.0005), strict=True):
        p, beyond = (
            scipy.stats.ttest_1samp(a - share * b, 0).pvalue
            for share in (end, end + outward)
        )
        assert beyond < 0.05 <= p + 1e-9
    assert found.estimate == pytest.approx(a.mean() / b.mean())
    assert equal_share(np.stack([2 + a, b], -1)) == Interval(1, 1, 1)  # at no share
    assert equal_share(np.stack([a, 0 * b], -1)) == Interval(1, 1, 1)
    unknown = equal_share(np.stack([a, 10 * rng.normal(size=8)], -1))
    assert unknown.high == 1 and unknown.low < 0.1


def test_parts_are_those_of_losses_and_of_error_rates():
    values = np.random.default_rng(1).uniform(size=(2, 2, 2, 5, 4))
    by_case = dict(zip([("A", 4, 10), ("B", 4, 10)], values, strict=True))
    loss, error = parts_of(by_case, "loss"), parts_of(by_case, "accuracy")
    gaps = values[0][1] - values[0][0]
    np.testing.assert_allclose(loss["A", 4, 10], decompose(*gaps))
    np.testing.assert_allclose(error["B", 4, 10], -loss["B", 4, 10])


def by_case(values):
    """Returns {metric: {case: values}}, of a loss and an accuracy alike."""
    cases = dict(enumerate(values))
    return {"loss": cases, "accuracy": {k: v.copy() for k, v in cases.items()}}


def test_a_run_that_diverged_counts_as_guessing():
    found = by_case(np.arange(24.0).reshape(2, 1, 3, 4))
    for metric in found:
        found[metric][1][0, 1] = np.nan
    rest, lost = without_lost(found)
    assert lost.tolist() == [False] * 4 + [True, False]
    for metric, guess in study.GUESSING.items():
        assert rest[metric][1][0, 1].tolist() == [guess] * 4
        np.testing.assert_array_equal(rest[metric][0], found[metric][0])


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        (Interval(0.05, 0.02, 0.09), "supported"),
        (Interval(0.05, 0.02, 0.11), "inconclusive"),
        (Interval(0.6, 0.49, 0.7), "inconclusive"),
        (Interval(0.6, 0.51, 0.7), "refuted"),
        (Interval(1.0, 1.0, 1.0), "refuted"),
    ],
)
def test_the_verdict_of_the_parts(interval, verdict):
    assert parts_verdict(interval) == verdict


@pytest.mark.parametrize(
    ("interval", "shared", "verdict"),
    [
        (Interval(0.9, 0.51, 0.95), 0.0, "supported"),
        (Interval(0.9, 0.51, 0.95), 0.6, "inconclusive"),
        (Interval(0.9, 0.2, 0.95), 0.0, "inconclusive"),
        (Interval(0.1, -0.3, 0.49), 0.6, "refuted"),
        (Interval(0.1, -0.3, 0.49), -0.5, "inconclusive"),
        (Interval(0.1, -0.3, 0.51), 0.6, "inconclusive"),
        (Interval(-0.9, -1.0, -0.8), -0.7, "refuted"),
        (Interval(-0.9, -1.0, -0.8), -0.8, "inconclusive"),
    ],
)
def test_the_verdict_of_the_correlation(interval, shared, verdict):
    alone = Interval(shared, shared - 0.05, shared + 0.05)
    assert agreement_verdict(interval, alone) == verdict


def test_the_correlation_resamples_settings():
    rng = np.random.default_rng(2)
    x = rng.normal(size=40)
    y = 2 * x + 0.3 * rng.normal(size=40)
    found = correlation(x, y)
    assert found.estimate == pytest.approx(scipy.stats.pearsonr(x, y).statistic)
    assert 0.95 < found.low <= found.high <= 1
    assert correlation(x, -y).high < -0.95
    # Fisher's interval, as settings are normal here.
    narrow, wide = correlation(x, y), correlation(x[:10], y[:10])
    assert wide.high - wide.low > narrow.high - narrow.low


def test_two_settings_that_carry_a_correlation_are_found():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 20))
    x[:2], y[:2] = 30.0, 30.0
    low, high = without_two(x, y)
    assert low < 0.5 < 0.98 < high
    assert without_two(np.arange(5.0), np.arange(5.0)) == pytest.approx((1, 1))


def test_two_gaps_by_their_definition():
    by_case = {"a": np.array([[1.0, 1.5, 2.0, 4.0]]), "b": np.full((1, 4), 2.0)}
    assert [gap.tolist() for gap in two_gaps(by_case, "loss")] == [[0.5, 0], [2, 0]]
    assert two_gaps(by_case, "accuracy")[1].tolist() == [-2, 0]


def pairs_of(plan, gaps, longer):
    """Returns the pairs of an untied model with these gaps, with some noise."""
    rng = np.random.default_rng(3)
    untied = np.stack([gaps, longer])[:, None] + 0.01 * rng.normal(size=(2, 9, 4))
    tied = np.full((2, 9, 4), 0.02)
    cases = {
        (cell, t, n): np.stack([tied, tied + untied])
        for cell in plan.cells
        for t in plan.lengths
        for n in plan.sizes
    }
    return {
        "loss": cases,
        "accuracy": {case: 1 - values for case, values in cases.items()},
    }


def settings_of(plan, slope, noise=0.01):
    """Returns settings whose unseen-position gap is `slope` of the train-test gap."""
    rng = np.random.default_rng(4)
    cases = {}
    for cell in plan.cells:
        for label in plan.agreement_sharings:
            for size in plan.agreement_sizes:
                for flips in plan.noises:
                    x = np.full(9, rng.uniform())
                    y = slope * x + noise * rng.normal(size=9) + noise * rng.normal()
                    values = np.stack([0 * x, x, x, x + y], -1)
                    cases[label, cell, 8, size, flips] = values
    return {"loss": cases, "accuracy": {k: 1 - v / 4 for k, v in cases.items()}}


PLAN = PLANS["quick"]


@pytest.mark.parametrize(
    ("gaps", "longer", "verdict", "share"),
    [
        ((0, 0.05, 1, 1), (0, 0.05, 1, 1), "supported", 0.05 / 0.95),
        ((1, 1, 1, 1), (0, 0.3, 1, 1), "refuted", 1.0),
        ((0, 0.3, 1, 1), (0, 0.3, 1.3, 1.3), "inconclusive", 0.3),
    ],
)
def test_the_parts_are_told_and_drawn(gaps, longer, verdict, share, tmp_path):
    found = Measured(pairs_of(PLAN, gaps, longer), {})
    told = GAP.judge(PLAN, found)
    assert told.verdict == verdict
    assert told.effect.estimate == pytest.approx(share, abs=0.03)
    assert ("80 % power" in told.details) == (verdict == "inconclusive")
    table = GAP.table(PLAN, found, told)
    cases = [
        f"{cell}, T = {t}, N = {n}"
        for cell, t, n in itertools.product(PLAN.cells, PLAN.lengths, PLAN.sizes)
    ]
    cases = ["all that count", *cases]
    assert [row[:2] for row in table[1:]] == [
        (case, unit) for unit in ("nats", "error rate") for case in cases
    ]
    save(GAP.draw(PLAN, found, told), tmp_path / "parts.png")


def test_a_case_that_tied_has_not_learnt_decides_nothing():
    found = pairs_of(PLAN, (0, 0.05, 1, 1), (0, 0.05, 1, 1))
    accuracies = found["accuracy"]
    case = PLAN.cells[0], 8, 25
    accuracies[case][0, 1, :2, 1] = 0.9  # two of nine seeds
    assert case not in learnt_cases(accuracies) and len(learnt_cases(accuracies)) == 5
    assert "5 of 6 cases count" in GAP.judge(PLAN, Measured(found, {})).details
    for values in accuracies.values():
        values[0, 1, :, 1] = 0.5
    assert GAP.judge(PLAN, Measured(found, {})).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("slope", "noise", "verdict"),
    [(2.0, 0.01, "supported"), (-2.0, 0.01, "refuted"), (1.0, 0.5, "inconclusive")],
)
def test_the_correlation_is_told_and_drawn(
    slope, noise, verdict, tmp_path, monkeypatch
):
    def quickly(values, **options):
        return bootstrap_interval(values, **{**options, "num_resamples": 99})

    monkeypatch.setattr(agreement_claim, "bootstrap_interval", quickly)
    found = Measured({}, settings_of(PLAN, slope, noise))
    told = AGREEMENT.judge(PLAN, found)
    assert (told.verdict, told.count, told.repeats) == (verdict, 60, "settings")
    assert ("independent settings" in told.details) == (verdict == "inconclusive")
    table = AGREEMENT.table(PLAN, found, told)
    assert [row[0] for row in table[1::2]] == [
        "all settings",
        *(f"{label} alone" for label in SHARINGS),
    ]
    assert [row[2] for row in table[1:4]] == ["60", "60", "12"]
    if verdict == "supported":
        save(AGREEMENT.draw(PLAN, found, told), tmp_path / "agreement.png")
        for values in found.agreement.values():
            values["Tied", "LSTM", 8, 8, 0.0][4] = np.nan
        fewer = AGREEMENT.judge(PLAN, found)
        assert "1 of 540 runs diverged and count as guessing" in fewer.details
        few = dataclasses.replace(PLAN, agreement_sizes=(8,))
        told = AGREEMENT.judge(few, Measured({}, settings_of(few, slope, noise)))
        assert told.verdict == "inconclusive"  # too few settings


def test_what_the_shared_loss_gives_alone_decides_nothing():
    """Shown, train and unseen losses that have nothing to do with one another."""
    rng = np.random.default_rng(0)
    found = settings_of(PLAN, 1.0)
    for by_case in found.values():
        for case in by_case:
            train, shown, unseen = rng.normal(size=3)
            by_case[case] = np.tile([train, shown, shown, unseen], (9, 1))
    told = AGREEMENT.judge(PLAN, Measured({}, found))
    assert told.verdict == "inconclusive" and told.effect.high < 0.5
    shared = agreement_claim.by_the_shared_term(found["loss"])
    assert shared.low < -0.5 < shared.high < 0  # -1/2 of three equal variances
    assert "More settings would not decide it" in told.details

"""Sharing over depth: the fits, the rules on made-up losses, and what is told."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.depth.claims import EXPERIMENT, SHARE, verdict_of_share
from experiments.depth.cost_claim import COST, MATCHINGS, verdict_of_costs
from experiments.depth.deeper import deeper_readings
from experiments.depth.fits import fieller, fit_recurrence
from experiments.depth.models import StackSetting
from experiments.depth.plan import PLANS, WIDE
from experiments.depth.recurrence_claim import RECURRENCE, verdict_of
from rnnshare import LowRank, Tied
from rnnshare.analysis.statistics import Interval
from tests.cases import with_slow
from tests.experiments.depth.made_up import law, measured, sets_of

QUICK = PLANS["quick"]
WIDTHS, COUNTS = np.array([8, 16, 24]), np.array([1, 2, 4])
ONCE = np.repeat(170.0 * WIDTHS, 3)
REC = np.repeat(8.0 * WIDTHS**2, 3) * 4 / np.tile(COUNTS, 3)
R = np.tile(COUNTS, 3)


def losses(phi, alpha=0.3):
    return 0.5 + 8 * (ONCE + R**phi * REC) ** -alpha


@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.46, 1.0, 1.7])
def test_what_a_recurrence_is_worth_is_found_again(phi):
    alpha = float(np.geomspace(0.05, 3.0, 40)[17])  # of the grid: then it is exact
    found = fit_recurrence(ONCE, REC, R, losses(phi, alpha))
    np.testing.assert_allclose(found.phi, [phi] * 3, atol=1e-9)
    assert found.alpha == pytest.approx(alpha) and found.informs
    assert (found.scale, found.floor) == (pytest.approx(8), pytest.approx(0.5))
    assert found.r_squared == pytest.approx(1)


def test_the_interval_of_phi_covers_what_it_says():
    rng, truth, inside = np.random.default_rng(0), 0.46, 0
    clean = losses(truth)
    for _ in range(200):
        noisy = clean + 0.01 * rng.normal(size=9)
        phi = fit_recurrence(ONCE, REC, R, noisy).phi
        inside += phi.low <= truth <= phi.high
    assert 0.91 <= inside / 200 <= 0.99


def test_losses_without_a_law_say_nothing_of_phi():
    noise = np.random.default_rng(0).normal(size=9)
    assert not fit_recurrence(ONCE, REC, R, 2 + noise).informs
    with pytest.raises(ValueError, match=r"got 4 points of 2 recurrence counts\. Give"):
        fit_recurrence(ONCE[:4], REC[:4], [1, 1, 2, 2], np.ones(4))


def test_the_interval_of_a_share_covers_what_it_says():
    rng, inside, tried = np.random.default_rng(0), 0, 2_000
    for _ in range(tried):
        gap = 1 + 0.2 * rng.normal(size=5)
        share = fieller(0.6 * gap + 0.1 * rng.normal(size=5), gap)
        inside += share is None or share.low <= 0.6 <= share.high
    assert 0.94 <= inside / tried <= 0.96
    assert fieller([1.0, 2.0, 3.0], [1.0, -1.0, 0.1]) is None
    exact = fieller([5.0, 5.5, 6.0], [10.0, 11.0, 12.0])
    np.testing.assert_allclose(exact, [0.5] * 3, atol=1e-6)


@pytest.mark.parametrize(
    ("phi", "verdict"),
    [
        ((0.5, 0.1, 0.9), "supported"),
        ((0.5, 0.1, 1.1), "inconclusive"),  # as much as weights of its own, perhaps
        ((0.1, -0.2, 0.4), "refuted"),
        ((-0.5, -1.0, -0.1), "refuted"),
        ((1.5, 1.2, 1.8), "refuted"),
        ((0.5, -2.0, 4.0), "inconclusive"),
    ],
)
def test_the_rule_of_a_recurrence(phi, verdict):
    assert verdict_of(Interval(*phi)) == verdict


@pytest.mark.parametrize(
    ("wins", "count", "verdict"),
    [
        ([-2, -2, 0], 3, "supported"),
        ([-2, -1, 0], 3, "inconclusive"),  # at one matching only
        ([-2, -2], 4, "inconclusive"),  # the others are not counted
        ([-2, -2, 2], 3, "inconclusive"),
        ([2, 2, 0], 3, "refuted"),
        ([2, 2, -2], 3, "inconclusive"),
        ([], 2, "inconclusive"),
    ],
)
def test_the_rule_of_costs(wins, count, verdict):
    rows = {
        ("Mixer", f"data {case}", matching): np.sign(both) * (place < abs(both))
        for case, both in enumerate(wins)
        for place, matching in enumerate(MATCHINGS)
    }
    index = pd.MultiIndex.from_tuples(rows, names=["model", "data", "equal"])
    assert verdict_of_costs(pd.Series(rows.values(), index, int), count) == verdict


@pytest.mark.parametrize(
    ("share", "verdict"),
    [
        ((0.7, 0.5, 0.9), "supported"),
        ((0.3, 0.1, 0.49), "refuted"),
        ((0.6, 0.3, 0.9), "inconclusive"),
        (None, "inconclusive"),
    ],
)
def test_the_rule_of_shares(share, verdict):
    assert verdict_of_share(share and Interval(*share)) == verdict


def judged(loss, plan=QUICK):
    found = measured(plan, loss)
    return {c.id: c.judge(plan, found) for c in EXPERIMENT.claims}, found


@pytest.mark.parametrize(
    ("depth", "time", "verdicts"),
    [
        (0.5, 1.3, ("refuted", "supported", "supported")),
        (0.9, 0.3, ("supported", "supported", "supported")),
        (0.0, 0.5, ("inconclusive", "refuted", "supported")),  # less, and more
        (1.5, 0.5, ("supported", "refuted", "inconclusive")),  # tied is better
    ],
)
def test_worlds_in_which_a_recurrence_has_a_worth(depth, time, verdicts):
    found, _ = judged(law(depth, time))
    assert tuple(v.verdict for v in found.values()) == verdicts
    assert found["D2"].effect.estimate == pytest.approx(depth, abs=0.1)
    assert found["D2"].data["GRU"].fit.phi.estimate == pytest.approx(time, abs=0.1)


def test_low_rank_that_recovers_little_refutes():
    def loss(setting, seed):
        if isinstance(setting.sharing, LowRank):
            tied = dataclasses.replace(setting, sharing=Tied())
            return law(0.3, 1.0)(tied, seed) - 0.002
        return law(0.3, 1.0)(setting, seed)

    found, _ = judged(loss)
    assert found["D3"].verdict == "refuted" and found["D3"].effect.high < 0.2


def test_who_has_not_learnt_is_not_counted():
    def loss(setting, seed):
        if isinstance(setting, StackSetting) and sets_of(setting)[0] > 1:
            return 3.2  # above chance of both data sets
        return law(0.9, 0.3)(setting, seed)

    found, _ = judged(loss)
    assert found["D1"].verdict == "inconclusive"
    told = found["D1"].details.partition("Not counted, since an arm had not learnt: ")
    assert told[2].partition(".")[0].count("Transformer, folk tunes, ") == 2


@pytest.mark.parametrize("preset", with_slow(PLANS, {"quick"}))
def test_every_preset_is_told_and_drawn(preset):
    plan = PLANS[preset]
    verdicts, found = judged(law(0.5, 1.3, noise=0.02), plan)
    for claim in (COST, RECURRENCE, SHARE):
        verdict = verdicts[claim.id]
        assert verdict.effect.low <= verdict.effect.estimate <= verdict.effect.high
        table = claim.table(plan, found, verdict)
        assert len({len(row) for row in table}) <= 1
        assert claim.draw(plan, found, verdict) is not None
    comparisons = 2 * len(plan.cases)
    assert len(COST.table(plan, found, verdicts["D1"])) == 1 + comparisons
    assert "runs diverged and count as chance" in verdicts["D1"].details
    assert {WIDE, "LowRank"} <= set(plan.arms)
    assert plan.first_seed >= 10_000


def test_deeper_stacks_have_weights_at_every_pass():
    for readings in deeper_readings(4).values():
        assert max(passes for _, passes in readings) == 8
    names = [name for r in deeper_readings(4).values() for name, _ in r]
    assert set(names) == {"Tied", "Untied, hold", "Untied, cycle"}


@pytest.mark.slow
def test_the_smoke_preset_trains_and_is_judged_again(tmp_path):
    found = EXPERIMENT.findings("smoke", tmp_path)
    assert [finding.id for finding in found] == ["D1", "D2", "D3"]
    folder = tmp_path / "smoke/depth"
    assert all((folder / finding.figure).is_file() for finding in found)
    again = EXPERIMENT.judge_again("smoke", folder)
    assert [again[f.id].verdict for f in found] == [f.verdict for f in found]

"""The resource ledger: the longest sequence, the rules, the figures."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments.lab.trials import Lab, MissingRowError
from experiments.resources import claims, limit_claim, longest, stored_claim, telling
from experiments.resources import figure as resource_figures
from experiments.resources import measure as study
from experiments.resources.cases import (
    Case,
)
from experiments.resources.plan import ENDS, PLANS
from experiments.resources.program import (
    Memory,
    memory_of,
)
from rnnshare.analysis.statistics import Interval

SMALL = Case("LSTM", "Untied", 4, 3, 5)
ROUNDS = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


def test_the_largest_t_fits_and_a_longer_one_does_not():
    case, budget = Case("Elman", "Untied", 4, 2, 5), 2**18
    most, needs = study.most_steps(case, 5_000, budget)  # a guess too large
    assert needs <= budget and 100 < most < 5_000
    longer = dataclasses.replace(case, num_steps=int(1.02 * most))
    assert memory_of(longer).total > budget


@pytest.mark.parametrize("power", [0.8, 1.0, 1.5])
@pytest.mark.parametrize("unit", [1e-5, 1e-3, 0.02])
def test_the_longest_t_within_a_time_is_bracketed(unit, power):
    tried = longest.bracket(lambda t: unit * t**power, 0.25, 100)
    times = dict(zip(tried["steps"], tried["took"], strict=True))
    within, above = longest.ends_of(times, 0.25)
    true = (0.25 / unit) ** (1 / power)
    assert within <= true < above <= max(longest.BRACKET * within, within + 1) * 1.001
    assert len(times) <= 8


def test_where_no_t_is_within_the_time_there_is_none():
    tried = longest.bracket(lambda t: 1.0, 0.25, 100)
    times = dict(zip(tried["steps"], tried["took"], strict=True))
    assert longest.ends_of(times, 0.25) == (0, 1)
    # A shorter sequence that took longer by chance is a bound all the same.
    assert longest.ends_of({10: 0.1, 20: 0.3, 30: 0.2}, 0.25) == (10, 20)


@pytest.mark.parametrize(
    ("shapes", "verdict"),
    [
        ([1.2, 3.0], "supported"),
        ([1.05, 3.0], "inconclusive"),
        ([0.9, 3.0], "inconclusive"),
        ([0.9, 0.9, 3.0], "refuted"),
        ([1.11, 3.0], "inconclusive"),  # within the noise of 1.1
    ],
)
def test_the_rule_of_time(shapes, verdict):
    found = [telling.over_rounds(ratio * np.exp(0.02 * ROUNDS)) for ratio in shapes]
    assert claims.judge_ratios(found) == verdict


def test_the_time_is_told_by_shape_and_by_the_ratio_of_bytes():
    plan = dataclasses.replace(PLANS["quick"], unrolled_steps=())
    cases = study.grid_cases(plan)
    times, weighed = {}, {}
    for case in cases:
        untied = case.arm == "Untied"
        size = 1 + untied * case.hidden_features / 16 / case.batch_size**0.5
        weighed[case] = Memory(1, 1, 1, int(1e6 * size))
        times[case] = 1e-3 * size**0.5 * np.exp(0.001 * ROUNDS)
    measured = study.Measured(times, dict.fromkeys(cases, 1.0), weighed, {}, {}, "cpu")
    told = claims.TIME.judge(plan, measured)
    np.testing.assert_allclose(told.data.law.slope.estimate, 0.5, atol=1e-5)
    assert "as its power 0.50 (R2 = 1.00)" in told.summary
    assert told.verdict == "inconclusive" and told.summary.startswith("It depends on")
    assert "least at LSTM, H = 16, B = 128" in told.summary
    assert told.effect.estimate == pytest.approx((1 + 128**-0.5) ** 0.5)
    assert len(claims.TIME.table(plan, measured, told)) == 1 + 18
    assert claims.TIME.draw(plan, measured, told).axes


@pytest.mark.parametrize(
    ("slopes", "verdict"),
    [
        ([(0, 1), (0.04, 0.96)], "supported"),
        ([(0, 1), (0, 0.9)], "inconclusive"),
        ([(0, 1), (0.5, 1), (0, 0.5)], "inconclusive"),
        ([(1, 1), (0, 0.01), (0, 1)], "refuted"),
    ],
)
def test_the_rule_of_what_is_stored(slopes, verdict):
    found = {i: dict(zip(ENDS, pair, strict=True))
             for i, pair in enumerate(slopes)}  # fmt: skip
    assert stored_claim.judge_slopes(found) == verdict


def limits(*shares, steps=20_000):
    """Returns limits of H = 16, 64, 256 with these shares by memory and by time."""
    found = {}
    for width, (memory_share, time_share) in zip((16, 64, 256), shares, strict=True):
        tied = study.Limit(steps, 0, steps, int(1.1 * steps))
        by_time = int(time_share * steps)
        untied = study.Limit(int(memory_share * steps), 0, by_time, by_time + 1)
        found["LSTM", width] = {"Tied": tied, "Untied": untied}
    return found


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (limits((0.6, 0.6), (0.05, 0.05), (0.01, 0.01)), "refuted"),
        (limits((0.6, 0.6), (0.5, 0.5), (0.5, 0.5)), "refuted"),
        (limits((0.4, 0.6), (0.05, 0.05), (0.01, 0.01)), "supported"),
        (limits((0.6, 0.4), (0.05, 0.05), (0.01, 0.01)), "supported"),
        (limits((0.4, 0.4), (0.2, 0.05), (0.01, 0.01)), "inconclusive"),
        (limits((0.6, 0.51), (0.2, 0.2), (0.2, 0.2)), "inconclusive"),  # bracket
        (limits((0.6, 0.6), (0.2, 0.2), (0.2, 0.2), steps=900), "inconclusive"),
    ],
)
def test_the_rule_of_the_largest_t(found, verdict):
    plan = dataclasses.replace(PLANS["quick"], law_cells=("LSTM",))
    measured = study.Measured({}, {}, {}, {}, found, "cpu")
    told = limit_claim.LONGEST.judge(plan, measured)
    assert told.verdict == verdict and told.repeats == "cells"
    table = limit_claim.LONGEST.table(plan, measured, told)
    assert len(table) == 7 and len({len(row) for row in table}) == 1
    assert limit_claim.LONGEST.draw(plan, measured, told).axes


def test_ratios_and_activations_pair_a_case_with_its_tied_one():
    tied = dataclasses.replace(SMALL, arm="Tied")
    times = {SMALL: np.array([3.0, 4.0]), tied: np.array([1.0, 2.0])}
    (found,) = telling.ratios(times, [tied, SMALL]).values()
    np.testing.assert_array_equal(found, [3.0, 2.0])
    weighed = {SMALL: Memory(5, 10, 40, 70), tied: Memory(1, 2, 30, 40)}
    assert stored_claim.activations(weighed, SMALL) == 30
    assert weighed[SMALL].stored == 15


def test_laws_and_the_crossing_on_made_up_bytes():
    plan = PLANS["quick"]

    def made_up(case):
        untied = case.arm == "Untied"
        stored = 12 * case.num_steps * case.hidden_features if untied else 12
        activations = 4 * case.num_steps * case.batch_size
        return Memory(stored // 3, 2 * stored // 3, activations, stored + activations)

    cases = [c for width in plan.widths
             for c in study.law_cases(plan, "LSTM", width)]  # fmt: skip
    weighed = {case: made_up(case) for case in cases + study.map_cases(plan)}
    for width in plan.widths:  # 12 T H against 4 T B
        assert stored_claim.crossing(plan, weighed, width) == pytest.approx(3 * width)
    slope = telling.law_slope(plan, "Untied", lambda case: weighed[case].total)
    assert slope == pytest.approx(Interval(1, 1, 1))
    stored = {arm: telling.law_slope(plan, arm, lambda c: weighed[c].stored).estimate
              for arm in ENDS}  # fmt: skip
    assert stored == pytest.approx({"Tied": 0, "Untied": 1})


@pytest.mark.parametrize("preset", PLANS)
def test_each_case_is_raced_once_and_with_its_tied_one(preset):
    plan = PLANS[preset]
    groups = study.races(plan)
    cases = [case for group in groups for case in group]
    assert len(cases) == len(set(cases))
    for group in groups:
        for case in group:
            assert dataclasses.replace(case, arm="Tied") in group
    # What the findings look up is there.
    raced = set(cases)
    for width in plan.widths:
        assert raced >= set(study.law_cases(plan, plan.one_cell, width))
    assert raced >= set(study.grid_cases(plan))
    assert {plan.grid_steps} <= set(plan.steps) and plan.batch_size in plan.batches


def test_nothing_is_read_from_or_left_in_the_cache_of_programs():
    name = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, name)
    with pytest.raises(KeyError), study.compiled_anew():
        assert getattr(jax.config, name) > 1e6
        raise KeyError
    assert getattr(jax.config, name) == before


def test_the_figures_draw_levels_and_every_line():
    one = Interval(2.0, 1.5, 3.0)
    figure = resource_figures.draw_step_times(
        {"GRU": ((8, 16), [one, one])},
        {"GRU, H = 8": ((1, 2), [one, one])},
        {"Tied, scanned": ((2, 4), (1, 1)), "Untied, unrolled": ((2, 4), (2, 4))},
        {"refuted below 1": 1.0, "supported above 1.2": 1.2},
    )
    for panel in figure.axes[:2]:
        levels = [line for line in panel.lines if set(line.get_ydata()) == {1.2}]
        assert len(levels) == 1
    assert [text.get_text() for text in figure.axes[0].texts] == ["supported above 1.2"]
    assert len(figure.axes[2].lines) == 2
    line = (1, 2, 4), (1.0, 2.0, 3.0)
    figure = resource_figures.draw_ledger(
        {"H = 8": {"Tied: stored": line, "activations": line}}, {"Untied, H = 8": line}
    )
    dashes = [drawn.get_linestyle() for drawn in figure.axes[0].lines]
    assert dashes == ["-", "--"]
    assert any(set(drawn.get_ydata()) == {1.0} for drawn in figure.axes[1].lines)
    most = resource_figures.Largest([8, 16], [one, one], [True, False])
    figure = resource_figures.draw_largest({"1 GiB": {"Tied": most}}, 1_000, 0.5, 0.1)
    shares = [list(drawn.get_ydata()) for drawn in figure.axes[0].lines]
    assert [1.0, 1.0] in shares and [0.2, 0.2] in shares
    marks = {drawn.get_markerfacecolor() for drawn in figure.axes[0].lines
             if drawn.get_marker() == "o"}  # fmt: skip
    assert len(marks) == 2  # filled, and open


@pytest.mark.slow
def test_verdicts_are_judged_again_from_the_rows_alone(tmp_path):
    plan = PLANS["smoke"]
    claims.EXPERIMENT.only_times("smoke", tmp_path)
    times = Lab(tmp_path / "smoke" / "resources").others.rows
    assert {row["what"] for row in times} == {"race", "time limit"}
    found = claims.EXPERIMENT.findings("smoke", tmp_path)
    rows = Lab(tmp_path / "smoke" / "resources").others.rows
    assert rows[: len(times)] == times  # and no other times were taken
    assert {row["what"] for row in rows[len(times) :]} == {"memory", "limit"}
    again = claims.EXPERIMENT.judge_again("smoke", tmp_path / "smoke" / "resources")
    assert [f.id for f in found] == ["Q6", "A1", "B6"] == list(again)
    for finding in found:
        verdict = again[finding.id]
        assert finding.verdict == verdict.verdict
        assert (finding.effect, *finding.interval) == tuple(verdict.effect)
    kinds = {finding.id: finding.repeats for finding in found}
    assert kinds == {"Q6": "rounds", "A1": "cells and widths", "B6": "cells"}
    assert found[0].num_seeds == plan.rounds
    # Another number of rounds is another race.
    other = dataclasses.replace(plan, rounds=plan.rounds + 1)
    with pytest.raises(MissingRowError, match="lacks 1 of 1 rows"):
        study.measure(other, Lab(tmp_path / "smoke" / "resources", judge_only=True))

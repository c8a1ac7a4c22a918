"""The law on real data: what is read from a set, who predicts, and the rule."""

import numpy as np
import pandas as pd
import pytest

from experiments.real_data.measure import TASKS
from experiments.real_law import claims
from experiments.real_law.linear import components, cross_validated, read
from experiments.real_law.measure import Measured, fewer
from experiments.real_law.plan import PLANS, SOURCES
from experiments.real_law.predictions import (
    balanced_accuracy,
    over_sources,
    threshold,
    without_own_source,
)
from rnnshare.analysis import law
from rnnshare.analysis.statistics import Interval


def drifting(count, drift, noise, seed=0):
    """Answers of 3 weights a step over 6 steps."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=3) + drift * rng.normal(size=(6, 3))
    x = rng.normal(size=(count, 6, 3))
    y = np.einsum("ntp,tp->nt", x, weights) + noise * rng.normal(size=(count, 6))
    return x, y[..., None], weights


def test_the_crossover_read_is_that_of_the_law():
    x, y, weights = drifting(4_000, 0.3, 1.0)
    found = read(x, y, 100, 5)
    bias = float(np.mean(np.sum((weights - weights.mean(0)) ** 2, 1)))
    star = law.crossover(num_weights=3, num_steps=6, noise_variance=1.0, bias=bias)
    assert found.crossover == pytest.approx(star, rel=0.1)
    assert (found.num_weights, found.num_steps) == (3, 6)
    assert found.gain < 0  # untied is ahead with so many
    assert read(*drifting(14, 0.1, 3.0)[:2], 100, 5).gain > 0
    assert read(*drifting(9, 0.1, 3.0)[:2], 100, 5) == (np.inf, 0.0, 0, 6)


def test_outputs_are_summed_and_constant_steps_left_out():
    x, y, _ = drifting(2_000, 0.3, 1.0)
    x[:, 2] = 0.0
    one, two = read(x, y, 100, 5), read(x, np.concatenate([y, y], -1), 100, 5)
    assert one.num_steps == 5
    assert two.crossover == pytest.approx(one.crossover)
    last = read(x, y[:, -1], 100, 5)  # one answer a sequence
    assert last.crossover > 3 * 5 + 1


def test_components_span_what_varies_most():
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(200, 4, 1)) * np.array([3.0, 0.0, 1.0]) + 7
    found = components(wide, 1)
    assert found.shape == (200, 4, 1)
    whole = wide.reshape(-1, 3).var(0).sum()
    assert found.var() == pytest.approx(whole, rel=1e-6)


def test_cross_validation_has_the_error_of_the_noise():
    x, y, _ = drifting(3_000, 0.5, 0.5)
    tied, untied = cross_validated(x, y, 5)
    assert untied / y.size == pytest.approx(0.25, rel=0.03)
    assert tied > 2 * untied
    summed = x[:, :1].sum((1, 2))[:, None]
    tied, untied = cross_validated(x, summed, 5)
    assert untied / len(x) < 1e-20


def test_balanced_accuracy_and_thresholds():
    assert balanced_accuracy([1, 1, 1, 0], [1, 0, 0, 0]) == pytest.approx(2 / 3)
    assert balanced_accuracy([0, 1], [0, 0]) == 0.5
    values = np.array([1.0, 2.0, 3.0, -np.inf])
    assert threshold(values, np.array([False, False, True, False]), 9.0) == 2.5
    assert threshold(values, np.zeros(4, bool), 9.0) == 9.0


def test_a_threshold_never_sees_the_source_that_it_judges():
    values = np.array([0.0, 10.0, 0.0, 10.0, 5.0, 15.0])
    won = np.array([False, True, False, True, True, False])  # the last is contrary
    sources = np.repeat(["a", "b", "c"], 2)
    found = without_own_source(values, won, sources, 0.0)
    assert list(found.untied[4:]) == [False, True]
    assert not found.untied[0] and found.untied[1]


def test_the_interval_resamples_sources():
    pairs = pd.DataFrame(
        {
            "source": np.repeat(["a", "b", "c", "d"], 50),
            "untied": np.tile([True, False], 100),
            "right": np.repeat([True, True, True, False], 50),
        }
    )
    found = over_sources(lambda own: float(own["right"].mean()), pairs)
    assert found.estimate == 0.75
    assert found.low <= 0.25 and found.high == 1.0  # of 4 sources, not of 200 pairs
    for few in (pairs[:50], pairs[pairs["untied"]]):  # no other source, no other winner
        alone = over_sources(lambda own: float(own["right"].mean()), few)
        assert alone[1:] == (0.0, 1.0)


@pytest.mark.parametrize(
    ("accuracy", "others", "sources", "fewest", "verdict"),
    [
        ((0.9, 0.6, 1.0), [0.7, 0.8], 9, 3, "supported"),
        ((0.9, 0.6, 1.0), [0.7, 0.9], 9, 3, "inconclusive"),
        ((0.9, 0.5, 1.0), [0.7, 0.8], 9, 3, "inconclusive"),
        ((0.79, 0.6, 1.0), [0.5, 0.5], 9, 3, "inconclusive"),
        ((0.9, 0.6, 1.0), [0.7, 0.8], 8, 3, "inconclusive"),
        ((0.9, 0.6, 1.0), [0.7, 0.8], 9, 2, "inconclusive"),
        ((0.5, 0.3, 0.7), [0.5, 0.5], 9, 3, "refuted"),
        ((0.4, 0.3, 0.5), [0.5, 0.5], 9, 2, "inconclusive"),
    ],
)
def test_the_rule(accuracy, others, sources, fewest, verdict):
    found = claims.verdict_of(Interval(*accuracy), others, sources, fewest)
    assert found == verdict


def test_sources_of_which_the_law_is_right_support_it():
    rng = np.random.default_rng(0)
    index, readings, apart = [], [], []
    for i in range(10):
        for size in (100, 400, 1_600):
            star = 400.0 * 2 ** ((i % 5) - 2)
            index.append((f"source {i}", size))
            readings.append({"crossover": star, "gain": rng.normal()})
            # The network needs twice as many.
            ahead = -0.1 if size > 2 * star else 0.1
            apart.append(ahead + 1e-3 * rng.normal(size=5))
    index = pd.MultiIndex.from_tuples(index, names=["source", "N"])
    found = Measured(
        pd.DataFrame(apart, index), [0.25] * 30, pd.DataFrame(readings, index)
    )
    verdict = claims.judge(PLANS["quick"], found)
    assert verdict.verdict == "supported" and verdict.count == 30
    assert verdict.effect.estimate == 1.0
    assert len(claims.table(PLANS["quick"], found, verdict)) == 31
    assert claims.draw(PLANS["quick"], found, verdict) is not None
    few = found.readings.index.get_level_values("source") < "source 4"
    less = Measured(found.differences[few], [0.25] * 12, found.readings[few])
    less = claims.judge(PLANS["quick"], less)
    assert less.verdict == "inconclusive" and "the rule asks for 9" in less.details
    assert less.effect == (12.0, 12.0, 12.0) and "of 12, that" in less.label


def test_fewer_is_a_part_of_the_training_set_alone():
    make_task = TASKS["italy_power_demand"]
    whole, part = make_task(3), fewer(make_task, 0.5, 3)
    assert len(part.train.targets) == round(len(whole.train.targets) / 2)
    rows = {row.tobytes() for row in np.asarray(whole.train.inputs)}
    assert {row.tobytes() for row in np.asarray(part.train.inputs)} < rows
    np.testing.assert_array_equal(part.test.inputs, whole.test.inputs)
    again = fewer(make_task, 0.5, 4)
    assert not np.array_equal(again.train.inputs, part.train.inputs)


def test_sources_are_those_of_real_data():
    assert set(SOURCES) <= set(TASKS)
    for preset, plan in PLANS.items():
        cells = claims.real_data.PLANS[preset].cells
        assert all(plan.cell in cells[source] for source in plan.sources)


def test_features_that_depend_on_others_at_a_step_are_left_out():
    x, y, _ = drifting(2_000, 0.3, 1.0)
    x[:, 1, 2] = x[:, 1, 0]
    assert read(x, y, 100, 5).num_weights == 2

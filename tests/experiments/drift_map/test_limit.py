"""B5: its rule on made-up losses, and what is told of the wide tied model."""

import dataclasses

import numpy as np
import pytest

from experiments.drift_map import measure as study
from experiments.drift_map.limit_claim import LIMIT
from experiments.drift_map.measure import UNTIED, Measured
from tests.experiments.drift_map.made_up import PLAN, limit_of


@pytest.mark.parametrize(
    ("means", "spread", "verdict"),
    [
        ([0.0, -0.01, -0.05], 1e-4, "supported"),
        ([0.003, -0.01, -0.05], 1e-4, "inconclusive"),  # the control is not equal
        ([0.0, -0.01, -0.05], 4e-3, "inconclusive"),  # nor known to be
        ([0.0, -0.01, 0.01], 1e-4, "refuted"),
        ([0.0, -0.01, -0.0001], 4e-4, "refuted"),
        ([0.0, 0.01, -0.05], 1e-4, "inconclusive"),
        ([0.0, -0.01, -0.01], 0.02, "inconclusive"),  # too wide to say
    ],
)
def test_each_verdict_of_the_limit_is_reached(means, spread, verdict):
    plan = dataclasses.replace(PLAN, drifts=(0.0, 0.05, 0.2))
    runs = limit_of(means, plan, spread)
    (setting, *_) = study.arms(plan, 20)[UNTIED]
    found = LIMIT.judge(plan, Measured(None, None, runs, {}, {(UNTIED, 20): setting}))
    every, p_values = found.data
    assert set(p_values.index) == {0.05, 0.2}
    assert found.verdict == verdict
    assert ("What would decide it" in found.details) == (verdict == "inconclusive")
    np.testing.assert_allclose(every.estimate, means, atol=1e-12)


def test_where_the_wide_tied_model_is_no_worse_it_is_at_equal_width_only():
    for wide, only in ((0.1, False), (-0.05, True)):
        runs = limit_of([0.0, -0.01], wide=wide)
        found = LIMIT.judge(PLAN, Measured(None, None, runs, {}, {}))
        assert ("At equal width only: at d = 0.2" in found.summary) == only

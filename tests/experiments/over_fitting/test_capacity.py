"""Memorised bits: the rule on made-up data."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.over_fitting.capacity_claim import CAPACITY
from experiments.over_fitting.measure import Measured
from experiments.over_fitting.plan import PLANS, Capacity

PLAN = PLANS["quick"]


def around(mean, spread=0.01):
    return mean + spread * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


def held(tied, untied, top=0.0, case="0", limit=128):
    """Returns runs of bits, the most of them at N = 64, or at the top."""
    return pd.DataFrame(
        {"case": case, "arm": arm, "N": n, "seed": seed, "num_parameters": 10,
         "diverged": False, "bits": limit if x * part > 120 else x * part}
        for arm, most in (("Tied", tied), ("Untied", untied))
        for n, part in ((32, 0.5), (64, 1.0), (128, top))
        for seed, x in enumerate(around(most))
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cases", "verdict"),
    [
        ([(10, 40)] * 3, "supported"),
        ([(10, 40), (10, 40), (10, 9)], "inconclusive"),
        ([(10, 9), (10, 9), (10, 40)], "refuted"),
        ([(128, 128)] * 3, "inconclusive"),  # both hold all of the largest set
    ],
)
def test_the_rule_of_capacity(cases, verdict):
    plan = dataclasses.replace(PLAN, capacity=Capacity((32, 64, 128), 8, 8))
    runs = pd.concat([held(*pair, case=str(i)) for i, pair in enumerate(cases)])
    found = CAPACITY.judge(plan, Measured(None, runs, None))
    assert found.verdict == verdict and "diverged" not in found.details
    assert len(CAPACITY.table(plan, Measured(None, runs, None), found)) == 1 + 2 * len(
        cases
    )
    assert CAPACITY.draw(plan, Measured(None, runs, None), found).axes
    lost = Measured(None, runs.assign(diverged=runs["seed"] == 0), None)
    told = f"{6 * len(cases)} of {30 * len(cases)} runs diverged"
    assert told in CAPACITY.judge(plan, lost).details


def test_a_capacity_at_the_top_is_at_least_that():
    for top, told in ((0.0, "40"), (1.2, "at least 48")):
        found = CAPACITY.judge(PLAN, Measured(None, held(10, 40, top), None))
        assert found.data[1]["told"]["0", "Untied"] == told

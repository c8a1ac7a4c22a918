"""Made-up losses for the rules of the map and of the limit."""

import dataclasses

import numpy as np
import pandas as pd

from experiments.drift_map.measure import LIMIT_ARMS, UNTIED, WIDE
from experiments.drift_map.plan import PLANS

PLAN = dataclasses.replace(
    PLANS["quick"], num_seeds=6, steps=(10, 20), drifts=(0.0, 0.2), sizes=(50, 1_000)
)


def limit_of(means, plan=PLAN, spread=1e-5, wide=0.1, at=0.3):
    """Returns streaming runs: untied less tied is of these means, a drift each."""
    noise = spread * np.array([-1, 1, -1, 1, 0.5, -0.5])
    rows = [
        {"arm": arm, "T": 20, "d": d, "seed": seed, "lost": False}
        | {"test_loss": at + mean * (arm == UNTIED) + e * (arm == UNTIED)
           + wide * (arm == WIDE)}
        for arm in LIMIT_ARMS
        for d, mean in zip(plan.drifts, means, strict=True)
        for seed, e in enumerate(noise)
        if d or arm != WIDE
    ]  # fmt: skip
    return pd.DataFrame(rows)

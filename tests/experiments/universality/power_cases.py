"""Made-up runs for the rules of C2 and Cc1."""

import dataclasses
import itertools

import numpy as np
import pandas as pd

from experiments.universality import measure as study
from experiments.universality.compiled import Compiled
from experiments.universality.measure import Measured
from experiments.universality.plan import PLANS
from experiments.universality.separation import Separation
from rnnshare.tasks import STREAMING

PLAN = dataclasses.replace(
    PLANS["quick"], widths=(2, 4), sizes=(32, 64), rates=(0.1,), lengths=(8, 32)
)
SPREAD = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


def rows(labels, accuracy, steps=100):
    """Returns a run a seed with these accuracies."""
    metrics = {"validation_loss": 0.1, "steps_trained": steps, "num_parameters": 7}
    return [
        {**labels, **metrics, "seed": seed, "test_accuracy": value, "diverged": None}
        for seed, value in enumerate(np.broadcast_to(accuracy, 5))
    ]


def composed(cells):
    """Returns runs of {cell: {arm: ({H: accuracy}, accuracy of one map, updates)}}."""
    found = []
    for cell, arms in cells.items():
        for arm, (by_width, one_map, updates) in arms.items():
            model = {"cell": cell, "arm": arm}
            for width, accuracy in by_width.items():
                task = {"H": width, "same": False, "num_examples": STREAMING}
                found += rows({**model, **task}, accuracy)
            for size in (*PLAN.sizes, STREAMING):
                task = {"H": 8, "same": True, "num_examples": size}
                found += rows({**model, **task}, one_map, updates)
    return pd.DataFrame(found)


TIED = {2: 0.5, 4: 1.0}, 1.0, 100
UNTIED = {2: 1.0, 4: 1.0}, 0.5, 400
RUNS = composed({cell: {"Tied": TIED, "Untied": UNTIED} for cell in ("Elman", "LSTM")})
STRINGS = pd.DataFrame(
    [
        row
        for arm, width, length in itertools.product(study.ARMS, (1, 4), PLAN.lengths)
        for row in rows(
            {"cell": "Elman", "arm": arm, "H": width, "length": length},
            1.0 if arm == "Untied" or length < 9 else 0.9,
        )
    ]
)
COMPILED = {"a case": Compiled([1e-6] * 100, [1e-6] * 100, (2, 8), (10, 90, 30))}
SEPARATION = Separation([2, 4, 8, 16, 32], [2, 4, 8, 16, 24], [[2, 4, 6, 6, 6]] * 2)
FOUND = Measured(RUNS, STRINGS, COMPILED, separation=SEPARATION)

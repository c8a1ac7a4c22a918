"""Bits of random labels that tied and untied weights memorise at equal width."""

import itertools

import numpy as np
import pandas as pd

from experiments.lab.choices import standard_cells
from experiments.lab.frames import train
from experiments.lab.recipes import to_the_end
from experiments.lab.trials import Lab, column
from experiments.over_fitting.plan import Capacity, Plan
from rnnshare import Tied, Untied
from rnnshare.analysis.statistics import memorised_bits
from rnnshare.tasks import RandomLabels
from rnnshare.training import Call, Setting

GUESSING = 0.5  # accuracy; what diverged holds nothing


def memorised(plan: Plan, lab: Lab) -> pd.DataFrame:
    """Returns a row a training: case, arm, N, seed, bits, num_parameters, diverged.

    A case is a cell and a width; what diverged holds nothing.
    """
    sizes, found = plan.capacity, []
    arms = {"Tied": Tied(), "Untied": Untied(sizes.num_steps, same_init=True)}
    for name, cell in standard_cells(*plan.cells).items():
        for width, (arm, sharing) in itertools.product(sizes.widths, arms.items()):
            candidates = [
                settings_of(sizes, cell, sharing, width, rate) for rate in sizes.rates
            ]
            budget = sizes.num_tuning * len(candidates)
            best = lab.tune(candidates, budget, by=lambda rows: -most_bits(sizes, rows))
            labels = [(f"{name}, H = {width}", arm, n) for n in sizes.sizes]
            chosen = dict(zip(labels, best, strict=True))
            found.append(train(lab, chosen, ("case", "arm", "N"), plan.num_seeds))
    runs = pd.concat(found, ignore_index=True)
    right = runs["train_accuracy"].astype(float)
    return runs[["case", "arm", "N", "seed", "num_parameters"]].assign(
        bits=memorised_bits(right.fillna(GUESSING), runs["N"]), diverged=right.isna()
    )


def most_bits(sizes: Capacity, rows) -> float:
    """Returns the mean over the seeds of the most bits over N, of one model's rows."""
    right = column(rows, "train_accuracy", GUESSING).reshape(len(sizes.sizes), -1)
    bits = memorised_bits(right, np.array(sizes.sizes)[:, None])
    return float(bits.max(0).mean())


def settings_of(sizes: Capacity, cell, sharing, width: int, rate: float) -> tuple:
    """Returns a model's settings, one an N."""
    # There is nothing to validate.
    how = to_the_end(sizes.num_updates, 1, batch_size=64, keep="last")
    tasks = [
        Call(
            RandomLabels,
            n,
            num_held_out=max(sizes.sizes),
            num_steps=sizes.num_steps,
            num_features=sizes.num_features,
        )
        for n in sizes.sizes
    ]
    return tuple(Setting(task, cell, sharing, width, rate, how) for task in tasks)

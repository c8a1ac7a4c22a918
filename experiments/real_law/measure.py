"""The GRUs of `real_data` at some sizes, and what linear rules say of their data."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.lab import frames
from experiments.lab.frames import contrast, count_lost
from experiments.lab.trials import Lab
from experiments.real_data import measure as real_data
from experiments.real_law.linear import read
from experiments.real_law.plan import Plan
from rnnshare.training import Call

PAIR = ["source", "N"]
ARMS = ("Untied", "Tied")


class Measured(NamedTuple):
    """What was trained, and what was read from the training sets.

    Attributes:
      differences: log of untied's test loss over tied's, a row a source and N, a column
        a seed.
      readings: a row a source and N: crossover, gain; see `linear.Reading`.
    """

    differences: pd.DataFrame
    readings: pd.DataFrame


def fewer(make_task: Callable[[int], Any], fraction: float, split: int = 0) -> Any:
    """Returns a task with a part of its training set, drawn by the split."""
    task = make_task(split)
    count = len(task.train.targets)
    rng = np.random.default_rng([split, round(1 / fraction)])
    rows = np.sort(rng.choice(count, max(4, round(fraction * count)), replace=False))
    train = task.train._replace(
        **{
            name: np.asarray(leaf)[rows]
            for name, leaf in task.train._asdict().items()
            if leaf is not None
        }
    )
    return dataclasses.replace(task, train=train)


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains and reads what is not yet kept."""
    of_data = real_data.PLANS[plan.preset]
    runs, readings = [], []
    for source in plan.sources:
        arms = real_data.arms(of_data, source, plan.cell)
        for fraction in plan.fractions:
            whole = fraction == 1.0
            own = lab.of("real_data") if whole else lab
            make_task = real_data.TASKS[source]
            make_task = make_task if whole else Call(fewer, make_task, fraction)
            chosen = {}
            for arm in ARMS:
                candidates = [
                    dataclasses.replace(setting, make_task=make_task)
                    for setting in arms[arm]
                ]
                chosen[source, fraction, arm] = own.tune(candidates, of_data.tuning)
            names = ("source", "fraction", "arm")
            found = frames.train(
                own, chosen, names, of_data.num_seeds, of_data.seeds[0]
            )
            key = {
                "read": source,
                "fraction": fraction,
                "most_weights": plan.most_weights,
                "folds": plan.folds,
            }
            reading = lab.kept(key, lambda m=make_task: _reading(plan, m(0)))  # type: ignore[misc]
            readings.append({"source": source, **reading})
            chance = make_task(0).baselines["chance"]["loss"]
            found = count_lost(found, {"test_loss": chance})
            runs.append(found.assign(N=reading["N"]))
    every = pd.concat(runs, ignore_index=True)
    every = every.assign(log_loss=np.log(every["test_loss"].astype(float)))
    apart = contrast(every, "log_loss", by=PAIR, arms=ARMS)
    frame = pd.DataFrame(readings).set_index(PAIR)
    frame["crossover"] = frame["crossover"].astype(float).fillna(np.inf)
    return Measured(apart, frame.loc[apart.index])


def _reading(plan: Plan, task: Any) -> dict[str, Any]:
    inputs = np.asarray(task.train.inputs, np.float64)
    targets = np.asarray(task.train.targets)
    if np.issubdtype(targets.dtype, np.integer):
        targets = np.eye(task.out_features)[targets]
    found = read(
        inputs, targets.astype(np.float64), plan.most_weights, plan.folds
    )._asdict()
    if not np.isfinite(found["crossover"]):
        found["crossover"] = None  # JSON has no infinity
    return {"N": len(inputs), **found}

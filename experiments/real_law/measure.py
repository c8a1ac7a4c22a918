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
        a seed: of all sources of `real_data`, with which those of the plan are judged.
      overlaps: of each row's splits, as of the whole set, of which parts overlap less;
        see `real_data.Measured.overlap`.
      readings: a row a source of the plan and N: crossover, the median over the seeds'
        own training sets, and gain, their mean; see `linear.Reading`.
    """

    differences: pd.DataFrame
    overlaps: list[float]
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
    sources = [
        name for name, cells in real_data.PLANS[plan.preset].cells.items()
        if plan.cell in cells and not real_data.is_generated(name)
    ]  # fmt: skip
    pairs = [
        (source, fraction)
        for source in sources
        for fraction in (plan.fractions if source in plan.sources else (1.0,))
    ]
    runs, readings = [], []
    for source, fraction in pairs:
        make_task = real_data.TASKS[source]
        if fraction < 1:
            make_task = Call(fewer, make_task, fraction)
        size = len(make_task(0).train.targets)
        runs.append(_runs(plan, lab, source, fraction, make_task).assign(N=size))
        if source in plan.sources:
            reading = _reading(plan, lab, source, fraction, make_task)
            readings.append({"source": source, "N": size, **reading})
    every = pd.concat(runs, ignore_index=True)
    every = every.assign(log_loss=np.log(every["test_loss"].astype(float)))
    apart = contrast(every, "log_loss", by=PAIR, arms=ARMS)
    overlaps = [frames.overlap_of(real_data.TASKS[one]) for one, _ in apart.index]
    return Measured(apart, overlaps, pd.DataFrame(readings).set_index(PAIR))


def _runs(
    plan: Plan, lab: Lab, source: str, fraction: float, make_task: Any
) -> pd.DataFrame:
    """Returns the runs of both arms; those of whole sets are `real_data`'s own."""
    of_data, own = real_data.PLANS[plan.preset], lab
    if fraction == 1:
        own = lab.of("real_data")
    arms = real_data.arms(of_data, source, plan.cell)
    chosen = {
        (source, fraction, arm): own.tune(
            [dataclasses.replace(each, make_task=make_task) for each in arms[arm]],
            of_data.tuning,
        )
        for arm in ARMS
    }
    names, first = ("source", "fraction", "arm"), of_data.seeds[0]
    found = frames.train(own, chosen, names, of_data.num_seeds, first)
    chance = make_task(0).baselines["chance"]["loss"]
    return count_lost(found, {"test_loss": chance})


def _reading(
    plan: Plan, lab: Lab, source: str, fraction: float, make_task: Any
) -> dict[str, float]:
    """Returns what linear rules say of the seeds' own training sets."""
    of_data = real_data.PLANS[plan.preset]
    keys = [
        {
            "read": source,
            "fraction": fraction,
            "split": split,
            "most_weights": plan.most_weights,
            "folds": plan.folds,
        }
        for split in range(of_data.seeds[0], of_data.seeds[0] + of_data.num_seeds)
    ]

    def make(missing: Any) -> Any:
        for key in missing:
            yield key, _read(plan, make_task(key["split"]))

    rows = lab.kept_each(keys, make)
    # JSON has no infinity.
    stars = [np.inf if r["crossover"] is None else r["crossover"] for r in rows]
    middle = float(np.quantile(stars, 0.5, method="inverted_cdf"))
    return {"crossover": middle, "gain": float(np.mean([r["gain"] for r in rows]))}


def _read(plan: Plan, task: Any) -> dict[str, Any]:
    inputs = np.asarray(task.train.inputs, np.float64)
    targets = np.asarray(task.train.targets)
    if np.issubdtype(targets.dtype, np.integer):
        targets = np.eye(task.out_features)[targets]
    targets = targets.astype(np.float64)
    found = read(inputs, targets, plan.most_weights, plan.folds)._asdict()
    if not np.isfinite(found["crossover"]):
        found["crossover"] = None
    return {"N": len(inputs), **found}

"""A tied RNN against a bag of steps, along a dial of dependence and on images."""

from typing import Any

import pandas as pd

from experiments.lab.choices import standard_cells
from experiments.lab.controls import BagSetting
from experiments.lab.frames import contrast, train
from experiments.lab.recipes import to_the_end
from experiments.lab.trials import Lab, grid, tune_each
from experiments.temporal_structure.plan import Plan
from rnnshare import Tied, tasks
from rnnshare.models.sequence_model import BagOfSteps
from rnnshare.training import Call, Setting

BAG = "bag of steps"
IN_ORDER, OTHER, EACH = "plain", "one other order", "shuffled for each"
MNIST, DIGITS = "MNIST-1D", "digits"  # generated, and real
# What is done to their time.
IMAGES: dict[str, dict[str, Any]] = {
    MNIST: {
        IN_ORDER: tasks.mnist1d,
        OTHER: Call(tasks.mnist1d, shuffled=True),
        EACH: Call(tasks.mnist1d, shuffled_each=True),
    },
    DIGITS: {IN_ORDER: tasks.digits, EACH: Call(tasks.digits, shuffled_each=True)},
}
CASE = ["data", "dial", "time"]


def measure(plan: Plan, lab: Lab) -> pd.DataFrame:
    """Returns a row a training: model, data, dial, time, seed, accuracy, diverged.

    Images have no dial: 0. What diverged has the accuracy of guessing.
    """
    dialled = {
        ("rotation", dial, time): rotation_of(plan, dial, time)
        for dial in plan.dial
        for time in (IN_ORDER, EACH)
    }
    images = [
        {(data, 0.0, time): make for time, make in by_time.items()}
        for data, by_time in IMAGES.items()
    ]
    found = []
    for name, cell in {**standard_cells(*plan.cells), BAG: BagOfSteps}.items():
        for made in (dialled, *images):
            num_steps = plan.num_steps if made is dialled else plan.mnist_num_steps
            found.append(
                accuracies(plan, lab, cell, made, num_steps).assign(model=name)
            )
    return pd.concat(found, ignore_index=True)


def accuracies(plan: Plan, lab: Lab, cell, make_tasks: dict, num_steps: int):
    """Returns the rows of a model on tasks {case: make_task}, its rate tuned on each.

    Tasks that differ in arrays alone are trained by one program.
    """
    kind = BagSetting if cell is BagOfSteps else Setting
    recipe = to_the_end(num_steps, 20, batch_size=64)
    width = plan.hidden_features
    candidates = {
        case: grid(kind(make, cell, Tied(), width, recipe=recipe), plan.rates)
        for case, make in make_tasks.items()
    }
    chosen = tune_each(lab, candidates, plan.num_tuning * len(plan.rates))
    runs = train(lab, chosen, CASE, plan.num_seeds)
    right = runs["test_accuracy"].astype(float)
    guessing = 1 / next(iter(make_tasks.values()))(0).out_features
    return runs[[*CASE, "seed"]].assign(
        accuracy=right.fillna(guessing), diverged=right.isna()
    )


def rotation_of(plan: Plan, dial: float, time: str) -> Call:
    """Returns `make_task` of the dialled task; a split has other examples."""
    shuffled = time == EACH
    return Call(tasks.Rotation, plan.num_examples, dependence=dial, shuffled=shuffled)


def gaps(runs: pd.DataFrame, cell: str) -> pd.DataFrame:
    """Returns a cell's accuracy less the bag's: a row a (data, dial, time)."""
    return contrast(runs, "accuracy", by=CASE, arms=(cell, BAG), arm="model")

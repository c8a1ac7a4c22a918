"""Tied and untied on data sets and cells, tuned arm by arm."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from experiments.lab import frames
from experiments.lab.choices import standard_cells
from experiments.lab.frames import contrast, count_lost, tests
from experiments.lab.trials import FRESH_SEED, Lab, grid
from experiments.real_data.plan import Plan
from rnnshare import Cyclic, Sharing, Tied, Untied, tasks
from rnnshare.tasks.base import SPLITS
from rnnshare.training import Call, Recipe, Setting

TASKS: dict[str, Callable[[int], Any]] = {
    "japanese_vowels": tasks.japanese_vowels,
    "italy_power_demand": tasks.italy_power_demand,
    "mnist1d": tasks.mnist1d,
    "mnist1d_shuffled": Call(tasks.mnist1d, shuffled=True),
    "mnist1d_translation_0": Call(tasks.mnist1d, max_translation=0),
    "mnist_rows": tasks.mnist_rows,
    "mnist_rows_shifted": Call(tasks.mnist_rows, shifted=True),
    "surnames": tasks.surnames,
    "folk_tunes": tasks.folk_tunes,
}
PAIR = ("Tied", "Untied")


class Measured(NamedTuple):
    """The runs of every data set and cell, a case such as 'mnist1d, GRU'.

    Attributes:
      runs: a row a training: case, arm, seed, its metrics, and lost: it diverged.
      fresh: the same on fresh seeds, of the pairs that untied won.
      chosen: {(case, arm): setting}.
      chance: {case: {metric: value}}.
    """

    runs: pd.DataFrame
    fresh: pd.DataFrame
    chosen: dict
    chance: dict


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains what is not yet kept, and returns the runs."""
    chosen, chance = {}, {}
    for name, cells in plan.cells.items():
        for cell in cells:
            case = f"{name}, {cell}"
            chance[case] = TASKS[name](0).baselines["chance"]
            for arm, candidates in arms(plan, name, cell).items():
                chosen[case, arm] = lab.tune(candidates, plan.tuning)
    runs = train(plan, lab, chosen, chance)
    won = tests(differences(runs)).query("wins < 0").index
    again = {(c, a): s for (c, a), s in chosen.items() if c in won and a in PAIR}
    fresh = train(plan, lab, again, chance, FRESH_SEED) if again else runs[:0]
    return Measured(runs, fresh, chosen, chance)


def load_all() -> None:
    """Reads every data set, so that a missing one is told of at once."""
    for make_task in TASKS.values():
        make_task(0)


def arms(plan: Plan, name: str, cell: str) -> dict[str, list[Setting]]:
    """Returns {arm: settings to choose from} of a data set and cell."""
    make_task = TASKS[name]
    task = make_task(0)
    large = len(task.train.targets) > 1_000
    num_steps = plan.num_steps[0 if large else 1]
    recipe = Recipe(
        num_steps=num_steps,
        batch_size=64 if large else 32,
        validate_every=min(100 if large else 50, num_steps),
        patience=8,
    )
    make_cell, width = standard_cells()[cell], plan.hidden_features
    base = Setting(make_task, make_cell, Tied(), width, recipe=recipe)
    starts = (False, True)
    untied = [Untied(task.num_steps, same_init=same) for same in starts]
    sharings: dict[str, Sequence[Sharing]] = {"Tied": [Tied()], "Untied": untied}
    if name in plan.periods:
        period = plan.periods[name]
        sharings[f"Cyclic, period {period}"] = [
            Cyclic(period, same_init=same) for same in starts
        ]
    widths = {}
    if name in plan.equal_parameters:
        narrow = "Untied, equal parameters"
        sharings[narrow] = untied
        widths[narrow] = width_of_equal_parameters(
            dataclasses.replace(base, sharing=untied[0]), base.num_parameters()
        )
    return {
        arm: grid(
            dataclasses.replace(base, hidden_features=widths.get(arm, width)),
            plan.rates,
            choices,
        )
        for arm, choices in sharings.items()
    }


def width_of_equal_parameters(setting: Setting, target: int) -> int:
    """Returns the width at which the setting's parameters are nearest to a target."""

    def off(width: int) -> int:
        made = dataclasses.replace(setting, hidden_features=width)
        return abs(made.num_parameters() - target)

    return min(range(1, setting.hidden_features + 1), key=off)


def train(
    plan: Plan, lab: Lab, chosen: dict, chance: dict, first: int = 0
) -> pd.DataFrame:
    """Returns the runs of {(case, arm): setting}, as `Measured.runs`.

    A run that diverged counts as chance.
    """
    runs = frames.train(lab, chosen, ("case", "arm"), plan.num_seeds, first)
    of_chance = {
        f"{part}_{metric}": runs["case"].map(levels)
        for part in SPLITS
        for metric, levels in pd.DataFrame(chance).iterrows()
    }
    measured = {name: level for name, level in of_chance.items() if name in runs}
    return count_lost(runs, measured)


def differences(runs: pd.DataFrame) -> pd.DataFrame:
    """Returns untied less tied test loss, in nats: a row a case, a column a seed."""
    return contrast(runs, "test_loss", by=["case"])

"""Tied, untied and partly tied on data sets and cells, tuned arm by arm."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.lab import frames
from experiments.lab.choices import cells
from experiments.lab.frames import contrast, count_lost, tests
from experiments.lab.recipes import annealed_adam, to_the_end
from experiments.lab.trials import (
    TUNING_SEED,
    Lab,
    column,
    grid,
    replicates,
)
from experiments.real_data.plan import PLANS as PLANS
from experiments.real_data.plan import Plan
from rnnshare import Cyclic, LowRank, Sharing, Tied, Untied, tasks
from rnnshare.models.sizing import around
from rnnshare.tasks.base import SPLITS
from rnnshare.training import Call, Recipe, Setting

TASKS: dict[str, Callable[[int], Any]] = {
    "japanese_vowels": tasks.japanese_vowels,
    "italy_power_demand": tasks.italy_power_demand,
    "digits": tasks.digits,
    "mnist_rows": tasks.mnist_rows,
    "mnist_rows_shifted": Call(tasks.mnist_rows, shifted=True),
    "surnames": tasks.surnames,
    "folk_tunes": tasks.folk_tunes,
    "ArrowHead": tasks.outlines,
    "GunPoint": Call(tasks.outlines, name="GunPoint"),
    "OSULeaf": Call(tasks.outlines, name="OSULeaf"),
    "pedestrians": tasks.pedestrians,
    "mnist1d": tasks.mnist1d,
    "mnist1d_shuffled": Call(tasks.mnist1d, shuffled=True),
    "mnist1d_translation_0": Call(tasks.mnist1d, max_translation=0),
}
FAMILIES = ("tied", "untied", "partial")
RANK = 2


class Measured(NamedTuple):
    """The runs of every data set and cell, a case such as 'digits, GRU'.

    Attributes:
      runs: a row a training: case, arm, seed, its metrics, and lost: it diverged.
      fresh: the same on fresh seeds, of the pairs that untied won.
      chosen: {(case, arm): setting}.
      best: {case: {family: its arm of the least validation loss on a tuning seed}}, and
        of 'whole' the better of tied and untied.
      chance: {case: {metric: value}}.
      overlap: {case: test examples over training examples}, since seeds are splits of
        one data set.
    """

    runs: pd.DataFrame
    fresh: pd.DataFrame
    chosen: dict
    best: dict
    chance: dict
    overlap: dict


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains what is not yet kept, and returns the runs."""
    chosen: dict = {}
    chance, best, overlap = {}, {}, {}
    for name, several in plan.cells.items():
        for cell in several:
            case = f"{name}, {cell}"
            chance[case] = TASKS[name](0).baselines["chance"]
            overlap[case] = frames.overlap_of(TASKS[name])
            own = {
                arm: lab.tune(candidates, plan.tuning)
                for arm, candidates in arms(plan, name, cell).items()
            }
            chosen |= {(case, arm): setting for arm, setting in own.items()}
            best[case] = best_arms(lab, own)
    runs = train(plan, lab, chosen, chance, plan.seeds[0])
    won = compared(differences(runs, best), overlap).query("wins < 0").index
    again = {
        (case, arm): setting
        for (case, arm), setting in chosen.items()
        if case in won and arm in (best[case]["tied"], best[case]["untied"])
    }
    fresh = train(plan, lab, again, chance, plan.seeds[1]) if again else runs[:0]
    return Measured(runs, fresh, chosen, best, chance, overlap)


def compared(apart: pd.DataFrame, overlap: dict) -> pd.DataFrame:
    """Returns `frames.tests` of differences over splits, by `Measured.overlap`."""
    return tests(apart, overlaps=[overlap[case] for case in apart.index])


def load_all() -> None:
    """Reads every data set, so that a missing one is told of at once."""
    for make_task in TASKS.values():
        make_task(0)


def family_of(arm: str) -> str:
    """Returns the family that an arm belongs to, one of `FAMILIES`."""
    first = arm.lower().replace(",", " ").split()[0]
    return first if first in FAMILIES else "partial"


def best_arms(lab: Lab, settings: dict[str, Setting]) -> dict[str, str]:
    """Returns a case's best arms, see `Measured`."""
    rows = lab.train(list(settings.values()), replicates(1, TUNING_SEED))
    losses = dict(zip(settings, column(rows, "validation_loss"), strict=True))
    least = sorted(losses, key=lambda arm: losses[arm])
    found = {family_of(arm): arm for arm in reversed(least)}
    return found | {"whole": next(arm for arm in least if family_of(arm) != "partial")}


def arms(plan: Plan, name: str, cell: str) -> dict[str, list[Setting]]:
    """Returns {arm: settings to choose from} of a data set and cell."""
    make_task = TASKS[name]
    task = make_task(0)
    large = len(task.train.targets) > 1_000
    num_steps = plan.num_steps[0 if large else 1]
    batch_size = 64 if large else 32
    if plan.annealed:
        falling = Call(annealed_adam, num_steps=num_steps)
        recipe = to_the_end(num_steps, 20, batch_size=batch_size, optimizer=falling)
    else:
        every = min(100 if large else 50, num_steps)
        recipe = Recipe(num_steps, batch_size, validate_every=every, patience=8)
    make_cell, width = cells()[cell], plan.hidden_features
    base = Setting(make_task, make_cell, Tied(), width, recipe=recipe)
    untied = [Untied(task.num_steps, same_init=same) for same in plan.starts]
    sharings: dict[str, Sequence[Sharing]] = {
        "Tied": [Tied()],
        "Untied": untied,
    }
    if plan.partial:
        sharings[f"LowRank({RANK})"] = [LowRank(task.num_steps, RANK)]
    if name in plan.periods:
        period = plan.periods[name]
        sharings[f"Cyclic, period {period}"] = [
            Cyclic(period, same_init=same) for same in plan.starts
        ]
    widths = {}
    if plan.both_widths:
        sharings["Tied, three times as wide"] = [Tied()]
        widths["Tied, three times as wide"] = 3 * width
        sharings["Untied, equal parameters"] = untied
        widths["Untied, equal parameters"] = width_of_equal_parameters(
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

    @functools.cache
    def count(width: int) -> int:
        return dataclasses.replace(setting, hidden_features=width).num_parameters()

    nearest = around(count, target, setting.hidden_features)
    return min(nearest, key=lambda width: abs(count(width) - target))


def train(plan: Plan, lab: Lab, chosen: dict, chance: dict, first: int) -> pd.DataFrame:
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


def differences(
    runs: pd.DataFrame, best: dict, first: str = "untied", second: str = "tied"
) -> pd.DataFrame:
    """Returns log ratios of test losses: a row a case, a column a seed.

    Args:
      runs: as `Measured.runs`.
      best: as `Measured.best`.
      first: the family whose loss stands above.
      second: the one below.
    """
    sides = [
        runs[runs["arm"] == runs["case"].map({c: own[side] for c, own in best.items()})]
        .assign(side=side)
        .assign(log_loss=lambda own: np.log(own["test_loss"].astype(float)))
        for side in (first, second)
    ]
    both = pd.concat(sides)
    return contrast(both, "log_loss", by=["case"], arms=(first, second), arm="side")


def source_of(case: str) -> str:
    """Returns the source of a case: variants of one data set are one."""
    name = case.split(",")[0]
    return next((s for s in ("mnist_rows", "mnist1d") if name.startswith(s)), name)


def is_generated(case: str) -> bool:
    """Returns whether a case's data are made by a program."""
    return source_of(case) == "mnist1d"

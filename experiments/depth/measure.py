"""Losses of models whose weights are shared over depth, and of those over time.

Shape letters: T time, H hidden features, K sets of weights, r recurrences.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.depth.deeper import measure_deeper
from experiments.depth.models import BLOCKS, HEADS, StackSetting, sizes
from experiments.depth.plan import FOLK, MNIST, WIDE, Plan
from experiments.lab import frames
from experiments.lab.recipes import annealed_adam, to_the_end
from experiments.lab.trials import Lab, grid, tune_each
from rnnshare import Cyclic, GRUCell, LowRank, Segments, Sharing, Tied, Untied, tasks
from rnnshare.training import Call, Setting

TIME = "GRU"  # whose weights are shared over time
FOLK_STEPS = 32
RANK = 2
TASKS: Mapping[str, Any] = {
    FOLK: Call(tasks.folk_tunes, num_steps=FOLK_STEPS),
    MNIST: Call(tasks.mnist1d),
}
CASE = ["model", "data", "depth"]  # depth 0: over time
POINT = ["model", "r", "H"]  # of the sweep
WIDEST = 12  # times H, of which a tied model as large as an untied one is sought
_BATCH, _VALIDATIONS = 16, 4


class Measured(NamedTuple):
    """The trainings, a row each.

    Attributes:
      runs: by `CASE` and arm.
      sweep: by `POINT`, with its sizes, `once` and `shared`.
      deeper: of trained stacks by the number of passes at the test: model, data, arm
        with its policy, depth, seed, test_loss, lost.
      chosen: {(model, data, depth, arm): setting}.
      chance: {data: loss of the class frequencies}.
      overlap: {data: test examples over training examples}, of splits.
    """

    runs: pd.DataFrame
    sweep: pd.DataFrame
    deeper: pd.DataFrame
    chosen: dict[tuple, Setting]
    chance: dict[str, float]
    overlap: dict[str, float]


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains what is not yet kept, and returns the runs."""
    chance = {
        name: float(TASKS[name](0).baselines["chance"]["loss"])
        for name in {*plan.data, plan.sweep.data}
    }
    chosen = tune_each(lab, arms(plan), plan.tuning)
    runs = _train(plan, lab, chosen, (*CASE, "arm"), chance)
    deeper = measure_deeper(plan, lab, chosen, chance)
    overlap = {name: frames.overlap_of(TASKS[name]) for name in plan.data}
    return Measured(runs, _sweep(plan, lab, chance), deeper, chosen, chance, overlap)


def compared(apart: pd.DataFrame, overlap: Mapping[str, float]) -> pd.DataFrame:
    """Returns `frames.tests` of differences over splits, by `Measured.overlap`."""
    data = apart.index.get_level_values("data")
    return frames.tests(apart, overlaps=[overlap[name] for name in data])


def load_all() -> None:
    """Reads every data set, so that a missing one is told of at once."""
    for make_task in TASKS.values():
        make_task(0)


def base(plan: Plan, model: str, data: str, depth: int) -> Setting:
    """Returns the tied setting of a model on a data set."""
    steps = plan.num_updates
    recipe = to_the_end(
        steps,
        _VALIDATIONS,
        batch_size=_BATCH,
        optimizer=Call(annealed_adam, num_steps=steps),
    )
    width = plan.hidden_features
    if model == TIME:
        return Setting(TASKS[data], GRUCell, Tied(), width, recipe=recipe)
    block = BLOCKS[model]
    return StackSetting(TASKS[data], block, Tied(), width, recipe=recipe, depth=depth)


def arms(plan: Plan) -> dict[tuple, list[Setting]]:
    """Returns {(model, data, depth, arm): settings to choose from}."""
    stacks = [(*case, depth) for case in plan.cases for depth in plan.depths]
    found: dict[tuple, list[Setting]] = {}
    for model, data, depth in (*stacks, *((TIME, data, 0) for data in plan.data)):
        steps = depth or TASKS[data](0).num_steps
        tied = base(plan, model, data, depth)
        wide = widened(tied, sum(sizes(tied, steps).values()))
        choices: dict[str, Sequence[Sharing]] = {
            "Tied": [Tied()],
            WIDE: [Tied()],
            "Cyclic": [Cyclic(2)],
            "LowRank": [LowRank(steps, RANK)],
            "Untied": _untied(plan, steps, bool(depth)),
        }
        for arm in plan.arms if depth else ("Tied", WIDE, "Untied"):
            setting = wide if arm == WIDE else tied
            found[model, data, depth, arm] = grid(setting, plan.rates, choices[arm])
    return found


def _untied(plan: Plan, count: int, over_depth: bool) -> list[Sharing]:
    """Returns untied weights: over depth as all stacks of layers start."""
    starts = (False,) if over_depth else plan.starts
    return [Untied(count, same_init=same) for same in starts]


def widened(setting: Setting, target: int) -> Setting:
    """Returns the tied setting whose parameters are nearest to a target."""

    def off(width: int) -> int:
        wide = dataclasses.replace(setting, hidden_features=width)
        return abs(sum(sizes(wide).values()) - target)

    widths = range(HEADS, setting.hidden_features * WIDEST, HEADS)
    return dataclasses.replace(setting, hidden_features=min(widths, key=off))


def _train(
    plan: Plan,
    lab: Lab,
    settings: Mapping[tuple, Setting],
    names: Sequence[str],
    chance: Mapping[str, float],
) -> pd.DataFrame:
    """Returns the runs of {labels: setting}; one that diverged has chance's loss."""
    runs = frames.train(lab, settings, names, plan.num_seeds, plan.first_seed)
    own = runs["data"].map(chance)
    runs = frames.count_lost(runs, {"test_loss": own, "validation_loss": np.inf})
    return runs.assign(log_loss=np.log(runs["test_loss"].astype(float)))


def _sweep(plan: Plan, lab: Lab, chance: Mapping[str, float]) -> pd.DataFrame:
    """Returns the losses over recurrence counts and widths."""
    sweep = plan.sweep
    middle = sorted(sweep.widths)[len(sweep.widths) // 2]
    shared: dict[tuple, list[Sharing]] = {}
    for model in sweep.models:
        for r in sweep.recurrences:
            shared[model, r] = selection(plan, sweep.depth, sweep.depth // r, True)
    steps = TASKS[sweep.data](0).num_steps
    for count in sweep.sets:
        shared[TIME, steps // count] = selection(plan, steps, count, False)
    candidates = {}
    for (model, r), choices in shared.items():
        tied = base(plan, model, sweep.data, sweep.depth)
        tied = dataclasses.replace(tied, hidden_features=middle)
        candidates[model, r] = grid(tied, plan.rates, choices)
    settings = {
        (model, r, width, sweep.data): dataclasses.replace(
            setting, hidden_features=width
        )
        for (model, r), setting in tune_each(lab, candidates, plan.tuning).items()
        for width in sweep.widths
    }
    runs = _train(plan, lab, settings, (*POINT, "data"), chance)
    passes = dict.fromkeys(sweep.models, sweep.depth) | {TIME: steps}
    stored = [
        sizes(setting, passes[model] // r)
        for (model, r, *_), setting in settings.items()
        for _ in range(plan.num_seeds)
    ]
    return pd.concat([runs, pd.DataFrame(stored)], axis=1)


def selection(plan: Plan, steps: int, count: int, over_depth: bool) -> list[Sharing]:
    """Returns the sharings of some steps that store so many sets of weights.

    Over depth the sets come in turn, as a stack that is run again and again; over time
    they follow one another.
    """
    if count == 1:
        return [Tied()]
    if count == steps:
        return _untied(plan, steps, over_depth)
    if over_depth:
        return [Cyclic(count)]
    return [Segments(steps, count, same_init=same) for same in plan.starts]

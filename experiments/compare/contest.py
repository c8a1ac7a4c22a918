"""Trains the arms within a budget of time: each tuned, then all of them in rounds.

A round trains every arm once more on each device, on seeds and splits that no other
round has; so however soon the time is up, what was trained is paired.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.lab.machine import layout
from experiments.lab.recipes import annealed_adam
from experiments.lab.trials import Lab, column, replicates
from rnnshare import (
    Cyclic,
    GRUCell,
    LowRank,
    Scaled,
    Segments,
    Sharing,
    Tied,
    TimeInput,
    Untied,
    count_parameters,
    match_width,
)
from rnnshare.training import Call, Recipe, Setting, fit
from rnnshare.training.identity import key_of
from rnnshare.training.rows import Row

RATES = (3e-3, 1e-2, 3e-2)
TUNING = 2  # seeds of each rate
LONGEST = 3_200  # updates of a training
SHORTEST = 200
VALIDATIONS = 10
FEWEST, ENOUGH, MOST = 4, 6, 30  # seeds of a comparison
WIDEST = 3  # of the wide tied arm, in widths
LAST = 7.0  # seconds that the page and the model take
_SHARE = 0.6  # of the budget that tuning may take, before any seeds
_PILOT = 60  # updates, by which the time of one is told


class Arm(NamedTuple):
    """A way to share weights, at a width.

    Attributes:
      name: for tables.
      sharing: of the recurrent layer.
      width: H.
    """

    name: str
    sharing: Sharing
    width: int


class Outcome(NamedTuple):
    """What was trained; the lists of an arm are in the order of the seeds.

    Attributes:
      settings: {arm's name: its setting, at the chosen rate}.
      rows: {arm's name: a row a seed}; all have as many.
      left_out: arms for which there was no time.
      num_steps: updates of a training.
      seconds: that it took.
      tuning: {arm's name: seconds of its tuning, compilation included}.
    """

    settings: dict[str, Setting]
    rows: dict[str, list[Row]]
    left_out: tuple[str, ...]
    num_steps: int
    seconds: float
    tuning: dict[str, float]

    def losses(self, arm: str, split: str = "test") -> np.ndarray:
        """Returns [S], infinite where a run diverged."""
        return column(self.rows[arm], f"{split}_loss")


def arms_of(
    num_steps: int, in_features: int, width: int, period: int | None
) -> list[Arm]:
    """Returns the arms, the most telling first: time may not suffice for all.

    Args:
      num_steps: T.
      in_features: D, of the recurrent cell.
      width: H.
      period: of a cyclic arm, in steps, or None.
    """
    cell = Call(GRUCell, in_features)
    size = count_parameters(cell, Untied(num_steps), width)
    most = count_parameters(cell, Tied(), WIDEST * width)
    wide = WIDEST * width
    if size < most:
        wide = match_width(cell, Tied(), size, "parameters", tolerance=0.5)
    found = [
        Arm("tied", Tied(), width),
        Arm("un-shared", Untied(num_steps, same_init=True), width),
    ]
    if period is not None:
        found.append(Arm("cyclic", Cyclic(period, same_init=True), width))
    found.append(Arm("low rank", LowRank(num_steps, 2), width))
    found.append(Arm("tied, wide", Tied(), wide))
    if num_steps >= 2 * 4:
        found.append(Arm("segments", Segments(num_steps, 4, same_init=True), width))
    found.append(Arm("time as input", TimeInput(8, period=float(num_steps)), width))
    found.append(Arm("scaled", Scaled(num_steps), width))
    return found


def compare(
    lab: Lab,
    make_task: Callable[[int], Any],
    arms: Sequence[Arm],
    *,
    seconds: float,
    budget: float,
    batch_size: int = 32,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Tunes each arm and trains all of them, as often as there is time for.

    The first arms are tuned and trained on `ENOUGH` seeds; then come the others, as far
    as there is time; then more seeds of all.

    Args:
      lab: keeps the rows.
      make_task: `make_task(split)`.
      arms: in the order of their weight; those for which there is no time are left out,
        the first two never.
      seconds: that it may take.
      budget: that the user gave, by which a comparison that goes on is known.
      batch_size: of the training, at most the training set.
      say: is told what is being done.
    """
    began = time.perf_counter()

    def used() -> float:
        return time.perf_counter() - began

    batch_size = min(batch_size, len(make_task(0).held_out("train").inputs))

    def pilot() -> dict[str, Any]:
        each = _seconds_of_update(make_task, arms[0], batch_size)
        return {"each": each, "updates": updates_for(seconds - used(), each, len(arms))}

    key = {"task": key_of(make_task(0)), "arms": repr(arms), "seconds": budget,
           "batch_size": batch_size}  # fmt: skip
    planned = lab.kept({"what": "pilot", **key}, pilot)
    num_steps = planned["updates"]
    say(f"an update takes {1e3 * planned['each']:.1f} ms; trainings have {num_steps:,}")
    devices = jax.device_count()
    chosen: dict[str, Setting] = {}
    rows: dict[str, list[Row]] = {}
    tuning: dict[str, float] = {}
    left, seeds = list(arms), 0
    work = {arm: relative_work(arm, arms[0]) for arm in arms}

    def tune(arm: Arm) -> float:
        """Tunes an arm, and trains it on the seeds so far.

        Returns:
          The seconds of tuning, had the arm been the first.
        """
        before = used()
        left.remove(arm)
        candidates = [
            setting_of(make_task, arm, rate, num_steps, batch_size) for rate in RATES
        ]
        best = chosen[arm.name] = lab.tune(candidates, TUNING * len(RATES))
        took = used() - before
        of_arm = {**key, "what": "tuning", "arm": arm.name, "updates": num_steps}
        tuning[arm.name] = lab.kept(of_arm, lambda: {"took": took})["took"]
        rows[arm.name] = lab.train([best], replicates(seeds)) if seeds else []
        say(f"{arm.name}: rate {best.learning_rate:g} ({used():.0f} s)")
        return took / work[arm]

    def train(count: int) -> float:
        """Trains all arms on new seeds; returns the seconds that each seed took."""
        before = used()
        found = lab.train(list(chosen.values()), replicates(count, seeds))
        for number, name in enumerate(chosen):
            rows[name] += found[number * count : (number + 1) * count]
        say(f"{seeds + count} seeds of {len(chosen)} arms ({used():.0f} s)")
        return (used() - before) / count

    took = 0.0
    share = _SHARE * seconds
    while left and (len(chosen) < 2 or used() + took * work[left[0]] < share):
        took = tune(left[0])
    each = train(FEWEST)
    each_of_arm = each / len(chosen)
    seeds += FEWEST
    while used() < seconds:
        first = took + seeds * each_of_arm
        in_time = [arm for arm in left if used() + first * work[arm] < seconds]
        if seeds >= ENOUGH and in_time:
            took = tune(in_time[0])
        elif seeds < (most := ENOUGH if in_time else MOST):
            count = int(min(seconds - used(), 0.1 * seconds) / each) // devices
            count = devices * max(1, count)
            if used() + count * each > seconds:
                break
            count = min(count, most - seeds)
            each = train(count)
            each_of_arm = each / len(chosen)
            seeds += count
        else:
            break
    names = tuple(arm.name for arm in left)
    return Outcome(chosen, rows, names, num_steps, used(), tuning)


def setting_of(
    make_task: Callable[[int], Any],
    arm: Arm,
    rate: float,
    num_steps: int,
    batch_size: int,
) -> Setting:
    """Returns an arm's setting at a rate."""
    recipe = Recipe(
        num_steps=num_steps,
        batch_size=batch_size,
        validate_every=num_steps // VALIDATIONS,
        patience=None,
        optimizer=Call(annealed_adam, num_steps=num_steps),
    )
    return Setting(make_task, GRUCell, arm.sharing, arm.width, rate, recipe)


def updates_for(seconds: float, each: float, num_arms: int) -> int:
    """Returns how many updates a training has, so that there is time for all arms.

    Args:
      seconds: that there are.
      each: that an update of the tied arm takes, on every device at once.
      num_arms: how many are to be trained.
    """
    trainings = num_arms * (TUNING * len(RATES) + 3 * FEWEST) / jax.device_count()
    most = seconds / 2 / (trainings * 2 * each)  # half of it compiles; others take more
    updates = 2 ** math.floor(math.log2(max(1.0, most / 100))) * 100
    return int(min(LONGEST, max(SHORTEST, updates)))


def relative_work(arm: Arm, first: Arm) -> float:
    """Returns what an arm is expected to take, in times of another.

    Half of it is compiling, which takes as long at any width; the rest goes by the
    recurrent products.
    """
    return (1 + (arm.width / first.width) ** 2) / 2


def _seconds_of_update(
    make_task: Callable[[int], Any], arm: Arm, batch_size: int
) -> float:
    """Returns what an update takes, on every device at once."""
    setting = setting_of(make_task, arm, RATES[0], _PILOT, batch_size)
    times: list[float] = []
    replicas = [(make_task(i), i, RATES[0]) for i in range(jax.device_count())]
    fit(
        setting.make_model(),
        dataclasses.replace(setting.recipe, validate_every=_PILOT // VALIDATIONS),
        replicas,
        on_chunk=lambda step, measured: times.append(time.perf_counter()),
        **layout(),
    )
    return float(np.median(np.diff(times))) / (_PILOT // VALIDATIONS)


def train_once(make_task: Callable[[int], Any], setting: Setting) -> Any:
    """Returns the parameters of a setting's first seed."""
    replicas = [(make_task(0), 0, setting.learning_rate)]
    return fit(setting.make_model(), setting.recipe, replicas, **layout()).params[0]

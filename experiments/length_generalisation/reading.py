"""Trains an arm, and reads what was trained on strings of every length.

One untied model is trained for steps 0..N-1 and then read in several ways: its later
steps *literally* (they stay at their initial weights), or by each unseen-step policy.
"""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from experiments.lab.choices import cells
from experiments.lab.machine import layout
from experiments.lab.recipes import to_the_end
from experiments.lab.trials import (
    Lab,
    grid,
    log_group,
    soonest,
)
from experiments.length_generalisation.accuracy import accuracy_by_length
from experiments.length_generalisation.plan import POLICIES, Arm, Plan
from rnnshare import Tied, Untied
from rnnshare.sharing.base import Sharing
from rnnshare.tasks import NON_REGULAR, REGULAR
from rnnshare.tasks.formal import FormalTask, Regular
from rnnshare.training import Call, Loop, Replica, Setting, fit
from rnnshare.training.rows import Row

GOAL = 1e-3  # the validation loss that ends a training
LANGUAGES = {language.language(): language for language in (*REGULAR, *NON_REGULAR)}


def rows_of(plan: Plan, arm: Arm, lab: Lab) -> list[Row]:
    """Returns a row a seed and reading; trains the seeds that lack one.

    A row's `accuracy_by_length` is None where the training diverged.
    """
    readings = readings_of(plan, arm)
    of_all = ("languages", "controls", "cells", "fixed", "num_seeds", "more_steps")
    same = {k: v for k, v in vars(plan).items() if k not in of_all}
    same |= arm._asdict() | {"num_steps": plan.steps_on(arm.language)}

    def make(missing):
        setting = tuned(plan, arm, lab)
        task, rate = setting.make_task(0), setting.learning_rate
        seeds = sorted({key["seed"] for key in missing})
        log_group(setting, len(seeds), len(seeds))
        triples = [(task, seed, rate) for seed in seeds]
        fitted = fit(setting.make_model(), setting.recipe, triples, **layout())
        trained = dict(zip(seeds, zip(*fitted, strict=True), strict=True))
        for key in missing:
            name, seed = key["reading"], key["seed"]
            params, metrics = trained[seed]
            diverged, curve = metrics.get("diverged"), None
            if diverged is None:
                as_read = dataclasses.replace(setting, sharing=readings[name])
                if name == "literal":
                    params = with_initial_weights(as_read, params, seed)
                most = longest(plan, arm.language, name)
                curve = accuracy_by_length(as_read, params, most, plan.examples)
                curve = curve.round(5).tolist()
            yield (
                key,
                {
                    "rate": rate,
                    "steps_trained": metrics["steps_trained"],
                    "test_accuracy": metrics["test_accuracy"],
                    "diverged": diverged,
                    "accuracy_by_length": curve,
                },
            )

    keys = [
        {**same, "reading": name, "seed": seed}
        for seed in range(plan.num_seeds)
        for name in readings
    ]
    return lab.kept_each(keys, make)


def tuned(plan: Plan, arm: Arm, lab: Lab) -> Setting:
    """Returns the arm's setting at the rate that reaches the goal the soonest."""
    candidates = grid(setting_of(plan, arm), plan.rates)
    return lab.tune(candidates, plan.num_tuning * len(candidates), by=soonest)


def strings(split: int, language: str, **sizes: Any) -> FormalTask:
    """Returns the task of a language, which has no splits to resample."""
    del split
    return LANGUAGES[language](**sizes)


def setting_of(plan: Plan, arm: Arm) -> Setting:
    """Returns the setting of an arm, at the first rate."""
    fixed, trained = arm.lengths == "fixed", plan.steps_on(arm.language)
    make_task = Call(
        strings,
        language=arm.language,
        max_length=plan.train_max_length,
        min_length=plan.train_max_length if fixed else 1,
        curriculum=0.0 if fixed else plan.curriculum,
    )
    untied = Untied(make_task(0).num_steps, same_init=arm.sharing == "untied_same")
    return Setting(
        make_task,
        cells()[arm.cell],
        Tied() if arm.sharing == "tied" else untied,
        plan.hidden_features,
        plan.rates[0],
        to_the_end(trained, 20, batch_size=plan.batch_size, stop_loss=GOAL),
    )


def readings_of(plan: Plan, arm: Arm) -> dict[str, Sharing]:
    """Returns {name: the sharing by which an arm's trained weights are read}.

    'tied' is all that there is of tied weights. Untied ones are read by each policy,
    and as 'literal': by an untied sharing that is as long as the longest string, whose
    further weights are those of `with_initial_weights`.
    """
    if arm.sharing == "tied":
        return {"tied": Tied()}
    setting, end = setting_of(plan, arm), longest(plan, arm.language)
    task: Any = setting.make_task(0)
    longer = dataclasses.replace(task, min_length=1, max_length=end).num_steps
    own: Any = setting.sharing
    by_policy = {p: dataclasses.replace(own, beyond=p) for p in POLICIES}
    return {"literal": dataclasses.replace(own, num_steps=longer), **by_policy}


def longest(plan: Plan, language: str, reading: str = "literal") -> int:
    """Returns the longest string of a language that a reading is measured on."""
    if reading != "stretch" and issubclass(LANGUAGES[language], Regular):
        return plan.eval_max_length
    return min(plan.each_max_length, plan.eval_max_length)


def with_initial_weights(setting: Setting, params: Any, seed: int) -> Any:
    """Returns trained weights, and after them the initial ones of a longer sharing.

    Args:
      setting: of the longer sharing.
      params: of fewer steps.
      seed: of their training, by which the longer model's initial weights are drawn.
    """
    one = np.array(1, np.float32)  # a rate, which no initial weight depends on
    replica = Replica(setting.make_task(0), np.array(seed, np.uint32), one)
    initial = _initial(Loop(setting.make_model(), setting.recipe))(replica)
    layers = jax.tree.map(
        lambda new, old: np.concatenate([new, old[len(new) :]]),
        params["layers"],
        initial,
    )
    return {**params, "layers": layers}


@functools.lru_cache(maxsize=8)
def _initial(loop: Loop):
    """Returns the jitted initialisation of the layers; one program for all seeds."""
    return jax.jit(lambda replica: loop.init(replica).params["layers"])


@functools.cache  # a walk over the lengths each time
def chances(language: str, max_length: int) -> np.ndarray:
    """Returns the best constant answer's accuracy at lengths 1 to the most, [L]."""
    task = LANGUAGES[language](max_length)
    return np.array([task.chance(n) for n in range(1, max_length + 1)])

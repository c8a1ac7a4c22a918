"""All arms over drift, data and steps, and with every example met once.

A cell of the map has a case (T, d, N). Of the arms of a kind the best one is chosen at
each cell by tuning seeds, and trained again on others, which decide.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.drift_map.plan import Plan
from experiments.lab.choices import equal_width
from experiments.lab.frames import contrast, count_lost, mean_oracle, tests, train
from experiments.lab.recipes import annealed_adam, to_the_end
from experiments.lab.trials import (
    FRESH_SEED,
    TUNING_SEED,
    Lab,
    grid,
    tune_each,
)
from rnnshare import GRUCell, LowRank, Partition, Tied, Untied
from rnnshare.tasks import STREAMING, drift_stream
from rnnshare.training import Call, Setting

TIED, WIDE, NARROW = "Tied", "Tied, wide", "Untied, equal parameters"
UNTIED, LOW_RANK, STEP_BIAS = "Untied", "LowRank", "Tied, a bias per step"
KINDS = {
    "Tied": (TIED, WIDE),
    "Untied": (UNTIED, NARROW),
    "Partial": (LOW_RANK, STEP_BIAS),
}
WHOLE = "Tied or untied"  # the better one of a cell
LIMIT_ARMS = (TIED, WIDE, UNTIED, LOW_RANK)
LOST = "1, the loss of the mean"  # what a run that diverged counts as
CASE = ["T", "d", "N"]


class Measured(NamedTuple):
    """The map.

    Attributes:
      runs: a row a training: kind, arm (the best of the kind), T, d, N, seed,
        test_loss, lost. The kind 'Tied or untied' repeats the better one's.
      fresh: the same of tied and untied on fresh seeds, of the cells that untied won.
      streaming: the same of some arms with every example met once, at one T.
      oracles: {(T, d): loss of the best time-invariant linear model, over the seeds}.
      chosen: {(arm, T): setting}.
    """

    runs: pd.DataFrame
    fresh: pd.DataFrame
    streaming: pd.DataFrame
    oracles: dict
    chosen: dict


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains what is not yet kept, and returns the map."""
    candidates = {
        (arm, steps): several
        for steps in plan.steps
        for arm, several in arms(plan, steps).items()
    }
    chosen = tune_each(lab, candidates, plan.tuning)
    streaming = met_once(plan, lab, chosen)
    best = best_arms(plan, lab, chosen)
    runs = of_kinds(plan, lab, chosen, best, plan.first_seed)
    won = tests(differences(runs, "Untied", "Tied")).query("wins < 0").index
    again = {(k, case): best[k, case] for case in won for k in ("Tied", "Untied")}
    fresh = of_kinds(plan, lab, chosen, again, plan.first_seed + FRESH_SEED)
    oracles = {
        (steps, d): mean_oracle(_task(plan, steps, d, plan.sizes[0]), plan.num_seeds)
        for steps in plan.steps
        for d in plan.drifts
    }
    return Measured(runs, fresh, streaming, oracles, chosen)


def arms(plan: Plan, num_steps: int) -> dict[str, list[Setting]]:
    """Returns {arm: settings to choose from} at the middle drift and size."""
    drift = plan.drifts[len(plan.drifts) // 2]
    size = plan.sizes[len(plan.sizes) // 2]
    untied = [Untied(num_steps, same_init=same) for same in plan.starts]
    biases = [Partition({"bias": each}) for each in untied]
    cell, width = functools.partial(GRUCell, plan.num_features), plan.hidden_features
    narrow = equal_width(cell, Untied(num_steps), width, "parameters")
    made: dict[str, tuple[list, int]] = {
        TIED: ([Tied()], width),
        WIDE: ([Tied()], plan.wider * width),
        UNTIED: (untied, width),
        NARROW: (untied, narrow),
        LOW_RANK: ([LowRank(num_steps, plan.rank)], width),
        STEP_BIAS: (biases, width),
    }
    base = Setting(
        _task(plan, num_steps, drift, size),
        GRUCell,
        Tied(),
        recipe=_recipe(plan.num_steps),
    )
    return {
        arm: grid(dataclasses.replace(base, hidden_features=h), plan.rates, sharings)
        for arm, (sharings, h) in made.items()
    }


def met_once(plan: Plan, lab: Lab, chosen: dict) -> pd.DataFrame:
    """Returns the runs with every example met once, as `Measured.streaming`."""
    steps, recipe = plan.limit_steps, _recipe(plan.streaming_steps)
    settings = {
        (arm, arm, steps, d, STREAMING): dataclasses.replace(
            _at(plan, chosen[arm, steps], steps, d, STREAMING), recipe=recipe
        )
        for arm in LIMIT_ARMS
        for d in plan.drifts
        if d or arm != WIDE  # which is told where the rule drifts
    }
    return _runs(lab, settings, plan.num_seeds, plan.first_seed)


def best_arms(plan: Plan, lab: Lab, chosen: dict) -> dict:
    """Returns {(kind, case): arm} of the least validation loss on tuning seeds."""
    cases = [(t, d, n) for t in plan.steps for d in plan.drifts for n in plan.sizes]
    settings = {
        (kind, arm, *case): _at(plan, chosen[arm, case[0]], *case)
        for kind, several in KINDS.items()
        for arm in several
        for case in cases
    }
    runs = train(lab, settings, ["kind", "arm", *CASE], plan.choosing, TUNING_SEED)
    runs = count_lost(runs, {"validation_loss": 1.0})
    means = runs.groupby(["arm", *CASE])["validation_loss"].mean()
    best = {
        (kind, case): min(several, key=lambda arm: means[arm, *case])
        for case in cases
        for kind, several in KINDS.items()
    }
    for case in cases:
        both = best["Tied", case], best["Untied", case]
        best[WHOLE, case] = min(both, key=lambda arm: means[arm, *case])
    return best


def of_kinds(
    plan: Plan, lab: Lab, chosen: dict, best: dict, first: int
) -> pd.DataFrame:
    """Returns the runs of the best arms, {(kind, case): arm}, as `Measured.runs`."""
    settings = {
        (kind, arm, *case): _at(plan, chosen[arm, case[0]], *case)
        for (kind, case), arm in best.items()
    }
    return _runs(lab, settings, plan.num_seeds, first)


def _runs(lab: Lab, settings: dict, num_seeds: int, first: int) -> pd.DataFrame:
    columns = ["kind", "arm", *CASE, "seed", "test_loss", "best_step", "lost"]
    if not settings:
        return pd.DataFrame(columns=columns)
    runs = train(lab, settings, ["kind", "arm", *CASE], num_seeds, first)
    return count_lost(runs, {"test_loss": 1.0})[columns]


def differences(runs: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """Returns log ratios of test losses of two kinds: a row a case, a column a seed."""
    if not len(runs):
        return pd.DataFrame()
    logs = runs.assign(log_loss=np.log(runs["test_loss"].astype(float)))
    return contrast(logs, "log_loss", by=CASE, arms=(one, other), arm="kind")


def _recipe(num_steps: int) -> Any:
    return to_the_end(num_steps, 20, optimizer=Call(annealed_adam, num_steps=num_steps))


def _at(plan: Plan, setting: Setting, steps: int, drift: float, size: int) -> Setting:
    return dataclasses.replace(setting, make_task=_task(plan, steps, drift, size))


def _task(plan: Plan, num_steps: int, drift: float, size: int) -> Call:
    return Call(
        drift_stream,
        amount=drift,
        num_steps=num_steps,
        num_features=plan.num_features,
        num_lags=plan.num_lags,
        num_examples=size,
    )

"""Tied and untied over drift, data and steps, and with every example met once."""

import dataclasses
import functools
from typing import NamedTuple

import pandas as pd

from experiments.drift_map.plan import Plan
from experiments.lab.choices import equal_width
from experiments.lab.frames import contrast, mean_oracle, tests, train
from experiments.lab.trials import FRESH_SEED, Lab, grid, to_the_end
from rnnshare import GRUCell, Tied, Untied
from rnnshare.tasks import STREAMING, drift_stream
from rnnshare.training import Call, Recipe, Setting

ARMS = ("Tied", "Untied", "Untied, equal parameters")
LOST = "1, the loss of the mean"  # what a run that diverged counts as
CASE = ["T", "d", "N"]


class Measured(NamedTuple):
    """The map.

    Attributes:
      runs: a row a training: arm, T, d, N, seed, test_loss.
      fresh: the same on fresh seeds, of the cells that untied won and of tied there.
      streaming: the same with every example met once, at one T.
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
    chosen = {}
    for steps in plan.steps:
        for arm, candidates in arms(plan, steps).items():
            chosen[arm, steps] = lab.tune(candidates, plan.tuning)
    cells = [(d, n) for d in plan.drifts for n in plan.sizes]
    runs = losses(plan, lab, chosen, dict.fromkeys(chosen, cells))
    won = tests(differences(runs)).query("wins < 0").index
    again: dict = {}
    for arm, steps, d, n in won:
        for key in (("Tied", steps), (arm, steps)):
            again.setdefault(key, []).append((d, n))
    fresh = losses(plan, lab, chosen, again, FRESH_SEED)
    recipe = to_the_end(plan.streaming_steps, 20)
    met_once = {
        (arm, plan.limit_steps): [(d, STREAMING) for d in plan.drifts]
        for arm in ("Tied", "Untied")
    }
    longer = {k: dataclasses.replace(s, recipe=recipe) for k, s in chosen.items()}
    streaming = losses(plan, lab, longer, met_once)
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
    recipe = Recipe(
        num_steps=plan.num_steps,
        validate_every=max(1, plan.num_steps // 20),
        patience=6,
    )
    untied = [Untied(num_steps, same_init=same) for same in plan.starts]
    sharings: dict = dict(zip(ARMS, ([Tied()], untied, untied), strict=True))
    cell, width = functools.partial(GRUCell, plan.num_features), plan.hidden_features
    narrow = equal_width(cell, Untied(num_steps), width, "parameters")
    make_task = _task(plan, num_steps, drift, size)
    return {
        arm: grid(
            Setting(make_task, GRUCell, Tied(), own_width, recipe=recipe),
            plan.rates,
            sharings[arm],
        )
        for arm, own_width in zip(ARMS, (width, width, narrow), strict=True)
    }


def losses(
    plan: Plan, lab: Lab, chosen: dict, cells: dict, first: int = 0
) -> pd.DataFrame:
    """Returns the runs of each (arm, T) at its cells (d, N), as `Measured.runs`.

    A run that diverged counts as 1, the loss of predicting the mean.
    """
    found = []
    for (arm, steps), places in cells.items():
        settings = {
            (arm, steps, d, n): dataclasses.replace(
                chosen[arm, steps], make_task=_task(plan, steps, d, n)
            )
            for d, n in places
        }
        found.append(train(lab, settings, ["arm", *CASE], plan.num_seeds, first))
    columns = ["arm", *CASE, "seed", "test_loss"]
    if not found:
        return pd.DataFrame(columns=columns)
    return pd.concat(found, ignore_index=True)[columns].drop_duplicates()


def differences(runs: pd.DataFrame) -> pd.DataFrame:
    """Returns untied less tied test loss: a row an (arm, T, d, N), a column a seed."""
    paired = {}
    for arm in ARMS[1:]:
        own = runs[runs["arm"] == arm][CASE].drop_duplicates()
        both = runs.merge(own, on=CASE)
        if len(own):
            paired[arm] = contrast(
                both, "test_loss", by=CASE, arms=(arm, "Tied"), missing=1.0
            )
    return pd.concat(paired, names=["arm"]) if paired else pd.DataFrame()


def _task(plan: Plan, num_steps: int, drift: float, size: int) -> Call:
    return Call(
        drift_stream,
        amount=drift,
        num_steps=num_steps,
        num_features=plan.num_features,
        num_lags=plan.num_lags,
        num_examples=size,
    )

"""Trained stacks run with other numbers of passes than they were trained with."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import pandas as pd

from experiments.depth.models import StackSetting
from experiments.depth.plan import Plan
from experiments.lab.machine import layout
from experiments.lab.trials import Lab, log_group, replicates
from rnnshare import Sharing, Tied, Untied
from rnnshare.cells.blueprint import Blueprint
from rnnshare.training import Replicate, fit


def measure_deeper(
    plan: Plan,
    lab: Lab,
    chosen: Mapping[tuple, Any],
    chance: Mapping[str, float],
) -> pd.DataFrame:
    """Returns what trained stacks score at half, and at twice, their passes."""
    rows, pairs = [], replicates(plan.num_seeds, plan.first_seed)
    for model, data in plan.deeper:
        for arm, readings in deeper_readings(plan.depth).items():
            setting = chosen[model, data, plan.depth, arm]
            keys = {
                pair: {
                    "what": "test loss at another depth",
                    "read": [list(reading) for reading in readings],
                    "of": setting.key(pair),
                }
                for pair in pairs
            }
            found = lab.kept_each(
                list(keys.values()),
                functools.partial(_read, setting, keys, readings),
            )
            for pair, row in zip(pairs, found, strict=True):
                for (name, depth), loss in zip(readings, row["losses"], strict=True):
                    lost = loss is None
                    rows.append(
                        {"model": model, "data": data, "arm": name, "depth": depth,
                         "seed": pair.seed, "lost": lost,
                         "test_loss": chance[data] if lost else loss}
                    )  # fmt: skip
    return pd.DataFrame(rows)


def deeper_readings(depth: int) -> dict[str, dict[tuple[str, int], Sharing]]:
    """Returns {arm: {(name, passes at the test): sharing}} of stacks so deep."""
    half, twice = depth // 2, 2 * depth
    hold, cycle = (Untied(depth, beyond=policy) for policy in ("hold", "cycle"))
    return {
        "Tied": {("Tied", passes): Tied() for passes in (half, depth, twice)},
        "Untied": {
            **{("Untied, hold", passes): hold for passes in (half, depth, twice)},
            ("Untied, cycle", twice): cycle,
        },
    }


def _read(
    setting: StackSetting,
    keys: Mapping[Replicate, Mapping[str, Any]],
    readings: Mapping[tuple[str, int], Sharing],
    missing: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
    """Trains the seeds that lack a row, as `runs` were, and scores every reading."""
    pairs = [pair for pair, key in keys.items() if key in missing]
    log_group(setting, len(pairs), len(pairs))
    triples = [
        (setting.make_task(p.split), p.seed, setting.learning_rate) for p in pairs
    ]
    fitted = fit(setting.make_model(), setting.recipe, triples, **layout())

    def loss_of(reading: tuple[str, int]) -> Any:
        as_read = dataclasses.replace(
            setting, sharing=readings[reading], depth=reading[1]
        )
        blueprint = Blueprint.of(as_read.make_model())

        def loss(params: Any, task: Any) -> jax.Array:
            batch = task.held_out("test")
            return task.loss(blueprint.bind(params)(batch.inputs), batch)

        return jax.jit(loss)

    losses = [loss_of(reading) for reading in readings]
    for pair, (task, *_), params, metrics in zip(
        pairs, triples, fitted.params, fitted.metrics, strict=True
    ):
        lost = metrics["diverged"] is not None
        found = [None if lost else float(loss(params, task)) for loss in losses]
        yield keys[pair], {"losses": found}

"""Held-out losses of tied and untied weights along training without regularisation."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from experiments.lab.choices import cells
from experiments.lab.machine import layout
from experiments.lab.trials import Lab
from experiments.over_fitting.plan import Plan
from rnnshare import Tied, Untied
from rnnshare.tasks import SignalPatch
from rnnshare.training import Call, Recipe, Setting, fit

GUESSING = math.log(2)  # nats, of a model that has learnt nothing
MODEL = ("cell", "arm", "T")


def follow(plan: Plan, lab: Lab, rates: Mapping[tuple, float]) -> pd.DataFrame:
    """Returns a row a training: cell, arm, T, N, seed, curve, lost.

    A curve is the loss in nats on examples that no choice was made by (the validation
    set of the seed), after every `validate_every` steps, to the end; what diverged
    guesses from there on.

    Args:
      plan: its `rises`.
      lab: keeps the curves.
      rates: {(cell, arm): learning rate}.
    """
    sizes = plan.rises
    seeds = range(sizes.first_seed, sizes.first_seed + plan.num_seeds)
    keys = [
        {
            **{"cell": cell, "arm": arm, "T": steps, "N": size, "seed": seed},
            **{"noise": sizes.noise, "rate": rate, "batch_size": sizes.batch_size},
            **{"num_steps": sizes.num_updates, "every": sizes.validate_every},
            **{"hidden_features": plan.hidden_features},
            **{"num_held_out": plan.num_held_out},
        }
        for (cell, arm), rate in rates.items()
        for steps, size, seed in itertools.product(sizes.steps, sizes.sizes, seeds)
    ]
    count = sizes.num_updates // sizes.validate_every
    rows = lab.kept_each(keys, _train)
    found = pd.DataFrame(rows)[[*MODEL, "N", "seed"]]
    curves = [row["curve"] + [GUESSING] * (count - len(row["curve"])) for row in rows]
    lost = [len(row["curve"]) < count for row in rows]
    return found.assign(curve=curves, lost=lost)


def rise(curves: np.ndarray) -> np.ndarray:
    """Returns the final less the best losses, [S], of curves [S, X].

    The best of a seed is at the step that is best of the mean of the other seeds: so no
    noise of its own chose it.
    """
    others = curves.sum(0) - curves
    best = np.take_along_axis(curves, others.argmin(1)[:, None], axis=1)[:, 0]
    return curves[:, -1] - best


def _train(missing: list[Mapping[str, Any]]) -> Iterator[tuple[Mapping, dict]]:
    """Yields the curves of missing keys, those of one model together."""
    for _, alike in itertools.groupby(missing, lambda k: [k[name] for name in MODEL]):
        yield from _together([*alike])


def _together(keys: list[Mapping[str, Any]]) -> Iterable[tuple[Mapping, dict]]:
    """Returns the curves of one model."""
    one = keys[0]
    curves: list[list[float]] = [[] for _ in keys]
    tasks = [
        Call(
            SignalPatch,
            key["N"],
            num_held_out=key["num_held_out"],
            num_steps=key["T"],
            label_noise=key["noise"],
        )(key["seed"])
        for key in keys
    ]
    recipe = Recipe(
        one["num_steps"], one["batch_size"], one["every"], patience=None, keep="last"
    )
    tied = one["arm"] == "Tied"
    model = Setting(
        lambda split: tasks[0],
        cells()[one["cell"]],
        Tied() if tied else Untied(one["T"], same_init=True),
        one["hidden_features"],
        recipe=recipe,
    ).make_model()

    def on_chunk(step: int, rows: Mapping[int, Mapping[str, Any]]) -> None:
        for index, row in rows.items():
            if math.isfinite(row["validation_loss"]):
                curves[index].append(float(row["validation_loss"]))

    replicas = [
        (task, k["seed"], k["rate"]) for task, k in zip(tasks, keys, strict=True)
    ]
    fit(model, recipe, replicas, on_chunk=on_chunk, **layout())
    return ((key, {"curve": curve}) for key, curve in zip(keys, curves, strict=True))

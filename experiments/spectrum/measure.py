"""Every sharing over the drift, and beyond T; soft tying is measured in `soft`."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

from experiments.lab import frames
from experiments.lab.choices import equal_width
from experiments.lab.frames import count_lost, mean_oracle
from experiments.lab.recipes import to_the_end
from experiments.lab.trials import Lab, grid, tune_each
from experiments.spectrum.plan import Plan
from experiments.spectrum.soft import measure_soft
from rnnshare import (
    Basis,
    Cyclic,
    Drift,
    GRUCell,
    Hypernetwork,
    LowRank,
    Mixture,
    Partition,
    Scaled,
    Segments,
    Sharing,
    Tied,
    TimeInput,
    Untied,
    tasks,
)
from rnnshare.tasks.base import as_pytree, generated
from rnnshare.training import Call, Recipe, Setting

NUM_STEPS = 30  # T of the drift task
PERIOD = 5  # of its periodic path, and so of the periodic sharings
BEYOND_STEPS, BEYOND_LAGS = 15, 3  # of B3
NEAR, FURTHEST = 2, 4  # of B3, times T
ITALY, ITALY_STEPS, ITALY_PERIOD = "ItalyPowerDemand (nats)", 24, 6
BASELINES = ("Tied", "Untied, hold")  # of B3
PANEL = ("panel", "arm")  # what names a run of the spectrum
MATCHED = ", equal "  # in a panel's name: what else than the width is
_TUNING_DRIFT = 0.05


class Measured(NamedTuple):
    """Runs, a row a training: its labels, seed, metrics, and lost: it diverged.

    Attributes:
      spectrum: by panel and arm.
      lines: {panel: {label: level}}, what can be reached and what is trivial.
      soft: see `soft.measure_soft`.
      beyond: by path and arm; its losses beyond T are near, from T to 2 T, and
        test_loss, to 4 T.
      oracles: {path: loss to 4 T of the best time-invariant linear model}.
    """

    spectrum: pd.DataFrame
    lines: dict
    soft: pd.DataFrame
    beyond: pd.DataFrame
    oracles: dict


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains what is not yet kept, and returns the runs."""
    return Measured(
        *measure_spectrum(plan, lab),
        measure_soft(plan, lab),
        *measure_beyond(plan, lab),
    )


def measure_spectrum(plan: Plan, lab: Lab) -> tuple[pd.DataFrame, dict]:
    """Returns the runs of every sharing on both tasks, and the lines to draw."""
    parts, lines = [], {}
    choices = sharings(NUM_STEPS, plan.starts)
    for matching in plan.matchings:
        note = "" if matching == "width" else f"{MATCHED}{matching}"
        base = tied_setting(plan, Call(tasks.drift, amount=_TUNING_DRIFT))
        chosen = {
            arm: matched(plan, tuned(plan, lab, base, choices[arm]), matching)
            for arm in plan.arms
        }
        made: dict[str, Any] = {
            f"drift {drift:g}{note}": Call(tasks.drift, amount=drift)
            for drift in plan.drifts
        }
        parts.append(train(plan, lab, on_panels(chosen, made), PANEL))
        for panel, make_task in made.items():
            level = round(mean_oracle(make_task, plan.num_seeds), 6)
            lines[panel] = {"time-invariant linear": level}
    chance = tasks.italy_power_demand().baselines["chance"]["loss"]
    base = tied_setting(plan, tasks.italy_power_demand)
    choices = sharings(ITALY_STEPS, plan.starts, ITALY_PERIOD)
    chosen = {arm: tuned(plan, lab, base, choices[arm]) for arm in plan.italy_arms}
    made = {ITALY: tasks.italy_power_demand}
    parts.append(train(plan, lab, on_panels(chosen, made), PANEL, chance))
    lines[ITALY] = {"chance": chance}
    return pd.concat(parts, ignore_index=True), lines


@as_pytree(
    *("train", "validation", "test", "step_weights"),
    *("num_examples", "amount", "oracle", "noise"),
)
@dataclasses.dataclass(frozen=True, eq=False)
class BeyondDrift(tasks.DriftTask):
    """The drift task, of which the steps from T to 2 T are scored apart too."""

    __public_name__ = "experiments.BeyondDrift"  # in keys, wherever it stands

    def metrics(self, outputs: jax.Array, batch: Any) -> dict[str, jax.Array]:
        """Returns `loss`, and `near`, that of the steps below 2 T."""
        before = np.arange(batch.mask.shape[-1]) < NEAR * BEYOND_STEPS
        near = batch._replace(mask=jnp.asarray(batch.mask) & before[None])
        return {"loss": self.loss(outputs, batch), "near": self.loss(outputs, near)}


@functools.lru_cache(maxsize=128)
@generated()
def beyond_drift(split: int, *, path: str, amount: float) -> BeyondDrift:
    """Returns the task on a path; the tasks of all paths share one compilation."""
    task = tasks.drift(
        split,
        amount=amount,
        path=path,
        num_steps=BEYOND_STEPS,
        num_lags=BEYOND_LAGS,
        period=PERIOD,
        test_steps=FURTHEST * BEYOND_STEPS,
    )
    fields = {f.name: getattr(task, f.name) for f in dataclasses.fields(task)}
    return BeyondDrift(**(fields | {"path": "any"}))


def measure_beyond(plan: Plan, lab: Lab) -> tuple[pd.DataFrame, dict]:
    """Returns the runs that are scored beyond T, and what is possible there."""
    steps = BEYOND_STEPS
    untied = [Untied(steps, same_init=s, beyond="hold") for s in plan.starts]
    arms: dict[str, Sequence[Sharing]] = {
        **dict(zip(BASELINES, ([Tied()], untied), strict=True)),
        "Cyclic": [Cyclic(PERIOD, same_init=same) for same in plan.starts],
        "Basis": [Basis(PERIOD, period=float(PERIOD))],
        "Drift": [Drift(unit=float(steps))],
        "Hypernetwork": [Hypernetwork(4, period=float(PERIOD))],
    }
    candidates, oracles = {}, {}
    for path, amount in plan.amounts:
        make_task = Call(beyond_drift, path=path, amount=amount)
        base = dataclasses.replace(
            tied_setting(plan, make_task),
            hidden_features=plan.beyond_features,
            recipe=to_the_end(plan.beyond_updates, 8),
        )
        for arm, choices in arms.items():
            candidates[path, arm] = [
                dataclasses.replace(setting, readout_sharing=setting.sharing)
                for setting in grid(base, plan.rates, choices)
            ]
        seeds = range(plan.first_seed, plan.first_seed + plan.num_seeds)
        oracles[path] = float(np.mean([float(make_task(i).oracle) for i in seeds]))
    chosen = tune_each(lab, candidates, plan.tuning)
    runs = frames.train(lab, chosen, ("path", "arm"), plan.num_seeds, plan.first_seed)
    runs = runs.rename(columns={"test_near": "near"})
    trivial = {"test_loss": 1.0, "near": 1.0, "validation_loss": np.inf}
    return count_lost(runs, trivial), oracles


def sharings(
    num_steps: int, starts: Sequence[bool], period: int = PERIOD
) -> dict[str, list[Sharing]]:
    """Returns {class: the sharings to choose from}; stacks with their starts."""
    every: list[Sharing] = [Tied()]
    for same in starts:
        every += [
            Untied(num_steps, same_init=same),
            Segments(num_steps, 4, same_init=same),
            Cyclic(period, same_init=same),
        ]
    every += [
        Mixture(num_steps, 4),
        LowRank(num_steps, 2),
        Scaled(num_steps),
        Basis(4, "chebyshev", period=float(num_steps - 1)),
        Drift(unit=float(num_steps)),
        Hypernetwork(4, period=2.0 * num_steps),
        TimeInput(4, period=2.0 * num_steps),
        Partition({"recurrent": Untied(num_steps, same_init=True)}),
    ]
    found: dict[str, list[Sharing]] = {}
    for sharing in every:
        found.setdefault(type(sharing).__name__, []).append(sharing)
    return found


def recipe(plan: Plan, optimizer: Any = optax.adam) -> Recipe:
    """Returns the recipe of both tasks."""
    return to_the_end(plan.num_steps, 8, optimizer=optimizer)


def tied_setting(plan: Plan, make_task: Any) -> Setting:
    """Returns the tied GRU on a task."""
    return Setting(
        make_task, GRUCell, Tied(), plan.hidden_features, plan.rates[-1], recipe(plan)
    )


def tuned(plan: Plan, lab: Lab, base: Setting, choices: Sequence[Sharing]) -> Setting:
    """Returns the best of some sharings and rates."""
    return lab.tune(grid(base, plan.rates, choices), plan.tuning)


def matched(plan: Plan, setting: Setting, by: str) -> Setting:
    """Returns the setting at the width of the tied model's size."""
    if by == "width" or setting.sharing == Tied():
        return setting
    cell = functools.partial(GRUCell, 3)
    width = equal_width(cell, setting.sharing, plan.hidden_features, by)
    return dataclasses.replace(setting, hidden_features=width)


def on_panels(
    chosen: Mapping[str, Setting], made: Mapping[str, Any]
) -> dict[tuple, Setting]:
    """Returns {(panel, arm): setting}, every arm's on the task of every panel."""
    return {
        (panel, arm): dataclasses.replace(setting, make_task=make_task)
        for arm, setting in chosen.items()
        for panel, make_task in made.items()
    }


def train(
    plan: Plan,
    lab: Lab,
    settings: Mapping[tuple, Setting],
    names: Sequence[str],
    trivial: float = 1.0,
) -> pd.DataFrame:
    """Returns the runs of {labels: setting}, with columns of these names.

    A run that diverged has the test loss of the trivial predictor, 1 on the drift task,
    and is not the best of anything on validation.
    """
    runs = frames.train(lab, settings, names, plan.num_seeds)
    return count_lost(runs, {"test_loss": trivial, "validation_loss": np.inf})

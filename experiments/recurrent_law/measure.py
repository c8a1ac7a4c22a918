"""Tied and untied networks on a drifting rule in noise, by the number of sequences.

Shape letters: N sequences, T steps, l lags, S seeds.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
import pandas as pd

from experiments.lab import frames
from experiments.lab.choices import standard_cells
from experiments.lab.frames import contrast, count_lost, tests
from experiments.lab.recipes import to_the_end
from experiments.lab.trials import FRESH_SEED, Lab, grid, tune_each
from experiments.recurrent_law.plan import Plan
from rnnshare import Tied, Untied, tasks
from rnnshare.tasks.base import Batch, as_pytree, generated
from rnnshare.training import Call, Setting

CASE = ["cell", "s", "d"]
BATCH = 32
LOST = "1, the loss of the mean"  # what a run that diverged counts as


@as_pytree(
    *("num_examples", "seed", "step_weights", "constant", "amount", "oracle", "noise")
)
@dataclasses.dataclass(frozen=True, eq=False)
class NoisyTraining(tasks.DriftStream):
    """The drifting regression whose test targets have no noise.

    So the test loss is the excess error that the law speaks of.
    """

    __public_name__ = "experiments.NoisyTraining"  # in keys, wherever it stands

    def example(self, key: jax.Array, split: str) -> Batch:
        """Draws an example, without noise where it is of the test set."""
        task = dataclasses.replace(self, noise=None) if split == "test" else self
        return tasks.DriftStream.example(task, key, split)


@functools.lru_cache(maxsize=4_096)
@generated()
def noisy_training(split: int, **options: Any) -> NoisyTraining:
    """Returns the task of `tasks.drift_stream` with these options."""
    task = tasks.drift_stream(split, **options)
    return NoisyTraining(
        **{f.name: getattr(task, f.name) for f in dataclasses.fields(task)}
    )


class Measured(NamedTuple):
    """The trainings.

    Attributes:
      runs: a row a training: cell, s, d, N, arm ('Tied' or 'Untied'), seed, test_loss,
        the excess error, its logarithm, learning_rate, decay, lost.
      fresh: the same on fresh seeds, where untied was ahead of tied at d = 0.
      bias: {d: b}, the least excess error of one rule for all steps, over the seeds.
    """

    runs: pd.DataFrame
    fresh: pd.DataFrame
    bias: dict[float, float]


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains what is not yet kept."""
    candidates = {
        (cell, noise, drift, size, arm): _candidates(
            plan, cell, noise, drift, size, arm
        )
        for cell in plan.cells
        for arm in ("Tied", "Untied")
        for noise in plan.noises
        for drift in plan.drifts
        for size in plan.sizes
    }
    chosen = tune_each(lab, candidates, plan.tuning)
    runs = _runs(plan, lab, chosen, plan.first_seed)
    ahead = ahead_without_drift(runs)
    again = {
        (*case[:2], 0.0, case[2], arm): chosen[*case[:2], 0.0, case[2], arm]
        for case in ahead
        for arm in ("Tied", "Untied")
    }
    fresh = _runs(plan, lab, again, plan.first_seed + FRESH_SEED)
    return Measured(runs, fresh, {d: _bias(plan, d) for d in plan.drifts})


def ahead_without_drift(runs: pd.DataFrame) -> list[tuple]:
    """Returns the (cell, s, N) at d = 0 at which untied's excess error is lower."""
    still = runs[runs["d"] == 0.0]
    if still.empty:
        return []
    apart = contrast(still, "log_excess", by=["cell", "s", "N"])
    return [*tests(apart).query("wins < 0").index]


def annealed(
    rate: Any, *, num_steps: int, decay: float
) -> optax.GradientTransformation:
    """Returns AdamW, its rate a cosine to 0."""
    schedule = optax.cosine_decay_schedule(rate, num_steps)
    return optax.adamw(schedule, weight_decay=decay)


def _options(plan: Plan, drift: float) -> dict[str, Any]:
    return {
        "amount": drift,
        "num_steps": plan.num_steps,
        "num_lags": plan.num_lags,
    }


def _bias(plan: Plan, drift: float) -> float:
    seeds = range(plan.first_seed, plan.first_seed + plan.num_seeds)
    options = _options(plan, drift)
    return float(np.mean([tasks.drift_stream(i, **options).oracle for i in seeds]))


def _candidates(
    plan: Plan, cell: str, noise: float, drift: float, size: int, arm: str
) -> list[Setting]:
    options = _options(plan, drift) | {"noise": noise, "num_examples": size}
    sharing = Tied() if arm == "Tied" else Untied(plan.num_steps, same_init=True)
    return [
        setting
        for decay in plan.decays
        for setting in grid(
            Setting(
                Call(noisy_training, **options),
                standard_cells(cell)[cell],
                sharing,
                plan.hidden_features,
                recipe=to_the_end(
                    plan.num_updates,
                    4,
                    batch_size=BATCH,
                    optimizer=Call(annealed, num_steps=plan.num_updates, decay=decay),
                    keep="last",
                ),
            ),
            plan.rates,
        )
    ]


def _runs(plan: Plan, lab: Lab, chosen: dict, first: int) -> pd.DataFrame:
    names = ("cell", "s", "d", "N", "arm")
    runs = frames.train(lab, chosen, names, plan.num_seeds, first)
    if runs.empty:
        return pd.DataFrame(columns=[*names, "seed", "log_excess", "lost"])
    runs = count_lost(runs, {"test_loss": 1.0, "validation_loss": np.inf})
    decays = [_decay(chosen[label]) for label in chosen for _ in range(plan.num_seeds)]
    return runs.assign(log_excess=np.log(runs["test_loss"]), decay=decays)


def _decay(setting: Setting) -> float:
    optimizer: Any = setting.recipe.optimizer
    return float(optimizer.keywords["decay"])

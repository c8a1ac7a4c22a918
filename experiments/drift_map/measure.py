"""The trainings behind `drift_map.py`: tied and untied over drift, data and steps.

Shape letters: C values of T, A drifts, X training-set sizes, S seeds.
"""

import dataclasses
import functools

import numpy as np

from experiments.drift_map.judgement import differences_of, won
from experiments.lab.trials import column, replicates, run, tune
from rnnshare import GRUCell, Tied, Untied, match_width
from rnnshare.models.sizing import count_flops, count_parameters
from rnnshare.tasks import STREAMING, drift_stream
from rnnshare.training.fitting import Recipe
from rnnshare.training.rows import JsonLines
from rnnshare.training.study import Setting


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      num_seeds: paired seeds, each with weights and data of its own.
      tuning: trainings that an arm's rate and start are tuned by, at each T.
      rates: the learning rates to choose from.
      starts: of untied weights, `same_init`, to choose from.
      hidden_features: H of the tied model, and of untied at equal width.
      steps: the T of the map.
      drifts: d, the most that a number of the weights moves a step.
      sizes: N of the map.
      num_steps: optimiser steps at most.
      limit_steps: T of the streaming study, one of `steps`.
      streaming_steps: optimiser steps of it.
      num_features: D.
      num_lags: l.
    """

    num_seeds: int
    tuning: int
    rates: tuple[float, ...]
    starts: tuple[bool, ...]
    hidden_features: int
    steps: tuple[int, ...]
    drifts: tuple[float, ...]
    sizes: tuple[int, ...]
    num_steps: int
    limit_steps: int
    streaming_steps: int
    num_features: int = 3
    num_lags: int = 5


_DRIFTS = (0.0, 0.05, 0.2)
PLANS = {
    "smoke": Plan(
        2, 1, (1e-2,), (True,), 4, (8,), (0.0, 0.2), (5, 20), 8, 8, 16,
    ),
    "quick": Plan(
        5, 4, (3e-3, 1e-2), (True,), 32, (10, 20), _DRIFTS, (50, 200, 1_000), 600,
        20, 1_500,
    ),
    "full": Plan(
        10, 8, (3e-3, 1e-2), (True, False), 32, (10, 20, 40), _DRIFTS,
        (50, 200, 1_000, 5_000), 1_200, 20, 8_000,
    ),
}  # fmt: skip
# Tuning has seeds and data of its own, and so has the confirmation of a win.
TUNING_SEED, FRESH_SEED = 1_000, 2_000
ARMS = ("Tied", "Untied", "Untied, equal parameters")


@dataclasses.dataclass(frozen=True)
class MakeStream:
    """`make_task` of the drifting regression, equal for equal arguments."""

    num_features: int
    num_lags: int
    num_steps: int
    amount: float
    num_examples: int

    def __call__(self, split):  # noqa: D102
        return drift_stream(
            split,
            amount=self.amount,
            num_steps=self.num_steps,
            num_features=self.num_features,
            num_lags=self.num_lags,
            num_examples=self.num_examples,
        )


@dataclasses.dataclass(frozen=True)
class Measured:
    """The map.

    Attributes:
      plan: what was run.
      losses: {arm: float64[C, A, X, S]}, test losses.
      fresh: {(arm, index of T, of d, of N): float64[S]}, untied less tied test loss on
        seeds of their own, of the cells that untied won.
      oracles: float64[C, A], of the best time-invariant linear model, over the seeds.
      chosen: {(arm, T): setting}.
    """

    plan: Plan
    losses: dict
    fresh: dict
    oracles: np.ndarray
    chosen: dict


def measured(preset, folder):
    """Trains what is not yet in the folder's rows, and returns the map."""
    plan = PLANS[preset]
    rows = JsonLines(folder / "drift_map.jsonl")
    cells = [(drift, size) for drift in plan.drifts for size in plan.sizes]
    chosen = {
        (arm, steps): choice
        for steps in plan.steps
        for arm, choice in tuned(plan, steps, rows).items()
    }
    shape = len(plan.drifts), len(plan.sizes), plan.num_seeds
    losses = {
        arm: np.stack(
            [
                losses_at(plan, chosen[arm, steps], cells, 0, rows).reshape(shape)
                for steps in plan.steps
            ]
        )
        for arm in ARMS
    }
    fresh = confirmed(plan, chosen, losses, rows)
    oracles = [[oracle(plan, steps, drift) for drift in plan.drifts]
               for steps in plan.steps]  # fmt: skip
    return Measured(plan, losses, fresh, np.array(oracles), chosen)


def limits(preset, folder):
    """Returns {arm: float64[A, S]}, test losses when every example is met once."""
    plan = PLANS[preset]
    rows = JsonLines(folder / "drift_map.jsonl")
    chosen = tuned(plan, plan.limit_steps, rows)
    cells = [(drift, STREAMING) for drift in plan.drifts]
    recipe = Recipe(
        num_steps=plan.streaming_steps,
        validate_every=max(1, plan.streaming_steps // 20),
        patience=None,
    )
    return {
        arm: losses_at(
            plan, dataclasses.replace(chosen[arm], recipe=recipe), cells, 0, rows
        )
        for arm in ("Tied", "Untied")
    }


def tuned(plan, num_steps, rows):
    """Returns {arm: best setting} at the middle drift and size, by equal budgets."""
    drift = plan.drifts[len(plan.drifts) // 2]
    size = plan.sizes[len(plan.sizes) // 2]
    base = Setting(
        _task(plan, num_steps, drift, size),
        GRUCell,
        Tied(),
        plan.hidden_features,
        plan.rates[-1],
        Recipe(
            num_steps=plan.num_steps,
            validate_every=max(1, plan.num_steps // 20),
            patience=6,
        ),
    )
    untied = [Untied(num_steps, same_init=same) for same in plan.starts]
    width = equal_width(plan, num_steps, "parameters")
    choices: dict[str, tuple] = {
        ARMS[0]: ([Tied()], plan.hidden_features),
        ARMS[1]: (untied, plan.hidden_features),
        ARMS[2]: (untied, width),
    }
    found = {}
    for arm, (sharings, hidden_features) in choices.items():
        candidates = [
            dataclasses.replace(
                base,
                sharing=sharing,
                learning_rate=rate,
                hidden_features=hidden_features,
            )
            for sharing in sharings
            for rate in plan.rates
        ]
        count = max(1, plan.tuning // len(candidates))
        found[arm] = tune(candidates, replicates(count, TUNING_SEED), rows)
    return found


def equal_width(plan, num_steps, by):
    """Returns the width at which an untied GRU has the tied one's size."""
    cell = functools.partial(GRUCell, plan.num_features)
    width, sharing = plan.hidden_features, Untied(num_steps)
    if by == "parameters":
        target = count_parameters(cell, Tied(), width)
        # Narrow widths come in steps of more than 1 %; the details say which it was.
        return match_width(cell, sharing, target, by, tolerance=0.5)
    return match_width(cell, sharing, count_flops(cell, Tied(), width), by)


def losses_at(plan, setting, cells, first, rows):
    """Returns float64[cells, S], test losses of a setting at every (drift, size).

    A run that diverged counts as 1, the loss of predicting the mean.
    """
    num_steps = setting.make_task(0).num_steps
    settings = [
        dataclasses.replace(setting, make_task=_task(plan, num_steps, drift, size))
        for drift, size in cells
    ]
    found = run(settings, replicates(plan.num_seeds, first), rows)
    return column(found, missing=1.0).reshape(len(cells), plan.num_seeds)


def confirmed(plan, chosen, losses, rows):
    """Returns the fresh differences of the cells that untied won, as `Measured` has."""
    whose, fresh = won(differences_of(losses)), {}
    for c, steps in enumerate(plan.steps):
        for arm, cells in whose.items():
            places = [(int(i), int(j)) for i, j in np.argwhere(cells[c] < 0)]
            at = [(plan.drifts[i], plan.sizes[j]) for i, j in places]
            if not places:
                continue
            tied, untied = (
                losses_at(plan, chosen[name, steps], at, FRESH_SEED, rows)
                for name in ("Tied", arm)
            )
            for place, values in zip(places, untied - tied, strict=True):
                fresh[arm, c, *place] = values
    return fresh


def oracle(plan, num_steps, drift):
    """Returns the mean over the seeds of the time-invariant linear model's loss."""
    make_task = _task(plan, num_steps, drift, plan.sizes[0])
    return np.mean([float(make_task(i).oracle) for i in range(plan.num_seeds)])


def _task(plan, num_steps, drift, size):
    return MakeStream(plan.num_features, plan.num_lags, num_steps, drift, size)

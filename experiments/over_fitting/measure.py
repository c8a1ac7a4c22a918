"""Train-test gaps of tied and untied weights, regularised or not, over T, N and noise.

How much both hold of random labels is measured in `capacity`, and losses along training
in `rises`.
"""

import itertools
from typing import NamedTuple

import optax
import pandas as pd

from experiments.lab.choices import standard_cells
from experiments.lab.frames import contrast, count_lost, train
from experiments.lab.recipes import to_the_end
from experiments.lab.trials import Lab
from experiments.over_fitting.capacity import memorised
from experiments.over_fitting.plan import PLANS as PLANS
from experiments.over_fitting.plan import Plan
from experiments.over_fitting.rises import GUESSING, follow
from rnnshare import LowRank, Sharing, Tied, Untied
from rnnshare.tasks import SignalPatch
from rnnshare.training import Call, Recipe, Setting

REGIMES = ("unregularised", "tuned")
ARMS = ("Tied", "Untied")
PARTIAL = "LowRank"  # stands beside both where they are tuned, and decides nothing
MODEL, CASE = ["regime", "cell", "arm"], ["T", "N", "noise"]
LOSSES = ["train_loss", "test_loss"]


class Gaps(NamedTuple):
    """The losses of both regimes.

    Attributes:
      runs: a row a training: regime, cell, arm, T, N, noise, seed, train_loss,
        test_loss and gap, test less train, in nats; lost: it diverged, and has the
        losses of guessing.
      chosen: {(regime, cell, arm): (rate, decay)}.
    """

    runs: pd.DataFrame
    chosen: dict


class Measured(NamedTuple):
    """What the claims are judged by.

    Attributes:
      gaps: see `Gaps`.
      memorised: see `capacity.memorised`.
      rises: see `rises.follow`.
    """

    gaps: Gaps
    memorised: pd.DataFrame
    rises: pd.DataFrame


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains what is not yet kept, and returns its losses and bits."""
    gaps = train_gaps(plan, lab)
    rates = {
        tuple(model): rate
        for (regime, *model), (rate, _) in gaps.chosen.items()
        if regime == "unregularised"
    }
    return Measured(gaps, memorised(plan, lab), follow(plan, lab, rates))


def gaps_by_cell(plan: Plan, lab: Lab, regime: str = "unregularised") -> dict:
    """Returns {cell: [S]}, untied's gap less tied's in nats, the mean over the grid."""
    by_cell = over_grid(untied_less_tied(train_gaps(plan, lab).runs, regime))
    return {cell: row.to_numpy() for cell, row in by_cell.iterrows()}


def train_gaps(plan: Plan, lab: Lab) -> Gaps:
    """Tunes and trains both arms of every cell in both regimes, the third tuned."""
    found, chosen = [], {}
    for name, cell in standard_cells(*plan.cells).items():
        for arm in (*ARMS, PARTIAL):
            for regime in REGIMES if arm in ARMS else REGIMES[1:]:
                rate, decay = choose(plan, cell, arm, regime, lab)
                chosen[regime, name, arm] = rate, decay
                how, label = recipe(plan, regime, decay), (regime, name, arm)
                settings = settings_of(plan, cell, arm, plan.steps, rate, how)
                labels = [(*label, *case) for case in grid(plan, plan.steps)]
                made = dict(zip(labels, settings, strict=True))
                found.append(train(lab, made, [*MODEL, *CASE], plan.num_seeds))
    columns = [*MODEL, *CASE, "seed", *LOSSES]
    return whole(pd.concat(found, ignore_index=True)[columns], chosen)


def whole(runs: pd.DataFrame, chosen: dict) -> Gaps:
    """Returns the losses; a run that diverged counts as guessing."""
    runs = count_lost(runs, dict.fromkeys(LOSSES, GUESSING))
    return Gaps(runs.assign(gap=runs["test_loss"] - runs["train_loss"]), chosen)


def choose(plan: Plan, cell, arm: str, regime: str, lab: Lab) -> tuple[float, float]:
    """Returns the rate and the decay of a model, by validation on the grid at one T.

    Both are chosen from runs with early stopping: unregularised, the best rate of those
    without decay; tuned, the best of all.
    """
    decays = plan.decays if regime == "tuned" else plan.decays[:1]
    at, candidates = (plan.tuned_at,), {}
    for decay, rate in itertools.product(decays, plan.rates):
        how = recipe(plan, "tuned", decay)
        candidates[settings_of(plan, cell, arm, at, rate, how)] = rate, decay
    budget = plan.num_tuning * len(candidates)
    return candidates[lab.tune(list(candidates), budget)]


def recipe(plan: Plan, regime: str, decay: float = 0.0) -> Recipe:
    """Returns how a regime trains; at a decay of 0, AdamW is Adam."""
    steps = plan.num_steps
    if regime == "unregularised":
        return to_the_end(steps, 1, keep="last")
    return Recipe(
        num_steps=steps,
        validate_every=plan.validate_every,
        patience=plan.patience,
        optimizer=Call(optax.adamw, weight_decay=decay),
    )


def grid(plan: Plan, steps) -> list[tuple]:
    """Returns the cases (T, N, label noise) of the grid at some T."""
    return list(itertools.product(steps, plan.sizes, plan.noises))


def task_of(plan: Plan, case: tuple) -> Call:
    """Returns `make_task` of a case of the grid."""
    num_steps, num_examples, noise = case
    return Call(
        SignalPatch,
        num_examples,
        num_held_out=plan.num_held_out,
        num_steps=num_steps,
        label_noise=noise,
    )


def settings_of(plan: Plan, cell, arm: str, steps, rate: float, how: Recipe) -> tuple:
    """Returns a model's settings on the grid at some T."""
    found, width = [], plan.hidden_features
    for case in grid(plan, steps):
        sharing = sharing_of(arm, case[0])
        found.append(Setting(task_of(plan, case), cell, sharing, width, rate, how))
    return tuple(found)


def sharing_of(arm: str, num_steps: int) -> Sharing:
    """Returns how an arm shares its weights over T steps; all start tied."""
    if arm == "Tied":
        return Tied()
    if arm == "Untied":
        return Untied(num_steps, same_init=True)
    return LowRank(num_steps, 2)


def untied_less_tied(
    runs: pd.DataFrame, regime: str, what: str = "gap"
) -> pd.DataFrame:
    """Returns untied's less tied's gap or loss: a row a (cell, T, N, noise)."""
    return contrast(runs[runs["regime"] == regime], what, by=["cell", *CASE])


def over_grid(apart: pd.DataFrame) -> pd.DataFrame:
    """Returns the means over the grid: a row a cell, a column a seed."""
    return apart.groupby("cell", sort=False).mean()

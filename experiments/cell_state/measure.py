"""How long untied networks remember, and what is left of their gradients."""

import dataclasses
import functools
import sys
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.cell_state.gradients import gradient_norms, initial
from experiments.cell_state.plan import Plan
from experiments.lab.choices import cells
from experiments.lab.machine import layout
from experiments.lab.recipes import to_the_end
from experiments.lab.trials import Lab, grid, soonest
from rnnshare import Tied, Untied
from rnnshare.cells.ablated import (
    NoCellPathLSTMCell,
    NoHiddenPathLSTMCell,
    NoPathLSTMCell,
)
from rnnshare.tasks import PaddedAdding, PaddedCopyMemory
from rnnshare.training import Call, Setting, fit
from rnnshare.training.rows import Row

RECALLED, SYMBOLS = 2, 4  # of copy memory
ACCURACY = 0.9  # of recall, at which copy memory is solved
SHARE = 0.25  # of the loss without memory, below which adding is solved
ABLATED = {
    "LSTM, cell path cut": NoCellPathLSTMCell,
    "LSTM, hidden path cut": NoHiddenPathLSTMCell,
    "LSTM, both paths cut": NoPathLSTMCell,
}


class Measured(NamedTuple):
    """What came of an arm on a task, float64; S seeds, L lengths, T steps.

    Attributes:
      score: [S, L], see `scoring`; that without memory where a run diverged.
      start, trained: [S, T], gradient norms before and after training; NaN after it
        where the run diverged.
      chosen: learning rate and start of the weights.
      lost: bool[S, L], which runs diverged.
    """

    score: np.ndarray
    start: np.ndarray
    trained: np.ndarray
    chosen: str
    lost: np.ndarray


class Scoring(NamedTuple):
    """How a task is scored.

    Attributes:
      metric: of a row.
      more: whether more of it is better.
      no_memory: the score of the best without memory, which no length changes.
      bar: the score that the task is solved at.
    """

    metric: str
    more: bool
    no_memory: float
    bar: float

    def solved(self, scores: np.ndarray) -> np.ndarray:
        """Returns which scores solve the task, bool."""
        return scores >= self.bar if self.more else scores < self.bar


@functools.cache
def scoring(task: str) -> Scoring:
    """Returns how a task is scored."""
    lines = padded(0, task=task, length=8, longest=8, num_held_out=1).baselines[
        "no memory"
    ]
    if task == "adding":
        return Scoring("test_loss", False, lines["loss"], SHARE * lines["loss"])
    return Scoring("test_accuracy", True, lines["accuracy"], ACCURACY)


def padded(
    split: int, *, task: str, length: int, longest: int, num_held_out: int
) -> Any:
    """Returns a task of one length, padded to the longest, the same at every split."""
    del split
    if task == "adding":
        return PaddedAdding(longest, num_held_out, length)
    return PaddedCopyMemory(longest, RECALLED, SYMBOLS, num_held_out, length)


def measure(plan: Plan, lab: Lab) -> dict[tuple[str, str], Measured]:
    """Trains all that is not yet kept; returns {(task, arm): Measured}."""
    cases = [(task, arm) for task in plan.lengths for arm in plan.arms]
    return {case: measure_arm(plan, lab, *case) for case in cases}


def measure_arm(plan: Plan, lab: Lab, task: str, arm: str) -> Measured:
    """Trains an arm on a task at every length and seed, or reads what is kept."""
    left_out = ("arms", "lengths", "probed")
    sizes = {k: v for k, v in dataclasses.asdict(plan).items() if k not in left_out}
    lengths, probed = plan.lengths[task], plan.probed[task]
    key = {"task": task, "arm": arm, **sizes, "lengths": lengths, "probed": probed}
    row = lab.kept(key, lambda: train(plan, lab, task, arm))
    scores = np.reshape(np.array(row["scores"], float), (-1, plan.num_seeds)).T
    lost = np.isnan(scores)
    # What a run that diverged keeps as its best parameters may be its first.
    lost_slope = lost[:, [lengths.index(probed)]]
    return Measured(
        np.where(lost, scoring(task).no_memory, scores),
        np.array(row["start"], float),
        np.where(lost_slope, np.nan, np.array(row["trained"], float)),
        f"{row['rate']:g}, {row['sharing']}",
        lost,
    )


def train(plan: Plan, lab: Lab, task: str, arm: str) -> Row:
    """Trains an arm at every length and seed, and measures its gradients."""
    print(f"{task}, {arm}", file=sys.stderr, flush=True)
    options = candidates(plan, task, arm)
    setting = lab.tune(options, plan.num_tuning * len(options), by=soonest)
    probed, seeds = plan.probed[task], range(plan.num_seeds)
    pairs = [(length, seed) for length in plan.lengths[task] for seed in seeds]
    fitted = fit(
        setting.make_model(),
        setting.recipe,
        [
            (make_task(plan, task, length)(0), seed, setting.learning_rate)
            for length, seed in pairs
        ],
        **layout(),
    )
    params = initial(setting, seeds)
    params += [fitted.params[i] for i, (n, _) in enumerate(pairs) if n == probed]
    steps = probed + (2 * RECALLED if task == "copy memory" else 0)
    norms = gradient_norms(setting, params, plan.num_probed, steps).tolist()
    # Each compiled program holds memory maps, and no other arm runs these.
    jax.clear_caches()
    return {
        "rate": setting.learning_rate,
        "sharing": repr(setting.sharing),
        "steps_trained": [row["steps_trained"] for row in fitted.metrics],
        "scores": [row[scoring(task).metric] for row in fitted.metrics],
        "start": norms[: plan.num_seeds],
        "trained": norms[plan.num_seeds :],
    }


def candidates(plan: Plan, task: str, arm: str) -> list[Setting]:
    """Returns an arm at the length that is tuned, at each start and rate."""
    task_maker = make_task(plan, task, plan.probed[task])
    name, cell = arm.split(" ", 1)
    longest = task_maker(0).num_steps
    untied = [Untied(longest, same_init=same) for same in plan.starts]
    goal = 0.02 if task == "adding" else 0.003
    recipe = to_the_end(plan.num_steps, 20, stop_loss=goal)
    make_cell, width = {**cells(), **ABLATED}[cell], plan.hidden_features
    base = Setting(task_maker, make_cell, Tied(), width, recipe=recipe)
    return grid(base, plan.rates, untied if name == "Untied" else [Tied()])


def make_task(plan: Plan, task: str, length: int) -> Call:
    """Returns what makes a task of a length."""
    longest, held_out = max(plan.lengths[task]), plan.num_held_out
    sizes = {"length": length, "longest": longest, "num_held_out": held_out}
    return Call(padded, task=task, **sizes)

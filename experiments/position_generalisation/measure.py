"""Accuracy at steps and in orders that were never shown, and the examples needed."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.lab.choices import standard_cells
from experiments.lab.controls import BagSetting
from experiments.lab.frames import train
from experiments.lab.recipes import to_the_end
from experiments.lab.trials import Lab, column, grid, replicates
from experiments.position_generalisation.plan import PLANS as PLANS
from experiments.position_generalisation.plan import Grammar, Plan
from rnnshare import LSTMCell, Tied, Untied
from rnnshare.models.sequence_model import BagOfSteps
from rnnshare.tasks import LocalRule, SignalPatch, WordOrder
from rnnshare.training import Call, Setting

CHANCE = 0.5  # accuracy of guessing on all three tasks; a run that diverged has it
STARTS = {"Untied": False, "Untied, one start": True}  # untied arms of the grammar
NO_ORDER = "no order"  # the arm of the bag of words, the grammar's control
Patches = Mapping[tuple[str, int], Mapping[int, np.ndarray]]


class Measured(NamedTuple):
    """What was trained; an accuracy is NaN where a run diverged.

    Attributes:
      rule: the local rule, a row a training: cell, arm, seed, seen, unseen; accuracies
        at steps whose answers were shown, and at the others.
      patches: {(arm, T): {N: accuracies [S]}} of an LSTM on signal patches.
      words: the grammar: as `rule`, and facts, one_hot; accuracies on pairs of word
        and order as trained, and on those held out. The bag of words is one of the
        cells; an untied arm for each start.
    """

    rule: pd.DataFrame
    patches: Patches
    words: pd.DataFrame


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains what is not yet kept, and returns the accuracies."""
    words = [word_order(plan, lab, grammar) for grammar in plan.grammars]
    return Measured(
        local_rule(plan, lab),
        signal_patches(plan, lab),
        pd.concat(words, ignore_index=True),
    )


def arms(plan: Plan, num_steps: int) -> dict[str, list]:
    """Returns {arm: its sharings to choose from}, an untied one for each start."""
    untied = [Untied(num_steps, same_init=same) for same in plan.starts]
    return {"Tied": [Tied()], "Untied": untied}


def tuned(plan: Plan, lab: Lab, make_task: Callable, cell: Any, sharings) -> Setting:
    """Returns the best of some sharings and rates, on seeds of its own."""
    recipe = to_the_end(plan.num_steps, 20, stop_loss=1e-3)
    kind = BagSetting if cell is BagOfSteps else Setting
    base = kind(make_task, cell, Tied(), plan.hidden_features, recipe=recipe)
    candidates = grid(base, plan.rates, sharings)
    return lab.tune(candidates, plan.num_tuning * len(candidates))


def local_rule(plan: Plan, lab: Lab) -> pd.DataFrame:
    """Returns the runs of the local rule, as `Measured.rule`."""
    make_task = Call(LocalRule.of, plan.rule_steps)  # a split has other steps shown
    metrics = ["test_accuracy", "test_accuracy_unseen"]
    choices = arms(plan, make_task(0).num_steps)
    cells = {
        name: (cell, choices) for name, cell in standard_cells(*plan.cells).items()
    }
    return _runs(plan, lab, make_task, cells, metrics)


def local_rule_by_cell(plan: Plan, lab: Lab) -> dict[str, dict[str, tuple]]:
    """Returns {cell: {arm: (accuracy at shown, at unseen steps), each [S]}}."""
    return by_cell(local_rule(plan, lab))


def word_order(plan: Plan, lab: Lab, grammar: Grammar) -> pd.DataFrame:
    """Returns the runs of a grammar, as `Measured.words`."""
    # A split has other pairs held out.
    options = {"num_facts": grammar.num_facts, "one_hot": grammar.one_hot}
    make_task = Call(WordOrder.of, plan.sentences, **options)
    steps = make_task(0).num_steps
    starts = {name: [Untied(steps, same)] for name, same in STARTS.items()}
    choices: dict[str, list[Any]] = {"Tied": [Tied()], **starts}
    each = standard_cells(*grammar.cells)
    cells: dict[str, tuple] = {name: (cell, choices) for name, cell in each.items()}
    cells["bag of words"] = BagOfSteps, {NO_ORDER: [Tied()]}
    metrics = ["validation_accuracy", "test_accuracy"]
    runs = _runs(plan, lab, make_task, cells, metrics, plan.first_word_seed)
    return runs.assign(facts=grammar.num_facts, one_hot=grammar.one_hot)


def _runs(plan, lab, make_task, cells, metrics, first=0) -> pd.DataFrame:
    """Returns the runs of {cell's name: (cell, {arm: sharings to choose from})}."""
    found = []
    for name, (cell, choices) in cells.items():
        for arm, sharings in choices.items():
            chosen = {(name, arm): tuned(plan, lab, make_task, cell, sharings)}
            found.append(train(lab, chosen, ("cell", "arm"), plan.num_seeds, first))
    runs = pd.concat(found, ignore_index=True)[["cell", "arm", "seed", *metrics]]
    runs = runs.set_axis(["cell", "arm", "seed", "seen", "unseen"], axis=1)
    return runs.astype({"seen": float, "unseen": float})


def by_cell(runs: pd.DataFrame) -> dict[str, dict[str, tuple]]:
    """Returns {cell: {arm: (seen, unseen), each [S]}}; what diverged is at chance."""
    found: dict[str, dict[str, tuple]] = {}
    for (cell, arm), own in runs.fillna(CHANCE).groupby(["cell", "arm"], sort=False):
        found.setdefault(cell, {})[arm] = own.seen.to_numpy(), own.unseen.to_numpy()
    return found


def signal_patches(plan: Plan, lab: Lab) -> Patches:
    """Returns {(arm, T): {N: accuracies [S]}} around the examples needed."""
    found, size = {}, min(2**12, plan.most_examples)
    for arm in ("Tied", "Untied"):
        first = 6
        for steps in plan.patch_steps:
            make_task = Call(SignalPatch, size, num_steps=steps)
            chosen = tuned(plan, lab, make_task, LSTMCell, arms(plan, steps)[arm])
            found[arm, steps] = search(plan, lab, chosen, first)
            needed = examples_needed(found[arm, steps], plan.accuracy)
            if np.isfinite(needed).any():
                first = round(math.log2(np.median(needed[np.isfinite(needed)])))
    return found


def search(plan: Plan, lab: Lab, chosen: Setting, first: int) -> dict[int, np.ndarray]:
    """Returns {N: accuracies [S]} around the least N that reaches the accuracy.

    N goes up and down by factors of two from `2^first` until the mean over the seeds is
    bracketed.
    """
    measured: dict[int, np.ndarray] = {}

    def reaches(exponent: int) -> bool:
        size = 2**exponent
        if size not in measured:
            steps = chosen.make_task(0).num_steps
            make_task = Call(SignalPatch, size, num_steps=steps)
            at = dataclasses.replace(chosen, make_task=make_task)
            rows = lab.train([at], replicates(plan.num_seeds))
            measured[size] = column(rows, "test_accuracy", missing=np.nan)
        return np.nan_to_num(measured[size], nan=CHANCE).mean() >= plan.accuracy

    last = int(math.log2(plan.most_examples))
    at = min(first, last)
    if reaches(at):
        while at > 1 and reaches(at - 1):
            at -= 1
    else:
        while not reaches(at) and at < last:
            at += 1
    # One further point on each side, for the seeds that cross early or late.
    for beside in (at - 2, at + 1):
        if 1 <= beside <= last:
            reaches(beside)
    return measured


def examples_needed(
    accuracies: Mapping[int, np.ndarray], threshold: float
) -> np.ndarray:
    """Returns float64[S], the examples that bring each seed to a threshold.

    A seed's number is where the line through its own accuracies, over log N, first
    comes to the threshold; infinite for nowhere.
    """
    sizes = sorted(accuracies)
    values = np.nan_to_num([accuracies[n] for n in sizes], nan=CHANCE)
    # A larger set can do no worse than chance has it: what was reached stays reached.
    best, logs = np.maximum.accumulate(values), np.log2(sizes)
    first, seeds = (best >= threshold).argmax(0), np.arange(best.shape[1])
    before = np.maximum(first - 1, 0)
    low, high = best[before, seeds], best[first, seeds]
    part = (threshold - low) / np.where(first > 0, high - low, np.inf)
    found = [2.0**x for x in logs[before] + part * (logs[first] - logs[before])]
    return np.where(best[-1] >= threshold, found, np.inf)

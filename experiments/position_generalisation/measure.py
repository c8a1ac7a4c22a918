"""Accuracy at steps and in orders that were never shown, and the examples needed."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.lab.choices import standard_cells
from experiments.lab.frames import frame
from experiments.lab.trials import Lab, column, replicates
from experiments.position_generalisation.plan import Plan
from rnnshare import LSTMCell, Sharing, Tied, Untied
from rnnshare.models.sequence_model import BagOfSteps
from rnnshare.tasks import LocalRule, SignalPatch, WordOrder
from rnnshare.training import Call, Recipe, Setting
from rnnshare.training.rows import Row

CHANCE = 0.5  # accuracy of guessing on all three tasks; a run that diverged has it
BAG = {"bag of words": {"no order": [Tied()]}}  # the control beside tied and untied
Patches = Mapping[tuple[str, int], Mapping[int, np.ndarray]]


class Measured(NamedTuple):
    """What was trained; an accuracy is NaN where a run diverged.

    Attributes:
      rule: the local rule, a row a training: cell, arm, seed, seen, unseen; accuracies
        at steps whose answers were shown, and at the others.
      patches: {(arm, T): {N: accuracies [S]}} of an LSTM on signal patches.
      words: the grammar: as `rule`, and facts; accuracies on pairs of word and order
        as trained, and on those held out. The bag of words is one of the cells.
    """

    rule: pd.DataFrame
    patches: Patches
    words: pd.DataFrame


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains what is not yet kept, and returns the accuracies."""
    words = {facts: word_order(plan, lab, facts) for facts in (1, 2)}
    return Measured(
        local_rule(plan, lab),
        signal_patches(plan, lab),
        pd.concat(words, names=["facts"]).reset_index("facts"),
    )


class BagSetting(Setting):
    """The control in the place of an RNN."""

    def make_model(self) -> Any:
        """Returns the control's factory."""
        task = self.make_task(0)
        return Call(
            BagOfSteps,
            in_features=task.in_features,
            hidden_features=self.hidden_features,
            out_features=task.out_features,
            num_tokens=task.num_tokens,
        )


def rule(split: int, num_steps: int) -> LocalRule:
    """Returns the local rule; a split has other steps shown."""
    return LocalRule.of(num_steps, split)


def patch(split: int, num_steps: int, num_examples: int) -> SignalPatch:
    """Returns signal patches; a split has other examples."""
    return SignalPatch(num_examples, split, num_steps=num_steps)


def grammar(split: int, num_examples: int, num_facts: int) -> WordOrder:
    """Returns the grammar; a split has other pairs held out."""
    return WordOrder.of(num_examples, split, num_facts=num_facts)


def candidates(
    plan: Plan, make_task: Callable, cell: Any, sharings: Sequence[Sharing]
) -> list[Setting]:
    """Returns the settings that an arm's is chosen from: sharings by rates."""
    recipe = Recipe(
        num_steps=plan.num_steps,
        batch_size=32,
        validate_every=max(1, plan.num_steps // 20),
        patience=None,
        stop_loss=1e-3,
    )
    kind = BagSetting if cell is BagOfSteps else Setting
    return [
        kind(make_task, cell, sharing, plan.hidden_features, rate, recipe)
        for sharing in sharings
        for rate in plan.rates
    ]


def tuned(
    plan: Plan, lab: Lab, make_task: Callable, cell: Any, sharings: Sequence[Sharing]
) -> Setting:
    """Returns the best of some sharings and rates, on seeds of its own."""
    several = candidates(plan, make_task, cell, sharings)
    return lab.tune(several, plan.num_tuning * len(several))


def arms(plan: Plan, num_steps: int) -> dict[str, list[Sharing]]:
    """Returns {arm: its sharings to choose from}, an untied one for each start."""
    untied = [Untied(num_steps, same_init=same) for same in plan.starts]
    return {"Tied": [Tied()], "Untied": untied}


def local_rule(plan: Plan, lab: Lab) -> pd.DataFrame:
    """Returns the runs of the local rule, as `Measured.rule`."""
    choices = dict.fromkeys(plan.cells, arms(plan, plan.rule_steps))
    make_task = Call(rule, num_steps=plan.rule_steps)
    names = {"seen": "test_accuracy", "unseen": "test_accuracy_unseen"}
    return _runs(plan, lab, make_task, choices, names)


def local_rule_by_cell(plan: Plan, lab: Lab) -> dict[str, dict[str, tuple]]:
    """Returns {cell: {arm: (accuracy at shown, at unseen steps), each [S]}}."""
    return by_cell(local_rule(plan, lab))


def word_order(plan: Plan, lab: Lab, num_facts: int) -> pd.DataFrame:
    """Returns the runs of the grammar with so many facts, as `Measured.words`."""
    make_task = Call(grammar, num_examples=plan.sentences, num_facts=num_facts)
    of_cell = dict.fromkeys(plan.cells, arms(plan, make_task(0).num_steps))
    names = {"seen": "validation_accuracy", "unseen": "test_accuracy"}
    return _runs(plan, lab, make_task, of_cell | BAG, names)


def _runs(
    plan: Plan,
    lab: Lab,
    make_task: Callable,
    choices: Mapping[str, Mapping[str, Sequence[Sharing]]],
    names: Mapping[str, str],
) -> pd.DataFrame:
    """Returns the runs of {cell: {arm: sharings}}, with metrics of these names."""
    labels, rows = [], list[Row]()
    for name, of_arm in choices.items():
        cell = BagOfSteps if name in BAG else standard_cells(name)[name]
        for arm, sharings in of_arm.items():
            chosen = tuned(plan, lab, make_task, cell, sharings)
            rows += lab.train([chosen], replicates(plan.num_seeds))
            labels.append({"cell": name, "arm": arm})
    runs = frame(labels, rows, plan.num_seeds)[["cell", "arm", "seed", *names.values()]]
    runs.columns = ["cell", "arm", "seed", *names]
    return runs.astype(dict.fromkeys(names, float))


def by_cell(runs: pd.DataFrame) -> dict[str, dict[str, tuple]]:
    """Returns {cell: {arm: (seen, unseen), each [S]}}; what diverged is at chance."""
    found: dict[str, dict[str, tuple]] = {}
    for (cell, arm), own in runs.fillna(CHANCE).groupby(["cell", "arm"], sort=False):
        found.setdefault(cell, {})[arm] = own.seen.to_numpy(), own.unseen.to_numpy()
    return found


def signal_patches(plan: Plan, lab: Lab) -> Patches:
    """Returns {(arm, T): {N: accuracies [S]}} around the examples needed."""
    found = {}
    for arm in ("Tied", "Untied"):
        first = 6
        for num_steps in plan.patch_steps:
            make_task = Call(
                patch,
                num_steps=num_steps,
                num_examples=min(2**12, plan.most_examples),
            )
            sharings = arms(plan, num_steps)[arm]
            chosen = tuned(plan, lab, make_task, LSTMCell, sharings)
            found[arm, num_steps] = search(plan, lab, chosen, num_steps, first)
            needed = examples_needed(found[arm, num_steps], plan.accuracy)
            if np.isfinite(needed).any():
                first = round(math.log2(np.median(needed[np.isfinite(needed)])))
    return found


def search(
    plan: Plan, lab: Lab, chosen: Setting, num_steps: int, first: int
) -> dict[int, np.ndarray]:
    """Returns {N: accuracies [S]} around the least N that reaches the accuracy.

    N goes up and down by factors of two from `2^first` until the mean over the seeds is
    bracketed.
    """
    measured: dict[int, np.ndarray] = {}

    def reaches(exponent: int) -> bool:
        size = 2**exponent
        if size not in measured:
            make_task = Call(patch, num_steps=num_steps, num_examples=size)
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
    exponents = np.log2(sorted(accuracies))
    curves = np.nan_to_num([accuracies[n] for n in sorted(accuracies)], nan=CHANCE)
    return np.array([_crossing(exponents, row, threshold) for row in curves.T])


def _crossing(exponents, accuracies, threshold):
    """Returns the N at which a line through points first reaches the threshold."""
    # A larger set can do no worse than chance has it: what was reached stays reached.
    best = np.maximum.accumulate(accuracies)
    above = np.flatnonzero(best >= threshold)
    if not len(above):
        return np.inf
    i = above[0]
    if i == 0:
        return 2.0 ** exponents[0]
    low, high = best[i - 1], best[i]
    part = (threshold - low) / (high - low)
    return 2.0 ** (exponents[i - 1] + part * (exponents[i] - exponents[i - 1]))

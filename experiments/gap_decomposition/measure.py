"""The local rule from N examples: losses and accuracies of all arms on four sets.

A pair is measured on four sets: the training examples at shown steps, fresh ones at
shown steps, at unseen steps before T, and at steps T..2T-1. Untied weights are read
*literally* there: the model holds weights for 2T steps, and those past T, which no
training sequence reads, get no gradient and stay at their initial values.
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.gap_decomposition.plan import SHARINGS, Plan
from experiments.lab.choices import standard_cells
from experiments.lab.trials import (
    Lab,
    column,
    grid,
    replicates,
    to_the_end,
    tune_each,
)
from rnnshare import Cyclic, Segments, Sharing, Tied, Untied
from rnnshare.tasks import LocalRule
from rnnshare.training import Call, Setting
from rnnshare.training.rows import Row

LONGER = 4  # times the steps: what removes the 'resources' part of a gap
GUESSING = {"loss": math.log(2.0), "accuracy": 0.5}  # the metrics, and of who guesses
SETS = ("train_{}", "test_{}", "test_{}_unseen", "test_{}_later")
ByCase = Mapping[str, Mapping[tuple, np.ndarray]]


class Measured(NamedTuple):
    """What was trained: {metric: {case: values}}, NaN where a run diverged.

    Attributes:
      pairs: a case is (cell, T, N), its values [model, budget, seed, set]; models are
        tied, untied; budgets s, 4 s; sets as in `SETS`.
      agreement: a case is (sharing's label, cell, T, N), its values [seed, set] on the
        first three sets.
    """

    pairs: ByCase
    agreement: ByCase


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains what is not yet kept, and returns the losses and accuracies."""
    return Measured(measure_pairs(plan, lab), measure_agreement(plan, lab))


def measure_pairs(plan: Plan, lab: Lab) -> ByCase:
    """Returns `Measured.pairs`."""
    cases = [*itertools.product(plan.cells, plan.lengths, plan.sizes)]
    arms = {}
    for case in cases:
        cell, num_steps, size = case
        sizes = {"num_examples": size, "test_steps": 2 * num_steps}
        make_task = Call(LocalRule.of, num_steps, **sizes)
        untied = [Untied(2 * num_steps, same_init=same) for same in plan.starts]
        for arm, sharings in (("Tied", [Tied()]), ("Untied", untied)):
            arms[case, arm] = candidates(
                plan, make_task, cell, sharings, plan.num_steps
            )
    chosen = tune_each(lab, arms, plan.tuning).values()
    settings = [setting for one in chosen for setting in (one, longer(one))]
    rows = lab.train(settings, replicates(plan.num_seeds))
    return _by_case(rows, cases, (2, 2, plan.num_seeds), SETS)


def measure_agreement(plan: Plan, lab: Lab) -> ByCase:
    """Returns `Measured.agreement`."""
    arms = {}
    for cell, num_steps, size in itertools.product(
        plan.cells, plan.lengths, plan.agreement_sizes
    ):
        make_task = Call(LocalRule.of, num_steps, num_examples=size)
        for label in plan.agreement_sharings:
            sharings = [between(num_steps)[label]]
            arms[label, cell, num_steps, size] = candidates(
                plan, make_task, cell, sharings, plan.agreement_steps
            )
    settings = [*tune_each(lab, arms, plan.tuning).values()]
    rows = lab.train(settings, replicates(plan.num_seeds))
    return _by_case(rows, [*arms], (plan.num_seeds,), SETS[:3])


def between(num_steps: int) -> dict[str, Sharing]:
    """Returns {label: sharing} from tied to untied, as `SHARINGS`.

    Stacks start as copies of one initialisation, that of the tied model.
    """
    sharings = (
        Tied(),
        Segments(num_steps, 2, same_init=True),
        Segments(num_steps, 4, same_init=True),
        Cyclic(num_steps // 2, same_init=True),
        Untied(num_steps, same_init=True),
    )
    return dict(zip(SHARINGS, sharings, strict=True))


def candidates(
    plan: Plan, make_task: Call, cell: str, sharings: Sequence, num_steps: int
) -> list[Setting]:
    """Returns the settings that an arm's is chosen from: sharings by rates."""
    recipe, width = to_the_end(num_steps, 10), plan.hidden_features
    base = Setting(make_task, standard_cells()[cell], Tied(), width, recipe=recipe)
    return grid(base, plan.rates, sharings)


def longer(setting: Setting) -> Setting:
    """Returns the setting trained for 4 times the steps, the first of them the same."""
    steps = LONGER * setting.recipe.num_steps
    recipe = dataclasses.replace(setting.recipe, num_steps=steps)
    return dataclasses.replace(setting, recipe=recipe)


def _by_case(rows: list[Row], cases: list, shape: tuple, sets: tuple) -> ByCase:
    """Returns {metric: {case: [*shape, set]}} of rows in this order."""
    found = {}
    for metric in GUESSING:
        columns = [column(rows, name.format(metric), np.nan) for name in sets]
        values = np.stack(columns, axis=-1).reshape(len(cases), *shape, len(sets))
        found[metric] = dict(zip(cases, values, strict=True))
    return found


def whole_seeds(found: ByCase) -> tuple[ByCase, str, bool]:
    """Leaves out, of all cases, the seeds of which a run diverged.

    Where fewer than two seeds are whole, all of them stay, and the runs that diverged
    count as guessing: no verdict may rest on that.

    Args:
      found: {metric: {case: [..., seed, set]}}, NaN where a run diverged.

    Returns:
      The rest of it, a sentence on what diverged, and whether a verdict may rest on it.
    """
    runs = [np.isnan([*values.values()]).any(-1) for values in found.values()]
    lost = np.any(runs, axis=0)  # [case, ..., seed]
    whole = ~lost.any(axis=tuple(range(lost.ndim - 1)))
    if whole.all():
        return found, "", True
    told, enough = f" {lost.sum()} of {lost.size} runs diverged", whole.sum() >= 2
    if enough:
        told += f"; their seeds are left out of both sides, {whole.sum()} are left."
    else:
        told += " and count as guessing: too few seeds are whole for a verdict."
    rest: dict[str, dict] = {}
    for metric, by_case in found.items():
        for case, values in by_case.items():
            kept = values[..., whole | (not enough), :]
            filled = np.nan_to_num(kept, nan=GUESSING[metric])
            rest.setdefault(metric, {})[case] = filled
    return rest, told, bool(enough)

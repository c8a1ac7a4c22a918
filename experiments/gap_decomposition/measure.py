"""The runs behind `gap_decomposition.py`: the local rule from N examples, all arms.

A pair is measured on four sets: the training examples at shown steps, fresh ones at
shown steps, at unseen steps before T, and at steps T..2T-1. Untied weights are read
*literally* there: the model holds weights for 2T steps, and those past T, which no
training sequence reads, get no gradient and stay at their initial values.
"""

import dataclasses
import itertools

import numpy as np

from experiments.lab.trials import column, replicates, run
from rnnshare import Cyclic, ElmanCell, GRUCell, LSTMCell, Segments, Tied, Untied
from rnnshare.tasks import LocalRule
from rnnshare.training.fitting import Recipe
from rnnshare.training.study import Setting, tune

TUNING_SEED = 1_000
LONGER = 4  # times the steps: what removes the 'resources' part of a gap
METRICS = ("loss", "accuracy")
SETS = ("train_{}", "test_{}", "test_{}_unseen", "test_{}_later")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      num_seeds: paired seeds, each with shown steps and examples of its own.
      hidden_features: H.
      rates: learning rates to choose from.
      starts: of the untied weights of a pair, `same_init`, to choose from.
      tuning: trainings by which the rate and start of each model are chosen.
      cells: {name: cell class} of the pairs.
      lengths: T, even.
      sizes: N of the pairs.
      num_steps: s, of training; pairs are trained for 4 s too.
      agreement_cells, agreement_sizes: of the settings whose two gaps are compared.
      agreement_steps: of their training.
      agreement_sharings: of `SHARINGS`.
    """

    num_seeds: int
    hidden_features: int
    rates: tuple[float, ...]
    starts: tuple[bool, ...]
    tuning: int
    cells: dict
    lengths: tuple[int, ...]
    sizes: tuple[int, ...]
    num_steps: int
    agreement_cells: dict
    agreement_sizes: tuple[int, ...]
    agreement_steps: int
    agreement_sharings: tuple[str, ...]


# Stacks start as copies of one draw, the tied model's start.
SHARINGS = {
    "Tied": lambda num_steps: Tied(),
    "Segments (2)": lambda num_steps: Segments(num_steps, 2, same_init=True),
    "Segments (4)": lambda num_steps: Segments(num_steps, 4, same_init=True),
    "Cyclic (T/2)": lambda num_steps: Cyclic(num_steps // 2, same_init=True),
    "Untied": lambda num_steps: Untied(num_steps, same_init=True),
}
_CELLS = {"Elman": ElmanCell, "GRU": GRUCell, "LSTM": LSTMCell}
_FEW = {name: _CELLS[name] for name in ("Elman", "LSTM")}
PLANS = {
    "smoke": Plan(2, 4, (1e-2,), (True,), 1, {"Elman": ElmanCell}, (4,), (20,), 8,
                  {"Elman": ElmanCell}, (*range(10, 110, 10),), 8, ("Tied", "Untied")),
    "quick": Plan(5, 16, (3e-3, 1e-2), (True, False), 4, _FEW, (12,), (200,), 250,
                  _FEW, (50, 200, 1_000), 500, (*SHARINGS,)),
    "full": Plan(10, 32, (3e-3, 1e-2), (True, False), 4, _CELLS, (12, 24),
                 (50, 200, 1_000), 1_000, _CELLS, (50, 200, 1_000), 1_000,
                 (*SHARINGS,)),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class MakeRule:
    """`make_task` of the local rule from N examples; a split has other steps shown."""

    num_steps: int
    num_examples: int
    test_steps: int | None = None

    def __call__(self, split):  # noqa: D102
        return LocalRule.of(
            self.num_steps,
            split,
            num_examples=self.num_examples,
            test_steps=self.test_steps,
        )


def candidates(plan, make_task, cell, sharings, num_steps):
    """Returns the settings that an arm's is chosen from: sharings by rates."""
    recipe = Recipe(
        num_steps=num_steps,
        batch_size=32,
        validate_every=max(1, num_steps // 10),
        patience=None,
    )
    return [
        Setting(make_task, cell, sharing, plan.hidden_features, rate, recipe)
        for sharing in sharings
        for rate in plan.rates
    ]


def tuned(plan, arms, rows):
    """Returns {arm: its best candidate}; each arm is chosen by as many trainings.

    Args:
      plan: says how many.
      arms: {arm: its candidates}. All are trained first, with those that share a
        program together.
      rows: where they are kept.
    """
    seeds = {
        arm: replicates(max(1, plan.tuning // len(several)), TUNING_SEED)
        for arm, several in arms.items()
    }
    for count in sorted({len(of_arm) for of_arm in seeds.values()}):
        alike = [arms[arm] for arm in arms if len(seeds[arm]) == count]
        run([*itertools.chain(*alike)], replicates(count, TUNING_SEED), rows)
    return {arm: tune(several, seeds[arm], rows) for arm, several in arms.items()}


def longer(setting):
    """Returns the setting trained for 4 times the steps, the first of them the same."""
    steps = LONGER * setting.recipe.num_steps
    recipe = dataclasses.replace(setting.recipe, num_steps=steps)
    return dataclasses.replace(setting, recipe=recipe)


def measure_pairs(plan, rows):
    """Returns {metric: {case: [model, budget, seed, set]}} of tied and untied models.

    A case is (cell, T, N); models are tied, untied; budgets s, 4 s; sets as in `SETS`.
    A run that diverged is NaN.
    """
    cases = [*itertools.product(plan.cells, plan.lengths, plan.sizes)]
    arms = {}
    for case in cases:
        name, num_steps, size = case
        make_task = MakeRule(num_steps, size, 2 * num_steps)
        untied = [Untied(2 * num_steps, same_init=same) for same in plan.starts]
        for arm, sharings in (("Tied", [Tied()]), ("Untied", untied)):
            arms[case, arm] = candidates(
                plan, make_task, plan.cells[name], sharings, plan.num_steps
            )
    chosen = tuned(plan, arms, rows)
    settings = [s for one in chosen.values() for s in (one, longer(one))]
    found = run(settings, replicates(plan.num_seeds), rows)
    shape = len(cases), 2, 2, plan.num_seeds
    measured = {}
    for metric in METRICS:
        sets = [column(found, name.format(metric), np.nan) for name in SETS]
        values = np.stack(sets, axis=-1).reshape(*shape, len(SETS))
        measured[metric] = dict(zip(cases, values, strict=True))
    return measured


def measure_agreement(plan, rows):
    """Returns {metric: {case: [seed, set]}}; a case is (sharing's label, cell, T, N).

    The sets are the first three of `SETS`. A run that diverged is NaN.
    """
    arms = {}
    for name, num_steps, size in itertools.product(
        plan.agreement_cells, plan.lengths, plan.agreement_sizes
    ):
        for label in plan.agreement_sharings:
            arms[label, name, num_steps, size] = candidates(
                plan,
                MakeRule(num_steps, size),
                plan.agreement_cells[name],
                [SHARINGS[label](num_steps)],
                plan.agreement_steps,
            )
    chosen = tuned(plan, arms, rows)
    found = run([*chosen.values()], replicates(plan.num_seeds), rows)
    measured = {}
    for metric in METRICS:
        sets = [column(found, name.format(metric), np.nan) for name in SETS[:3]]
        values = np.stack(sets, axis=-1).reshape(len(arms), plan.num_seeds, 3)
        measured[metric] = dict(zip(arms, values, strict=True))
    return measured

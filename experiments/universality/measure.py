"""The study behind C2 and Cc1: what tied and untied weights need for one task.

What is made of it stands in `universality_judgement.py`, what comes of it is told by
`universality_claims.py`; compiled networks are made by `clock_study.py`.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from experiments.lab.trials import column, replicates, run
from experiments.universality.compiled import CASES, compile_networks
from rnnshare import ElmanCell, LSTMCell, Tied, Untied
from rnnshare.tasks.composition import Composition, RandomString
from rnnshare.training.fitting import Recipe
from rnnshare.training.rows import JsonLines
from rnnshare.training.study import Setting

SOLVED = 0.99  # the accuracy that solves a task
# A wrong answer costs at least ln 2 nats, so a mean loss of at most this has at most
# half of the wrong answers that a solved task may have.
SOLVED_LOSS = 0.5 * np.log(2) * (1 - SOLVED)
ARMS = ("Tied", "Untied")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      num_networks: random networks that are compiled, of each case.
      cells: {name: cell class} of what is trained.
      num_seeds: paired seeds, each with maps (or a string) of its own.
      rates: learning rates, of which validation chooses one for each run.
      steps, inputs, states: T, D and S of the composition.
      widths: the H that are tried, from small to large, until all seeds solve it.
      num_updates: optimiser steps of a composition.
      validate_every: where its training may stop.
      sample_width: H where training sets of some size are learnt from.
      sizes: the N of these sets.
      string_steps: T of the random strings.
      string_widths: the H of tied networks that learn them.
      lengths: of the strings.
      string_updates: optimiser steps of a string.
    """

    num_networks: int
    cells: dict
    num_seeds: int
    rates: tuple[float, ...]
    steps: int
    inputs: int
    states: int
    widths: tuple[int, ...]
    num_updates: int
    validate_every: int
    sample_width: int
    sizes: tuple[int, ...]
    string_steps: int
    string_widths: tuple[int, ...]
    lengths: tuple[int, ...]
    string_updates: int


ELMAN = {"Elman": ElmanCell}
PLANS = {
    "smoke": Plan(1, ELMAN, 2, (1e-2,), 3, 2, 2, (2,), 4, 2, 2, (4,), 4, (1,),
                  (2, 4), 2),
    "quick": Plan(17, ELMAN, 5, (1e-2, 3e-2), 6, 3, 3, (2, 4, 8, 16, 32), 1_500, 50, 8,
                  (32, 64, 128, 256), 32, (1, 4, 16), (4, 8, 16, 32), 1_000),
    "full": Plan(50, ELMAN | {"LSTM": LSTMCell}, 10, (3e-3, 1e-2, 3e-2), 6, 3, 3,
                 (2, 3, 4, 6, 8, 12, 16, 24, 32, 48), 6_000, 100, 8,
                 (16, 32, 64, 128, 256, 512), 64, (1, 2, 4, 8, 16, 32),
                 (4, 8, 16, 32, 64), 3_000),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class MakeComposition:
    """`make_task` of compositions; one map for all steps if `same`."""

    steps: int
    inputs: int
    states: int
    same: bool = False
    num_examples: int | None = None

    def __call__(self, split):  # noqa: D102
        size = {} if self.num_examples is None else {"num_examples": self.num_examples}
        return Composition.of(
            self.steps, self.inputs, self.states, split, same=self.same, **size
        )


@dataclasses.dataclass(frozen=True)
class MakeString:
    """`make_task` of random strings."""

    steps: int
    length: int

    def __call__(self, split):  # noqa: D102
        return RandomString.of(self.steps, self.length, split)


class Composed(NamedTuple):
    """What one cell needed for compositions, by {arm: ...}.

    Attributes:
      accuracy: {H: [S]}, maps that differ by the step, until all seeds solve it.
      by_size: [S, N + 1] accuracies where one map holds, the last of endless data.
      updates: [S], optimiser steps until endless data were solved, at the rate that
        took the fewest; the budget where no rate solved it.
    """

    accuracy: dict
    by_size: dict
    updates: dict


class Measured(NamedTuple):
    """All that is measured.

    Attributes:
      compiled: {name of a case: `clock_study.Compiled`}.
      composed: {cell: Composed}.
      strings: {(arm, H): [S, L] accuracies at the lengths}, of the first cell.
      parameters: {(arm, H): trained scalars} of the models of strings.
    """

    compiled: dict
    composed: dict
    strings: dict
    parameters: dict


def sharing_of(arm, steps):
    """Returns the sharing of an arm: both start from the same function."""
    return Tied() if arm == "Tied" else Untied(steps, same_init=True)


def train(plan, makes, cell, arm, width, how, rows):
    """Trains every task at every rate; returns the rows.

    Args:
      plan: see `Plan`.
      makes: tasks of one shape, so that they are one program.
      cell: of the model.
      arm: of the model.
      width: H.
      how: the recipe.
      rows: of the study.

    Returns:
      [len(makes), rates, S] rows.
    """
    settings = [
        Setting(make, cell, sharing_of(arm, make.steps), width, rate, how)
        for make in makes
        for rate in plan.rates
    ]
    found = run(settings, replicates(plan.num_seeds), rows)
    return np.reshape(found, (len(makes), len(plan.rates), plan.num_seeds))


def best_of(trained):
    """Returns [S] rows of [rates, S]: for each seed the one that validates best."""
    losses = [column(row, "validation_loss") for row in trained]
    return trained[np.argmin(losses, axis=0), np.arange(trained.shape[1])]


def fewest_updates(trained, budget):
    """Returns [S] of [rates, S] rows: the least steps of a rate that solved the task.

    Args:
      trained: rows of runs that end where their validation loss says that it is solved.
      budget: optimiser steps, which count where no rate solved it.
    """
    taken = [
        np.where(accuracy_of(row) >= SOLVED, column(row, "steps_trained"), budget)
        for row in trained
    ]
    return np.min(taken, axis=0)


def accuracy_of(rows):
    """Returns test accuracies; what diverged has none."""
    return column(rows, "test_accuracy", missing=0.0)


def recipe_of(plan):
    """Returns how compositions are trained: until solved, or the end."""
    return Recipe(
        num_steps=plan.num_updates,
        batch_size=64,
        validate_every=plan.validate_every,
        patience=None,
        stop_loss=SOLVED_LOSS,
    )


def compose(plan, cell, rows):
    """Trains a cell on compositions; returns a `Composed`."""
    how, shape = recipe_of(plan), (plan.steps, plan.inputs, plan.states)
    accuracy: dict[str, dict] = {arm: {} for arm in ARMS}
    by_size, updates = {}, {}
    one_rule = [MakeComposition(*shape, True, n) for n in (*plan.sizes, None)]
    for arm in ARMS:
        for width in plan.widths:
            (found,) = train(
                plan, [MakeComposition(*shape)], cell, arm, width, how, rows
            )
            accuracy[arm][width] = accuracy_of(best_of(found))
            if (accuracy[arm][width] >= SOLVED).all():
                break  # a larger network holds this one
        found = train(plan, one_rule, cell, arm, plan.sample_width, how, rows)
        by_size[arm] = np.stack([accuracy_of(best_of(x)) for x in found], axis=1)
        updates[arm] = fewest_updates(found[-1], plan.num_updates)
    return Composed(accuracy, by_size, updates)


def recipe_of_strings(plan):
    """Returns how strings are trained: until every bit is right, or the end."""
    return Recipe(
        num_steps=plan.string_updates,
        batch_size=1,
        validate_every=plan.string_updates // 2,
        patience=None,
        # One wrong bit of L costs at least ln 2 / L nats: below it every bit is right.
        stop_loss=0.5 * np.log(2) / max(plan.lengths),
    )


def learn_strings(plan, cell, rows):
    """Trains on strings; returns accuracies and parameters, by (arm, H)."""
    how = recipe_of_strings(plan)
    makes = [MakeString(plan.string_steps, length) for length in plan.lengths]
    accuracy, parameters = {}, {}
    for arm, width in [
        ("Untied", 1),
        *(("Tied", width) for width in plan.string_widths),
    ]:
        found = train(plan, makes, cell, arm, width, how, rows)
        accuracy[arm, width] = np.stack(
            [accuracy_of(best_of(x)) for x in found], axis=1
        )
        parameters[arm, width] = found[0, 0, 0]["num_parameters"]
    return accuracy, parameters


def measure(preset, folder):
    """Compiles and trains all; returns a `Measured`."""
    plan, rows = PLANS[preset], JsonLines(folder / "universality.jsonl")
    cases = CASES[:1] if preset == "smoke" else CASES
    compiled = {case.name: compile_networks(case, plan.num_networks) for case in cases}
    composed = {name: compose(plan, cell, rows) for name, cell in plan.cells.items()}
    first = next(iter(plan.cells.values()))
    return Measured(compiled, composed, *learn_strings(plan, first, rows))

"""The study behind C2 and Cc1: what tied and untied weights need for one task.

What comes of it is told by `universality_claims.py`; compiled networks are made by
`clock_study.py`.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from experiments.clock_study import CASES, compile_networks
from experiments.studies import column, replicates, run
from rnnshare import ElmanCell, LSTMCell, Tied, Untied
from rnnshare.runs import JsonLines
from rnnshare.statistics import bootstrap_interval
from rnnshare.study import Setting
from rnnshare.tasks.composition import Composition, RandomString
from rnnshare.training import Recipe

EXACT = 1e-5  # the largest error of a compiled network's outputs
SOLVED = 0.99  # the accuracy that solves a task
SAME_SIZE = 0.5  # the high end, in powers of two, that still is "no more units"
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
    "smoke": Plan(1, ELMAN, 2, (1e-2,), 3, 2, 2, (2, 4), 4, 2, 2, (4,), 4, (1,),
                  (2, 4), 2),
    "quick": Plan(17, ELMAN, 5, (1e-2, 3e-2), 6, 3, 3, (2, 4, 8, 16, 32), 1_500, 50, 8,
                  (32, 64, 128, 256), 32, (1, 4, 16), (4, 8, 16, 32), 1_000),
    "full": Plan(50, ELMAN | {"LSTM": LSTMCell}, 10, (3e-3, 1e-2, 3e-2), 6, 3, 3,
                 (2, 3, 4, 6, 8, 12, 16, 24, 32, 48), 6_000, 100, 8,
                 (16, 32, 64, 128, 256, 512), 64, (1, 2, 4, 8, 16, 32),
                 (4, 8, 16, 32, 64), 6_000),
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
      updates: [S], what that last took until it was solved, in optimiser steps.
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


def best_of(plan, makes, cell, arm, width, how, rows):
    """Trains at every rate; returns for each task and seed the row that validates best.

    Args:
      plan: see `Plan`.
      makes: tasks of one shape, so that they are one program.
      cell, arm, width: the model.
      how: the recipe.
      rows: of the study.

    Returns:
      [len(makes)] lists of [S] rows.
    """
    settings = [
        Setting(make, cell, sharing_of(arm, make.steps), width, rate, how)
        for make in makes
        for rate in plan.rates
    ]
    found = run(settings, replicates(plan.num_seeds), rows)
    shape = len(makes), len(plan.rates), plan.num_seeds
    best = column(found, "validation_loss").reshape(shape).argmin(1)
    table = np.array(found, dtype=object).reshape(shape)
    return [
        [table[i, best[i, s], s] for s in range(plan.num_seeds)]
        for i in range(len(makes))
    ]


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
        stop_loss=0.02,  # nats: some 0.5 % of the answers are wrong then
    )


def compose(plan, cell, rows):
    """Trains a cell on compositions; returns a `Composed`."""
    how, shape = recipe_of(plan), (plan.steps, plan.inputs, plan.states)
    accuracy: dict[str, dict] = {arm: {} for arm in ARMS}
    by_size, updates = {}, {}
    one_rule = [MakeComposition(*shape, True, n) for n in (*plan.sizes, None)]
    for arm in ARMS:
        for width in plan.widths:
            (found,) = best_of(
                plan, [MakeComposition(*shape)], cell, arm, width, how, rows
            )
            accuracy[arm][width] = accuracy_of(found)
            if (accuracy[arm][width] >= SOLVED).all():
                break  # a larger network holds this one
        found = best_of(plan, one_rule, cell, arm, plan.sample_width, how, rows)
        by_size[arm] = np.stack([accuracy_of(row) for row in found], axis=1)
        solved = by_size[arm][:, -1] >= SOLVED
        taken = column(found[-1], "steps_trained")
        updates[arm] = np.where(solved, taken, plan.num_updates)
    return Composed(accuracy, by_size, updates)


def learn_strings(plan, cell, rows):
    """Trains on strings; returns accuracies and parameters, by (arm, H)."""
    how = Recipe(
        num_steps=plan.string_updates,
        batch_size=1,
        validate_every=plan.string_updates // 2,
        patience=None,
        stop_loss=0.05,  # nats: every bit is right
    )
    makes = [MakeString(plan.string_steps, length) for length in plan.lengths]
    accuracy, parameters = {}, {}
    for model in [("Untied", 1)] + [("Tied", width) for width in plan.string_widths]:
        found = best_of(plan, makes, cell, *model, how, rows)
        accuracy[model] = np.stack([accuracy_of(row) for row in found], axis=1)
        parameters[model] = found[0][0]["num_parameters"]
    return accuracy, parameters


def measure(preset, folder):
    """Compiles and trains all; returns a `Measured`."""
    plan, rows = PLANS[preset], JsonLines(folder / "universality.jsonl")
    cases = CASES[:1] if preset == "smoke" else CASES
    compiled = {case.name: compile_networks(case, plan.num_networks) for case in cases}
    composed = {name: compose(plan, cell, rows) for name, cell in plan.cells.items()}
    first = next(iter(plan.cells.values()))
    return Measured(compiled, composed, *learn_strings(plan, first, rows))


def least(accuracy, sizes):
    """Returns the least size that solves, [S]; twice the largest where none does.

    Args:
      accuracy: [S, X], at sizes from small to large.
      sizes: [X].
    """
    solved = np.asarray(accuracy) >= SOLVED
    found = np.asarray(sizes)[solved.argmax(1)]
    return np.where(solved.any(1), found, 2 * sizes[-1])


def least_width(accuracy, widths):
    """Returns the least H, [S], of {H: [S]} that may end where all seeds solve it."""
    tried = [w for w in widths if w in accuracy]
    found = least(np.stack([accuracy[w] for w in tried], axis=1), tried)
    unsolved = ~(np.stack([accuracy[w] for w in tried]) >= SOLVED).any(0)
    return np.where(unsolved, 2 * widths[-1], found)


def longest(accuracy, lengths):
    """Returns the longest string that is right in every bit, [S]; 0 where none is."""
    right = np.asarray(accuracy) == 1.0
    return np.max(np.where(right, np.asarray(lengths), 0), axis=1)


def size_ratios(plan, measured):
    """Returns {cell: [S]}, log2 of the least H of tied over that of untied."""
    return {
        cell: np.log2(
            least_width(found.accuracy["Tied"], plan.widths)
            / least_width(found.accuracy["Untied"], plan.widths)
        )
        for cell, found in measured.composed.items()
    }


def judge_power(errors, ratios):
    """Returns the verdict of C2, whether compiling is exact, and {cell: interval}.

    Args:
      errors: [networks], the largest errors of compiled networks.
      ratios: {cell: [S]}, see `size_ratios`.
    """
    exact = bool(np.max(errors) < EXACT)
    tests = {cell: bootstrap_interval(values) for cell, values in ratios.items()}
    if exact and all(i.low > 0 for i in tests.values()):
        return "refuted", exact, tests
    if exact and all(i.low <= 0 and i.high <= SAME_SIZE for i in tests.values()):
        return "supported", exact, tests
    return "inconclusive", exact, tests


def columns_of(plan, found, other=None):
    """Returns {column: [S]}, log2 of what one model needs over what another does.

    Args:
      plan: see `Plan`.
      found: `Composed` of a cell: its tied model against its untied one.
      other: that of another cell: tied models of both are compared.
    """
    pair = [(found, "Tied"), (found, "Untied")]
    if other is not None:
        pair = [(found, "Tied"), (other, "Tied")]

    def ratio(need):
        first, second = (need(cell, arm) for cell, arm in pair)
        return np.log2(first / second)

    return {
        "units": ratio(lambda c, arm: least_width(c.accuracy[arm], plan.widths)),
        "updates": ratio(lambda c, arm: c.updates[arm]),
        "sequences": ratio(lambda c, arm: least(c.by_size[arm][:, :-1], plan.sizes)),
    }


def pairs_of(plan, measured):
    """Returns {(one model, another): {column: [S]}}."""
    found = {
        (f"Tied {cell}", f"Untied {cell}"): columns_of(plan, composed)
        for cell, composed in measured.composed.items()
    }
    names = list(measured.composed)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            pair = measured.composed[one], measured.composed[other]
            found[f"Tied {one}", f"Tied {other}"] = columns_of(plan, *pair)
    return found


def judge_columns(pairs):
    """Returns the verdict of Cc1, and {pair: {column: (interval, who needs less)}}.

    Args:
      pairs: see `pairs_of`.
    """
    tests: dict = {}
    for pair, columns in pairs.items():
        tests[pair] = {}
        for name, values in columns.items():
            interval = bootstrap_interval(values)
            less = pair[0] if interval.high < 0 else pair[1] if interval.low > 0 else ""
            tests[pair][name] = interval, less
    winners = [{less for _, less in c.values() if less} for c in tests.values()]
    if any(len(names) == 2 for names in winners):
        return "supported", tests
    if all(len(names) == 1 for names in winners):
        return "refuted", tests
    return "inconclusive", tests

"""The study behind `real_data.py`: a map of data sets and cells, tuned arm by arm.

`real_data_claims` judges what is measured here.
"""

import dataclasses
import functools

import numpy as np

from experiments.lab.trials import column, replicates, run, tune
from rnnshare import Cyclic, ElmanCell, GRUCell, LSTMCell, Tied, Untied, tasks
from rnnshare.analysis.statistics import (
    Interval,
    holm,
    paired_difference,
    paired_p_value,
)
from rnnshare.training.fitting import Recipe
from rnnshare.training.rows import JsonLines
from rnnshare.training.study import Setting

_SHUFFLED = functools.partial(tasks.mnist1d, shuffled=True)
_ALIGNED = functools.partial(tasks.mnist1d, max_translation=0)
_SHIFTED = functools.partial(tasks.mnist_rows, shifted=True)
TASKS = (
    *(tasks.japanese_vowels, tasks.italy_power_demand, tasks.mnist1d, _SHUFFLED),
    *(_ALIGNED, tasks.mnist_rows, _SHIFTED, tasks.surnames, tasks.folk_tunes),
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      num_seeds: paired seeds, each with its own split; seed 0 has the published one.
      tuning: trainings that an arm's learning rate and start are tuned by.
      hidden_features: H of the tied model.
      rates: the learning rates to choose from.
      cells: {task: cells}.
      num_steps: the longest training, of sets of more than 1000 examples and of others.
      periods: {task: period of a cyclic arm, in steps}.
      equal_parameters: tasks with an untied arm of as many parameters as tied.
    """

    num_seeds: int
    tuning: int
    hidden_features: int
    rates: tuple[float, ...]
    cells: dict
    num_steps: tuple[int, int]
    periods: dict = dataclasses.field(default_factory=dict)
    equal_parameters: tuple = ()


_TWO, _THREE = (GRUCell, LSTMCell), (ElmanCell, GRUCell, LSTMCell)
_ITALY, _VOWELS = tasks.italy_power_demand, tasks.japanese_vowels
PLANS = {
    "smoke": Plan(
        2, 2, 4, (1e-2,), {_ITALY: (GRUCell,)}, (20, 20), {_ITALY: 6}, (_ITALY,)
    ),
    "quick": Plan(
        num_seeds=6,
        tuning=6,
        hidden_features=32,
        rates=(1e-3, 3e-3, 1e-2),
        cells={
            _VOWELS: _TWO,
            _ITALY: _TWO,
            tasks.mnist1d: (GRUCell,),
            _SHUFFLED: (GRUCell,),
        },
        num_steps=(2_000, 2_000),
    ),
    "full": Plan(
        num_seeds=10,
        tuning=12,
        hidden_features=32,
        rates=(1e-3, 3e-3, 1e-2),
        cells={
            _VOWELS: _THREE,
            _ITALY: _THREE,
            tasks.mnist1d: _TWO,
            _SHUFFLED: (GRUCell,),
            _ALIGNED: (GRUCell,),
            tasks.mnist_rows: (GRUCell,),
            _SHIFTED: (GRUCell,),
            tasks.surnames: _TWO,
            tasks.folk_tunes: (GRUCell,),
        },
        num_steps=(2_000, 4_000),
        # The commonest bar has so many characters, its line included.
        periods={tasks.folk_tunes: 9},
        equal_parameters=(_VOWELS, _ITALY),
    ),
}
# Tuning has seeds and splits of its own, and so has the confirmation of a win.
_TUNING_SEED, _FRESH_SEED = 1_000, 2_000


def load_all():
    """Reads every data set, so that a missing one is told of at once."""
    for make_task in TASKS:
        make_task(0)


def recipe(make_task, plan):
    """Returns the recipe of a task: larger batches for the larger set."""
    large = len(make_task(0).train.targets) > 1_000
    num_steps = plan.num_steps[0 if large else 1]
    return Recipe(
        num_steps=num_steps,
        batch_size=64 if large else 32,
        validate_every=min(100 if large else 50, num_steps),
        patience=8,
    )


def arms(make_task, cell, plan):
    """Returns {name: candidates to choose from}."""
    num_steps, width = make_task(0).num_steps, plan.hidden_features
    base = Setting(
        make_task, cell, Tied(), width, plan.rates[0], recipe(make_task, plan)
    )

    def grid(*sharings, hidden_features=width):
        return [
            dataclasses.replace(
                base,
                sharing=sharing,
                learning_rate=rate,
                hidden_features=hidden_features,
            )
            for sharing in sharings
            for rate in plan.rates
        ]

    untied = (Untied(num_steps), Untied(num_steps, same_init=True))
    found = {"Tied": grid(Tied()), "Untied": grid(*untied)}
    if make_task in plan.periods:
        period = plan.periods[make_task]
        found[f"Cyclic, period {period}"] = grid(
            Cyclic(period), Cyclic(period, same_init=True)
        )
    if make_task in plan.equal_parameters:
        narrow = width_of_equal_parameters(
            dataclasses.replace(base, sharing=untied[0]), base.num_parameters()
        )
        found["Untied, equal parameters"] = grid(*untied, hidden_features=narrow)
    return found


def width_of_equal_parameters(setting, target):
    """Returns the width at which the setting's parameters are nearest to a target."""

    def off(width):
        made = dataclasses.replace(setting, hidden_features=width)
        return abs(made.num_parameters() - target)

    return min(range(1, setting.hidden_features + 1), key=off)


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a preset measured.

    Attributes:
      cases: one a data set and cell.
      p_values: [cases] of no difference between tied and untied, Holm's.
      confirmed: {label: the case again on fresh seeds}, where untied was below tied.
    """

    cases: list
    p_values: np.ndarray
    confirmed: dict


def measured(preset, folder):
    """Runs the study of a preset in a folder, and returns what it `Measured`."""
    plan = PLANS[preset]
    rows = JsonLines(folder / "real_data.jsonl")
    paired = replicates(plan.num_seeds)
    cases = []
    for make_task, cells in plan.cells.items():
        for cell in cells:
            chosen = {
                name: tuned(candidates, plan, rows)
                for name, candidates in arms(make_task, cell, plan).items()
            }
            found = {n: run([s], paired, rows) for n, s in chosen.items()}
            cases.append(Case(make_task(0), cell.__name__, chosen, found))
    p_values = holm([case.p_value for case in cases])
    confirmed = {}
    for case, p in zip(cases, p_values, strict=True):
        if p < 0.05 and case.difference.high < 0:
            fresh = replicates(plan.num_seeds, _FRESH_SEED)
            again = {n: run([case.chosen[n]], fresh, rows) for n in ("Tied", "Untied")}
            confirmed[case.label] = dataclasses.replace(case, measured=again)
    return Measured(cases, p_values, confirmed)


def tuned(candidates, plan, rows):
    """Returns the best candidate by validation; an arm has plan.tuning trainings."""
    count = max(1, plan.tuning // len(candidates))
    return tune(candidates, replicates(count, _TUNING_SEED), rows)


@dataclasses.dataclass(frozen=True)
class Case:
    """One data set and cell: the settings that were chosen, and their rows."""

    task: tasks.Task
    cell: str
    chosen: dict
    measured: dict

    @property
    def label(self):
        """For tables and figures."""
        return f"{self.task.name}, {self.cell.removesuffix('Cell')}"

    @property
    def title(self):
        """The label in two lines, for a narrow panel."""
        return self.label.replace(", ", "\n").replace("_", " ")

    def column(self, arm, name):
        """Returns a metric of an arm over the replicates."""
        return column(self.measured[arm], name, missing=np.nan)

    @property
    def metric(self):
        """The metric to show beside the loss: bits a character, or accuracy."""
        own = "bits_per_character"
        return own if own in self.task.lines["chance"] else "accuracy"

    def scores(self):
        """Returns {arm: the test metric}, of the two that are judged."""
        return {
            arm: self.column(arm, f"test_{self.metric}") for arm in ("Tied", "Untied")
        }

    @property
    def stopped(self):
        """The part of the runs, tied and untied, whose best step is not the last."""
        return np.mean(
            [
                row["best_step"] < row["num_steps"]
                for arm in ("Tied", "Untied")
                for row in self.measured[arm]
            ]
        )

    @property
    def difference(self) -> Interval:
        """Untied less tied test loss, in nats."""
        return paired_difference(
            self.column("Untied", "test_loss"), self.column("Tied", "test_loss")
        )

    @property
    def p_value(self):
        """Of no difference, by the paired t test."""
        return paired_p_value(
            self.column("Untied", "test_loss"), self.column("Tied", "test_loss")
        )

    def table_rows(self, p):
        """Returns the table's rows, one an arm."""
        for arm, setting in self.chosen.items():
            score = self.column(arm, f"test_{self.metric}")
            unit = " bits" if self.metric == "bits_per_character" else ""
            loss, train = self.column(arm, "test_loss"), self.column(arm, "train_loss")
            against = ""
            if arm == "Untied":
                d = self.difference
                against = f"{d.estimate:+.3f} [{d.low:+.3f}, {d.high:+.3f}], p {p:.2g}"
            start = ", one draw" if getattr(setting.sharing, "same_init", False) else ""
            yield (
                self.label,
                arm,
                f"{setting.num_parameters():,}",
                f"{setting.learning_rate:g}{start}",
                f"{np.median(score):.3f}{unit}",
                f"{loss.mean():.3f}",
                f"{np.mean(loss - train):.3f}",
                against,
            )

"""The study behind `real_data.py`: a map of data sets and cells, tuned arm by arm."""

import dataclasses
import functools
import time

import numpy as np

from experiments.claims import CLAIMS
from experiments.studies import column, replicates, run, tune
from rnnshare import (
    Cyclic,
    ElmanCell,
    GRUCell,
    LSTMCell,
    Segments,
    Tied,
    Untied,
    figures,
    tasks,
)
from rnnshare.report import Finding
from rnnshare.runs import JsonLines
from rnnshare.statistics import Interval, holm, paired_difference, paired_p_value
from rnnshare.study import Setting
from rnnshare.training import Recipe

_SHUFFLED = functools.partial(tasks.mnist1d, shuffled=True)
TASKS = (tasks.japanese_vowels, tasks.italy_power_demand, tasks.mnist1d, _SHUFFLED)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      num_seeds: paired seeds, each with its own split; seed 0 has the published one.
      tuning: trainings that an arm's learning rate and start are tuned by.
      hidden_features: H of the tied model.
      rates: the learning rates to choose from.
      cells: {task: cells}.
      more_arms: also segments, cyclic, and untied at as many parameters as tied.
      num_steps: the longest training.
    """

    num_seeds: int
    tuning: int
    hidden_features: int
    rates: tuple[float, ...]
    cells: dict
    more_arms: bool
    num_steps: int


_THREE = (ElmanCell, GRUCell, LSTMCell)
PLANS = {
    "smoke": Plan(2, 2, 4, (1e-2,), {tasks.italy_power_demand: (GRUCell,)}, True, 20),
    "quick": Plan(
        num_seeds=6,
        tuning=12,
        hidden_features=32,
        rates=(1e-3, 3e-3, 1e-2),
        cells={
            tasks.japanese_vowels: (GRUCell, LSTMCell),
            tasks.italy_power_demand: (GRUCell, LSTMCell),
            tasks.mnist1d: (GRUCell,),
            _SHUFFLED: (GRUCell,),
        },
        more_arms=False,
        num_steps=2_000,
    ),
    "full": Plan(
        num_seeds=20,
        tuning=24,
        hidden_features=64,
        rates=(3e-4, 1e-3, 3e-3, 1e-2),
        cells=dict.fromkeys(TASKS, _THREE),
        more_arms=True,
        num_steps=8_000,
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
    return Recipe(
        num_steps=plan.num_steps,
        batch_size=64 if large else 32,
        validate_every=min(100 if large else 50, plan.num_steps),
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
    if plan.more_arms:
        quarter = max(1, num_steps // 4)
        found["Segments"] = grid(
            Segments(num_steps, 4), Segments(num_steps, 4, same_init=True)
        )
        found["Cyclic"] = grid(Cyclic(quarter), Cyclic(quarter, same_init=True))
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


def finding(preset, folder, rule):
    """Runs the study of a preset in a folder, and returns the finding of Q5."""
    plan, began = PLANS[preset], time.perf_counter()
    rows = JsonLines(folder / "real_data.jsonl")
    paired = replicates(plan.num_seeds)
    cases = []
    for make_task, cells in plan.cells.items():
        for cell in cells:
            chosen = {
                name: tuned(candidates, plan, rows)
                for name, candidates in arms(make_task, cell, plan).items()
            }
            measured = {n: run([s], paired, rows) for n, s in chosen.items()}
            cases.append(Case(make_task(0), cell.__name__, chosen, measured))
    p_values = holm([case.p_value for case in cases])
    confirmed = {}
    for case, p in zip(cases, p_values, strict=True):
        if p < 0.05 and case.difference.high < 0:
            fresh = replicates(plan.num_seeds, _FRESH_SEED)
            again = {n: run([case.chosen[n]], fresh, rows) for n in ("Tied", "Untied")}
            confirmed[case.label] = dataclasses.replace(case, measured=again)
    path = "figures/Q5.png"
    figures.save(
        figures.draw_paired(
            {case.title: case.accuracies() for case in cases},
            "test accuracy",
            chance={c.title: c.task.lines["chance"]["accuracy"] for c in cases},
        ),
        folder / path,
    )
    seconds = time.perf_counter() - began
    return _judge(cases, p_values, confirmed, preset, plan, path, seconds, rule)


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

    def accuracies(self):
        """Returns {arm: test accuracies}."""
        return {arm: self.column(arm, "test_accuracy") for arm in self.measured}

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
            accuracy = self.column(arm, "test_accuracy")
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
                f"{np.median(accuracy):.3f}",
                f"{loss.mean():.3f}",
                f"{np.mean(loss - train):.3f}",
                against,
            )


HEADER = (
    "data, cell",
    "weights",
    "parameters",
    "tuned rate, start",
    "test accuracy (median)",
    "test loss (nats)",
    "test less train loss",
    "untied less tied test loss [95 %], Holm p",
)


def _judge(cases, p_values, confirmed, preset, plan, path, seconds, rule):
    wins = [label for label, again in confirmed.items() if again.difference.high < 0]
    tied_wins = sum(
        p < 0.05 and case.difference.low > 0
        for case, p in zip(cases, p_values, strict=True)
    )
    if wins:
        verdict = "supported"
    else:
        verdict = "refuted" if tied_wins * 2 >= len(cases) else "inconclusive"
    nearest = min(cases, key=lambda case: case.difference.estimate)
    best = nearest.difference
    gaps = {
        arm: np.mean([np.mean(c.column(arm, "test_loss") - c.column(arm, "train_loss"))
                      for c in cases])
        for arm in ("Tied", "Untied")
    }  # fmt: skip
    where = f"Untied wins on {', '.join(wins)}" if wins else "Untied wins nowhere"
    return Finding(
        id="Q5",
        claim=CLAIMS["Q5"],
        verdict=verdict,
        effect=best.estimate,
        effect_label=(
            "untied less tied test loss, in nats, where untied does best "
            f"({nearest.label})"
        ),
        interval=(best.low, best.high),
        num_seeds=plan.num_seeds,
        rule=rule,
        command=f"python -m experiments.real_data --preset={preset}",
        figure=path,
        seconds=seconds,
        meaning=(
            f"{where}, tied on {tied_wins} of {len(cases)} pairs of data set and cell, "
            f"at equal width (H = {plan.hidden_features}) and with rate and start "
            "tuned by equal budgets. From train to test the loss rises by "
            f"{gaps['Tied']:.2f} nats tied and {gaps['Untied']:.2f} nats untied, on "
            "average."
        ),
        details="\n\n".join(_sentences(cases)),
        table=(
            HEADER,
            *(
                row
                for case, p in zip(cases, p_values, strict=True)
                for row in case.table_rows(p)
            ),
        ),
    )


def _sentences(cases):
    """Returns what the figure does not say: time shuffled, and the caveats."""
    by_name = {(case.task.name, case.cell): case for case in cases}
    plain = by_name.get(("mnist1d", "GRUCell"))
    shuffled = by_name.get(("mnist1d_shuffled", "GRUCell"))
    if plain and shuffled:
        arms_ = {
            arm: [np.median(c.column(arm, "test_accuracy")) for c in (plain, shuffled)]
            for arm in ("Tied", "Untied")
        }
        text = "; ".join(
            f"{arm.lower()}, {100 * a:.1f} % plain and {100 * b:.1f} % shuffled "
            f"({100 * (a - b):.1f} points lost)"
            for arm, (a, b) in arms_.items()
        )
        yield f"MNIST-1D with its time shuffled, GRU, median test accuracy: {text}."
    italy = [case for case in cases if case.task.name == "italy_power_demand"]
    for case in italy:
        d = case.difference
        yield (
            "ItalyPowerDemand has a clock, so that a weight per hour could pay, and 67 "
            f"training days: {case.cell.removesuffix('Cell')} untied less tied test "
            f"loss {d.estimate:+.3f} [{d.low:+.3f}, {d.high:+.3f}] nats."
        )
    yield (
        "Seeds are paired: a seed has the same split and the same batches for every "
        "model. The splits overlap, so the intervals speak of these data sets, not of "
        "a wider population; with few seeds a bootstrap interval is too narrow, which "
        "is why the rule asks for the t test as well."
    )

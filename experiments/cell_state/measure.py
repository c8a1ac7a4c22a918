"""The study behind Bc1: how long untied networks remember, and why.

What comes of it is told by `cell_state_claims.py`.
"""

import dataclasses
import sys
from typing import NamedTuple

import jax
import numpy as np

from experiments.cell_state.gradients import gradient_norms, initial
from experiments.lab import trials as studies
from rnnshare import ElmanCell, LSTMCell, Tied, Untied
from rnnshare.analysis.statistics import bootstrap_interval, paired_difference
from rnnshare.cells.ablated import (
    NoCellPathLSTMCell,
    NoHiddenPathLSTMCell,
    NoPathLSTMCell,
)
from rnnshare.tasks import PaddedAdding, PaddedCopyMemory
from rnnshare.training.fitting import Recipe, fit
from rnnshare.training.rows import JsonLines, json_line
from rnnshare.training.study import Setting

TUNING_SEED = 1_000
RECALLED, SYMBOLS = 2, 4  # of copy memory
ACCURACY = 0.9  # see the rule
NO_MEMORY_SHARE = 0.25  # see the rule
LSTM, ELMAN, CUT = "Untied LSTM", "Untied Elman", "Untied LSTM, cell path cut"
NO_CARRY = "Untied LSTM, both paths cut"
CELLS: dict = {
    LSTM: LSTMCell,
    ELMAN: ElmanCell,
    CUT: NoCellPathLSTMCell,
    "Untied LSTM, hidden path cut": NoHiddenPathLSTMCell,
    NO_CARRY: NoPathLSTMCell,
    "Untied IRNN": ElmanCell.irnn,
    "Tied LSTM": LSTMCell,
    "Tied Elman": ElmanCell,
}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      arms: names of `CELLS`, which begin with the sharing.
      lengths: {task: the lengths to be trained at}: steps of adding, blanks of copy
        memory.
      probed: {task: the length at which rates are tuned and gradients are measured}.
      num_seeds: paired seeds.
      num_tuning: tuning seeds.
      rates: learning rates to choose from.
      starts: of untied weights, `same_init`, to choose from.
      hidden_features: H.
      num_steps: of training, at most.
      num_held_out: examples of a held-out set.
      num_probed: examples that gradients are measured on.
    """

    arms: tuple[str, ...]
    lengths: dict
    probed: dict
    num_seeds: int
    num_tuning: int
    rates: tuple[float, ...]
    starts: tuple[bool, ...]
    hidden_features: int
    num_steps: int
    num_held_out: int
    num_probed: int


_RATES = (3e-3, 1e-2)
PLANS = {
    "smoke": Plan((LSTM, ELMAN), {"adding": (4, 6)}, {"adding": 4}, 2, 1, (1e-2,),
                  (True,), 4, 4, 8, 2),
    "quick": Plan((LSTM, ELMAN, CUT, NO_CARRY),
                  {"adding": (10, 20, 40), "copy memory": (5, 10, 20)},
                  {"adding": 20, "copy memory": 10}, 5, 2, _RATES, (True,), 32, 1_000,
                  500, 64),
    "full": Plan(tuple(CELLS),
                 {"adding": (10, 20, 40, 80), "copy memory": (5, 10, 20, 40)},
                 {"adding": 20, "copy memory": 10}, 10, 2, (1e-3, *_RATES),
                 (True, False), 32, 3_000, 1_000, 64),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class MakeTask:
    """`make_task` of a task of one length, padded to the longest."""

    task: str
    length: int
    longest: int
    num_held_out: int

    def __call__(self, split):  # noqa: D102
        if self.task == "adding":
            return PaddedAdding(self.longest, self.num_held_out, self.length)
        return PaddedCopyMemory(
            self.longest, RECALLED, SYMBOLS, self.num_held_out, self.length
        )


class Measured(NamedTuple):
    """What came of an arm on a task, float64; L lengths, T steps.

    Attributes:
      score: [S, L], see `score_of`.
      start, trained: [S, T], gradient norms before and after training.
      chosen: learning rate and start of the weights.
    """

    score: np.ndarray
    start: np.ndarray
    trained: np.ndarray
    chosen: str


def task_of(plan, task, length):
    """Returns what makes a task of a length."""
    return MakeTask(task, length, max(plan.lengths[task]), plan.num_held_out)


def score_of(task):
    """Returns the metric of a task, and whether more of it is better."""
    return ("test_loss", False) if task == "adding" else ("test_accuracy", True)


def bar_of(task):
    """Returns the score that a task is solved at."""
    line = task_line(task)
    return NO_MEMORY_SHARE * line if task == "adding" else ACCURACY


def task_line(task):
    """Returns the score of the best without memory, which no length changes."""
    name = score_of(task)[0].removeprefix("test_")
    return MakeTask(task, 8, 8, 1)(0).lines["no memory"][name]


def solved(task, scores):
    """Returns which scores solve a task, bool."""
    if score_of(task)[1]:
        return scores >= bar_of(task)
    return scores < bar_of(task)


def longest_solved(task, lengths, scores):
    """Returns [S], the longest solved length; half of the shortest where none is."""
    none = min(lengths) / 2
    return np.max(np.where(solved(task, scores), np.asarray(lengths, float), none), 1)


def setting_of(plan, task, arm, rate, same_init):
    """Returns the setting of an arm at the length that is tuned."""
    make_task = task_of(plan, task, plan.probed[task])
    longest = make_task(0).num_steps
    return Setting(
        make_task,
        CELLS[arm],
        Untied(longest, same_init=same_init) if arm.startswith("Untied") else Tied(),
        plan.hidden_features,
        rate,
        Recipe(
            num_steps=plan.num_steps,
            validate_every=max(1, plan.num_steps // 20),
            patience=None,
            stop_loss=0.02 if task == "adding" else 0.003,
        ),
    )


def choose(plan, task, arm):
    """Returns the setting of the best rate and start, on seeds of its own.

    A run that was stopped at its goal is ranked by how soon it was there.
    """
    starts = plan.starts if arm.startswith("Untied") else (True,)
    options = [setting_of(plan, task, arm, r, s) for s in starts for r in plan.rates]
    if len(options) == 1:
        return options[0]

    def rank(setting):
        replicas = [(setting.make_task(0), TUNING_SEED + i, setting.learning_rate)
                    for i in range(plan.num_tuning)]  # fmt: skip
        found = _fit(setting, replicas).metrics
        losses = np.nan_to_num([row["validation_loss"] for row in found], nan=np.inf)
        goal = setting.recipe.stop_loss
        steps = [row["steps_trained"] for row in found]
        return np.sum(losses >= goal), np.sum(steps), np.mean(losses)

    return min(options, key=rank)


def _fit(setting, replicas):
    return fit(setting.make_model(), setting.recipe, replicas, **studies.layout())


def measure(preset, folder):
    """Trains all; returns {task: {arm: Measured}}. Started again, it goes on."""
    plan, rows = PLANS[preset], JsonLines(folder / "cell_state.jsonl")
    return {
        task: {arm: measure_arm(plan, task, arm, rows) for arm in plan.arms}
        for task in plan.lengths
    }


def measure_arm(plan, task, arm, rows):
    """Trains an arm on a task at every length and seed, or reads what is kept."""
    lengths, seeds = plan.lengths[task], range(plan.num_seeds)
    key = {"task": task, "arm": arm, **_columns(plan, task)}
    name = json_line(key)
    if name not in {json_line(row["key"]) for row in rows.rows}:
        print(f"{task}, {arm}", file=sys.stderr, flush=True)
        setting = choose(plan, task, arm)
        pairs = [(length, seed) for length in lengths for seed in seeds]
        fitted = _fit(
            setting,
            [(task_of(plan, task, length)(0), seed, setting.learning_rate)
             for length, seed in pairs],
        )  # fmt: skip
        at_probed = [i for i, (n, _) in enumerate(pairs) if n == plan.probed[task]]
        params = [fitted.params[i] for i in at_probed]
        steps = plan.probed[task] + (2 * RECALLED if task == "copy memory" else 0)
        start, trained = (
            [gradient_norms(setting, one, plan.num_probed, steps) for one in them]
            for them in ([initial(setting, seed) for seed in seeds], params)
        )
        rows.append(
            {
                "key": key,
                "rate": setting.learning_rate,
                "sharing": repr(setting.sharing),
                "steps_trained": [row["steps_trained"] for row in fitted.metrics],
                "scores": [row[score_of(task)[0]] for row in fitted.metrics],
                "start": np.array(start).tolist(),
                "trained": np.array(trained).tolist(),
            }
        )
        # Each compiled program holds memory maps, and no other arm runs these.
        jax.clear_caches()
    (row,) = (row for row in rows.rows if json_line(row["key"]) == name)
    worst = 0.0 if score_of(task)[1] else np.inf
    scores = [worst if score is None else score for score in row["scores"]]
    return Measured(
        np.reshape(scores, (len(lengths), plan.num_seeds)).T,
        np.array(row["start"], np.float64),
        np.array(row["trained"], np.float64),
        f"{row['rate']:g}, {row['sharing']}",
    )


def _columns(plan, task):
    """Returns what else names a row."""
    left_out = ("arms", "lengths", "probed")
    kept = {k: v for k, v in dataclasses.asdict(plan).items() if k not in left_out}
    return {**kept, "lengths": plan.lengths[task], "probed": plan.probed[task]}


def judge(longest, decays):
    """Returns the verdict of Bc1, and {task: {rival: (longer, Interval)}}.

    Args:
      longest: {task: {arm: [S]}}, the longest length solved.
      decays: {task: {arm: [S]}}, after training, as `decay` returns them.
    """
    tests = {
        task: {
            rival: (
                bool(np.median(arms[LSTM]) > np.median(arms[rival])),
                paired_difference(decays[task][LSTM], decays[task][rival]),
            )
            for rival in (ELMAN, CUT)
            if rival in arms
        }
        for task, arms in longest.items()
    }
    longer, slower = (
        [all(holds(test) for test in tests[task].values()) for task in tests]
        for holds in (lambda test: test[0], lambda test: test[1].low > 0)
    )
    if all(longer) and all(slower):
        return "supported", tests
    if not any(longer) and not any(slower):
        return "refuted", tests
    return "inconclusive", tests


def doublings(longest):
    """Returns the Interval of log2 of LSTM's longest over Elman's, mean over tasks."""
    each = [np.log2(arms[LSTM] / arms[ELMAN]) for arms in longest.values()]
    return bootstrap_interval(np.mean(each, axis=0))

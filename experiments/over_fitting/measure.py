"""The study behind B7 and Ac2b: train-test gaps of tied and untied weights.

What comes of it is told by `over_fitting_claims.py`.
"""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np
import optax

from experiments.lab.trials import column, replicates, run
from rnnshare import ElmanCell, GRUCell, LSTMCell, Tied, Untied
from rnnshare.analysis.statistics import Interval, bootstrap_interval, rank_correlation
from rnnshare.tasks import SignalPatch
from rnnshare.training.fitting import Recipe
from rnnshare.training.rows import JsonLines
from rnnshare.training.study import Setting

TUNING_SEED = 1_000
NO_EFFECT = 0.02  # nats, see the rule of Ac2b
REGIMES = ("unregularised", "tuned")
CELLS = {"Elman": ElmanCell, "GRU": GRUCell, "LSTM": LSTMCell}
FEW_CELLS = {name: CELLS[name] for name in ("Elman", "LSTM")}  # where time is short


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      cells: {name: cell class}.
      num_seeds: paired seeds, each with data of its own.
      num_tuning: tuning seeds of each rate and decay, at each N and label noise.
      rates: learning rates to choose from.
      decays: strengths of AdamW's weight decay to choose from.
      steps: the T of the grid.
      tuned_at: the T at which a model's rate and decay are chosen.
      sizes: the N of the grid, powers of two.
      noises: the label noises of the grid.
      hidden_features: H.
      num_steps: of training, at most.
      validate_every: where training may stop early.
      patience: validations without a better loss that end it.
      num_held_out: examples of a held-out set, a multiple of every N: so the training
        loss is that of the whole set.
    """

    cells: dict
    num_seeds: int
    num_tuning: int
    rates: tuple[float, ...]
    decays: tuple[float, ...]
    steps: tuple[int, ...]
    tuned_at: int
    sizes: tuple[int, ...]
    noises: tuple[float, ...]
    hidden_features: int
    num_steps: int
    validate_every: int
    patience: int
    num_held_out: int


_RATES = (3e-3, 1e-2)
PLANS = {
    "smoke": Plan({"Elman": ElmanCell}, 2, 1, (1e-2,), (0.0,), (4,), 4, (8, 16),
                  (0.0, 0.2), 4, 16, 4, 2, 64),
    "quick": Plan(FEW_CELLS, 5, 2, _RATES, (0.0, 1.0), (4, 8), 8, (64, 256), (0.0, 0.2),
                  16, 400, 20, 5, 512),
    "full": Plan(CELLS, 10, 2, _RATES, (0.0, 0.3, 1.0, 3.0), (4, 8, 16), 8,
                 (64, 256, 1_024), (0.0, 0.2), 16, 1_000, 20, 10, 1_024),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class MakePatches:
    """`make_task` of signal patches with label noise."""

    num_steps: int
    num_examples: int
    label_noise: float
    num_held_out: int

    def __call__(self, split):  # noqa: D102
        return SignalPatch(
            self.num_examples,
            split,
            num_held_out=self.num_held_out,
            num_steps=self.num_steps,
            label_noise=self.label_noise,
        )


class Losses(NamedTuple):
    """Mean cross entropies in nats, float64[S, T, N, E] each, E the label noises."""

    train: np.ndarray
    test: np.ndarray

    @property
    def gap(self):
        """Test less train."""
        return self.test - self.train


@functools.cache  # one object a strength, or each would be compiled again
def decayed_adam(decay):
    """Returns AdamW of a strength of weight decay; at 0 it is Adam."""
    return functools.partial(optax.adamw, weight_decay=decay)


def recipe(plan, regime, decay=0.0):
    """Returns how a regime trains."""
    if regime == "unregularised":
        return Recipe(
            num_steps=plan.num_steps,
            validate_every=plan.num_steps,
            patience=None,
            keep="last",
        )
    return Recipe(
        num_steps=plan.num_steps,
        validate_every=plan.validate_every,
        patience=plan.patience,
        optimizer=decayed_adam(decay),
    )


def tasks_of(plan, steps):
    """Returns the tasks of the grid at some T, in the order T, N, label noise."""
    return [
        MakePatches(t, n, noise, plan.num_held_out)
        for t in steps
        for n in plan.sizes
        for noise in plan.noises
    ]


def settings_of(plan, cell, arm, steps, rate, how):
    """Returns a model's settings on the grid at some T."""
    return [
        Setting(
            make_task,
            cell,
            Tied() if arm == "Tied" else Untied(make_task.num_steps, same_init=True),
            plan.hidden_features,
            rate,
            how,
        )
        for make_task in tasks_of(plan, steps)
    ]


def choose(plan, cell, arm, rows):
    """Returns {regime: (rate, decay)} of a model, by validation on the grid at one T.

    Both from the same runs, with early stopping: unregularised, the best rate of those
    without decay; tuned, the best of all.
    """
    candidates = [(rate, decay) for decay in plan.decays for rate in plan.rates]
    settings = [
        setting
        for r, d in candidates
        for setting in settings_of(
            plan, cell, arm, (plan.tuned_at,), r, recipe(plan, "tuned", d)
        )
    ]
    found = run(settings, replicates(plan.num_tuning, TUNING_SEED), rows)
    losses = column(found, "validation_loss").reshape(len(candidates), -1).mean(1)
    best = [candidates[i] for i in np.argsort(losses, kind="stable")]
    return {
        "unregularised": next(c for c in best if c[1] == plan.decays[0]),
        "tuned": best[0],
    }


def measure(preset, folder):
    """Trains all; returns {regime: {cell: {arm: Losses}}} and {cell: {arm: choices}}.

    A seed of which a run diverged is left out everywhere.
    """
    plan, rows = PLANS[preset], JsonLines(folder / "over_fitting.jsonl")
    shape = len(plan.steps), len(plan.sizes), len(plan.noises), plan.num_seeds
    measured: dict[str, dict] = {regime: {} for regime in REGIMES}
    chosen: dict[str, dict] = {name: {} for name in plan.cells}
    for name, cell in plan.cells.items():
        for arm in ("Tied", "Untied"):
            chosen[name][arm] = choose(plan, cell, arm, rows)
            for regime, (rate, decay) in chosen[name][arm].items():
                how = recipe(plan, regime, decay)
                settings = settings_of(plan, cell, arm, plan.steps, rate, how)
                found = run(settings, replicates(plan.num_seeds), rows)
                measured[regime].setdefault(name, {})[arm] = Losses(
                    *(
                        np.moveaxis(column(found, key).reshape(shape), -1, 0)
                        for key in ("train_loss", "test_loss")
                    )
                )
    return _without_diverged(measured), chosen


def _without_diverged(measured):
    """Returns the losses of the seeds of which every run is finite."""
    every = [x for cells in measured.values() for arms in cells.values()
             for losses in arms.values() for x in losses]  # fmt: skip
    kept = np.isfinite(np.stack(every)).all(axis=(0, 2, 3, 4))
    return {
        regime: {
            cell: {arm: Losses(*(x[kept] for x in v)) for arm, v in arms.items()}
            for cell, arms in cells.items()
        }
        for regime, cells in measured.items()
    }


def by_cell(preset, folder, regime="unregularised"):
    """Returns {cell: [S]}, untied's gap less tied's in nats, the mean over the grid."""
    measured, _ = measure(preset, folder)
    return {c: over_grid(apart_of(arms)) for c, arms in measured[regime].items()}


def judge_growth(differences, ratios):
    """Returns the verdict of B7, and {cell: (larger, growing)} with their intervals.

    Args:
      differences: {cell: [S, T, N, E]}, untied's gap less tied's, unregularised.
      ratios: [T, N], T / N.
    """
    tests = {}
    for cell, values in differences.items():
        growth = [rank_correlation(np.ravel(ratios), np.ravel(one.mean(-1)))
                  for one in values]  # fmt: skip
        tests[cell] = bootstrap_interval(over_grid(values)), bootstrap_interval(growth)
    both = [all(i.low > 0 for i in pair) for pair in tests.values()]
    neither = [not any(i.low > 0 for i in pair) for pair in tests.values()]
    return _verdict(both, neither), tests


def vanishes(tuned: Interval, unregularised: Interval) -> bool:
    """Returns whether tuning takes the difference of the gaps away."""
    none = tuned.low <= 0 <= tuned.high
    return none or tuned.estimate < 0.1 * unregularised.estimate


def judge_closing(cells):
    """Returns the verdict of Ac2b, and {cell: intervals of gap and of test loss}.

    Args:
      cells: {cell: (gap, test loss)}, [S] each, untied's less tied's, tuned.
    """
    tests = {
        cell: tuple(bootstrap_interval(values) for values in pair)
        for cell, pair in cells.items()
    }
    closed = [gap.low > 0 and test.low > 0 for gap, test in tests.values()]
    without = [
        gap.high < 0 or (gap.low <= 0 and abs(gap.estimate) < NO_EFFECT)
        for gap, _ in tests.values()
    ]
    return _verdict(closed, without), tests


def _verdict(holds, fails):
    """Returns what most cells say."""
    for verdict, cells in (("supported", holds), ("refuted", fails)):
        if 2 * sum(cells) > len(cells):
            return verdict
    return "inconclusive"


def apart_of(arms, what="gap"):
    """Returns untied's less tied's, [S, T, N, E], of the gap or of a loss."""
    return getattr(arms["Untied"], what) - getattr(arms["Tied"], what)


def over_grid(values):
    """Returns the means over the grid, [S]."""
    return values.mean(axis=(1, 2, 3))


def ratios_of(plan):
    """Returns T / N, [T, N]."""
    return np.divide.outer(plan.steps, plan.sizes)

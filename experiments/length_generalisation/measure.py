"""The study behind `length_generalisation.py`: accuracy by length, trained up to N.

One untied model is trained for steps 0..N-1 and then read in several ways: its later
steps *literally* (they stay at their initial weights), or by each unseen-step policy.
"""

import dataclasses
import functools
import sys
from typing import Any

import jax
import numpy as np

from experiments.lab import trials as studies
from experiments.length_generalisation.accuracy import accuracy_by_length
from rnnshare import ElmanCell, GRUCell, LSTMCell, Tied, Untied
from rnnshare.tasks import NON_REGULAR, REGULAR
from rnnshare.tasks.formal import Regular
from rnnshare.training.fitting import Loop, Recipe, Replica, fit
from rnnshare.training.rows import JsonLines, json_line
from rnnshare.training.study import Setting

LANGUAGES = {language.language(): language for language in (*REGULAR, *NON_REGULAR)}
POLICIES = ("hold", "cycle", "stretch", "mean")
TUNING_SEED = 1_000


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      languages: to solve at any length; controls: that a finite state cannot solve.
      cells: {name: cell class}.
      train_max_length, eval_max_length: the longest string.
      each_max_length: the longest that is measured where every length takes a pass of
        its own: the controls, and the policy `stretch`.
      hidden_features: H.
      num_steps, batch_size: of training.
      more_steps: {language: optimiser steps}, of those that take longer or shorter.
      rates: learning rates to choose from, by one run a rate for every tuning seed.
      num_tuning: tuning seeds.
      num_seeds: paired seeds.
      examples: strings of each length in a test.
      curriculum: see `FormalTask`.
      fixed: the languages for which models are trained at one length too.
    """

    languages: tuple[str, ...]
    controls: tuple[str, ...]
    cells: dict
    train_max_length: int
    eval_max_length: int
    each_max_length: int
    hidden_features: int
    num_steps: int
    more_steps: dict
    batch_size: int
    rates: tuple[float, ...]
    num_tuning: int
    num_seeds: int
    examples: int
    curriculum: float
    fixed: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Arm:
    """A cell under a sharing on a language: what is trained, and tuned by itself."""

    language: str
    cell: str
    sharing: str  # tied, untied (a draw a step), untied_same (one draw for all)
    lengths: str = "all"  # or 'fixed': strings of N symbols only


def arms(plan):
    """Returns all arms, an untied one in both starts."""
    kinds = ("tied", "untied", "untied_same")
    return [
        *(Arm(la, c, k) for la in plan.languages for c in plan.cells for k in kinds),
        *(Arm(la, c, "tied") for la in plan.controls for c in plan.cells),
        *(
            Arm(la, c, k, "fixed")
            for la in plan.fixed
            for c in plan.cells
            for k in kinds
        ),
    ]


def run_all(plan, folder):
    """Returns {arm: {reading: accuracies [S, L]}}; NaN at lengths not measured.

    Started again, it goes on.
    """
    rows = JsonLines(folder / "length_generalisation.jsonl")
    return {arm: measure(plan, arm, rows) for arm in arms(plan)}


def measure(plan, arm, rows):
    """Trains an arm's seeds and reads each; returns {reading: accuracies [S, L]}."""
    key = {**dataclasses.asdict(arm), **_columns(plan), "num_steps": steps(plan, arm)}
    known = {_id(row): row for row in rows.rows}
    readings = readings_of(plan, arm)
    wanted = {
        (name, seed): json_line({**key, "reading": name, "seed": seed})
        for name in readings
        for seed in range(plan.num_seeds)
    }
    if any(line not in known for line in wanted.values()):
        print(f"{arm.language}, {arm.cell}, {arm.sharing}, {arm.lengths} lengths",
              file=sys.stderr, flush=True)  # fmt: skip
        setting = tuned(plan, arm)
        fitted = _fit(setting, range(plan.num_seeds))
        for seed in range(plan.num_seeds):
            for name, (sharing, adapt) in readings.items():
                row = {**key, "reading": name, "seed": seed}
                if json_line(row) in known:
                    continue
                params = adapt(setting, fitted.params[seed], seed)
                curve = accuracy_by_length(
                    dataclasses.replace(setting, sharing=sharing),
                    params,
                    longest(plan, arm, name),
                    plan.examples,
                )
                rows.append(
                    {
                        **row,
                        "rate": setting.learning_rate,
                        "steps_trained": fitted.metrics[seed]["steps_trained"],
                        "test_accuracy": fitted.metrics[seed]["test_accuracy"],
                        "accuracy_by_length": curve.round(5).tolist(),
                    }
                )
        known = {_id(row): row for row in rows.rows}
    curves = {
        name: np.full((plan.num_seeds, plan.eval_max_length), np.nan)
        for name in readings
    }
    for (name, seed), line in wanted.items():
        found = known[line]["accuracy_by_length"]
        curves[name][seed, : len(found)] = found
    return curves


def task_of(plan, arm):
    """Returns the arm's task."""
    longest = plan.train_max_length
    return LANGUAGES[arm.language](
        longest,
        min_length=longest if arm.lengths == "fixed" else 1,
        curriculum=0.0 if arm.lengths == "fixed" else plan.curriculum,
    )


def steps(plan, arm):
    """Returns the optimiser steps of an arm."""
    return plan.more_steps.get(arm.language, plan.num_steps)


def setting_of(plan, arm):
    """Returns the study setting of an arm, at the first rate."""
    task, trained = task_of(plan, arm), steps(plan, arm)
    return Setting(
        _Same(task),
        plan.cells[arm.cell],
        _sharing(arm, task.num_steps),
        plan.hidden_features,
        plan.rates[0],
        Recipe(
            num_steps=trained,
            batch_size=plan.batch_size,
            validate_every=max(1, trained // 20),
            patience=None,
            stop_loss=1e-3,
        ),
    )


def _sharing(arm, num_steps, **options):
    if arm.sharing == "tied":
        return Tied()
    return Untied(num_steps, same_init=arm.sharing == "untied_same", **options)


@dataclasses.dataclass(frozen=True)
class _Same:
    """`make_task` of a task that has no splits to resample."""

    task: object

    def __call__(self, split):
        return self.task


def tuned(plan, arm):
    """Returns the arm's setting at the rate of the least mean validation loss."""
    setting = setting_of(plan, arm)
    seeds = range(TUNING_SEED, TUNING_SEED + plan.num_tuning)
    if len(plan.rates) == 1:
        return setting
    rates = [rate for rate in plan.rates for _ in seeds]
    fitted = _fit(setting, [*seeds] * len(plan.rates), rates)
    # A run that was stopped at its goal is ranked by how soon it was there.
    scores = [
        (not m["validation_loss"] < setting.recipe.stop_loss, m["steps_trained"],
         np.nan_to_num(m["validation_loss"], nan=np.inf)) for m in fitted.metrics
    ]  # fmt: skip
    totals = np.sum(np.reshape(scores, (len(plan.rates), len(seeds), 3)), axis=1)
    best = min(range(len(plan.rates)), key=lambda i: tuple(totals[i]))
    return dataclasses.replace(setting, learning_rate=plan.rates[best])


def _fit(setting, seeds, rates=None):
    rates = [setting.learning_rate] * len(seeds) if rates is None else rates
    task = setting.make_task(0)
    triples = [(task, seed, rate) for seed, rate in zip(seeds, rates, strict=True)]
    return fit(setting.make_model(), setting.recipe, triples, **studies.layout())


def readings_of(plan, arm):
    """Returns {name: (the sharing that is read, what makes its parameters)}."""
    if arm.sharing == "tied":
        return {"tied": (Tied(), lambda setting, params, seed: params)}
    longer = dataclasses.replace(
        task_of(plan, arm), min_length=1, max_length=longest(plan, arm, "literal")
    ).num_steps
    literal = _sharing(arm, longer)
    found: dict[str, Any] = {"literal": (literal, functools.partial(_literal, literal))}
    for policy in POLICIES:
        sharing = _sharing(arm, task_of(plan, arm).num_steps, beyond=policy)
        found[policy] = (sharing, lambda setting, params, seed: params)
    return found


@functools.lru_cache(maxsize=8)
def _initial(loop):
    """Returns the jitted draw of a model's layers; one program for all seeds."""
    return jax.jit(lambda replica: loop.init(replica).params["layers"])


def longest(plan, arm, reading):
    """Returns the longest string that a reading of an arm is measured on."""
    if reading != "stretch" and isinstance(task_of(plan, arm), Regular):
        return plan.eval_max_length
    return min(plan.each_max_length, plan.eval_max_length)


def _literal(sharing, setting, params, seed):
    """Returns the trained weights, and initial ones for the steps after them."""
    longer = dataclasses.replace(setting, sharing=sharing)
    replica = Replica(
        setting.make_task(0), np.array(seed, np.uint32), np.array(1, np.float32)
    )
    initial = _initial(Loop(longer.make_model(), setting.recipe))(replica)
    layers = jax.tree.map(
        lambda new, old: np.concatenate([new, old[len(new) :]]),
        params["layers"],
        initial,
    )
    return {**params, "layers": layers}


def _columns(plan):
    """Returns what else names a row."""
    left_out = ("languages", "controls", "cells", "fixed", "num_seeds", "more_steps")
    return {k: v for k, v in dataclasses.asdict(plan).items() if k not in left_out}


def _id(row):
    left_out = ("rate", "steps_trained", "test_accuracy", "accuracy_by_length")
    return json_line({k: v for k, v in row.items() if k not in left_out})


ALL_CELLS = {"Elman": ElmanCell, "GRU": GRUCell, "LSTM": LSTMCell}
_FEW = {name: ALL_CELLS[name] for name in ("Elman", "LSTM")}
_REGULAR = ("even_pairs", "parity", "cycle_navigation")
_CONTROLS = ("reverse_string", "duplicate_string", "odds_first", "stack_manipulation")
PLANS = {
    "smoke": Plan(
        languages=("even_pairs",),
        controls=("reverse_string",),
        cells={"Elman": ElmanCell},
        train_max_length=4,
        eval_max_length=8,
        each_max_length=8,
        hidden_features=4,
        num_steps=20,
        more_steps={"reverse_string": 10},
        batch_size=8,
        rates=(1e-2, 3e-2),
        num_tuning=1,
        num_seeds=2,
        examples=4,
        curriculum=0.5,
        fixed=("even_pairs",),
    ),
    "quick": Plan(
        languages=_REGULAR,
        controls=_CONTROLS[:2],
        cells=_FEW,
        train_max_length=20,
        eval_max_length=60,
        each_max_length=40,
        hidden_features=32,
        num_steps=1_500,
        more_steps=dict.fromkeys(_CONTROLS, 600),
        batch_size=64,
        rates=(3e-3,),
        num_tuning=1,
        num_seeds=5,
        examples=64,
        curriculum=0.5,
        fixed=("even_pairs",),
    ),
    "full": Plan(
        languages=_REGULAR,
        controls=_CONTROLS,
        cells=ALL_CELLS,
        train_max_length=40,
        eval_max_length=500,
        each_max_length=100,
        hidden_features=32,
        num_steps=4_000,
        more_steps={"cycle_navigation": 12_000, **dict.fromkeys(_CONTROLS, 2_000)},
        batch_size=64,
        rates=(3e-3, 6e-3),
        num_tuning=1,
        num_seeds=10,
        examples=64,
        curriculum=0.8,
        fixed=_REGULAR[:1],
    ),
}

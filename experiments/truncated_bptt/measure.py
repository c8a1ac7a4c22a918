"""What truncated windows cost, what is learnt beyond them, and where they mislead."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

from experiments.lab.choices import standard_cells
from experiments.lab.frames import train
from experiments.lab.machine import layout
from experiments.lab.racing import Contender, compiled, race
from experiments.lab.recipes import to_the_end
from experiments.lab.trials import Lab, grid
from experiments.truncated_bptt.influence import Influence, measure_influence
from experiments.truncated_bptt.plan import Plan
from rnnshare import Cyclic, LSTMCell, Sharing, Tied
from rnnshare.tasks import LagRecall, folk_tune_streams
from rnnshare.training import Call, Loop, Replica, Setting, Truncation
from rnnshare.training.rows import Row

NUM_SYMBOLS = 4
CHANCE = 1 / NUM_SYMBOLS
FOLD = 4  # the longest lag, in windows
PART = 4  # the shorter window of B8 is T over this


class Measured(NamedTuple):
    """What the claims are judged by.

    Attributes:
      costs: a row a training of B8: k, seed, learning_rate, test_loss, and bits, the
        test loss in bits a character, of a uniform guess where it diverged.
      equal_updates: the same of a quarter of T, trained on a quarter of the text.
      raced: {k: (bytes that an update needs beside its arguments, by XLA's analysis;
        microseconds a character [rounds])}.
      lags: a row a training of B9: cell, training, seed, test_loss, and a column a part
        of the lags, those below k, 2 k, 3 k, and to 4 k: its accuracy, chance where it
        diverged.
      parts: these columns.
      influence: the derivatives of B9b.
    """

    costs: pd.DataFrame
    equal_updates: pd.DataFrame
    raced: dict[int, tuple[int, np.ndarray]]
    lags: pd.DataFrame
    parts: list[str]
    influence: Influence


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to train on lags.

    Attributes:
      told: the way, in words.
      sharing: of the weights.
      carry: what a window begins with; None: full back-propagation.
      beyond_only: train on lags > k alone.
      frozen: what is not trained: parameters whose path has this word.
    """

    told: str
    sharing: Sharing = Tied()
    carry: str | None = "hand_on"
    beyond_only: bool = False
    frozen: str | None = None


MAIN, FROZEN = "Tied, carry handed on", "Tied, recurrent weights frozen"


def arms_of(plan: Plan) -> dict[str, Arm]:
    """Returns {name: arm}."""
    own = "with weights of their own at each phase"
    full = "on these with gradients that are not truncated"
    return {
        MAIN: Arm("with the carry handed on"),
        "Tied, carry reset": Arm("with it reset", carry="reset"),
        FROZEN: Arm("with the recurrent weights frozen", frozen="recurrent"),
        "Tied, all but the read-out frozen": Arm(
            "with all but the read-out frozen", frozen="layers"
        ),
        "Tied, trained on lags > k only": Arm(
            "trained on lags > k alone", beyond_only=True
        ),
        "Tied, lags > k only, gradients not truncated": Arm(
            full, carry=None, beyond_only=True
        ),
        "Cyclic, weights of their own at each phase of the window": Arm(
            own, Cyclic(plan.lag_window, same_init=True)
        ),
    }


def measure(plan: Plan, lab: Lab) -> Measured:
    """Trains, races and differentiates what is not yet kept."""
    lags, parts = measure_lags(plan, lab)
    costs, raced = measure_costs(plan, lab)
    equal_updates, costs = (
        costs[costs["updates"] == which] for which in ("equal", "all")
    )
    return Measured(costs, equal_updates, raced, lags, parts, measure_influence(lab))


def tuned(
    plan: Plan,
    lab: Lab,
    rates: tuple[float, ...],
    names: tuple[str, ...],
    settings: Mapping[tuple, Setting],
) -> pd.DataFrame:
    """Returns the runs of settings at their best rates, with columns of their names."""
    budget = plan.num_tuning * len(rates)
    chosen = {
        labels: lab.tune(grid(setting, rates), budget)
        for labels, setting in settings.items()
    }
    return train(lab, chosen, names, plan.num_seeds)


def measure_lags(plan: Plan, lab: Lab) -> tuple[pd.DataFrame, list[str]]:
    """Trains every cell in every way."""
    settings = {
        (name, label): lag_setting(plan, cell, arm)
        for name, cell in standard_cells(*plan.cells).items()
        for label, arm in arms_of(plan).items()
    }
    runs = tuned(plan, lab, plan.rates, ("cell", "training"), settings)
    task: Any = next(iter(settings.values())).make_task(0)
    parts = []
    for part, (low, high) in task.parts.items():
        parts.append(f"{low}-{high}")
        runs[parts[-1]] = runs[f"test_{part}"].astype(float).fillna(CHANCE)
    return runs, parts


def lag_setting(plan: Plan, cell: Callable[..., Any], arm: Arm) -> Setting:
    """Returns an arm's setting, at any rate."""
    recipe = to_the_end(
        plan.lag_batches,
        10,
        optimizer=Call(_adam_without, word=arm.frozen) if arm.frozen else optax.adam,
        truncation=Truncation(plan.lag_window, arm.carry) if arm.carry else None,
    )
    make_task = Call(
        lag_recall,
        window=plan.lag_window,
        num_windows=plan.num_windows,
        beyond_only=arm.beyond_only,
    )
    return Setting(make_task, cell, arm.sharing, plan.lag_features, recipe=recipe)


def lag_recall(split: int, *, window: int, num_windows: int, beyond_only: bool) -> Any:
    """Returns recall after lags up to `FOLD` windows, the same at every split."""
    del split
    return LagRecall(
        window * num_windows,
        FOLD * window,
        window + 1 if beyond_only else 1,
        num_symbols=NUM_SYMBOLS,
        bounds=(1, *(n * window for n in range(1, FOLD + 1))),
    )


def _adam_without(rate: float, word: str) -> optax.GradientTransformation:
    """Returns Adam that leaves alone what has a word in its path."""

    def label(path, _):
        return "rest" if f"'{word}'" in jax.tree_util.keystr(path) else "train"

    def labels(params):
        return jax.tree_util.tree_map_with_path(label, params)

    rest = optax.set_to_zero()
    return optax.partition({"train": optax.adam(rate), "rest": rest}, labels)


# In keys, wherever it stands.
_adam_without.__public_name__ = "experiments.adam_without"  # type: ignore[attr-defined]


def measure_costs(plan: Plan, lab: Lab) -> tuple[pd.DataFrame, dict]:
    """Trains through every window, and races their updates.

    The runs have a column `updates`: 'all' that their text allows; or 'equal', as many
    as the whole sequence takes.
    """
    settings = {(k, "all"): cost_setting(plan, k) for k in plan.windows}
    settings[plan.windows[-1] // PART, "equal"] = cost_setting(
        plan, plan.windows[-1] // PART, max(1, plan.num_batches // PART)
    )
    runs = tuned(plan, lab, plan.cost_rates, ("k", "updates"), settings)
    uniform = streams(plan)(0).baselines["uniform"]["loss"]
    runs["bits"] = runs["test_loss"].astype(float).fillna(uniform) / math.log(2)
    row = take_times(plan, lab)
    characters = plan.batch_size * np.array(plan.windows)[:, None]
    microseconds = 1e6 * np.array(row["seconds"]) / characters
    pairs = zip(row["memory"], microseconds, strict=True)
    return runs, dict(zip(plan.windows, pairs, strict=True))


def cost_setting(plan: Plan, window: int, num_batches: int | None = None) -> Setting:
    """Returns a window's setting, at any rate; of the plan's batches by default."""
    num_batches = num_batches or plan.num_batches
    # A quarter of the text need not be whole tenths.
    times = next(n for n in (10, 2, 1) if num_batches % max(1, num_batches // n) == 0)
    recipe = to_the_end(
        num_batches,
        times,
        batch_size=plan.batch_size,
        truncation=Truncation(window),
    )
    task, width = streams(plan), plan.hidden_features
    return Setting(task, LSTMCell, Tied(), width, recipe=recipe)


def streams(plan: Plan) -> Call:
    """Returns what makes the streams of tunes."""
    return Call(folk_tune_streams, num_steps=plan.windows[-1])


def take_times(plan: Plan, lab: Lab) -> Row:
    """Races the windows' updates, if that is not yet kept."""
    sizes = ("windows", "hidden_features", "batch_size", "rounds")
    key = {"race": "updates", **{name: getattr(plan, name) for name in sizes}}
    return lab.kept(key, lambda: race_updates(plan))


def race_updates(plan: Plan) -> Row:
    """Returns the memory [windows] and the seconds [windows, rounds] of an update."""
    updates = {f"{k}": update_of(plan, k) for k in plan.windows}
    return {
        "memory": [update.temporary_bytes for update in updates.values()],
        "seconds": list(race(updates, plan.rounds).values()),
    }


def update_of(plan: Plan, window: int) -> Contender:
    """Returns one update of a window, compiled as in training."""
    setting = cost_setting(plan, window)
    loop = Loop(setting.make_model(), setting.recipe)
    replica = Replica(
        setting.make_task(0), jnp.uint32(0), jnp.float32(plan.cost_rates[0])
    )
    state = jax.jit(loop.init)(replica)
    batch = replica.task.sample(jax.random.key(0), plan.batch_size)
    first = jax.tree.map(lambda leaf: leaf[0], Truncation(window).cut(batch))
    carry = loop.initial_carry(state.params, first.batch)

    def update(learnt, window, carry):
        return loop.update(
            replica,
            learnt,
            window.batch,
            jax.random.key(0),
            initial_carry=carry,
            return_carry=True,
            start=window.start,
            num_steps=plan.windows[-1],
        )

    learnt, options = (state.params, state.optimizer_state), layout()
    return compiled(
        update, learnt, first, carry, options=options.get("compiler_options")
    )

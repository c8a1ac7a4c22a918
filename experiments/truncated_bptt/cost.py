"""The study behind B8: what truncated back-propagation costs, and what it saves."""

import dataclasses
import math
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.claims import CLAIMS
from experiments.lab import racing
from experiments.lab.finding import Finding
from experiments.lab.trials import column, layout, replicates, run, tune
from experiments.truncated_bptt import figure as truncation_figures
from rnnshare import LSTMCell, Tied
from rnnshare.analysis.statistics import bootstrap_interval, line_fit, log_log_slope
from rnnshare.plotting import panels as figures
from rnnshare.tasks import folk_tune_streams
from rnnshare.training.fitting import Recipe
from rnnshare.training.loop import Loop, Replica
from rnnshare.training.rows import JsonLines
from rnnshare.training.study import Setting
from rnnshare.training.truncation import Truncation

TUNING_SEED = 1_000
TOLERANCE = 0.05  # bits a character, see the rule


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      num_seeds: paired seeds, each with other tunes to train on.
      num_tuning: tuning seeds of each rate.
      rates: learning rates to choose from.
      num_steps: T, characters a sequence.
      windows: the k, T the last and T / 4 among them.
      hidden_features: H.
      batch_size: sequences a batch.
      num_batches: of training; T characters of each sequence.
      rounds: of the race between the windows' updates.
    """

    num_seeds: int
    num_tuning: int
    rates: tuple[float, ...]
    num_steps: int
    windows: tuple[int, ...]
    hidden_features: int
    batch_size: int
    num_batches: int
    rounds: int


_RATES = (3e-3, 1e-2)
PLANS = {
    "smoke": Plan(2, 1, (1e-2,), 16, (2, 4, 16), 4, 2, 2, 2),
    "quick": Plan(5, 1, _RATES, 128, (1, 8, 32, 128), 64, 16, 250, 7),
    "full": Plan(10, 2, (1e-3, *_RATES), 256, (1, 4, 16, 64, 256), 128, 32, 400, 15),
}


@dataclasses.dataclass(frozen=True)
class MakeStreams:
    """`make_task` of streams of tunes."""

    num_steps: int

    def __call__(self, split):  # noqa: D102
        return folk_tune_streams(split, num_steps=self.num_steps)


class Cost(NamedTuple):
    """What a window costs and reaches.

    Attributes:
      bits: test loss, bits a character, float64[S].
      rate: learning rate that was chosen.
      memory: bytes that an update needs beside its arguments, by XLA's analysis.
      microseconds: time a character, [rounds].
    """

    bits: np.ndarray
    rate: float
    memory: int
    microseconds: np.ndarray


def setting_of(plan, window, rate):
    """Returns a window's setting."""
    recipe = Recipe(
        num_steps=plan.num_batches,
        batch_size=plan.batch_size,
        validate_every=max(1, plan.num_batches // 10),
        patience=None,
        truncation=Truncation(window),
    )
    task = MakeStreams(plan.num_steps)
    return Setting(task, LSTMCell, Tied(), plan.hidden_features, rate, recipe)


def measure(plan, folder):
    """Trains and races; returns {k: its `Cost`}."""
    rows = JsonLines(folder / "truncation_cost.jsonl")
    bits, rates = {}, {}
    for window in plan.windows:
        candidates = [setting_of(plan, window, rate) for rate in plan.rates]
        best = tune(candidates, replicates(plan.num_tuning, TUNING_SEED), rows)
        found = run([best], replicates(plan.num_seeds), rows)
        # A run that diverged counts as one that guesses all characters alike.
        worst = best.make_task(0).lines["uniform"]["loss"]
        bits[window] = column(found, missing=worst) / math.log(2)
        rates[window] = best.learning_rate
    updates = {window: update_of(plan, window) for window in plan.windows}
    raced = racing.race({k: contender for k, (contender, _) in updates.items()},
                        plan.rounds)  # fmt: skip
    return {
        window: Cost(
            bits[window],
            rates[window],
            updates[window][1],
            1e6 * np.array(raced[window]) / (plan.batch_size * window),
        )
        for window in plan.windows
    }


def update_of(plan, window):
    """Returns one update of a window as (contender, bytes), compiled as in training."""
    setting = setting_of(plan, window, plan.rates[0])
    loop = Loop(setting.make_model(), setting.recipe)
    replica = Replica(setting.make_task(0), jnp.uint32(0), jnp.float32(plan.rates[0]))
    state = jax.jit(loop.init)(replica)
    batch = replica.task.sample(jax.random.key(0), plan.batch_size)
    first = jax.tree.map(lambda leaf: leaf[0], setting.recipe.truncation.cut(batch))
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
            num_steps=plan.num_steps,
        )

    learnt = state.params, state.optimizer_state
    options = layout().get("compiler_options")
    lowered = jax.jit(update).lower(learnt, first, carry)
    program = lowered.compile(compiler_options=options)
    contender = racing.Contender(
        lambda: jax.block_until_ready(program(learnt, first, carry))
    )
    analysis = program.memory_analysis()
    assert analysis is not None  # CPUs, GPUs and TPUs have one
    return contender, analysis.temp_size_in_bytes


def judge(costs):
    """Returns the verdict of B8, the line of memory in k, and the loss's difference.

    Args:
      costs: {k: `Cost`}, T the last.
    """
    windows = list(costs)
    whole = windows[-1]
    line = line_fit(windows, [cost.memory for cost in costs.values()])
    apart = bootstrap_interval(costs[whole // 4].bits - costs[whole].bits)
    times = costs[whole].memory / costs[whole // 4].memory
    in_proportion = line.r_squared >= 0.99 and times >= 3
    if in_proportion and apart.high <= TOLERANCE:
        return "supported", line, apart
    if not in_proportion or apart.low > TOLERANCE:
        return "refuted", line, apart
    return "inconclusive", line, apart


def cost_finding(preset, folder, rule):
    """Returns the finding of B8; draws its figure."""
    plan, began = PLANS[preset], time.perf_counter()
    costs = measure(plan, folder)
    verdict, line, apart = judge(costs)
    path = "figures/B8.png"
    lines = folk_tune_streams(0, num_steps=plan.num_steps).lines
    figure = truncation_figures.draw_costs(
        {k: (c.memory / 2**20, c.microseconds, c.bits) for k, c in costs.items()},
        lines["chance"]["bits_per_character"],
    )
    figures.save(figure, folder / path)
    whole = plan.num_steps
    best = min(costs, key=lambda k: costs[k].bits.mean())
    longest = list(costs)[-3:]
    slope = log_log_slope(longest, [costs[k].memory for k in longest])
    return Finding(
        id="B8",
        claim=CLAIMS["B8"],
        verdict=verdict,
        effect=apart.estimate,
        effect_label=f"test loss with k = {whole // 4} less k = {whole} (bits a "
        "character)",
        interval=(apart.low, apart.high),
        num_seeds=plan.num_seeds,
        rule=rule,
        command=f"python -m experiments.truncated_bptt --preset={preset}",
        figure=path,
        seconds=time.perf_counter() - began,
        meaning=(
            f"An update through {whole} steps needs "
            f"{costs[whole].memory / costs[whole // 4].memory:.1f} times the memory of "
            f"one through {whole // 4} ({line.slope.estimate / 1024:.0f} KiB a step, "
            f"R2 = {line.r_squared:.4f}). At an equal number of characters the lowest "
            f"test loss is that of k = {best}, {costs[best].bits.mean():.3f} bits a "
            f"character against {costs[whole].bits.mean():.3f} of the whole sequence."
        ),
        details=(
            f"Tied LSTM, H = {plan.hidden_features}, batches of {plan.batch_size} "
            f"sequences of {whole} characters, {plan.num_batches} batches, the carry "
            "handed on. Shorter windows take more optimiser steps for the same "
            "characters, which is part of what people gain by them. Memory is XLA's "
            "count for one update beside its arguments; its log-log slope against k, "
            f"from k = {longest[0]} on, is {slope.estimate:.2f}. Times are medians of "
            f"{plan.rounds} interleaved rounds."
        ),
        table=_table(plan, costs),
    )


def _table(plan, costs):
    table = [("window k (steps)", "optimiser steps", "rate", "memory (MiB)",
              "time a character (us)", "test loss (bits a character)")]  # fmt: skip
    for window, cost in costs.items():
        mean, low, high = bootstrap_interval(cost.bits)
        steps = plan.num_batches * plan.num_steps // window
        table.append((f"{window}", f"{steps:,}", f"{cost.rate:g}",
                      f"{cost.memory / 2**20:.2f}",
                      f"{np.median(cost.microseconds):.2f}",
                      f"{mean:.3f} [{low:.3f}, {high:.3f}]"))  # fmt: skip
    return tuple(table)

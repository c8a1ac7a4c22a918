"""The studies behind `spectrum.py`: every sharing over the drift, and soft tying."""

import dataclasses
import functools
import time
from collections.abc import Callable

import numpy as np
import optax

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from experiments.lab.trials import column, replicates, run, tune
from rnnshare import (
    Basis,
    Cyclic,
    Drift,
    GRUCell,
    Hypernetwork,
    LowRank,
    Mixture,
    Partition,
    Scaled,
    Segments,
    Sharing,
    Tied,
    TimeInput,
    Untied,
    match_width,
    soft_tying,
    tasks,
)
from rnnshare.analysis.statistics import bootstrap_interval, rank_correlation
from rnnshare.models.sizing import count_flops, count_parameters
from rnnshare.plotting import panels as figures
from rnnshare.plotting import weights as weight_figures
from rnnshare.training.fitting import Recipe
from rnnshare.training.rows import JsonLines
from rnnshare.training.study import Setting

PERIOD = 5  # of the tasks' periodic path, and so of the periodic sharings


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      num_seeds: paired seeds, each with weights and data of its own.
      num_steps: optimiser steps.
      hidden_features: H of the tied model.
      rates: the learning rates to choose from.
      tuning: trainings that an arm's rate and start are tuned by.
      starts: of stacks of weights, `same_init`, to choose from.
      drifts: the dial of the spectrum.
      matchings: 'width', 'parameters', 'flops'.
      strengths: of soft tying, between untied and tied.
      soft: the drifts and training-set sizes of Ac2c.
      amounts: {path: drift} of B3.
      arms: of the spectrum on the drift task.
      italy_arms: of the spectrum on ItalyPowerDemand.
    """

    num_seeds: int
    num_steps: int
    hidden_features: int
    rates: tuple[float, ...]
    tuning: int
    starts: tuple[bool, ...]
    drifts: tuple[float, ...]
    matchings: tuple[str, ...]
    strengths: tuple[float, ...]
    soft: tuple[tuple[float, ...], tuple[int, ...]]
    amounts: dict
    arms: tuple[str, ...]
    italy_arms: tuple[str, ...]


# One amount for all paths; what each does to the weights, see `tasks.drift`.
_AMOUNTS = {"periodic": 0.2, "linear": 0.2, "random_walk": 0.2}
_ARMS = (
    *("Tied", "Untied", "Segments", "Cyclic", "Mixture", "LowRank", "Scaled"),
    *("Basis", "Drift", "Hypernetwork", "TimeInput", "Partition"),
)
_FEW = ("Tied", "Untied", "Cyclic", "LowRank", "TimeInput")  # where time is short
PLANS = {
    "smoke": Plan(
        2, 4, 4, (1e-2,), 1, (True,), (0.0, 0.2), ("width",), (10.0,),
        ((0.0, 0.2), (50, 1_000)), _AMOUNTS, _FEW, _FEW[:2],
    ),
    "quick": Plan(
        5, 400, 32, (3e-3, 1e-2), 2, (True,), (0.0, 0.05, 0.2), ("width",),
        (1.0, 10.0, 100.0), ((0.0, 0.05, 0.2), (50, 1_000)), _AMOUNTS, _ARMS, _FEW,
    ),
    "full": Plan(
        20, 3_000, 32, (1e-3, 3e-3, 1e-2), 12, (True, False),
        (0.0, 0.02, 0.05, 0.1, 0.2, 0.5), ("width", "parameters", "flops"),
        (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0),
        ((0.0, 0.02, 0.05, 0.1, 0.2, 0.5), (50, 200, 1_000, 5_000)), _AMOUNTS,
        _ARMS, _ARMS,
    ),
}  # fmt: skip
_TUNING_SEED, _TUNING_DRIFT = 1_000, 0.05


def sharings(num_steps, starts, period=PERIOD):
    """Returns {arm: the sharings to choose from}; stacks with their starts."""
    span = float(num_steps - 1)
    stacks: dict[str, Callable[..., Sharing]] = {
        "Untied": functools.partial(Untied, num_steps),
        "Segments": functools.partial(Segments, num_steps, 4),
        "Cyclic": functools.partial(Cyclic, period),
    }
    return {
        "Tied": [Tied()],
        **{n: [make(same_init=s) for s in starts] for n, make in stacks.items()},
        "Mixture": [Mixture(num_steps, 4)],
        "LowRank": [LowRank(num_steps, 2)],
        "Scaled": [Scaled(num_steps)],
        "Basis": [Basis(4, "chebyshev", period=span)],
        "Drift": [Drift(unit=float(num_steps))],
        "Hypernetwork": [Hypernetwork(4, period=2.0 * num_steps)],
        "TimeInput": [TimeInput(4, period=2.0 * num_steps)],
        "Partition": [Partition({"recurrent": Untied(num_steps, same_init=True)})],
    }


def recipe(plan, optimizer=optax.adam):
    """Returns the recipe of the drift task."""
    return Recipe(
        num_steps=plan.num_steps,
        batch_size=32,
        validate_every=max(1, plan.num_steps // 8),
        patience=None,
        optimizer=optimizer,
    )


def base_setting(plan, make_task):
    """Returns the tied GRU on a task."""
    return Setting(
        make_task, GRUCell, Tied(), plan.hidden_features, plan.rates[-1], recipe(plan)
    )


def drift_task(amount, path="random_walk", **options):
    """Returns `make_task` of a drift task, equal for equal arguments."""
    return _MakeDrift(amount, path, tuple(sorted(options.items())))


@dataclasses.dataclass(frozen=True)
class _MakeDrift:
    amount: float
    path: str
    options: tuple

    def __call__(self, split):
        return tasks.drift(
            split, amount=self.amount, path=self.path, **dict(self.options)
        )


def tuned(plan, base, choices, rows):
    """Returns the best of some sharings and rates; every arm has plan.tuning runs."""
    candidates = [
        dataclasses.replace(base, sharing=sharing, learning_rate=rate)
        for sharing in choices
        for rate in plan.rates
    ]
    count = max(1, plan.tuning // len(candidates))
    return tune(candidates, replicates(count, _TUNING_SEED), rows)


def draw_spectrum(preset, folder):
    """Runs every sharing on the drift task and ItalyPowerDemand; draws loss on size."""
    plan = PLANS[preset]
    rows = JsonLines(folder / "spectrum.jsonl")
    curves: dict[str, list] = {}
    lines = {}
    for matching in plan.matchings:
        note = "" if matching == "width" else f", equal {matching}"
        base = base_setting(plan, drift_task(_TUNING_DRIFT))
        chosen = {
            arm: matched(plan, tuned(plan, base, choices, rows), matching)
            for arm, choices in sharings(30, plan.starts).items()
            if arm in plan.arms
        }
        made = {f"drift {drift:g}{note}": drift_task(drift) for drift in plan.drifts}
        curves |= _points(plan, chosen, made, rows)
        for name, make_task in made.items():
            splits = range(plan.num_seeds)
            oracle = np.mean([float(make_task(i).oracle) for i in splits]).round(6)
            lines[name] = {"time-invariant linear": float(oracle)}
    base = base_setting(plan, tasks.italy_power_demand)
    chosen = {
        arm: tuned(plan, base, choices, rows)
        for arm, choices in sharings(24, plan.starts, period=6).items()
        if arm in plan.italy_arms
    }
    name = "ItalyPowerDemand (nats)"
    curves |= _points(plan, chosen, {name: tasks.italy_power_demand}, rows)
    chance = tasks.italy_power_demand().lines["chance"]["loss"]
    lines[name] = {"chance": chance}
    figure = weight_figures.draw_trade_off(
        curves, ylabel="test loss (of\ntarget variance)", lines=lines
    )
    figures.save(figure, folder / "figures/spectrum.png")
    return curves


def matched(plan, setting, by):
    """Returns the setting at the width of the tied model's size."""
    if by == "width" or setting.sharing == Tied():
        return setting
    cell = functools.partial(GRUCell, 3)
    count = count_parameters if by == "parameters" else count_flops
    target = count(cell, Tied(), plan.hidden_features)
    # Narrow widths come in steps of more than 1 %; the rows say which was taken.
    width = match_width(cell, setting.sharing, target, by, tolerance=0.5)
    return dataclasses.replace(setting, hidden_features=width)


def _points(plan, chosen, made, rows):
    """Returns {name of a task: one point an arm, its parameters and test loss}."""
    points: dict[str, list] = {name: [] for name in made}
    for arm, setting in chosen.items():
        settings = [dataclasses.replace(setting, make_task=m) for m in made.values()]
        found = run(settings, replicates(plan.num_seeds), rows)
        by_task = column(found).reshape(len(made), plan.num_seeds)
        size = found[0]["num_parameters"]
        for name, losses in zip(made, by_task, strict=True):
            interval = bootstrap_interval(losses)
            points[name].append(weight_figures.TradeOffPoint(arm, size, interval))
    return points


def soft_adam(strength, learning_rate):
    """Returns Adam, then the drawing together of a layer's weights over its steps."""

    def layers(params):
        return {name: _all(value, name == "layers") for name, value in params.items()}

    return optax.chain(
        optax.adam(learning_rate),
        optax.masked(soft_tying(learning_rate, strength), layers),
    )


def _all(tree, value):
    import jax

    return jax.tree.map(lambda _: value, tree)


def soft_tying_finding(preset, folder, rule):
    """Runs soft tying over drift and training-set size; returns the finding of Ac2c."""
    plan, began = PLANS[preset], time.perf_counter()
    rows = JsonLines(folder / "soft_tying.jsonl")
    drifts, sizes = plan.soft
    tied = base_setting(plan, None)
    untied = dataclasses.replace(tied, sharing=Untied(30, same_init=True))
    strengths = {0.0: untied}
    for strength in plan.strengths:
        optimizer = functools.partial(soft_adam, strength)
        strengths[strength] = dataclasses.replace(
            untied, recipe=recipe(plan, optimizer)
        )
    strengths[np.inf] = tied
    # [drift, size, strength, seed]
    validation, test = (
        np.empty((len(drifts), len(sizes), len(strengths), plan.num_seeds))
        for _ in range(2)
    )
    made = [drift_task(d, num_examples=size) for d in drifts for size in sizes]
    for k, setting in enumerate(strengths.values()):
        settings = [dataclasses.replace(setting, make_task=m) for m in made]
        found = run(settings, replicates(plan.num_seeds), rows)
        shape = len(drifts), len(sizes), plan.num_seeds
        validation[:, :, k] = column(found, "validation_loss").reshape(shape)
        test[:, :, k] = column(found).reshape(shape)
    best = validation.argmin(2)  # [drift, size, seed]
    top = len(strengths) - 1
    still = np.array([drift == 0 for drift in drifts])
    tied_is_best = np.median(best[still], axis=-1).ravel() == top
    effort = np.outer(drifts, sizes)[~still].ravel()
    correlations = [rank_correlation(effort, best[~still, :, s].ravel())
                    for s in range(plan.num_seeds)]  # fmt: skip
    interval = bootstrap_interval(correlations)
    if tied_is_best.all() and interval.high < 0:
        verdict = "supported"
    elif not tied_is_best.any() or interval.low > 0:
        verdict = "refuted"
    else:
        verdict = "inconclusive"
    path = "figures/Ac2c.png"
    names = [f"{s:g}" for s in strengths]
    places = np.arange(len(strengths))
    curves = {
        f"d = {drift:g}, N = {size}": (places, test[i, j].T)
        for i, drift in enumerate(drifts)
        for j, size in enumerate(sizes)
    }
    figure = weight_figures.draw_curves(
        curves, "strength of tying", "test loss (of the target's variance)"
    )
    figure.axes[0].set_xticks(places, [_name_of(name) for name in names])
    figures.save(figure, folder / path)
    table = [("drift d", "examples N", "best strength (median over seeds)",
              *(f"test loss at {_name_of(name)}" for name in names))]  # fmt: skip
    for i, drift in enumerate(drifts):
        for j, size in enumerate(sizes):
            middle = names[int(np.median(best[i, j]))]
            row = [f"{value:.3f}" for value in test[i, j].mean(-1)]
            table.append((f"{drift:g}", f"{size:,}", _name_of(middle), *row))
    return Finding(
        id="Ac2c",
        claim=CLAIMS["Ac2c"],
        verdict=verdict,
        effect=interval.estimate,
        effect_label="rank correlation of the best strength of tying with d N",
        interval=(interval.low, interval.high),
        num_seeds=plan.num_seeds,
        rule=rule,
        command=f"python -m experiments.spectrum --preset={preset}",
        figure=path,
        seconds=time.perf_counter() - began,
        meaning=(
            f"Without drift, tied is the best on validation at {tied_is_best.sum()} of "
            f"{tied_is_best.size} training-set sizes; the more the rule drifts and the "
            "more data there are, the "
            f"{'less' if interval.estimate < 0 else 'more'} tying is best, by a rank "
            f"correlation of {interval.estimate:.2f}."
        ),
        details=(
            "GRU on the drift task, equal width and one learning rate for all "
            "strengths; a strength is that of the proximal step that follows each "
            "step of Adam. The most that a time-invariant linear model can reach "
            "is drawn in the figure of the spectrum."
        ),
        table=tuple(table),
    )


def _name_of(strength):
    return {"0": "untied", "inf": "tied"}.get(strength, strength)

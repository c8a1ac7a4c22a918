"""The study behind Ac2a: bits of random labels that tied and untied weights hold."""

import dataclasses
import time

import numpy as np

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from experiments.lab.trials import column, replicates, run
from experiments.over_fitting import figure as gap_figures
from experiments.over_fitting.measure import CELLS, FEW_CELLS
from rnnshare import ElmanCell, Tied, Untied
from rnnshare.analysis.statistics import bootstrap_interval, memorised_bits
from rnnshare.plotting import panels as figures
from rnnshare.tasks import RandomLabels
from rnnshare.training.fitting import Recipe
from rnnshare.training.rows import JsonLines
from rnnshare.training.study import Setting

TUNING_SEED = 1_000


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a preset runs.

    Attributes:
      cells: {name: cell class}.
      num_seeds: paired seeds, each with data of its own.
      num_tuning: tuning seeds of each rate.
      rates: learning rates to choose from.
      widths: the H.
      sizes: the N, powers of two.
      num_steps: T.
      num_features: D; 2^(T D) inputs, so that few of N are equal.
      num_updates: optimiser steps.
    """

    cells: dict
    num_seeds: int
    num_tuning: int
    rates: tuple[float, ...]
    widths: tuple[int, ...]
    sizes: tuple[int, ...]
    num_steps: int
    num_features: int
    num_updates: int


_SIZES = tuple(2**e for e in range(6, 12))
_RATES = (1e-2, 3e-2)
PLANS = {
    "smoke": Plan({"Elman": ElmanCell}, 2, 1, (1e-2,), (4,), (8, 16), 3, 4, 16),
    "quick": Plan(FEW_CELLS, 5, 1, _RATES, (4,), _SIZES, 8, 4, 1_500),
    "full": Plan(CELLS, 10, 1, _RATES, (4,), (*_SIZES, 4_096), 8, 4, 3_000),
}


@dataclasses.dataclass(frozen=True)
class MakeLabels:
    """`make_task` of random labels."""

    num_examples: int
    num_held_out: int
    num_steps: int
    num_features: int

    def __call__(self, split):  # noqa: D102
        return RandomLabels(
            self.num_examples,
            split,
            num_held_out=self.num_held_out,
            num_steps=self.num_steps,
            num_features=self.num_features,
        )


def settings_of(plan, cell, sharing, width, rate):
    """Returns a model's settings, one an N."""
    how = Recipe(
        num_steps=plan.num_updates,
        batch_size=64,
        validate_every=plan.num_updates,  # there is nothing to validate
        patience=None,
        keep="last",
    )
    return [
        Setting(
            MakeLabels(n, max(plan.sizes), plan.num_steps, plan.num_features),
            cell, sharing, width, rate, how,
        )
        for n in plan.sizes
    ]  # fmt: skip


def bits_of(plan, cell, sharing, width, rows):
    """Returns bits float64[S, N] of a model at its best rate, and its parameters."""

    def bits(rates, who):
        settings = [s for rate in rates
                    for s in settings_of(plan, cell, sharing, width, rate)]  # fmt: skip
        found = run(settings, who, rows)
        # What diverged holds nothing.
        right = column(found, "train_accuracy", missing=0.5)
        right = right.reshape(len(rates), len(plan.sizes), len(who))
        known = memorised_bits(right, np.array(plan.sizes)[:, None])
        return np.moveaxis(known, -1, 1), found[0]["num_parameters"]  # [rate, S, N]

    tuning, _ = bits(plan.rates, replicates(plan.num_tuning, TUNING_SEED))
    rate = plan.rates[int(tuning.max(-1).mean(-1).argmax())]
    (found,), size = bits((rate,), replicates(plan.num_seeds))
    return found, size


def judge_capacity(bits, largest):
    """Returns the verdict of Ac2a, and {case: the interval of untied less tied}.

    Args:
      bits: {case: {arm: [S, N]}}.
      largest: the largest N.
    """
    found, decided = {}, {}
    for case, arms in bits.items():
        most = {arm: values.max(1) for arm, values in arms.items()}
        found[case] = bootstrap_interval(most["Untied"] - most["Tied"])
        decided[case] = most["Tied"].mean() < largest
    more = [decided[case] and i.low > 0 for case, i in found.items()]
    not_more = [decided[case] and i.high <= 0 for case, i in found.items()]
    if all(more):
        return "supported", found
    if 2 * sum(not_more) > len(not_more):
        return "refuted", found
    return "inconclusive", found


def capacity_finding(preset, folder, rule):
    """Trains on random labels; returns the finding of Ac2a, and draws its figure."""
    plan, began = PLANS[preset], time.perf_counter()
    rows = JsonLines(folder / "capacity.jsonl")
    bits: dict[str, dict] = {}
    sizes: dict[str, dict] = {}
    panels: dict[str, dict] = {}
    for name, cell in plan.cells.items():
        panels[name] = {}
        for width in plan.widths:
            case = f"{name}, H = {width}"
            bits[case], sizes[case] = {}, {}
            for arm, sharing in (
                ("Tied", Tied()),
                ("Untied", Untied(plan.num_steps, same_init=True)),
            ):
                found, size = bits_of(plan, cell, sharing, width, rows)
                bits[case][arm], sizes[case][arm] = found, size
                panels[name][f"{arm}, H = {width}"] = plan.sizes, found
    verdict, apart = judge_capacity(bits, max(plan.sizes))
    differences = [
        arms["Untied"].max(1) - arms["Tied"].max(1) for arms in bits.values()
    ]
    mean = bootstrap_interval(np.mean(differences, axis=0))
    path = "figures/Ac2a.png"
    title = "Refuted if untied holds no more bits than tied of the same width"
    figures.save(gap_figures.draw_memorised(panels, title), folder / path)
    return Finding(
        id="Ac2a",
        claim=CLAIMS["Ac2a"],
        verdict=verdict,
        effect=mean.estimate,
        effect_label="untied less tied bits memorised, equal width",
        interval=(mean.low, mean.high),
        num_seeds=plan.num_seeds,
        rule=rule,
        command=f"python -m experiments.over_fitting --preset={preset}",
        figure=path,
        seconds=time.perf_counter() - began,
        meaning=_meaning(bits, sizes, apart),
        details=(
            f"T = {plan.num_steps}, D = {plan.num_features}, {plan.num_updates:,} "
            f"steps of Adam at batch 64, the rate chosen from {len(plan.rates)} by the "
            "bits of tuning seeds; untied weights start as copies of one draw. A "
            "capacity is the most bits over N, and what training found: a lower bound. "
            "'At least': it was largest at the largest N, and might have grown further."
        ),
        table=_table(bits, sizes, apart),
    )


def _at_the_top(values):
    """Returns whether the bits are still the most at the largest N."""
    means = values.mean(0)
    return bool(means.argmax() == len(means) - 1)


def _told(values):
    most = values.max(1).mean()
    return f"{'at least ' if _at_the_top(values) else ''}{most:,.0f}"


def _meaning(bits, sizes, apart):
    """Returns what was measured, and the way on where it does not decide."""
    more = sum(interval.low > 0 for interval in apart.values())
    per = {arm: [v[arm].max(1).mean() / sizes[case][arm] for case, v in bits.items()]
           for arm in ("Tied", "Untied")}  # fmt: skip
    told = "; ".join(
        f"{case}: {_told(arms['Untied'])} bits untied, {_told(arms['Tied'])} tied"
        for case, arms in bits.items()
    )
    return (
        f"At equal width untied weights hold more random labels in {more} of "
        f"{len(apart)} cases ({told}). A parameter holds "
        f"{min(per['Tied']):.2f} to {max(per['Tied']):.2f} bits tied and "
        f"{min(per['Untied']):.2f} to {max(per['Untied']):.2f} untied."
    )


def _table(bits, sizes, apart):
    """Returns the capacities, in all and a parameter."""
    table = [("cell and width", "weights", "parameters", "bits", "bits a parameter",
              "untied less tied (bits)")]  # fmt: skip
    for case, arms in bits.items():
        _, low, high = apart[case]
        for arm, values in arms.items():
            each = values.max(1).mean() / sizes[case][arm]
            gap = f"{apart[case].estimate:,.0f} [{low:,.0f}, {high:,.0f}]"
            table.append((case, arm, f"{sizes[case][arm]:,}", _told(values),
                          f"{each:.2f}", gap if arm == "Untied" else ""))  # fmt: skip
    return tuple(table)

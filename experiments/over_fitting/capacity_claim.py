"""What is concluded from the random labels that both memorise (Ac2a)."""

import pandas as pd

from experiments.lab.experiment import Claim, Verdict, decide
from experiments.lab.frames import contrast, say_lost
from experiments.over_fitting import figure
from experiments.over_fitting.plan import Plan
from rnnshare.analysis.statistics import mean_interval


def judge_capacity(plan: Plan, found) -> Verdict:
    """Returns the verdict of Ac2a; its data are the differences and the capacities."""
    runs = found.memorised
    keys = ["case", "arm", "seed"]
    most = runs.groupby(keys, sort=False)["bits"].max().reset_index()
    differences = contrast(most, "bits", by=["case"])
    apart = {case: mean_interval(row) for case, row in differences.iterrows()}
    held = capacities(runs)
    # A tied model that holds all of the largest set leaves no room to hold more.
    open_ = held["bits"].xs("Tied", level="arm") < max(plan.capacity.sizes)
    more = [open_[case] and i.low > 0 for case, i in apart.items()]
    not_more = [open_[case] and i.high <= 0 for case, i in apart.items()]
    sizes = plan.capacity
    details = (
        f"T = {sizes.num_steps}, D = {sizes.num_features}, {sizes.num_updates:,} "
        f"steps of Adam at batch 64, the rate chosen from {len(sizes.rates)} by the "
        "bits of tuning seeds; untied weights start as copies of one initialisation. A "
        "capacity is the most bits over N, and what training found: a lower bound. "
        "'At least': it was largest at the largest N, and might have grown further."
    )
    return Verdict(
        decide(all(more), 2 * sum(not_more) > len(not_more)),
        mean_interval(differences.mean()),
        "untied less tied bits memorised, equal width",
        _summary(held, apart),
        differences.shape[1],
        details + say_lost(runs["diverged"], "holding nothing"),
        data=(apart, held),
    )


def capacities(runs: pd.DataFrame) -> pd.DataFrame:
    """Returns a row a (case, arm): bits, parameters, bits a parameter, how it is told.

    The bits are the means over the seeds of the most over N.
    """
    by_arm = runs.groupby(["case", "arm"], sort=False)
    most = runs.groupby(["case", "arm", "seed"], sort=False)["bits"].max()
    held = pd.DataFrame(
        {
            "bits": most.groupby(["case", "arm"], sort=False).mean(),
            "parameters": by_arm["num_parameters"].first(),
        }
    )
    means = runs.groupby(["case", "arm", "N"], sort=False)["bits"].mean().unstack()
    at_the_top = means.idxmax(axis=1) == means.columns[-1]
    return held.assign(
        each=held["bits"] / held["parameters"],
        told=[
            f"{'at least ' if at_the_top[key] else ''}{bits:,.0f}"
            for key, bits in held["bits"].items()
        ],
    )


def _summary(held: pd.DataFrame, apart: dict) -> str:
    """Returns what was measured."""
    more = sum(interval.low > 0 for interval in apart.values())
    told = "; ".join(
        f"{case}: {held['told'][case, 'Untied']} bits untied, "
        f"{held['told'][case, 'Tied']} tied"
        for case in apart
    )
    least = held["each"].groupby("arm").min()
    largest = held["each"].groupby("arm").max()
    return (
        f"At equal width untied weights hold more random labels in {more} of "
        f"{len(apart)} cases ({told}). A parameter holds "
        f"{least['Tied']:.2f} to {largest['Tied']:.2f} bits tied and "
        f"{least['Untied']:.2f} to {largest['Untied']:.2f} untied."
    )


def capacity_table(plan: Plan, found, verdict: Verdict) -> tuple:
    """Returns the capacities, in all and a parameter."""
    apart, held = verdict.data
    heads = ("parameters", "bits", "bits a parameter", "untied less tied (bits)")
    table = [("cell and width", "weights", *heads)]
    for (case, arm), row in held.iterrows():
        gap = f"{apart[case]:,.0f}" * (arm == "Untied")
        told = (f"{row.parameters:,}", row.told, f"{row.each:.2f}")
        table.append((case, arm, *told, gap))
    return tuple(table)


def draw_capacity(plan: Plan, found, verdict: Verdict):
    """Returns the figure of Ac2a, a panel a cell and width."""
    panels: dict[str, dict] = {}
    for (case, arm), own in found.memorised.groupby(["case", "arm"], sort=False):
        bits = own.pivot(index="seed", columns="N", values="bits")
        panels.setdefault(case, {})[arm] = plan.capacity.sizes, bits.to_numpy()
    title = "Refuted if untied holds no more bits than tied of the same width"
    return figure.draw_memorised(panels, title)


CAPACITY = Claim(
    id="Ac2a",
    rule=(
        "Bits of random labels that are memorised, the largest over the training-set "
        "sizes N, untied less tied at equal width, a cell and width at a time; one "
        "whose tied model memorises all of the largest set decides nothing. Supported "
        "if the 95 % interval is above 0 in every cell and width; refuted if its high "
        "end is at most 0 in most of them; else inconclusive."
    ),
    judge=judge_capacity,
    draw=draw_capacity,
    table=capacity_table,
)

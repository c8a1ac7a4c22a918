"""What low-rank corrections recover over depth (D3); the experiment.

The claim of D1 stands in `cost_claim`, that of D2 in `recurrence_claim`.
"""

from typing import NamedTuple

import numpy as np

from experiments.depth import figure
from experiments.depth.cost_claim import COST, LOST
from experiments.depth.fits import fieller
from experiments.depth.measure import (
    RANK,
    Measured,
    compared,
    load_all,
    measure,
)
from experiments.depth.plan import PILOT, PLANS, Plan
from experiments.depth.recurrence_claim import RECURRENCE
from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import LEVEL, contrast, say_lost
from experiments.lab.power import repeats_needed, say_repeats
from rnnshare.analysis.statistics import Interval, mean_interval

HALF = 0.5  # of the gap


class Share(NamedTuple):
    """Of one model and data: what low rank takes back of tied's loss.

    Attributes:
      gap: log of tied's test loss over untied's, [S].
      part: the same over low rank's, [S].
      wins: +1 where the gap is told from 0 and positive (Holm over the cases).
    """

    gap: np.ndarray
    part: np.ndarray
    wins: int


def shares_of(plan: Plan, found: Measured) -> dict[tuple[str, str], Share]:
    """Returns {(model, data): its share} at the depth that is judged."""
    runs = found.runs[found.runs["depth"] == plan.depth]
    by = ["model", "data"]
    gaps = contrast(runs, "log_loss", by=by, arms=("Tied", "Untied"))
    parts = contrast(runs, "log_loss", by=by, arms=("Tied", "LowRank"))
    return {
        case: Share(gaps.loc[case].to_numpy(), parts.loc[case].to_numpy(), int(wins))
        for case, wins in compared(gaps, found.overlap).wins.items()
    }


def verdict_of_share(share: Interval | None) -> str:
    """Returns the verdict of D3."""
    if share is None:
        return "inconclusive"
    return decide(share.low >= HALF, share.high < HALF)


def judge_share(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of D3; its data are {case: share}."""
    shares = shares_of(plan, found)
    counted = {case: share for case, share in shares.items() if share.wins > 0}
    told = ", ".join(" on ".join(case) for case in counted) or "nowhere"
    pooled = None
    if counted:
        part = np.mean([share.part for share in counted.values()], axis=0)
        gap = np.mean([share.gap for share in counted.values()], axis=0)
        pooled = fieller(part, gap)
    verdict = verdict_of_share(pooled)
    if pooled is None:
        gap = np.mean([share.gap for share in shares.values()], axis=0)
        effect, label = mean_interval(gap), "log of tied's test loss over untied's"
        summary = (
            "There is no gap to recover: over depth, tied is nowhere told from untied "
            "at equal width, or it is better."
        )
    else:
        effect, label = pooled, "share of the gap that low rank recovers"
        summary = (
            f"At equal width tied is worse than untied in {told}. There corrections of "
            f"rank {RANK} recover {pooled.estimate:.0%} of the log loss that tying "
            "costs."
        )
    each = "; ".join(
        f"{' on '.join(case)} {_say_share(share)}" for case, share in shares.items()
    )
    details = (
        "Each model and data set (log of tied's loss over untied's; share recovered, "
        f"by Fieller's interval): {each}. {_size(found, plan)}."
    )
    if verdict == "inconclusive" and counted:
        needed = say_repeats(repeats_needed(part - HALF * gap))
        details += f" To tell this share from {HALF:g} takes {needed} (80 % power)."
    details += say_lost(found.runs["lost"], LOST, "\n\n")
    return Verdict(
        verdict, effect, label, summary, plan.num_seeds, details, data=shares
    )


def _say_share(share: Share) -> str:
    found = fieller(share.part, share.gap)
    return f"{mean_interval(share.gap):+.3f}; " + (
        "no share, as the gap is not told from 0" if found is None else f"{found:.2f}"
    )


def _size(found: Measured, plan: Plan) -> str:
    """Tells the parameters of low rank beside those of the ends."""
    runs = found.runs[found.runs["depth"] == plan.depth]
    sizes = runs.groupby(["model", "data", "arm"], sort=False)["num_parameters"].first()
    rows = [
        f"{model}, {data} " + ", ".join(
            f"{arm} {own[model, data, arm]:,}" for arm in ("Tied", "LowRank", "Untied")
        )
        for (model, data), own in sizes.groupby(level=[0, 1], sort=False)
    ]  # fmt: skip
    return f"Parameters: {'; '.join(rows)}"


def draw_share(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of D3: test loss by sharing, a panel a model and data set."""
    runs = found.runs[found.runs["depth"] == plan.depth]
    return figure.draw_losses(runs, plan.arms)


SHARE = Claim(
    id="D3",
    rule=(
        f"Over depth, at equal width: (log loss of tied less that of LowRank({RANK})) "
        "over (that of tied less that of untied), the means over the model and data "
        "pairs whose gap is above 0 (paired t test that allows for the overlap of "
        f"splits, Holm's correction below {LEVEL:g}), the interval Fieller's over "
        f"paired seeds. Supported if its low end is at least {HALF:g}; refuted if its "
        f"high end is below {HALF:g}; undecided else, and where no gap is told from 0. "
        "Amended before the full preset was judged, because splits that overlap "
        "counted as independent (inconclusive, quick: 0.491 [-0.059, 1.097]; refuted, "
        "full: 0.189 [-0.129, 0.377])." + PILOT
    ),
    judge=judge_share,
    draw=draw_share,
    refuted_if="LowRank lies nearer to Tied than to Untied where these lie apart",
)
EXPERIMENT = Experiment(
    "depth", PLANS, measure, (COST, RECURRENCE, SHARE), check=load_all
)

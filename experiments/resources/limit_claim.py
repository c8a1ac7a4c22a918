"""The longest sequence within a budget of memory, and within one of time (B6)."""

from typing import NamedTuple

import numpy as np

from experiments.lab.experiment import Claim, Verdict, decide
from experiments.resources import figure
from experiments.resources.longest import BRACKET, TRIES
from experiments.resources.measure import Limit, Measured
from experiments.resources.plan import ENDS, PLANS, Plan
from experiments.resources.telling import GIB, gib, setup, span
from rnnshare.analysis.statistics import Interval

LONG = 1_000  # steps of a long sequence
FAR_BELOW, NEAR = 0.1, 0.5  # shares of tied's largest T
LARGE = 64  # units from which a network is large here


class Share(NamedTuple):
    """Untied's largest T as a share of tied's.

    Attributes:
      memory: exact.
      time: with the ends that the brackets of both allow.
      least: untied's largest T within both budgets.
    """

    memory: float
    time: Interval
    least: int

    @property
    def lesser(self) -> Interval:
        """The lesser of both shares."""
        if self.memory < self.time.estimate:
            return Interval(self.memory, self.memory, self.memory)
        return self.time


def share_of(arms: dict[str, Limit]) -> Share:
    """Returns untied's share of tied's largest T."""
    tied, untied = (arms[arm] for arm in ENDS)
    time = Interval(
        untied.within / max(1, tied.within),
        untied.within / tied.above,
        untied.above / max(1, tied.within),
    )
    least = min(untied.by_memory, untied.within)
    return Share(untied.by_memory / tied.by_memory, time, least)


def judge_shares(shares: dict) -> str:
    """Returns the verdict of B6 of {(cell, H): Share}."""
    smallest = min(width for _, width in shares)
    feasible = [
        share.lesser.low >= NEAR and share.least >= LONG
        for (_, width), share in shares.items()
        if width == smallest
    ]
    far_below = [
        max(share.memory, share.time.high) <= FAR_BELOW
        for (_, width), share in shares.items()
        if width >= LARGE
    ]
    possible = 2 * sum(feasible) > len(feasible)
    return decide(not possible and far_below and all(far_below), possible)


def judge_limits(plan: Plan, measured: Measured) -> Verdict:
    """Returns the verdict of B6."""
    shares = {key: share_of(arms) for key, arms in measured.limits.items()}
    smallest = [s for (_, width), s in shares.items() if width == min(plan.widths)]
    mean = Interval(*np.mean([share.lesser for share in smallest], axis=0).tolist())
    told = "; ".join(
        f"{_range([s.memory for s in own])} by memory and "
        f"{_range([s.time.estimate for s in own])} by time at H = {width}"
        for width in plan.widths
        for own in [[s for (_, h), s in shares.items() if h == width]]
    )
    least = ", ".join(
        f"{min(s.least for (_, h), s in shares.items() if h == width):,} at H = {width}"
        for width in plan.widths
    )
    return Verdict(
        judge_shares(shares),
        mean,
        "untied's largest T as a share of tied's, the lesser of memory's and time's, "
        f"H = {min(plan.widths)}, mean over cells",
        f"Within {gib(plan.budget)}, and apart within {plan.seconds:g} s a step, batch "
        f"{plan.batch_size}, untied's largest T is this share of tied's: {told}; in "
        f"steps, within both, at least {least}.",
        len(smallest),
        f"{setup(plan, measured)} A long sequence is one of {LONG:,} steps here. The "
        "memory is XLA's analysis of the step compiled at that very T, which allocates "
        "nothing. The time is measured at that very T, the fastest of "
        f"{TRIES} runs; the largest T is known within {BRACKET - 1:.0%}, as a longer "
        "one was run that took more, and the interval is what these brackets allow."
        "\n\nMemory grows about in proportion to T for both, so a budget grants untied "
        "a fixed share of tied's T: a small one where stored bytes dominate (A1), at "
        "small B or large H. Nothing is recomputed or truncated here, which would "
        "spare activations alone, and so help tied weights more.",
        repeats="cells",
    )


def _range(values) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def limit_table(plan: Plan, measured: Measured, verdict: Verdict) -> tuple:
    """Returns the largest T by what allows it."""
    table: list = [
        (
            *("cell", "H", "weights", f"T by memory, {gib(plan.budget)} (compiled)"),
            *("it needs (GiB)", f"T by time, {plan.seconds:g} s (run)", "takes more"),
            *("share of tied's by memory", "by time"),
        )
    ]
    for (cell, width), arms in measured.limits.items():
        share = share_of(arms)
        for arm, one in arms.items():
            own = (f"{share.memory:.2f}", span(share.time)) if arm != "Tied" else ""
            table.append(
                (
                    *(cell, str(width), arm, f"{one.by_memory:,}"),
                    *(f"{one.needs / GIB:.4g}", f"{one.within:,}", f"{one.above:,}"),
                    *(own or ("", "")),
                )
            )
    return tuple(table)


def draw_limits(plan: Plan, measured: Measured, verdict: Verdict):
    """Returns the figure of B6."""
    panels: dict = {}
    by_memory, by_time = f"{gib(plan.budget)}", f"{plan.seconds:g} s a step"
    for arm in ENDS:
        own = {
            width: one[arm]
            for (cell, width), one in measured.limits.items()
            if cell == plan.law_cells[-1]
        }
        steps = {
            by_memory: [Interval(*[one.by_memory] * 3) for one in own.values()],
            by_time: [
                Interval(max(1, one.within), max(1, one.within), one.above)
                for one in own.values()
            ],
        }
        for name, values in steps.items():
            full = [name == by_memory] * len(values)
            title = f"{plan.law_cells[-1]}, {name}"
            panels.setdefault(title, {})[arm] = figure.Largest(list(own), values, full)
    return figure.draw_largest(panels, LONG, NEAR, FAR_BELOW)


_SIZES = PLANS["quick"]
LONGEST = Claim(
    id="B6",
    rule=(
        f"The largest T whose training step needs at most {gib(_SIZES.budget)} and, "
        f"apart, the largest that takes at most {_SIZES.seconds:g} seconds, batch "
        f"{_SIZES.batch_size}, for every cell and width tried; both are measured. "
        "Refuted, as an unconditional claim, if at the smallest width, in most cells, "
        f"untied's is at least {LONG:,} steps (a long sequence) and at least "
        f"{NEAR:g} of tied's in both budgets. Supported if not, and if in every cell "
        f"from H = {LARGE} on it is at most {FAR_BELOW:g} of tied's in both. Else "
        "inconclusive; both widths are told in one sentence. Amended, because the time "
        "was extrapolated from T = 400, and one minimum of both budgets was judged; "
        "under the former rule: refuted (0.55 of tied's where it was largest)."
    ),
    judge=judge_limits,
    draw=draw_limits,
    table=limit_table,
    refuted_if=(
        f"at the smallest H untied's largest T is at least {LONG:,} and {NEAR:g} of "
        f"tied's; supported if at most {FAR_BELOW:g} from H = {LARGE} on"
    ),
    full_decides=False,
)

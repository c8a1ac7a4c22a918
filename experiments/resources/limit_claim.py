"""The longest sequence within a budget of memory and time (B6)."""

import numpy as np

from experiments.lab.experiment import Claim, Verdict, decide
from experiments.resources import figure
from experiments.resources.measure import Measured
from experiments.resources.plan import ENDS, Plan
from experiments.resources.telling import (
    GIB,
    gib,
    law_slope,
    median_over_rounds,
    setup,
    span,
    steps,
)

LONG = 1_000  # steps of a long sequence
FAR_BELOW, NEAR = 0.1, 0.5  # shares of tied's largest T


def judge_shares(found) -> tuple[str, dict]:
    """Returns the verdict of B6, and {key: untied's share of tied's largest T}.

    Args:
      found: {key: {arm: [R]}}, the largest T of each, round by round.
    """
    shares = {
        key: median_over_rounds(np.divide(arms["Untied"], arms["Tied"]))
        for key, arms in found.items()
    }
    feasible = [
        shares[key].low >= NEAR and median_over_rounds(arms["Untied"]).low >= LONG
        for key, arms in found.items()
    ]
    far_below = all(share.high <= FAR_BELOW for share in shares.values())
    return decide(far_below, any(feasible)), shares


def judge_limits(plan: Plan, measured: Measured) -> Verdict:
    """Returns the verdict of B6."""
    first = measured.limits[plan.budgets[0]]
    verdict, shares = judge_shares(
        {
            key: {arm: one.steps for arm, one in arms.items()}
            for key, arms in first.items()
        }
    )
    cell, width = max(shares, key=lambda key: shares[key].estimate)
    best = shares[cell, width]
    told = "; ".join(
        f"{c}, H = {h}: {steps(arms['Untied'])} untied, {steps(arms['Tied'])} tied"
        for (c, h), arms in first.items()
        if c == plan.one_cell
    )
    powers = " and ".join(
        f"{span(law_slope(plan, arm, lambda c: np.median(measured.times[c])))} "
        f"{arm.lower()}"
        for arm in reversed(ENDS)
    )
    return Verdict(
        verdict,
        best,
        "untied's largest T as a share of tied's, where it is largest",
        f"Within {gib(plan.budgets[0])} and a second a step, batch {plan.batch_size}, "
        f"the largest T: {told}. Untied's share of tied's is largest, {span(best)}, "
        f"for {cell} at H = {width}, and "
        f"{min(share.estimate for share in shares.values()):.2f} where it is least.",
        plan.rounds,
        f"{setup(plan, measured)} A long sequence is one of {LONG:,} steps here. The "
        "memory is XLA's analysis of the step compiled at that very T, which allocates "
        "nothing. The time is extrapolated in proportion to T from the longest T "
        f"timed, {plan.steps[-1]}; its interval is over the {plan.rounds} rounds of a "
        "race, which stand where other claims have paired seeds. Against T the time "
        f"grows as T to the power of {powers}: more than 1 where weights leave a "
        "cache, or the allocator gives large buffers back between uses and takes them "
        "anew, and less is then possible than this says.\n\nMemory grows about in "
        "proportion to T for both, so a budget grants untied a fixed share of tied's "
        "T: a small one where stored bytes dominate (A1), at small B or large H. "
        "Nothing is recomputed or truncated here, which would spare activations alone, "
        "and so help tied weights more.",
        repeats="rounds",
    )


def limit_table(plan: Plan, measured: Measured, verdict: Verdict) -> tuple:
    """Returns the largest T by what allows it."""
    table: list = [
        (
            *("cell", "H", "weights", "budget", "T by memory (compiled)"),
            *("it needs (GiB)", "T by time (extrapolated)", "largest T"),
            "share of tied's",
        )
    ]
    for budget, laws in measured.limits.items():
        for (cell, width), arms in laws.items():
            for arm, one in arms.items():
                share = median_over_rounds(one.steps / arms["Tied"].steps)
                table.append(
                    (
                        *(cell, str(width), arm, f"{gib(budget)}, 1 s"),
                        *(f"{one.by_memory:,}", f"{one.needs / GIB:.4g}"),
                        *(f"{np.median(one.by_time):,.0f}", steps(one)),
                        span(share) if arm != "Tied" else "",
                    )
                )
    return tuple(table)


def draw_limits(plan: Plan, measured: Measured, verdict: Verdict):
    """Returns the figure of B6."""
    panels = {}
    for budget, laws in measured.limits.items():
        arms = {}
        for arm in ENDS:
            own = {h: one[arm] for (c, h), one in laws.items() if c == plan.one_cell}
            most = {h: median_over_rounds(one.steps) for h, one in own.items()}
            arms[arm] = figure.Largest(
                list(own),
                list(most.values()),
                [most[h].estimate == one.by_memory for h, one in own.items()],
            )
        panels[f"{plan.one_cell}: {gib(budget)}, a second a step"] = arms
    return figure.draw_largest(panels, LONG, NEAR, FAR_BELOW)


LONGEST = Claim(
    id="B6",
    rule=(
        "The largest T whose training step needs at most 1 GiB and one second, batch "
        "32, for every cell and width tried. Supported, without conditions, if "
        "untied's is at most a tenth of tied's at every one, by the high end of the "
        "95 % interval over rounds. Refuted as an unconditional claim if at some width "
        f"untied's is at least {LONG:,} steps (a long sequence) and at least half of "
        "tied's, by the low ends. Else inconclusive."
    ),
    judge=judge_limits,
    draw=draw_limits,
    table=limit_table,
    refuted_if=(
        f"at some H untied's largest T (1 GiB) is at least {LONG:,} and {NEAR:g} of "
        f"tied's; supported if at most {FAR_BELOW:g} at every H"
    ),
)

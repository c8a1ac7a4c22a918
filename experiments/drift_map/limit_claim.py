"""What is concluded from the limit, where every example is met once (B5)."""

from typing import Any

from experiments.drift_map import figure
from experiments.drift_map.measure import (
    LIMIT_ARMS,
    LOST,
    LOW_RANK,
    TIED,
    UNTIED,
    WIDE,
    Measured,
)
from experiments.drift_map.plan import PILOT_SEEDS, PLANS, Plan
from experiments.drift_map.telling import settings_told
from experiments.lab.experiment import Claim, Verdict, decide
from experiments.lab.frames import LEVEL, contrast, say_lost, tests
from experiments.lab.power import (
    POWER,
    repeats_needed,
    repeats_within,
    say_repeats,
    say_why_not,
)
from rnnshare.analysis.statistics import Interval

SMALL = 0.001  # of the target's variance: a difference below it is none
CONTROL = 0.2  # of the effect at the least drift: as much at d = 0 is equality


def judge_limit(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of B5: untied less tied with every example met once."""
    apart = contrast(found.streaming, "test_loss", by=["d"], arms=(UNTIED, TIED))
    every, moving = tests(apart), tests(apart[apart.index > 0])
    interval = {d: _interval(row) for d, row in every.iterrows()}
    last, still, least = (interval[d] for d in (plan.drifts[-1], *plan.drifts[:2]))
    room = CONTROL * abs(least.estimate)
    below = ((moving.p < LEVEL) & (moving.high < 0)).all()
    equal = -room <= still.low and still.high <= room
    drifting = found.streaming[found.streaming["d"] > 0]
    wide = tests(contrast(drifting, "test_loss", by=["d"], arms=(UNTIED, WIDE)))
    verdict = decide(below and equal, last.high >= 0 and last.low > -SMALL)
    return Verdict(
        verdict,
        last,
        "untied less tied test loss, of the target's variance, with every example "
        f"met once, at d = {plan.drifts[-1]:g}",
        f"After {plan.streaming_steps:,} batches of ever new examples (T = "
        f"{plan.limit_steps}, equal width, the rate annealed to 0), untied less tied "
        f"test loss is {_told(every)}.{_control(still, room)}{_wide(wide)}"
        f"{_no_better_wide(found)}",
        plan.num_seeds,
        "\n\n".join(limit_details(plan, found, verdict, apart, room)),
        data=(every, moving.p),
    )


def _interval(row: Any) -> Interval:
    return Interval(float(row.estimate), float(row.low), float(row.high))


def _told(every: Any) -> str:
    return "; ".join(f"d = {d:g}: {_interval(row):+.5f}" for d, row in every.iterrows())


def _control(still: Interval, room: float) -> str:
    """Returns whether the control holds: that the two are equal without drift."""
    if -room <= still.low and still.high <= room:
        return " Without drift they are equal, as they should be in the limit."
    return (
        f" Without drift the interval should be within \N{PLUS-MINUS SIGN}{room:.5f}: "
        "it is not, so the training is not yet at its limit."
    )


def _wide(wide: Any) -> str:
    """Returns what the wide tied model changes: where it is no worse than untied."""
    catches = [f"{d:g}" for d, row in wide.iterrows() if row.high >= 0]
    if not catches:
        return f" The wide tied model is worse than untied, too: {_told(wide)}."
    return (
        f" At equal width only: at d = {' and '.join(catches)} the wide tied model is "
        f"no worse than untied ({_told(wide)})."
    )


def _no_better_wide(found: Measured) -> str:
    """Returns where the wide tied model loses to the narrow one, which tells no width.

    Its rate was tuned at another drift, and is too high or too low there.
    """
    means = found.streaming.groupby(["d", "arm"])["test_loss"].mean().unstack()
    worse = means[means[WIDE] > means[TIED]]
    if worse.empty:
        return ""
    told = "; ".join(
        f"d = {d:g}: {row[WIDE]:.5f} against {row[TIED]:.5f}"
        for d, row in worse.iterrows()
    )
    return (
        f" The wide one is above the narrow one ({told}) at the rate that it was tuned "
        "to at the middle d: there it says nothing of width."
    )


def limit_details(
    plan: Plan, found: Measured, verdict: str, apart: Any, room: float
) -> list[str]:
    """Returns how the limit was measured, and what would decide it."""
    chosen = {key: s for key, s in found.chosen.items() if key[1] == plan.limit_steps}
    partial = tests(
        contrast(found.streaming, "test_loss", by=["d"], arms=(LOW_RANK, UNTIED))
    )
    told = [
        f"GRU, H = {plan.hidden_features} ({plan.wider * plan.hidden_features} of the "
        "wide tied model), with the rates and starts that were tuned for the map, the "
        "rate a cosine to 0. A tied GRU is not bound by the time-invariant linear "
        "line: its state can count the steps. "
        + settings_told({k: s for k, s in chosen.items() if k[0] in LIMIT_ARMS}, plan),
        f"LowRank({plan.rank}) less untied: {_told(partial)}.",
    ]
    if verdict == "inconclusive":
        told.append(_what_would_decide(plan, apart, room))
    lost = say_lost(found.streaming["lost"], LOST)
    return [*told, lost.strip()] if lost else told


def _what_would_decide(plan: Plan, apart: Any, room: float) -> str:
    """Returns what would decide B5, by a power calculation from its own rows."""
    still, moving = apart.iloc[0].to_numpy(), apart[apart.index > 0]
    needed = "; ".join(
        f"{say_repeats(repeats_needed(row, LEVEL / len(moving)))} at d = {d:g}"
        for d, row in moving.iterrows()
    )
    equal = repeats_within(still, room)
    control = (
        f"the mean at d = 0 is {still.mean():+.5f}, which only longer training moves"
        if equal is None
        else f"the interval at d = 0 needs {say_repeats(equal)}"
    )
    return (
        f"What would decide it: at the effects and spreads seen here, a test of untied "
        f"against tied has {POWER:.0%} power with {needed}; {control}. "
        + say_why_not(plan, PLANS)
    )


def limit_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the losses with every example met once, a row a drift."""
    every, p_values = verdict.data
    means = found.streaming.groupby(["arm", "d"])["test_loss"].mean()
    table: list = [
        (
            *("drift d", *(f"{arm} test loss" for arm in LIMIT_ARMS)),
            *("time-invariant linear", "untied less tied [95 %]", "Holm p"),
        )
    ]
    for drift, row in every.iterrows():
        table.append(
            (
                f"{drift:g}",
                *(_mean(means, arm, drift) for arm in LIMIT_ARMS),
                f"{found.oracles[plan.limit_steps, drift]:.4f}",
                f"{_interval(row):+.5f}",
                f"{p_values[drift]:.2g}" if drift in p_values else "",
            )
        )
    return tuple(table)


def _mean(means: Any, arm: str, drift: float) -> str:
    return f"{means[arm, drift]:.5f}" if (arm, drift) in means.index else ""


def draw_limit(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of the limit, a line an arm over the drift."""
    losses = {
        arm: {d: one.to_numpy(float) for d, one in own.groupby("d")["test_loss"]}
        for arm, own in found.streaming.groupby("arm", sort=False)
    }
    lines = [found.oracles[plan.limit_steps, d] for d in plan.drifts]
    return figure.draw_limits(losses, plan.drifts, lines)


LIMIT = Claim(
    id="B5",
    rule=(
        "Every example is met once, in long training, the learning rate annealed to 0 "
        "by a cosine; untied less tied test loss at equal width, over paired seeds. "
        "Supported if at every d > 0 the 95 % interval is below 0 and the paired t "
        f"test, with Holm's correction over these d, below {LEVEL:g}, and at d = 0, "
        f"the control, the interval lies within +-{CONTROL:.0%} of the effect at the "
        "least d above 0; refuted if at the largest d the interval's high end is at "
        f"least 0 and its low end above -{SMALL:g} (of the target's variance); else "
        "inconclusive. A tied model three times as wide is told: where it is no worse "
        "than untied (its interval is not below 0), the sentence says 'at equal width "
        f"only'. Pilots were seen: seeds are from {PILOT_SEEDS:,} on. Amended, because "
        "a constant rate left a floor of step noise; under the former "
        "rule: inconclusive (-0.0131) (quick), inconclusive (-0.00111, full)."
    ),
    judge=judge_limit,
    draw=draw_limit,
    table=limit_table,
    refuted_if=(f"untied is not below tied at the largest d, by {SMALL:g} or at all"),
)

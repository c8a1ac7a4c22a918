"""What is concluded from drifting rules in noise about recurrent networks (L2)."""

import math

import numpy as np

from experiments.lab.crossing import say_size
from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import say_lost
from experiments.recurrent_law import figure
from experiments.recurrent_law.measure import BATCH, CASE, LOST, Measured, measure
from experiments.recurrent_law.plan import PLANS, Plan
from experiments.recurrent_law.reading import Crossing, Result, read
from rnnshare.analysis.statistics import Interval

NEAR, FAR = (0.7, 1.3), (0.5, 1.5)  # of the slope: what supports, what refutes
POINTS = 8  # crossings at least


def verdict_of(slope: Interval | None, count: int, ahead: int, confirmed: int) -> str:
    """Returns the verdict of L2 by its rule.

    Args:
      slope: through the crossings.
      count: of them.
      ahead: how often untied was ahead at d = 0.
      confirmed: how often fresh seeds confirmed it.
    """
    if slope is None or count < POINTS:
        return decide(False, confirmed)
    near = NEAR[0] <= slope.low and slope.high <= NEAR[1]
    far = slope.high < FAR[0] or slope.low > FAR[1]
    return decide(near and not ahead, far or confirmed)


def judge(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of L2."""
    result = read(plan, found)
    moving = [one for one in result.crossings if one.drift > 0]
    inside = [one for one in moving if not one.side]
    verdict = verdict_of(
        result.slope, len(inside), len(result.ahead), len(result.confirmed)
    )
    effect, label = result.slope, "log-log slope of N* on s^2 (1 - 1/T) / b"
    if effect is None:
        effect = Interval(*3 * (float(len(inside)),))
        label = f"crossings of {len(moving)} that lie within the sizes tried"
    return Verdict(
        verdict,
        effect,
        label,
        _summary(plan, result, inside, moving),
        len(inside),
        "\n\n".join(_details(plan, found, result, inside, moving, verdict)),
        "settings",
        data=result,
    )


def _summary(plan: Plan, result: Result, inside: list, moving: list) -> str:
    still = sum(one.drift == 0 for one in result.crossings)
    told = (
        f"Of {len(moving)} cells, noises and drifts {len(inside)} cross from tied to "
        f"untied between N = {plan.sizes[0]:,} and {plan.sizes[-1]:,}"
    )
    if result.slope is not None:
        told += (
            f"; with the others as censored, N* grows as noise over drift to the power "
            f"of {result.slope:.2f}"
        )
    told += f". Untied is shown ahead (Holm) in {result.shown} of them"
    noise, drift = result.parted
    if noise and drift:
        told += (
            f". Parted, which no rule foresaw, N* grows as s^2 to the power of "
            f"{noise:.2f} and as 1 / b to that of {drift:.2f}, where the law has 1 for "
            "both"
        )
    return (
        f"{told}. Without drift untied was ahead at {len(result.ahead)} of "
        f"{still * len(plan.sizes)} sizes, and on fresh seeds at "
        f"{len(result.confirmed)}."
    )


def _details(
    plan: Plan,
    found: Measured,
    result: Result,
    inside: list,
    moving: list,
    verdict: str,
) -> list[str]:
    below = sum(one.side < 0 for one in moving)
    above = sum(one.side > 0 for one in moving)
    told = [
        f"T = {plan.num_steps}, l = {plan.num_lags}, H = {plan.hidden_features}, "
        f"{plan.num_updates:,} updates, the rate annealed to 0, no early stopping; "
        f"rate and decay of each arm chosen at every N by {plan.tuning} trainings on "
        f"tasks of their own; {plan.num_seeds} seeds from {plan.first_seed:,} on. The "
        "excess error is that on test targets without noise; N* is where the mean "
        "log ratio of untied's to tied's first turns negative, on the line between "
        "two sizes. The line has an intercept for each cell, since what the law calls "
        "the number of weights is not known of a network.",
        f"{below} crossings lie below the least N and {above} above the largest."
        + (
            ""
            if result.within is None or not below + above
            else f" Of those within alone the slope is {result.within:.2f}: to leave "
            "the others out flattens it."
        )
        + (
            ""
            if result.over_tasks is None
            else " The cells share tasks and seeds: by a jackknife over tasks "
            f"the slope is {result.over_tasks:.2f}."
        )
        + _least_drift(plan, result),
        f"{plan.num_updates:,} updates of {BATCH} sequences are "
        f"{plan.num_updates * BATCH / plan.sizes[-1]:.1f} rounds through the largest "
        "N: there the time of training is short, too, and N* may be set by that."
        + _edges(plan, found),
    ]
    by_cell = {cell: [c for c in inside if c.cell == cell] for cell in plan.cells}
    times = [f"{cell} {_mean_weights(own):.0f}" for cell, own in by_cell.items() if own]
    if times:
        told.append(
            "N* over s^2 (1 - 1/T) / b, the number of weights that a linear rule would "
            f"have had, in the geometric mean: {', '.join(times)}."
        )
    if verdict == "inconclusive" and result.slope is not None:
        told.append(_power(result.slope, len(inside)))
    return [*told, *filter(None, [say_lost(found.runs["lost"], LOST, "")])]


def _least_drift(plan: Plan, result: Result) -> str:
    """Returns what the least drift says, beside which the control must be seen."""
    least = min(d for d in plan.drifts if d > 0)
    own = [one for one in result.crossings if one.drift == least]
    none = sum(one.side > 0 for one in own)
    return f" At d = {least:g}, {none} of {len(own)} do not cross either" + (
        ": the control at d = 0 tells little." if none else "."
    )


def _edges(plan: Plan, found: Measured) -> str:
    """Returns how many arms chose a rate or a decay at an edge of its grid."""
    arms = found.runs.drop_duplicates([*CASE, "N", "arm"])
    fast = (arms["learning_rate"] == max(plan.rates)).sum()
    strong = (arms["decay"] == max(plan.decays)).sum()
    return (
        f" Of {len(arms)} arms {fast} chose the largest rate of the grid, and {strong} "
        "the largest decay."
    )


def _mean_weights(own: list[Crossing]) -> float:
    return float(np.exp(np.mean([np.log(c.star.estimate / c.ratio) for c in own])))


def _power(slope: Interval, count: int) -> str:
    """Returns how many crossings would decide, were the slope that of these."""
    half = (slope.high - slope.low) / 2
    room = max(
        min(NEAR[1] - slope.estimate, slope.estimate - NEAR[0]),
        slope.estimate - FAR[1],
        FAR[0] - slope.estimate,
    )
    if room <= 0.05:
        return (
            "A slope of this size lies at or between the bounds of what supports and "
            "what refutes: no feasible number of settings decides."
        )
    needed = max(POINTS, math.ceil(count * (half / room) ** 2))
    return (
        f"Were that the slope, {needed:,} crossings would decide; {count} were found."
    )


def table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns a row a cell, noise and drift."""
    rows: list = [("cell", "s", "d", "b", "s^2 (1 - 1/T) / b", "N*", "95 % interval")]
    for one in verdict.data.crossings:
        middle, *ends = (say_size(plan.sizes, end) for end in one.star)
        rows.append(
            (
                *(one.cell, f"{one.noise:g}", f"{one.drift:g}"),
                f"{found.bias[one.drift]:.3g}" if one.drift else "0",
                f"{one.ratio:.3g}" if math.isfinite(one.ratio) else "infinite",
                middle,
                " to ".join(ends),
            )
        )
    return tuple(rows)


def draw(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure: N* measured against predicted."""
    groups: dict[str, list] = {cell: [] for cell in plan.cells}
    for one in verdict.data.crossings:
        if one.drift > 0:
            groups[one.cell].append((one.ratio, one.star, one.side))
    return figure.draw(groups, (plan.sizes[0], plan.sizes[-1]))


LAW_OF_CELLS = Claim(
    id="L2",
    rule=(
        "Tied and untied networks of each cell on the drifting rule with noise s on "
        "the training targets, every s with every drift d and every N, rate and weight "
        "decay chosen at every N; N counts all sequences, since a judged run holds "
        "none out. N* is where untied's mean log excess error first falls below "
        "tied's. log N* on log(s^2 (1 - 1/T) / b), T the scored steps, over d > 0, an "
        "intercept a cell, by maximum likelihood with crossings beyond the N tried as "
        "censored. Supported if the 95 % interval "
        f"of the slope is within {NEAR[0]:g} to {NEAR[1]:g} and untied is ahead "
        "nowhere at d = 0 (Holm); refuted if the interval lies whole outside of "
        f"{FAR[0]:g} to {FAR[1]:g}, or fresh seeds confirm that it is ahead at d = 0; "
        f"inconclusive else; with fewer than {POINTS} crossings within the N tried "
        "only the control at d = 0 can refute. Amended after the first quick run: the "
        "slope was that of the crossings within the N alone, which flattens it (0.70 "
        "[0.19, 1.21], inconclusive)."
    ),
    judge=judge,
    draw=draw,
    table=table,
    refuted_if="the points follow a line of another slope than the one drawn",
)
EXPERIMENT = Experiment("recurrent_law", PLANS, measure, (LAW_OF_CELLS,))

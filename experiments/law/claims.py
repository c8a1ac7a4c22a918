"""What is concluded from linear rules about the law of sharing (L1)."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import say_lost
from experiments.law import figure
from experiments.law.measure import LOST, SOFT, Measured, measure
from experiments.law.plan import PILOT_SEEDS, PLANS, Case, Plan
from rnnshare.analysis.statistics import Interval, line_fit

SLOPES = 0.85, 1.15  # that the interval must lie between
FAR = 0.3  # from 1: a whole interval beyond refutes
ERROR = 0.15  # of N* - p - 1: the median that is close
NEAR, WORSE = 1.05, 1.2  # of the best loss over the strengths
CASES = 12  # at least


class Crossing(NamedTuple):
    """What a case came to.

    Attributes:
      predicted, measured: N* - p - 1; the nearer end of the sizes if there was none.
      found: whether untied crossed tied at the sizes that were trained.
    """

    predicted: float
    measured: float
    found: bool

    @property
    def error(self) -> float:
        """The relative error, infinite without a crossing."""
        return abs(self.measured / self.predicted - 1) if self.found else np.inf


class LawResult(NamedTuple):
    """What the rule of L1 makes of the trainings.

    Attributes:
      crossings: of each case.
      slopes: {cases: interval of the log-log slope}; the first is of all.
      errors: {(case, N, factor): excess over the least of all strengths}; factor 0 is
        untied and inf tied.
      gradient: the largest gradient norm that a training ended with.
    """

    crossings: list[Crossing]
    slopes: dict[str, Interval]
    errors: dict[tuple[int, int, float], float]
    gradient: float


def crossing(sizes, untied, tied, case: Case) -> Crossing:
    """Returns where untied's excess falls below tied's, on the line between two sizes.

    Args:
      sizes: [X], N in increasing order.
      untied: [X], mean excess errors.
      tied: [X].
      case: whose.
    """
    more = np.asarray(sizes, float) - case.num_weights - 1
    apart = np.log(untied) - np.log(tied)
    if not (apart[0] > 0 > apart[-1]):
        end = more[0] if apart[0] <= 0 else more[-1]
        return Crossing(case.predicted, float(end), False)
    last = int(np.flatnonzero(apart > 0)[-1])  # after it untied stays below
    measured = np.exp(np.interp(0.0, apart[[last + 1, last]],
                                np.log(more[[last + 1, last]])))  # fmt: skip
    return Crossing(case.predicted, float(measured), True)


def read(plan: Plan, runs: pd.DataFrame) -> LawResult:
    """Returns crossings, slopes, and the excess at each strength."""
    means = runs.groupby(["case", "arm", "N", "factor"])["test_loss"].mean()
    crossings: list[Crossing] = []
    errors: dict[tuple[int, int, float], float] = {}
    for number, case in enumerate(plan.cases):
        own = means[number]
        sizes = sorted({case.size(part) for part in plan.parts})
        untied, tied = (own[arm].droplevel("factor") for arm in ("Untied", "Tied"))
        crossings.append(
            crossing(sizes, untied[sizes].to_numpy(), tied[sizes].to_numpy(), case)
        )
        if SOFT not in own.index.get_level_values("arm"):
            continue
        for size, soft in own[SOFT].groupby("N"):
            losses = {0.0: untied[size], np.inf: tied[size]}
            losses |= dict(soft.droplevel("N"))
            best = min(losses.values())
            errors |= {(number, size, f): x / best for f, x in losses.items()}
    slopes = {"all": _slope(crossings)}
    shapes: dict[str, list] = {}
    for case, one in zip(plan.cases, crossings, strict=True):
        shapes.setdefault(shape_of(case), []).append(one)
    slopes |= {name: _slope(own) for name, own in shapes.items() if len(own) >= 3}
    return LawResult(crossings, slopes, errors, float(runs["gradient"].max()))


def shape_of(case: Case) -> str:
    """Returns T, p and the correlation in words."""
    name = f"T = {case.num_steps}, p = {case.num_weights}"
    return f"{name}, correlation {case.correlation:g}" if case.correlation else name


def _slope(crossings: list[Crossing]) -> Interval:
    logs = np.log([[one.predicted, one.measured] for one in crossings])
    return line_fit(*logs.T).slope


def law_verdict(result: LawResult, num_cases: int) -> str:
    """Returns the verdict of L1 by its rule."""
    slope, worst = result.slopes["all"], _at_predicted(result).max()
    error = np.median([one.error for one in result.crossings])
    far = any(
        each.low > 1 + FAR or each.high < 1 - FAR for each in result.slopes.values()
    )
    close = SLOPES[0] <= slope.low and slope.high <= SLOPES[1] and error <= ERROR
    return decide(
        num_cases >= CASES and close and worst <= NEAR,
        num_cases >= CASES and (far or worst > WORSE),
    )


def judge_law(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of L1: crossings and the best strength."""
    result = read(plan, found.runs)
    slope = result.slopes["all"]
    errors = [one.error for one in result.crossings]
    lost = sum(not one.found for one in result.crossings)
    worst, near = _at_predicted(result).max(), (_at_predicted(result) <= NEAR).mean()
    within = "; ".join(
        f"{name}: {each:.2f}" for name, each in result.slopes.items() if name != "all"
    )
    simple = [_first_order(case) for case in plan.cases if case.correlation]
    told = ""
    if simple:
        told = (
            " Where inputs and noise correlate, N* is where the errors cross; the "
            f"short s^2 p (1 - 1 / T_eff) / b would be {min(simple):.0%} to "
            f"{max(simple):.0%} of it."
        )
    return Verdict(
        law_verdict(result, len(plan.cases)),
        slope,
        "log-log slope of the measured N* - p - 1 on the predicted one",
        f"Over {len(plan.cases)} settings, in which N* - p - 1 is predicted from "
        f"{min(c.predicted for c in plan.cases):.0f} to "
        f"{max(c.predicted for c in plan.cases):.0f}, the measured crossover has a "
        f"log-log slope of {slope:.2f} and a median error of {np.median(errors):.0%}"
        f"{f' (in {lost} no crossing was found)' if lost else ''}. At the predicted "
        f"strength of soft tying the excess loss is at most {worst:.3f} times that of "
        f"the best strength tried, and within {NEAR - 1:.0%} of it in {near:.0%} of "
        f"{len(_at_predicted(result))} cases.",
        len(plan.cases),
        f"Linear rules a step, full batch, gradient descent with a rate that falls to "
        f"0 over {plan.num_steps} steps, no early stopping; {plan.num_seeds} seeds "
        f"from {plan.first_seed:,} on, {plan.num_outputs} rules each. The largest "
        f"gradient norm at the end is {result.gradient:.1g}. Excess errors are exact, "
        "on inputs that span the space, without noise; N* is where the mean errors "
        f"cross, on the line between two sizes. Slopes by shape: {within}.{told}"
        + say_lost(found.runs["lost"], LOST, "\n\n"),
        "settings",
        data=result,
    )


def _at_predicted(result: LawResult) -> np.ndarray:
    return np.array([x for (*_, factor), x in result.errors.items() if factor == 1.0])


def _first_order(case: Case) -> float:
    """Returns s^2 p (1 - 1 / T_eff) / b as a part of what is predicted."""
    share = 1 - 1 / case.effective_steps
    first = case.noise_variance * case.num_weights * share / case.bias
    return first / case.predicted


def law_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns a row a setting: crossovers and the excess at the predicted strength."""
    result = verdict.data
    table: list = [
        (
            *("T", "p", "correlation", "s^2", "b", "predicted N* - p - 1", "measured"),
            *("predicted strength", "excess there, of the best (at N)"),
        )
    ]
    for number, (case, one) in enumerate(
        zip(plan.cases, result.crossings, strict=True)
    ):
        own = {
            size: x
            for (n, size, factor), x in result.errors.items()
            if n == number and factor == 1.0
        }
        table.append(
            (
                *(str(case.num_steps), str(case.num_weights), f"{case.correlation:g}"),
                *(f"{case.noise_variance:g}", f"{case.bias:.3g}"),
                f"{one.predicted:.1f}",
                f"{one.measured:.1f}" if one.found else "no crossing",
                f"{case.strength:.3g}" if own else "",
                ", ".join(f"{x:.3f} ({size})" for size, x in own.items()),
            )
        )
    return tuple(table)


def draw_law(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of the law."""
    result = verdict.data
    groups: dict[str, list] = {}
    for case, one in zip(plan.cases, result.crossings, strict=True):
        groups.setdefault(shape_of(case), []).append(one[:2])
    curves: dict[tuple, dict] = {}
    for (number, size, factor), x in result.errors.items():
        curves.setdefault((number, size), {})[factor] = x
    shaped: dict[str, list] = {}
    for (number, _), curve in curves.items():
        shaped.setdefault(shape_of(plan.cases[number]), []).append(curve)
    return figure.draw_law(groups, shaped, ERROR, (NEAR, WORSE))


LAW = Claim(
    id="L1",
    rule=(
        f"Linear rules a step, trained to the end by the library's loop in at least "
        f"{CASES} settings with (N* - p - 1) / (p + 1) from .5 to 20; N* measured is "
        "where the mean excess errors of tied and untied cross, N* predicted is "
        "rnnshare.analysis.law.crossover. Supported if the 95 % interval of the "
        f"log-log slope of N* - p - 1 over the settings is within {SLOPES[0]:g} to "
        f"{SLOPES[1]:g}, the median error of N* - p - 1 is at most {ERROR:.0%} (a "
        "crossing that is not found counts as infinite), and the excess loss at the "
        f"predicted strength of soft tying is at most {NEAR:g} times that of the best "
        "strength, in every setting and at every N tried, tied and untied among them; "
        "refuted if the interval of the slope over all settings or over those of one "
        f"shape lies whole beyond 1 by more than {FAR:g}, or {WORSE:g} is exceeded; "
        "else inconclusive. Written after simulations of least squares had been seen: "
        f"seeds are from {PILOT_SEEDS:,} on."
    ),
    judge=judge_law,
    draw=draw_law,
    table=law_table,
    refuted_if=(
        f"the slope of the points is beyond {1 - FAR:g} to {1 + FAR:g}, or a curve is "
        f"above {WORSE:g} at the predicted strength"
    ),
)
EXPERIMENT = Experiment("law", PLANS, measure, (LAW,))

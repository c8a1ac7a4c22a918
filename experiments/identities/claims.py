"""What is concluded from parameter counts (Q1, Q3, B4) and from unrollings (B1, B2)."""

import functools

import pandas as pd

from experiments.identities import figure
from experiments.identities.measure import Measured, measure, sharings
from experiments.identities.plan import PLANS, Plan
from experiments.lab.experiment import Claim, Experiment, Verdict
from rnnshare.analysis.statistics import Interval, line_fit, mean_interval

TOLERANCE = 1e-5  # of the largest reference value; float32 rounding is 1.2e-7 a step
# Parameters of one cell, by the formulas of the cells' docstrings.
FORMULAS = {
    "Elman": lambda d, h: h * (d + h + 1),
    "GRU": lambda d, h: 3 * h * (d + h + 2),
    "LSTM": lambda d, h: 4 * h * (d + h + 1),
}


def _verdict(plan, holds: bool, effect: Interval, label, summary, data=None) -> Verdict:
    repeats = "" if effect.low == effect.high else "seeds"
    verdict, count = "supported" if holds else "refuted", plan.num_seeds
    return Verdict(verdict, effect, label, summary, count, repeats=repeats, data=data)


def judge_default(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of Q1: no library's layer has a slope against T."""
    slopes = [line_fit(plan.steps, row["parameters"]).slope for row in found.layers]
    largest = max((abs(slope.estimate) for slope in slopes), default=0.0)
    names = {row["layer"] for row in found.layers}
    packages = sorted({name.rsplit(" ", 1)[0] for name in names})
    return _verdict(
        plan,
        largest == 0,
        Interval(largest, largest, largest),
        "largest slope of a library's default against T, in parameters a step",
        f"All {len(names)} recurrent layers of {', '.join(packages)} have as many "
        "parameters for one step as for many. Not sharing is what one has to ask for.",
    )


def _one_cell(row) -> int:
    """Returns the parameters of one cell of a row's kind and sizes."""
    return FORMULAS[row["counted"]](row["D"], row["H"])


def judge_ratio(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of Q3: counts are as their formulas, and T to 1."""
    wrong, ratios = [], []
    for row in found.counts:
        for place, num_steps in enumerate(plan.steps):
            for sharing, sets in sharings(num_steps).items():
                count = row[type(sharing).__name__][place]
                wrong.append(abs(count - sets * _one_cell(row)))
            ratios.append(row["Untied"][place] / row["Tied"][place] / num_steps)
    last = plan.steps[-1]
    return _verdict(
        plan,
        max(wrong) == 0 and set(ratios) == {1.0},
        Interval(*[float(last)] * 3),
        f"parameters of untied to tied at T = {last}",
        f"A tied network stores one cell at any length, an untied one T of them: "
        f"{last} times as many at {last} steps. {len(wrong)} counts differ from their "
        f"formulas by {max(wrong)} at most.",
    )


def judge_growth(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of B4: the count's slope is one cell's parameters."""
    fits = [line_fit(plan.steps, row["Untied"]) for row in found.counts]
    slopes = [
        fit.slope.estimate / _one_cell(row)
        for fit, row in zip(fits, found.counts, strict=True)
    ]
    least = min(fit.r_squared for fit in fits)
    return _verdict(
        plan,
        set(slopes) == {1.0} and least == 1,
        mean_interval(slopes),
        "slope against T, in parameters of one cell",
        "Each further step adds exactly one cell's parameters, for every cell and "
        f"size tried (R2 = {least:g}). The growth is linear, and the constant "
        "in front of it is the cell.",
    )


def judge_unrolling(plan: Plan, found: Measured, key: str, summary: str) -> Verdict:
    """Returns the verdict of B1 or B2; its data are {label: largest difference}."""
    errors = pd.DataFrame(found.errors).set_index(["unrolled", "seed"])
    own = errors.filter(regex=f"^{key}: ")
    worst = own.groupby("unrolled", sort=False).max()
    labelled = {
        f"{check.split(': ')[1]}, {cell}": error
        for check, by_cell in worst.items()
        for cell, error in by_cell.items()
    }
    return _verdict(
        plan,
        max(labelled.values()) <= TOLERANCE,
        mean_interval(own.max(axis=1).groupby("seed").max()),
        "largest relative difference of a seed's runs, mean over seeds",
        summary,
        labelled,
    )


def draw_errors(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of B1 or B2."""
    errors = verdict.data
    return figure.draw_errors(list(errors), list(errors.values()), TOLERANCE)


def draw_counts(plan: Plan, found: Measured):
    """Returns the figure of one LSTM's parameters over T."""
    row = next(row for row in found.counts if row["counted"] == "LSTM")
    names = [type(sharing).__name__ for sharing in sharings(1)]
    shown = {name: (plan.steps, row[name]) for name in names}
    label = f"parameters (LSTM, {row['D']} inputs, {row['H']} units)"
    return figure.draw_parameter_counts(shown, label)


def draw_libraries(plan: Plan, found: Measured):
    """Returns the figure of the parameters of libraries' LSTMs over T."""
    shown: dict[str, tuple] = {}
    for row in found.layers:
        if "LSTM" in row["layer"]:
            shown.setdefault(row["layer"], (plan.steps, row["parameters"]))
    return figure.draw_parameter_counts(shown, "parameters of the layer")


_TIED = (
    "A scan over one set of weights is the unrolled network whose layers all alias it, "
    "in value and in gradient. Back-propagation through time is the sum of the "
    "gradients that the layers would get if they were un-shared."
)
_UNTIED = (
    "Give each step weights of its own, and the scan is a T-layer feed-forward network "
    "that takes one input at each layer, in value and in gradient. Nothing recurrent "
    "is left but the shape of the layers."
)
CLAIMS = (
    Claim(
        "Q1",
        "Supported if the parameters of every library's recurrent layer have slope 0 "
        "against T; refuted if one has another slope.",
        judge_default,
        draw="libraries",
    ),
    Claim(
        "Q3",
        "Supported if every count equals its formula, and untied to tied is T to 1 for "
        "every cell at every T; refuted otherwise.",
        judge_ratio,
        draw="parameters",
    ),
    Claim(
        "B4",
        "Supported if the regression of the count on T has one cell's parameters as "
        "its slope, and R2 = 1; refuted otherwise.",
        judge_growth,
        draw="parameters",
    ),
    Claim(
        "B1",
        "Supported if outputs and gradients of the scan equal those of the unrolled "
        "network with aliased weights, and the tied gradient the sum of the untied "
        f"ones, to {TOLERANCE:g} of the largest value; refuted otherwise.",
        functools.partial(judge_unrolling, key="B1", summary=_TIED),
        draw=draw_errors,
    ),
    Claim(
        "B2",
        "Supported if outputs and gradients of the untied scan equal those of an "
        f"explicit T-layer network with an input at each layer, to {TOLERANCE:g} of "
        "the largest value; refuted otherwise.",
        functools.partial(judge_unrolling, key="B2", summary=_UNTIED),
        draw=draw_errors,
    ),
)
_FIGURES = {"parameters": draw_counts, "libraries": draw_libraries}
EXPERIMENT = Experiment("identities", PLANS, measure, CLAIMS, _FIGURES)

"""What an untied training step takes in time (Q6); the experiment's claims."""

import dataclasses

import numpy as np

from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.resources import figure
from experiments.resources.limit_claim import LONGEST
from experiments.resources.measure import (
    Measured,
    batch_cases,
    grid_cases,
    measure,
    unrolled_cases,
)
from experiments.resources.plan import ENDS, PLANS, Plan
from experiments.resources.stored_claim import STORED
from experiments.resources.telling import (
    median_over_rounds,
    names,
    ratios,
    setup,
    span,
)
from rnnshare.analysis.statistics import Interval

SLOWER, NOT_SLOWER = 1.5, 1.2  # ratios of step times


def judge_ratios(found) -> tuple[str, Interval]:
    """Returns the verdict of Q6 and the ratio with its interval.

    Args:
      found: {case: [R]}, untied's step time over tied's, round by round.
    """
    mean = median_over_rounds(np.exp(np.mean(np.log(list(found.values())), axis=0)))
    return decide(mean.low > SLOWER, mean.high < NOT_SLOWER), mean


def judge_time(plan: Plan, measured: Measured) -> Verdict:
    """Returns the verdict of Q6."""
    grid = ratios(measured.times, grid_cases(plan))
    verdict, mean = judge_ratios(grid)
    by_width = ", ".join(
        f"{span(judge_ratios(of_width)[1])} at H = {width}"
        for width in plan.widths
        for of_width in [{c: r for c, r in grid.items() if c.hidden_features == width}]
    )
    batches = ratios(measured.times, batch_cases(plan, batches_of(plan)))
    by_batch = ", ".join(
        f"{span(median_over_rounds(r))} at B = {case.batch_size}"
        for case, r in batches.items()
    )
    compiling = "; ".join(
        f"T = {case.num_steps}: {measured.compile_seconds[case]:.1f} s {form} "
        f"{case.arm.lower()}"
        for form in ("scanned", "unrolled")
        for case in unrolled_cases(plan)
        if case.form == form
    )
    return Verdict(
        verdict,
        mean,
        f"step time, untied / tied, at T = {plan.grid_steps} and equal width, mean "
        "over cells and widths",
        f"At T = {plan.grid_steps} and batch {plan.batch_size} an untied training step "
        f"takes {span(mean)} times as long as a tied one: {by_width}. By batch, "
        f"{plan.one_cell} at H = {plan.one_width}: {by_batch}.",
        plan.rounds,
        f"{setup(plan, measured)} Intervals are the bootstrap's over the {plan.rounds} "
        "rounds of a race, whose contenders take turns; the rounds stand where other "
        "claims have paired seeds. The mean depends on the widths chosen."
        "\n\nForward and backward products are the same, tied and untied. Untied adds "
        "the reading and updating of T weight sets, their gradients and Adam's "
        "averages, however small the batch. Seconds to compile, "
        f"{plan.one_cell} at H = {plan.one_width}, scanned and unrolled in Python, "
        f"each measured once: {compiling}.",
        repeats="rounds",
        data=(grid, batches),
    )


def batches_of(plan: Plan) -> list[int]:
    """Returns the B whose step is timed."""
    return sorted({*plan.small_batches, plan.batch_size})


def time_table(plan: Plan, measured: Measured, verdict: Verdict) -> tuple:
    """Returns step times, their ratios and compile times."""
    table: list = [
        (
            *("cell", "H", "B", "T", "form", "weights", "step (ms)", "tied (ms)"),
            *("ratio", "compile (s)", "tied (s)"),
        )
    ]
    for case in measured.times:
        if case.arm == "Tied":
            continue
        both = case, dataclasses.replace(case, arm="Tied")
        times = [measured.times[c] for c in both]
        table.append(
            (
                *names(case),
                case.form,
                case.arm,
                *(f"{1e3 * np.median(one):.2f}" for one in times),
                span(median_over_rounds(times[0] / times[1])),
                *(f"{measured.compile_seconds[c]:.2f}" for c in both),
            )
        )
    return tuple(table)


def draw_times(plan: Plan, measured: Measured, verdict: Verdict):
    """Returns the figure of Q6."""
    grid, batches = verdict.data
    by_width = {
        cell: (
            plan.widths,
            [median_over_rounds(r) for c, r in grid.items() if c.cell == cell],
        )
        for cell in plan.cells
    }
    by_batch = {
        f"{plan.one_cell}, H = {plan.one_width}": (
            batches_of(plan),
            [median_over_rounds(r) for r in batches.values()],
        )
    }
    compiling = {}
    for arm in ENDS:
        for form in ("scanned", "unrolled"):
            seconds = {
                case.num_steps: value
                for case, value in sorted(
                    measured.compile_seconds.items(), key=lambda item: item[0].num_steps
                )
                if (case.arm, case.form, case.cell) == (arm, form, plan.one_cell)
                and case.hidden_features == plan.one_width
                and case.batch_size == plan.batch_size
            }
            compiling[f"{arm}, {form}"] = list(seconds), list(seconds.values())
    levels = {
        f"refuted below {NOT_SLOWER:g}": NOT_SLOWER,
        f"supported above {SLOWER:g}": SLOWER,
    }
    return figure.draw_step_times(by_width, by_batch, compiling, levels)


TIME = Claim(
    id="Q6",
    rule=(
        "The time of a training step (gradient, clipping, Adam; scanned) untied over "
        "tied, at T = 100, equal width and batch 32, interleaved round by round: the "
        "geometric mean over the grid of cells and widths, its median over the rounds. "
        f"Supported if its 95 % interval over rounds lies above {SLOWER:g}, refuted if "
        f"below {NOT_SLOWER:g}, else inconclusive."
    ),
    judge=judge_time,
    draw=draw_times,
    table=time_table,
    refuted_if=(
        f"the mean ratio over cells and H (T = 100, B = 32) is below {NOT_SLOWER:g}"
    ),
)
EXPERIMENT = Experiment("resources", PLANS, measure, (TIME, STORED, LONGEST))

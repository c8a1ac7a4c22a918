"""What is stored for tied and untied weights, and who dominates (A1)."""

import dataclasses
import itertools

import numpy as np

from experiments.lab.choices import standard_cells
from experiments.lab.experiment import Claim, Verdict, decide
from experiments.resources import figure
from experiments.resources.cases import Case
from experiments.resources.measure import Measured, law_cases
from experiments.resources.plan import ENDS, Plan
from experiments.resources.telling import (
    MIB,
    law_slope,
    names,
    setup,
    span,
)
from rnnshare.analysis.statistics import (
    line_fit,
    log_log_slope,
    mean_interval,
)

SLOPE_WITHIN = 0.05


def stored_slopes(plan: Plan, stored):
    """Returns {(cell, H): {arm: slope}} of the bytes that stay, against T, log-log."""
    return {
        (cell, width): {
            arm: log_log_slope(
                plan.steps,
                [stored[case] for case in law_cases(plan, cell, width, (arm,))],
            ).estimate
            for arm in plan.arms
        }
        for cell, width in itertools.product(standard_cells(), plan.widths)
    }


def judge_slopes(slopes) -> str:
    """Returns the verdict of A1.

    Args:
      slopes: {(cell, H): {arm: slope}} as `stored_slopes` returns them.
    """
    as_said = [
        abs(arms["Untied"] - 1) <= SLOPE_WITHIN and abs(arms["Tied"]) <= SLOPE_WITHIN
        for arms in slopes.values()
    ]
    alike = [arms["Untied"] - arms["Tied"] < SLOPE_WITHIN for arms in slopes.values()]
    return decide(all(as_said), 2 * sum(alike) > len(alike))


def activations(memory, case: Case) -> int:
    """Returns the bytes of a case's activations: the tied program's temporary ones.

    Untied, they share their places with the gradients, which may be larger; the tied
    program of the same shapes keeps the same activations, and hardly any gradients.
    """
    return memory[dataclasses.replace(case, arm="Tied")].temporary


def crossing(plan: Plan, memory, width: int) -> float:
    """Returns the B above which activations need more than what untied stores."""
    cases = [
        Case(plan.one_cell, "Untied", width, batch, plan.grid_steps)
        for batch in plan.batches
    ]
    line = line_fit(plan.batches, [activations(memory, case) for case in cases])
    return (memory[cases[0]].stored - line.intercept) / line.slope.estimate


def judge_stored(plan: Plan, measured: Measured) -> Verdict:
    """Returns the verdict of A1."""
    memory, slopes = measured.memory, stored_slopes(plan, measured.stored)
    arms = {
        arm: mean_interval([one[arm] for one in slopes.values()]) for arm in plan.arms
    }
    untied, tied = arms["Untied"], arms["Tied"]
    crossings = ", ".join(
        f"{crossing(plan, memory, width):,.0f} at H = {width}" for width in plan.widths
    )
    in_all = {
        (width, arm): memory[
            Case(plan.one_cell, arm, width, plan.batch_size, plan.grid_steps)
        ].total
        for width in plan.widths
        for arm in ENDS
    }
    totals = ", ".join(
        f"{in_all[width, 'Untied'] / in_all[width, 'Tied']:.1f} at H = {width}"
        for width in plan.widths
    )
    between = "; ".join(
        f"{arm} {arms[arm].estimate:.3f}" for arm in plan.arms if arm not in ENDS
    )
    told_between = f" Between tied and untied: {between}." if between else ""
    return Verdict(
        judge_slopes(slopes),
        untied,
        "log-log slope of untied's parameters and Adam's averages against T, in bytes",
        "What is stored, parameters and Adam's averages, grows as T to the power of "
        f"{untied.estimate:.3f} untied and {tied.estimate:.3f} tied; at T = "
        f"{plan.grid_steps} and batch {plan.batch_size} untied's memory in all is this "
        f"many times tied's ({plan.one_cell}): {totals}. Activations outweigh what "
        f"untied stores above a batch of {crossings}.",
        len(slopes),
        f"{setup(plan, measured)} What is stored follows from the shapes, so its slope "
        f"is known beforehand; the {len(slopes)} slopes, one a cell and width, fall "
        f"short of 1 by the read-out, which is tied.{told_between}\n\nWho dominates: "
        "untied, parameters and Adam take 12 P bytes a step, P the parameters of a "
        "cell, and activations a number of bytes that grows with B H: both in "
        "proportion to T, so the crossing lies in B and H. Stored over activations, "
        f"batch {plan.batch_size}: {_told_shares(plan, memory)}. Tied, the 12 P are "
        "held once, and activations are the larger from about where the product B T is "
        "above the batch named above. Activations are the temporary memory of the tied "
        "program; untied, XLA puts gradients and updates in their places, and needs "
        "the larger of both.\n\nLog-log slopes against T "
        f"({plan.one_cell}): {_told_growth(plan, measured)}.",
        repeats="cells and widths",
    )


def _told_shares(plan: Plan, memory) -> str:
    def share(width, num_steps):
        case = Case(plan.one_cell, "Untied", width, plan.batch_size, num_steps)
        ratio = memory[case].stored / activations(memory, case)
        return f"{ratio:.2f} at T = {num_steps}"

    ends = plan.steps[0], plan.steps[-1]
    return "; ".join(
        f"H = {width}: " + " and ".join(share(width, t) for t in ends)
        for width in plan.widths
    )


def _told_growth(plan: Plan, measured: Measured) -> str:
    whats = {
        "temporary memory": lambda case: measured.memory[case].temporary,
        "memory in all": lambda case: measured.memory[case].total,
        "time": lambda case: np.median(measured.times[case]),
    }
    return "; ".join(
        f"{what} {arm.lower()} {span(law_slope(plan, arm, value_of))}"
        for (what, value_of), arm in itertools.product(whats.items(), ENDS)
    )


def memory_table(plan: Plan, measured: Measured, verdict: Verdict) -> tuple:
    """Returns bytes by kind, and which of stored and activations is larger."""
    table: list = [
        (
            *("cell", "H", "B", "T", "weights", "parameters (MiB)", "Adam (MiB)"),
            *("temporary (MiB)", "in all (MiB)", "larger"),
        )
    ]
    for case, memory in measured.memory.items():
        if case.form == "unrolled" or case.optimizer != "adam":
            continue
        more = memory.stored > activations(measured.memory, case)
        sizes = (f"{value / MIB:.3g}" for value in memory)
        larger = "stored" if more else "activations"
        table.append((*names(case), case.arm, *sizes, larger))
    return tuple(table)


def draw_ledger(plan: Plan, measured: Measured, verdict: Verdict):
    """Returns the figure of A1."""
    memory, cell = measured.memory, plan.one_cell
    middle = plan.widths[len(plan.widths) // 2]
    three = sorted({plan.widths[0], middle, plan.widths[-1]})
    panels = {}
    for width in three:
        lines = {}
        for arm in ENDS:
            cases = law_cases(plan, cell, width, (arm,))
            stored = [memory[case].stored / MIB for case in cases]
            lines[f"{arm}: parameters and Adam"] = plan.steps, stored
        needed = [activations(memory, case) / MIB for case in cases]
        lines["activations of both"] = plan.steps, needed
        panels[f"{cell}, H = {width}"] = lines
    shares = {}
    for arm, width in itertools.product(reversed(ENDS), three):
        cases = [Case(cell, arm, width, b, plan.grid_steps) for b in plan.batches]
        shares[f"{arm}, H = {width}"] = (
            plan.batches,
            [memory[case].stored / activations(memory, case) for case in cases],
        )
    return figure.draw_ledger(panels, shares)


STORED = Claim(
    id="A1",
    rule=(
        "The log-log slope against T of the bytes of parameters and Adam's averages, "
        f"for every cell and width. Supported if each is within {SLOPE_WITHIN:g} of 1 "
        f"untied and within {SLOPE_WITHIN:g} of 0 tied; refuted if untied's is less "
        f"than {SLOPE_WITHIN:g} above tied's in most; else inconclusive."
    ),
    judge=judge_stored,
    draw=draw_ledger,
    table=memory_table,
    refuted_if=(
        "untied's parameters and Adam do not grow more with T than tied's "
        "(above, B = 32; below, T = 100)"
    ),
)

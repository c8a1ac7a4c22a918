"""The figures of the resource ledger's findings."""

from experiments.resources import figure as resource_figures
from experiments.resources.cases import Case
from experiments.resources.judgement import (
    FAR_BELOW,
    LONG,
    NEAR,
    NOT_SLOWER,
    SLOWER,
    activations,
    median_over_rounds,
    ratios,
)
from experiments.resources.measure import ENDS, batch_cases, grid_cases, law_cases
from experiments.resources.tables import MIB, gib
from rnnshare.plotting import panels as figures
from rnnshare.plotting.style import say_what_refutes


def draw_times(plan, measured, folder):
    """Draws the figure of Q6; returns its path."""
    grid = ratios(measured.times, grid_cases(plan))
    by_width = {
        cell: (plan.widths, [
            median_over_rounds(r) for c, r in grid.items() if c.cell == cell
        ])
        for cell in plan.cells
    }  # fmt: skip
    all_batches = sorted({*plan.small_batches, plan.batch_size})
    batches = ratios(measured.times, batch_cases(plan, all_batches))
    by_batch = {f"{plan.one_cell}, H = {plan.one_width}": (
        all_batches, [median_over_rounds(r) for r in batches.values()]
    )}  # fmt: skip
    compiling = {}
    for arm in ENDS:
        for form in ("scanned", "unrolled"):
            seconds = {
                case.num_steps: value
                for case, value in measured.compile_seconds.items()
                if (case.arm, case.form) == (arm, form)
                and case.cell == plan.one_cell
                and case.hidden_features == plan.one_width
                and case.batch_size == plan.batch_size
            }
            steps = sorted(seconds)
            compiling[f"{arm}, {form}"] = steps, [seconds[t] for t in steps]
    figure = resource_figures.draw_step_times(
        by_width,
        by_batch,
        compiling,
        {f"refuted below {NOT_SLOWER:g}": NOT_SLOWER,
         f"supported above {SLOWER:g}": SLOWER},
    )  # fmt: skip
    say_what_refutes(
        figure,
        f"the mean ratio over cells and H (T = {plan.grid_steps}, B = "
        f"{plan.batch_size}) is below {NOT_SLOWER:g}",
    )
    return _save(figure, folder, "Q6")


def draw_ledger(plan, measured, folder):
    """Draws the figure of A1; returns its path."""
    memory, cell = measured.memory, plan.one_cell
    panels = {}
    for width in _three(plan.widths):
        lines = {}
        for arm in ENDS:
            cases = law_cases(plan, cell, width, (arm,))
            stored = [memory[case].stored / MIB for case in cases]
            lines[f"{arm}: parameters and Adam"] = plan.steps, stored
        needed = [activations(memory, case) / MIB for case in cases]
        lines["activations of both"] = plan.steps, needed
        panels[f"{cell}, H = {width}"] = lines
    shares = {}
    for arm in reversed(ENDS):
        for width in _three(plan.widths):
            cases = [Case(cell, arm, width, b, plan.grid_steps) for b in plan.batches]
            shares[f"{arm}, H = {width}"] = (
                plan.batches,
                [memory[case].stored / activations(memory, case) for case in cases],
            )
    figure = resource_figures.draw_ledger(panels, shares)
    say_what_refutes(
        figure,
        "untied's parameters and Adam do not grow more with T than tied's "
        f"(above, B = {plan.batch_size}; below, T = {plan.grid_steps})",
    )
    return _save(figure, folder, "A1")


def draw_limits(plan, found, folder):
    """Draws the figure of B6; returns its path."""
    panels = {}
    for budget, cells in found.items():
        arms = {}
        for arm in ENDS:
            of_arm = {h: one[arm] for (c, h), one in cells.items()
                      if c == plan.one_cell}  # fmt: skip
            steps = {h: median_over_rounds(one.steps) for h, one in of_arm.items()}
            arms[arm] = resource_figures.Largest(
                list(of_arm),
                list(steps.values()),
                [steps[h].estimate == one.by_memory for h, one in of_arm.items()],
            )
        panels[f"{plan.one_cell}: {gib(budget)}, a second a step"] = arms
    figure = resource_figures.draw_largest(panels, LONG, NEAR, FAR_BELOW)
    say_what_refutes(
        figure,
        f"at some H untied's largest T ({gib(plan.budgets[0])}) is at least {LONG:,} "
        f"and {NEAR:g} of tied's; supported if at most {FAR_BELOW:g} at every H",
    )
    return _save(figure, folder, "B6")


def _save(figure, folder, claim):
    path = f"figures/{claim}.png"
    figures.save(figure, folder / path)
    return path


def _three(values):
    """Returns the first, the middle and the last of some values."""
    return sorted({values[0], values[len(values) // 2], values[-1]})

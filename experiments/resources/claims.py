"""What comes of the resource ledger: the findings of Q6, A1 and B6."""

import itertools
import time

import jax
import numpy as np

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from experiments.resources.cases import IN_FEATURES, Case
from experiments.resources.drawn import draw_ledger, draw_limits, draw_times
from experiments.resources.judgement import (
    LONG,
    activations,
    crossing,
    judge_limits,
    judge_stored,
    judge_time,
    largest,
    law_slope,
    limits,
    median_over_rounds,
    ratios,
    stored_slopes,
)
from experiments.resources.measure import (
    ENDS,
    PLANS,
    batch_cases,
    grid_cases,
    law_cases,
    measure,
    unrolled_cases,
)
from experiments.resources.tables import (
    gib,
    limit_table,
    memory_table,
    span,
    steps,
    time_table,
)
from rnnshare.analysis.statistics import bootstrap_interval


def findings(preset, folder, rules):
    """Measures; returns the findings of Q6, A1 and B6."""
    began, plan = time.perf_counter(), PLANS[preset]
    measured = measure(plan)
    found = (
        time_finding(plan, measured, folder),
        stored_finding(plan, measured, folder),
        limit_finding(plan, measured, folder),
    )
    command = f"python -m experiments.resources --preset={preset}"
    seconds = time.perf_counter() - began
    return [
        Finding(
            **one,
            claim=CLAIMS[one["id"]],
            rule=rules[one["id"]],
            command=command,
            seconds=seconds,
        )
        for one in found
    ]


def time_finding(plan, measured, folder):
    """Returns the fields of Q6's finding, and draws its figure."""
    grid = ratios(measured.times, grid_cases(plan))
    verdict, mean = judge_time(grid)
    by_width = ", ".join(
        f"{span(judge_time(of_width)[1])} at H = {width}"
        for width in plan.widths
        for of_width in [{c: r for c, r in grid.items() if c.hidden_features == width}]
    )
    sizes = sorted({*plan.small_batches, plan.batch_size})
    by_batch = ", ".join(
        f"{span(median_over_rounds(r))} at B = {case.batch_size}"
        for case, r in ratios(measured.times, batch_cases(plan, sizes)).items()
    )
    return {
        "id": "Q6",
        "verdict": verdict,
        "effect": mean.estimate,
        "effect_label": f"step time, untied / tied, at T = {plan.grid_steps} and equal "
        "width, mean over cells and widths",
        "interval": (mean.low, mean.high),
        "num_seeds": plan.rounds,
        "figure": draw_times(plan, measured, folder),
        "meaning": (
            f"At T = {plan.grid_steps} and batch {plan.batch_size} an untied training "
            f"step takes {span(mean)} times as long as a tied one: {by_width}. By "
            f"batch, {plan.one_cell} at H = {plan.one_width}: {by_batch}."
        ),
        "details": (
            f"{_setup(plan)} Intervals are the bootstrap's over the {plan.rounds} "
            "rounds of a race, whose contenders take turns; the rounds stand where "
            "other claims have paired seeds. The mean depends on the widths chosen."
            "\n\nForward and backward products are the same, tied and untied. Untied "
            "adds the reading and updating of T weight sets, their gradients and "
            "Adam's averages, however small the batch. "
            f"{_told_compiling(plan, measured)}"
        ),
        "table": time_table(plan, measured),
    }


def stored_finding(plan, measured, folder):
    """Returns the fields of A1's finding, and draws its figure."""
    memory, slopes = measured.memory, stored_slopes(plan, measured.memory)
    arms = {arm: bootstrap_interval([one[arm] for one in slopes.values()])
            for arm in plan.arms}  # fmt: skip
    untied, tied = arms["Untied"], arms["Tied"]
    crossings = ", ".join(
        f"{crossing(plan, memory, width):,.0f} at H = {width}" for width in plan.widths
    )
    totals = ", ".join(f"{_total_ratio(plan, memory, width):.1f} at H = {width}"
                       for width in plan.widths)  # fmt: skip
    return {
        "id": "A1",
        "verdict": judge_stored(slopes),
        "effect": untied.estimate,
        "effect_label": "log-log slope of untied's parameters and Adam's averages "
        "against T, in bytes",
        "interval": (untied.low, untied.high),
        "num_seeds": len(slopes),
        "figure": draw_ledger(plan, measured, folder),
        "meaning": (
            "What is stored, parameters and Adam's averages, grows as T to the power "
            f"of {untied.estimate:.3f} untied and {tied.estimate:.3f} tied; at T = "
            f"{plan.grid_steps} and batch {plan.batch_size} untied's memory in all "
            f"is this many times tied's ({plan.one_cell}): {totals}. Activations "
            "outweigh what untied stores above a batch of "
            f"{crossings}."
        ),
        "details": (
            f"{_setup(plan)} What is stored follows from the shapes, so its slope is "
            f"known beforehand; the {len(slopes)} slopes, one a cell and width, fall "
            "short of 1 by the read-out, which is tied."
            f"{_told_between(plan, arms)}\n\nWho dominates: untied, parameters and "
            "Adam take 12 P bytes a step, P the parameters of a cell, and activations "
            "a number of bytes that grows with B H: both in proportion to T, so the "
            "crossing lies in B and H. Stored over activations, batch "
            f"{plan.batch_size}: {_told_shares(plan, memory)}. Tied, the 12 P are held "
            "once, and activations are the larger from about where the product B T is "
            "above the batch named above. Activations are the temporary memory of the "
            "tied program; untied, XLA puts gradients and updates in their places, and "
            "needs the larger of both.\n\nLog-log slopes against T "
            f"({', '.join(plan.law_cells)}): {_told_growth(plan, measured)}."
        ),
        "table": memory_table(plan, measured),
    }


def limit_finding(plan, measured, folder):
    """Returns the fields of B6's finding, and draws its figure."""
    found = {budget: limits(plan, measured, budget) for budget in plan.budgets}
    first = found[plan.budgets[0]]
    verdict, shares = judge_limits(
        {key: {arm: one.steps for arm, one in arms.items()}
         for key, arms in first.items()}
    )  # fmt: skip
    best = largest(shares)
    cell, width = next(key for key, share in shares.items() if share == best)
    told = "; ".join(
        f"{c}, H = {h}: {steps(arms['Untied'])} untied, {steps(arms['Tied'])} tied"
        for (c, h), arms in first.items()
        if c == plan.one_cell
    )
    return {
        "id": "B6",
        "verdict": verdict,
        "effect": best.estimate,
        "effect_label": "untied's largest T as a share of tied's, where it is largest",
        "interval": (best.low, best.high),
        "num_seeds": plan.rounds,
        "figure": draw_limits(plan, found, folder),
        "meaning": (
            f"Within {gib(plan.budgets[0])} and a second a step, batch "
            f"{plan.batch_size}, the largest T: {told}. Untied's share of tied's is "
            f"largest, {span(best)}, for {cell} at H = {width}, and "
            f"{min(share.estimate for share in shares.values()):.2f} where it is least."
        ),
        "details": (
            f"{_setup(plan)} A long sequence is one of {LONG:,} steps here. The memory "
            "is XLA's analysis of the step compiled at that very T, which allocates "
            "nothing. The time is extrapolated in proportion to T from the longest T "
            f"timed, {plan.steps[-1]}; its interval is over the {plan.rounds} rounds "
            "of a race, which stand where other claims have paired seeds. Against T "
            f"the time grows as T to the power of {_told_powers(plan, measured)}: more "
            "than 1 where weights leave a cache, or the allocator gives large buffers "
            "back between uses and takes them anew, and less is then possible than "
            "this says.\n\nMemory grows "
            "about in proportion to T for both, so a budget grants untied a fixed "
            "share of tied's T: a small one where stored bytes dominate (A1), at small "
            "B or large H. Nothing is recomputed or truncated here, which would spare "
            "activations alone, and so help tied weights more."
        ),
        "table": limit_table(found),
    }


def _setup(plan):
    return (
        f"On {jax.devices()[0].device_kind} ({jax.default_backend()}): one layer, D = "
        f"{IN_FEATURES}, a linear read-out at the last step, float32; one step of the "
        "training loop (gradient, clipping, Adam) on a batch that is an argument, its "
        f"state donated. Laws in T: {', '.join(plan.law_cells)}, T = "
        f"{', '.join(map(str, plan.steps))}."
    )


def _told_compiling(plan, measured):
    told = "; ".join(
        f"T = {case.num_steps}: {measured.compile_seconds[case]:.1f} s {form} "
        f"{case.arm.lower()}"
        for form in ("scanned", "unrolled")
        for case in unrolled_cases(plan)
        if case.form == form
    )
    return (
        f"Seconds to compile, {plan.one_cell} at H = {plan.one_width}, scanned and "
        f"unrolled in Python, each measured once: {told}."
    )


def _told_between(plan, arms):
    told = "; ".join(
        f"{arm} {arms[arm].estimate:.3f}" for arm in plan.arms if arm not in ENDS
    )
    return f" Between tied and untied: {told}." if told else ""


def _told_shares(plan, memory):
    def share(width, num_steps):
        case = Case(plan.one_cell, "Untied", width, plan.batch_size, num_steps)
        return f"{memory[case].stored / activations(memory, case):.2f} at T = "

    return "; ".join(
        f"H = {width}: "
        + " and ".join(f"{share(width, t)}{t}" for t in (plan.steps[0], plan.steps[-1]))
        for width in plan.widths
    )


def _told_powers(plan, measured):
    slopes = (law_slope(plan, arm, lambda case: np.median(measured.times[case]))
              for arm in reversed(ENDS))  # fmt: skip
    return " and ".join(
        f"{span(slope)} {arm.lower()}"
        for arm, slope in zip(reversed(ENDS), slopes, strict=True)
    )


def _told_growth(plan, measured):
    memory, times = measured.memory, measured.times
    whats = {
        "temporary memory": lambda case: memory[case].temporary,
        "memory in all": lambda case: memory[case].total,
        "time": lambda case: np.median(times[case]),
    }
    return "; ".join(
        f"{what} {arm.lower()} {span(law_slope(plan, arm, value_of))}"
        for (what, value_of), arm in itertools.product(whats.items(), ENDS)
    )


def _total_ratio(plan, memory, width):
    cell, batch = plan.one_cell, plan.batch_size
    tied, untied = (
        memory[case].total
        for arm in ENDS
        for case in law_cases(plan, cell, width, (arm,))
        if case.num_steps == plan.grid_steps and case.batch_size == batch
    )
    return untied / tied

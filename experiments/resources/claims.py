"""What an untied training step takes in time (Q6); the experiment's claims."""

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.resources import figure
from experiments.resources.cases import Case
from experiments.resources.limit_claim import LONGEST
from experiments.resources.measure import (
    Measured,
    grid_cases,
    measure,
    take_times,
    unrolled_cases,
)
from experiments.resources.plan import ENDS, PLANS, Plan
from experiments.resources.stored_claim import STORED
from experiments.resources.telling import (
    names,
    over_rounds,
    ratios,
    setup,
    span,
)
from rnnshare.analysis.statistics import Interval, LineFit, line_fit

SLOWER, NOT_SLOWER = 1.1, 1.0  # ratios of step times


class Ratios(NamedTuple):
    """Untied's step time over tied's, a shape at a time.

    Attributes:
      by_shape: {untied case: the ratio, geometric mean over rounds}.
      law: its line against the ratio of bytes, both in logarithms.
    """

    by_shape: dict[Case, Interval]
    law: LineFit

    def of(self, **fields: Any) -> list[Interval]:
        """Returns the ratios of the cases with these fields."""
        return [
            ratio
            for case, ratio in self.by_shape.items()
            if all(getattr(case, name) == value for name, value in fields.items())
        ]


def judge_ratios(ratios_: Iterable[Interval]) -> str:
    """Returns the verdict of Q6, of a ratio a shape."""
    found = list(ratios_)
    below = sum(ratio.high < NOT_SLOWER for ratio in found)
    return decide(all(ratio.low > SLOWER for ratio in found), 2 * below > len(found))


def ratios_of(plan: Plan, measured: Measured) -> Ratios:
    """Returns the ratios of every shape, and their law."""
    each = ratios(measured.times, grid_cases(plan))
    by_shape = {case: over_rounds(values) for case, values in each.items()}
    bytes_ = [bytes_ratio(measured, case) for case in by_shape]
    times = [ratio.estimate for ratio in by_shape.values()]
    if len(times) < 3 or np.ptp(bytes_) == 0:
        return Ratios(by_shape, LineFit(Interval(np.nan, np.nan, np.nan), 0.0, 0.0))
    return Ratios(by_shape, line_fit(np.log(bytes_), np.log(times)))


def bytes_ratio(measured: Measured, case: Case) -> float:
    """Returns the bytes that an untied step needs in all over those of a tied one."""
    tied = dataclasses.replace(case, arm="Tied")
    return measured.memory[case].total / measured.memory[tied].total


def judge_time(plan: Plan, measured: Measured) -> Verdict:
    """Returns the verdict of Q6."""
    found = ratios_of(plan, measured)
    least, most = (
        pick(found.by_shape, key=lambda case: found.by_shape[case].estimate)
        for pick in (min, max)
    )
    by_width = ", ".join(
        f"{_range(found.of(hidden_features=width))} at H = {width}"
        for width in plan.widths
    )
    by_optimizer = " and ".join(
        f"{_range(found.of(optimizer=name))} by {_NAMES[name]}"
        for name in plan.optimizers
    )
    by_batch = ", ".join(
        f"{_range(found.of(batch_size=batch))} at B = {batch}"
        for batch in plan.timed_batches
    )
    compiling = "; ".join(
        f"T = {case.num_steps}: {measured.compile_seconds[case]:.1f} s {form} "
        f"{case.arm.lower()}"
        for form in ("scanned", "unrolled")
        for case in unrolled_cases(plan)
        if case.form == form
    )
    shapes = list(found.by_shape.values())
    above, below = (
        sum(test(ratio) for ratio in shapes)
        for test in (lambda r: r.low > SLOWER, lambda r: r.high < NOT_SLOWER)
    )
    verdict = judge_ratios(shapes)
    depends = "" if verdict != "inconclusive" else "It depends on the width. "
    return Verdict(
        verdict,
        found.by_shape[least],
        f"step time, untied / tied, at T = {plan.grid_steps}, the least of "
        f"{len(shapes)} shapes ({_told(least)})",
        f"{depends}At T = {plan.grid_steps} an untied training step takes "
        f"{_range(shapes)} times as long as a tied one, least at {_told(least)} and "
        f"most at {_told(most)}: {by_width}; {by_optimizer}. The ratio of the bytes "
        "that both need explains it: the time's grows as its power "
        f"{found.law.slope.estimate:.2f} (R2 = {found.law.r_squared:.2f}).",
        plan.rounds,
        f"{setup(plan, measured)} By batch: {by_batch}. Of "
        f"{len(shapes)} shapes, {above} lie above {SLOWER:g} by their intervals and "
        f"{below} below {NOT_SLOWER:g}. More rounds would narrow the intervals of a "
        "shape, and not the range over shapes. Intervals are t intervals over the "
        f"{plan.rounds} rounds of a race, whose contenders take turns; they are "
        "rounds, not seeds. The bytes are parameters, optimiser, batch, activations "
        "and gradients, by XLA's analysis; their ratio is from "
        f"{min(bytes_ratio(measured, c) for c in found.by_shape):.2f} to "
        f"{max(bytes_ratio(measured, c) for c in found.by_shape):.1f}."
        "\n\nForward and backward products are the same, tied and untied. Untied adds "
        "the reading and updating of T weight sets, their gradients and the "
        "optimiser's averages, however small the batch. Seconds to compile, "
        f"{plan.one_cell} at H = {plan.one_width}, scanned and unrolled in Python, "
        f"each measured once: {compiling}.",
        repeats="rounds",
        data=found,
    )


_NAMES = {"adam": "Adam", "sgd": "SGD"}


def _told(case: Case) -> str:
    return (
        f"{case.cell}, H = {case.hidden_features}, B = {case.batch_size}, "
        f"{_NAMES[case.optimizer]}"
    )


def _range(found: list[Interval]) -> str:
    ends = [f"{pick(r.estimate for r in found):.2f}" for pick in (min, max)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def time_table(plan: Plan, measured: Measured, verdict: Verdict) -> tuple:
    """Returns step times, their ratios and compile times."""
    table: list = [
        (
            *("cell", "H", "B", "T", "optimiser", "form", "step (ms)", "tied (ms)"),
            *("ratio", "ratio of bytes", "compile (s)", "tied (s)"),
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
                _NAMES[case.optimizer],
                case.form,
                *(f"{1e3 * np.median(one):.2f}" for one in times),
                span(over_rounds(times[0] / times[1])),
                f"{bytes_ratio(measured, case):.2f}",
                *(f"{measured.compile_seconds[c]:.2f}" for c in both),
            )
        )
    return tuple(table)


def draw_times(plan: Plan, measured: Measured, verdict: Verdict):
    """Returns the figure of Q6."""
    found = verdict.data
    usual = {"cell": plan.one_cell, "optimizer": "adam"}
    by_width = {
        f"{plan.one_cell}, B = {batch}": (
            plan.widths,
            [
                found.of(hidden_features=width, batch_size=batch, **usual)[0]
                for width in plan.widths
            ],
        )
        for batch in plan.timed_batches
    }
    by_batch = {
        f"H = {width}, {_NAMES[name]}": (
            plan.timed_batches,
            [
                found.of(
                    cell=plan.one_cell,
                    hidden_features=width,
                    batch_size=batch,
                    optimizer=name,
                )[0]
                for batch in plan.timed_batches
            ],
        )
        for name in plan.optimizers
        for width in plan.widths
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
        "The time of a training step (gradient, clipping, SGD or Adam; scanned) untied "
        "over tied, at T = 100 and equal width, interleaved round by round: a ratio a "
        "shape of H, batch and optimiser, the geometric mean over rounds. Supported if "
        f"the smallest is above {SLOWER:g}, by the low ends of the 95 % intervals over "
        f"rounds of all shapes; refuted if most are below {NOT_SLOWER:g}, by the high "
        "ends; else inconclusive: it depends on the width, and the ratio of bytes is "
        "told as its law. Amended, because a mean over the widths that happened to be "
        "chosen was judged, at one batch and by Adam alone; under the former rule: "
        "supported (2.00 [1.98, 2.03])."
    ),
    judge=judge_time,
    draw=draw_times,
    table=time_table,
    refuted_if=f"most ratios (T = 100) lie below {NOT_SLOWER:g}",
    full_decides=False,
)
EXPERIMENT = Experiment(
    "resources", PLANS, measure, (TIME, STORED, LONGEST), take_times=take_times
)

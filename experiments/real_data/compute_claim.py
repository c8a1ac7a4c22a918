"""Who does better where compute is free, over sources (A2)."""

import numpy as np

from experiments.lab.experiment import Claim, Verdict
from experiments.lab.frames import LEVEL, say_lost
from experiments.real_data.measure import Measured, is_generated, source_of
from experiments.real_data.over_sources import (
    LEAST_SOURCES,
    over_sources,
    say_power,
    verdict_of,
)
from experiments.real_data.plan import PLANS, Plan
from experiments.real_data.result import result_of, training
from rnnshare.analysis.statistics import Interval
from rnnshare.plotting import IntervalRow, draw_intervals

_REAL_IN_FULL = len({source_of(c) for c in PLANS["full"].cells if not is_generated(c)})


def judge_compute(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of A2, from the runs of Q5."""
    result = result_of(found)
    sources = over_sources(result.differences)
    verdict = verdict_of(sources)
    longest = max(plan.num_steps)
    going = result.stopped[result.stopped < 0.9].index
    details = [
        f"Compute is free here in that every model trains {longest:,} steps at most, "
        f"{training(plan)}; equal training sets, the width chosen by validation where "
        "there are several. "
        + (
            f"Less than nine in ten runs were at their best before the last step on "
            f"{'; '.join(going)}, where longer training might lower the loss."
            if len(going)
            else "At least nine in ten runs were at their best before the last step, "
            "in every case."
        ),
        sources.told(),
        say_power(sources, _REAL_IN_FULL) if verdict == "inconclusive" else "",
        "What sharing was for in the 1980s, when its makers had little compute, is "
        "history, and cannot be tested by training.",
    ]
    return Verdict(
        verdict,
        sources.mean,
        "log of the test loss, untied over tied, mean over the sources",
        f"With compute free, tied has the lower test loss on {sources.tied} of "
        f"{len(sources.values)} real sources (sign test p = {sources.p:.2g}); on "
        f"average untied's is {_factor(sources.mean)} times tied's. "
        f"{sources.without()}",
        len(sources.values),
        "\n\n".join(filter(None, details))
        + say_lost(found.runs["lost"], "chance", "\n\n"),
        repeats="sources",
        data=(result, sources),
    )


def _factor(logs: Interval) -> str:
    ratio = Interval(*(float(np.exp(end)) for end in logs))
    return f"{ratio:.2f}"


def compute_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns who has the lower loss, and whose training was over, a row a case."""
    result, _ = verdict.data
    return (
        (
            *("data, cell", "log of the test loss, untied over tied"),
            *("lower test loss", "runs best before the last step"),
        ),
        *(
            (case, f"{result.interval(case):+.3f}", result.winner(case), f"{part:.0%}")
            for case, part in result.stopped.items()
        ),
    )


def draw_differences(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of A2: the ratio of each case, in the winner's colour."""
    result, _ = verdict.data
    return draw_intervals(
        [
            IntervalRow(
                case.replace("_", " "), result.interval(case), result.winner(case)
            )
            for case in result.tests.index
        ],
        "log of the test loss, untied over tied\n"
        "grey: neither's; refuted if nearly all are left of 0",
        sides=("untied is better", "tied is better"),
    )


COMPUTE = Claim(
    id="A2",
    rule=(
        "Every arm trains on equal training sets with a rate annealed to 0. The effect "
        "is the log ratio of test losses, untied over tied as in Q5; the unit is the "
        "source, the mean of its pairs of data set and cell over seeds; generated data "
        f"are left out. Supported if there are at least {LEAST_SOURCES} sources, the "
        f"sign test over them is below {LEVEL:g} for tied, and the t interval of their "
        "mean and every mean that leaves one source out lie above 0; refuted if the "
        "same holds below 0; else inconclusive. Amended, because pairs were counted "
        "and nats of different tasks added, and one generated data set carried 88 % of "
        "the mean; under the former rule: inconclusive (0.184 [0.157, 0.211] nats)."
    ),
    full_decides=False,  # it has one source more
    judge=judge_compute,
    draw=draw_differences,
    table=compute_table,
)

"""What is concluded from real data: who does better (Q5), compute being free (A2)."""

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from experiments.lab.frames import LEVEL, say_lost, tests
from experiments.real_data.measure import (
    PAIR,
    Measured,
    differences,
    load_all,
    measure,
)
from experiments.real_data.plan import PLANS, Plan
from rnnshare.analysis.statistics import Interval, mean_interval
from rnnshare.plotting import IntervalRow, draw_intervals, draw_paired

METRICS = {"accuracy": "test accuracy", "bits_per_character": "bits a character"}
HEADER = (
    "data, cell",
    "weights",
    "parameters",
    "tuned rate, start",
    "test accuracy, or bits a character (median)",
    "test loss (nats)",
    "test less train loss",
    "untied less tied test loss [95 %], Holm p",
)


class Result(NamedTuple):
    """Who has the lower test loss, a row a case.

    Attributes:
      differences: untied less tied test loss, a column a seed.
      tests: its estimate, low, high, p, and wins: -1 untied's, +1 tied's.
      confirmed: cases that untied won, and again on fresh seeds.
      stopped: {case: the part of its runs whose best step is not the last}.
    """

    differences: pd.DataFrame
    tests: pd.DataFrame
    confirmed: list
    stopped: pd.Series

    def count(self, wins: int) -> int:
        """Returns how many cases untied (-1) or tied (+1) wins."""
        return int((self.tests.wins == wins).sum())

    def interval(self, case: str) -> Interval:
        """Returns a case's difference."""
        return Interval(*self.tests.loc[case, ["estimate", "low", "high"]])

    def winner(self, case: str) -> str:
        """Returns whose test loss is lower: Tied, Untied or neither."""
        return {-1: "Untied", 0: "neither", 1: "Tied"}[int(self.tests.wins[case])]


def result_of(found: Measured) -> Result:
    """Returns what the rules say of each case."""
    apart = differences(found.runs)
    map_ = tests(apart)
    confirmed = [
        case
        for case, row in differences(found.fresh).iterrows()
        if map_.wins[case] < 0 and mean_interval(row.to_numpy()).high < 0
    ]
    pair = found.runs[found.runs["arm"].isin(PAIR)]
    early = (pair["best_step"] < pair["num_steps"]) & ~pair["lost"]
    stopped = early.groupby(pair["case"], sort=False).mean()
    return Result(apart, map_, confirmed, stopped)


def judge_data(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of Q5 on real data."""
    result = result_of(found)
    count = len(result.tests)
    best = result.tests.estimate.idxmin()
    where = f"on {', '.join(result.confirmed)}" if result.confirmed else "nowhere"
    rise = found.runs["test_loss"] - found.runs["train_loss"]
    rises = rise.groupby(found.runs["arm"]).mean()
    return Verdict(
        decide(result.confirmed, 2 * result.count(+1) >= count),
        result.interval(best),
        f"untied less tied test loss, in nats, where untied does best ({best})",
        f"Untied wins {where}, tied on {result.count(+1)} of {count} pairs of data set "
        f"and cell, at equal width (H = {plan.hidden_features}) and with rate and "
        "start tuned by equal budgets. From train to test the loss rises by "
        f"{rises['Tied']:.2f} nats tied and {rises['Untied']:.2f} nats untied, on "
        "average.",
        plan.num_seeds,
        "\n\n".join(data_details(found, result))
        + say_lost(found.runs["lost"], "chance", "\n\n"),
        data=result,
    )


def data_details(found: Measured, result: Result) -> Iterator[str]:
    """Yields what the figure does not say: time shuffled, and the caveats."""
    plain, shuffled = "mnist1d, GRU", "mnist1d_shuffled, GRU"
    of_arm = found.runs.groupby(["case", "arm"])
    if {plain, shuffled} <= set(result.tests.index):
        medians = 100 * of_arm["test_accuracy"].median()
        text = "; ".join(
            f"{arm.lower()}, {medians[plain, arm]:.1f} % plain and "
            f"{medians[shuffled, arm]:.1f} % shuffled "
            f"({medians[plain, arm] - medians[shuffled, arm]:.1f} points lost)"
            for arm in PAIR
        )
        yield f"MNIST-1D with its time shuffled, GRU, median test accuracy: {text}."
    losses = {key: own["test_loss"].to_numpy() for key, own in of_arm}
    for case, arm in losses:
        if arm.startswith("Cyclic"):
            apart = {other: losses[case, arm] - losses[case, other] for other in PAIR}
            text = " and ".join(
                f"less {other.lower()} {mean_interval(values):+.3f}"
                for other, values in apart.items()
            )
            yield f"{case}: test loss of weights by {arm.lower()}, {text} nats."
    for case in result.tests.index:
        task, cell = case.split(", ")
        if task == "italy_power_demand":
            yield (
                "ItalyPowerDemand has a clock, so that a weight per hour could pay, "
                f"and 67 training days: {cell} untied less tied test loss "
                f"{result.interval(case):+.3f} nats."
            )
    yield (
        "Seeds are paired: a seed has the same split and the same batches for every "
        "model. The splits overlap, so the intervals speak of these data sets, not of "
        "a wider population."
    )


def data_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the losses, a row an arm of a case."""
    result, rows = verdict.data, [HEADER]
    runs = found.runs.set_index(["case", "arm"]).sort_index()
    for (case, arm), setting in found.chosen.items():
        own, metric = runs.loc[case, arm], metric_of(found, case)
        same = getattr(setting.sharing, "same_init", False)
        loss = own["test_loss"]
        p = result.tests.p[case]
        rows.append(
            (
                case,
                arm,
                f"{setting.num_parameters():,}",
                f"{setting.learning_rate:g}{', one initialisation' * same}",
                f"{own[f'test_{metric}'].median():.3f}{' bits' * (metric[0] == 'b')}",
                f"{loss.mean():.3f}",
                f"{(loss - own['train_loss']).mean():.3f}",
                f"{result.interval(case):+.3f}, p {p:.2g}" * (arm == "Untied"),
            )
        )
    return tuple(rows)


def draw_scores(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of Q5: every run's accuracy, or bits, a panel a case."""
    metrics = {case: metric_of(found, case) for case in found.chance}
    runs = found.runs.groupby(["case", "arm"])
    return draw_paired(
        {
            _title(case): {
                arm: runs.get_group((case, arm))[f"test_{metric}"].to_numpy()
                for arm in PAIR
            }
            for case, metric in metrics.items()
        },
        {_title(case): METRICS[metric] for case, metric in metrics.items()},
        chance={_title(c): found.chance[c][metric] for c, metric in metrics.items()},
    )


def judge_compute(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of A2, from the runs of Q5."""
    result = result_of(found)
    count, longest = len(result.tests), max(plan.num_steps)
    tied, untied = (2 * result.count(wins) >= count for wins in (+1, -1))
    going = result.stopped[result.stopped < 0.9].index
    details = [
        "Compute is free here in that a model trains until its validation loss no "
        f"longer falls, at most {longest:,} steps; equal training sets, equal width. "
        + (
            f"Less than nine in ten runs got there on {'; '.join(going)}."
            if len(going)
            else "In every case at least nine in ten runs got there."
        ),
        "What sharing was for in the 1980s, when its makers had little compute, is "
        "history, and cannot be tested by training.",
    ]
    return Verdict(
        decide(tied and not untied, untied and not tied),
        mean_interval(result.differences.mean().to_numpy()),
        "untied less tied test loss, in nats, mean over the pairs",
        f"Trained until validation no longer gets better, at most {longest:,} steps, "
        f"tied has the lower test loss on {result.count(+1)} and untied on "
        f"{result.count(-1)} of {count} pairs of data set and cell. "
        f"{result.stopped.mean():.0%} of the runs were at their best before the last "
        "step.",
        plan.num_seeds,
        "\n\n".join(details) + say_lost(found.runs["lost"], "chance", "\n\n"),
        data=result,
    )


def compute_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns who has the lower loss, and whose training was over, a row a case."""
    result = verdict.data
    return (
        ("data, cell", "lower test loss", "runs best before the last step"),
        *(
            (case, result.winner(case), f"{part:.0%}")
            for case, part in result.stopped.items()
        ),
    )


def draw_differences(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of A2: the difference of each case, in the winner's colour."""
    result = verdict.data
    return draw_intervals(
        [
            IntervalRow(
                case.replace("_", " "), result.interval(case), result.winner(case)
            )
            for case in result.tests.index
        ],
        "untied less tied test loss (nats)\n"
        "grey: neither's; refuted if half are orange",
        sides=("untied is better", "tied is better"),
    )


def metric_of(found: Measured, case: str) -> str:
    """Returns the metric to show beside the loss: bits a character, or accuracy."""
    return next(name for name in reversed(METRICS) if name in found.chance[case])


def _title(case: str) -> str:
    """Returns a case in two lines, for a narrow panel."""
    return case.replace(", ", "\n").replace("_", " ")


DATA = Claim(
    id="Q5",
    rule=(
        "For each data set and cell, untied wins if its test loss is below the tied "
        "model's over paired seeds and resampled splits (the 95 % interval leaves out "
        f"0, paired t test with Holm's correction over the map below {LEVEL:g}), and "
        "does so again on fresh seeds; a tied win is the same without the second run. "
        "Supported if untied wins somewhere; refuted if nowhere, and tied wins in at "
        "least half of the map; else inconclusive."
    ),
    judge=judge_data,
    draw=draw_scores,
    table=data_table,
    refuted_if=(
        "untied (orange) nowhere has the lower test loss, and tied has it in half of "
        "the panels"
    ),
)
COMPUTE = Claim(
    id="A2",
    rule=(
        "Tied and untied train until their validation loss no longer falls, whatever "
        "that takes, on equal training sets. A pair of data set and cell goes to the "
        "one with the lower test loss over paired seeds and resampled splits (the 95 % "
        "interval of the difference leaves out 0, paired t test with Holm's "
        f"correction over the map below {LEVEL:g}). Supported if at least half of the "
        "pairs go to tied; refuted if at least half go to untied; else, or if both, "
        "inconclusive. How many runs were at their best before the last step is told."
    ),
    judge=judge_compute,
    draw=draw_differences,
    table=compute_table,
)
EXPERIMENT = Experiment("real_data", PLANS, measure, (DATA, COMPUTE), check=load_all)

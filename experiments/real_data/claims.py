"""What is concluded from `real_data_study`: Q5 on real data, and A2."""

import dataclasses
import time

import numpy as np

from experiments.claims import CLAIMS
from experiments.lab.finding import Finding
from experiments.real_data.measure import PLANS, Measured, measured
from rnnshare.analysis.statistics import bootstrap_interval
from rnnshare.plotting import panels as figures
from rnnshare.plotting.style import say_what_refutes

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


@dataclasses.dataclass(frozen=True)
class Judged:
    """What the rule of Q5 makes of a map.

    Attributes:
      verdict: one of the report's.
      wins: labels of the cases where untied wins, on fresh seeds too.
      tied, untied: labels of the cases where the test loss of one is below the other's.
    """

    verdict: str
    wins: list
    tied: list
    untied: list


def judge(found: Measured) -> Judged:
    """Returns who wins where, and the verdict of Q5; see RULES."""
    pairs = list(zip(found.cases, found.p_values, strict=True))
    tied = [c.label for c, p in pairs if p < 0.05 and c.difference.low > 0]
    untied = [c.label for c, p in pairs if p < 0.05 and c.difference.high < 0]
    wins = [
        label
        for label, again in found.confirmed.items()
        if label in untied and again.difference.high < 0
    ]
    if wins:
        verdict = "supported"
    else:
        verdict = "refuted" if len(tied) * 2 >= len(pairs) else "inconclusive"
    return Judged(verdict, wins, tied, untied)


def judge_compute(found: Measured) -> str:
    """Returns the verdict of A2; see RULES."""
    judged, half = judge(found), len(found.cases) / 2
    tied, untied = len(judged.tied) >= half, len(judged.untied) >= half
    if tied == untied:
        return "inconclusive"
    return "supported" if tied else "refuted"


def both_findings(preset, folder, rules):
    """Runs the study, and returns the findings of Q5 and A2."""
    began = time.perf_counter()
    found = measured(preset, folder)
    seconds = time.perf_counter() - began
    return [
        finding(found, preset, folder, rules["Q5"], seconds),
        compute_finding(found, preset, folder, rules["A2"], seconds),
    ]


def finding(found, preset, folder, rule, seconds):
    """Returns the finding of Q5 on real data; draws its figure."""
    plan, judged, cases = PLANS[preset], judge(found), found.cases
    path = "figures/Q5.png"
    labels = {"accuracy": "test accuracy", "bits_per_character": "bits a character"}
    figure = figures.draw_paired(
        {case.title: case.scores() for case in cases},
        {case.title: labels[case.metric] for case in cases},
        chance={c.title: c.task.lines["chance"][c.metric] for c in cases},
    )
    say_what_refutes(
        figure,
        "untied (orange) nowhere has the lower test loss, and tied has it in half of "
        "the panels",
    )
    figures.save(figure, folder / path)
    nearest = min(cases, key=lambda case: case.difference.estimate)
    best = nearest.difference
    gaps = {
        arm: np.mean([np.mean(c.column(arm, "test_loss") - c.column(arm, "train_loss"))
                      for c in cases])
        for arm in ("Tied", "Untied")
    }  # fmt: skip
    wins = judged.wins
    where = f"Untied wins on {', '.join(wins)}" if wins else "Untied wins nowhere"
    return Finding(
        id="Q5",
        claim=CLAIMS["Q5"],
        verdict=judged.verdict,
        effect=best.estimate,
        effect_label=(
            "untied less tied test loss, in nats, where untied does best "
            f"({nearest.label})"
        ),
        interval=(best.low, best.high),
        num_seeds=plan.num_seeds,
        rule=rule,
        command=f"python -m experiments.real_data --preset={preset}",
        figure=path,
        seconds=seconds,
        meaning=(
            f"{where}, tied on {len(judged.tied)} of {len(cases)} pairs of data set "
            f"and cell, at equal width (H = {plan.hidden_features}) and with rate and "
            "start tuned by equal budgets. From train to test the loss rises by "
            f"{gaps['Tied']:.2f} nats tied and {gaps['Untied']:.2f} nats untied, on "
            f"average."
        ),
        details="\n\n".join(_sentences(cases)),
        table=table(found),
    )


def table(found):
    """Returns the table of a map, one row an arm."""
    pairs = zip(found.cases, found.p_values, strict=True)
    return (HEADER, *(row for case, p in pairs for row in case.table_rows(p)))


def compute_finding(found, preset, folder, rule, seconds):
    """Returns the finding of A2 from the runs of Q5; draws its figure."""
    plan, judged, cases = PLANS[preset], judge(found), found.cases
    verdict = judge_compute(found)
    path = "figures/A2.png"
    figures.save(draw_differences(cases, judged), folder / path)
    overall = bootstrap_interval(
        np.mean(
            [c.column("Untied", "test_loss") - c.column("Tied", "test_loss")
             for c in cases],
            axis=0,
        )
    )  # fmt: skip
    stopped = np.mean([case.stopped for case in cases])
    going = [case.label for case in cases if case.stopped < 0.9]
    return Finding(
        id="A2",
        claim=CLAIMS["A2"],
        verdict=verdict,
        effect=overall.estimate,
        effect_label="untied less tied test loss, in nats, mean over the pairs",
        interval=(overall.low, overall.high),
        num_seeds=plan.num_seeds,
        rule=rule,
        command=f"python -m experiments.real_data --preset={preset}",
        figure=path,
        seconds=seconds,
        meaning=(
            "Trained until validation no longer gets better, at most "
            f"{max(plan.num_steps):,} steps, tied has the lower test loss on "
            f"{len(judged.tied)} and untied on {len(judged.untied)} of {len(cases)} "
            f"pairs of data set and cell. {stopped:.0%} of the runs were at their best "
            f"before the last step."
        ),
        details=(
            "Compute is free here in that a model trains until its validation loss no "
            "longer falls, at most "
            f"{max(plan.num_steps):,} steps; equal training sets, equal width. "
            + (
                "Less than nine in ten runs got there on " + "; ".join(going) + "."
                if going
                else "In every case at least nine in ten runs got there."
            )
            + "\n\nWhat sharing was for in the 1980s, when its makers had little "
            "compute, is history, and cannot be tested by training."
        ),
        table=(
            ("data, cell", "lower test loss", "runs best before the last step"),
            *(
                (case.label, _lower(case, judged), f"{case.stopped:.0%}")
                for case in cases
            ),
        ),
    )


def draw_differences(cases, judged):
    """Returns the figure of A2: the difference of each case, in the winner's colour."""
    return figures.draw_intervals(
        [
            figures.IntervalRow(
                case.label.replace("_", " "), case.difference, _lower(case, judged)
            )
            for case in cases
        ],
        "untied less tied test loss (nats)\n"
        "grey: neither's; refuted if half are orange",
        sides=("untied is better", "tied is better"),
    )


def _lower(case, judged):
    """Returns whose test loss is lower: Tied, Untied or neither."""
    if case.label in judged.tied:
        return "Tied"
    return "Untied" if case.label in judged.untied else "neither"


def _sentences(cases):
    """Returns what the figure does not say: time shuffled, and the caveats."""
    by_name = {(case.task.name, case.cell): case for case in cases}
    plain = by_name.get(("mnist1d", "GRUCell"))
    shuffled = by_name.get(("mnist1d_shuffled", "GRUCell"))
    if plain and shuffled:
        arms_ = {
            arm: [np.median(c.column(arm, "test_accuracy")) for c in (plain, shuffled)]
            for arm in ("Tied", "Untied")
        }
        text = "; ".join(
            f"{arm.lower()}, {100 * a:.1f} % plain and {100 * b:.1f} % shuffled "
            f"({100 * (a - b):.1f} points lost)"
            for arm, (a, b) in arms_.items()
        )
        yield f"MNIST-1D with its time shuffled, GRU, median test accuracy: {text}."
    for case in cases:
        for arm in case.measured:
            if arm.startswith("Cyclic"):
                yield _of_cyclic(case, arm)
    italy = [case for case in cases if case.task.name == "italy_power_demand"]
    for case in italy:
        d = case.difference
        yield (
            "ItalyPowerDemand has a clock, so that a weight per hour could pay, and 67 "
            f"training days: {case.cell.removesuffix('Cell')} untied less tied test "
            f"loss {d.estimate:+.3f} [{d.low:+.3f}, {d.high:+.3f}] nats."
        )
    yield (
        "Seeds are paired: a seed has the same split and the same batches for every "
        "model. The splits overlap, so the intervals speak of these data sets, not of "
        "a wider population; with few seeds a bootstrap interval is too narrow, which "
        "is why the rule asks for the t test as well."
    )


def _of_cyclic(case, arm):
    """Returns a sentence on weights that come back with a period."""
    losses = case.column(arm, "test_loss")
    against = {
        other: bootstrap_interval(losses - case.column(other, "test_loss"))
        for other in ("Tied", "Untied")
    }
    text = " and ".join(
        f"less {other.lower()} {d.estimate:+.3f} [{d.low:+.3f}, {d.high:+.3f}]"
        for other, d in against.items()
    )
    return f"{case.label}: test loss of weights by {arm.lower()}, {text} nats."

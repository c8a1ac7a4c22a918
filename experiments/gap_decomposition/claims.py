"""What the parts of the gap (Ac1) and the two gaps of each setting (Ac2d) come to."""

import numpy as np
import scipy.stats

from experiments.gap_decomposition import figure
from experiments.gap_decomposition.measure import (
    GUESSING,
    LONGER,
    Measured,
    measure,
    whole_seeds,
)
from experiments.gap_decomposition.plan import PLANS, Plan
from experiments.lab.experiment import Claim, Experiment, Verdict, decide
from rnnshare.analysis.statistics import Interval, bootstrap_interval, mean_interval

PARTS = "resources", "in-distribution estimation", "unseen positions", "unseen lengths"
_SIGN = {"loss": 1.0, "accuracy": -1.0}  # gaps are those of 1 - accuracy
UNITS = {"loss": "nats", "accuracy": "error rate"}
HIGH, LOW = 0.8, 0.3  # correlations of gaps that go together, and that do not
MANY = 20  # settings, at least, that a correlation is over
_FLOOR = 1e-3  # nats: gaps that no over-fitting tells apart


def judge_parts(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of Ac1: the parts of the gap, cell by cell."""
    pairs, diverged, enough = whole_seeds(found.pairs)
    parts = {metric: parts_of(pairs[metric], metric) for metric in GUESSING}
    bars = {m: [_bar(*each) for each in parts[m].items()] for m in parts}
    apart = np.mean([contrast(values) for values in parts["loss"].values()], axis=0)
    overall = mean_interval(apart)
    contrasts = [bar.contrast for bar in bars["loss"]]
    shares, errors = (
        np.mean([values.mean(0) for values in by_cell.values()], axis=0)
        for by_cell in parts.values()
    )
    told = ", ".join(f"{n} {x:+z.3f}" for n, x in zip(PARTS, shares, strict=True))
    return Verdict(
        parts_verdict(contrasts, overall) if enough else "inconclusive",
        overall,
        "unseen positions and lengths, less resources and estimation "
        "(nats of the tied-untied gap)",
        f"Of a tied-untied gap of {shares.sum():.3f} nats, mean over the cells, "
        f"the parts are: {told}. The last two exceed the first two, with their "
        f"interval, in {sum(i.low > 0 for i in contrasts)} of {len(contrasts)} cells; "
        f"in error rate, of a mean gap of {errors.sum():.3f}, by "
        f"{contrast(errors):+z.3f}.",
        len(apart),
        f"The local rule, half of the T steps shown; T = {_listed(plan.lengths)}, "
        f"N = {_listed(plan.sizes)} training examples, equal width "
        f"({plan.hidden_features}), rate and start tuned by validation loss after "
        f"s = {plan.num_steps:,} steps, by equally many trainings. Resources is "
        f"the gap that {LONGER} times the steps remove; it is negative where "
        "longer training widens the gap. The loss of a confident wrong answer "
        "grows with training, so the same split of the error rate stands beside."
        f"{diverged}\n\n{_losses(pairs['loss'])}",
        data=bars,
    )


def parts_verdict(by_cell: list[Interval], overall: Interval) -> str:
    """Returns Ac1's verdict of the contrast in each cell, and of its mean over them."""
    half = len(by_cell) / 2
    return decide(
        overall.low > 0 and sum(i.low > 0 for i in by_cell) > half,
        overall.high < 0 and sum(i.high < 0 for i in by_cell) > half,
    )


def decompose(gaps, gaps_longer):
    """Returns the four parts of the mean of four gaps, which they add up to exactly.

    With g_k the gap on set k after s steps and g'_k after 4 s,

        resources    = mean_k (g_k - g'_k)    estimation = (g'_1 + 3 g'_2) / 4
        unseen positions = (g'_3 - g'_2) / 4  unseen lengths = (g'_4 - g'_2) / 4

    What is off already where the task was shown underlies the unseen sets too, so it
    counts as estimation on all of them.

    Args:
      gaps: [..., 4], untied less tied, on the sets of `measure.SETS`.
      gaps_longer: the same after 4 times the steps.

    Returns:
      [..., 4], in the order of `PARTS`.
    """
    train, fresh, unseen, later = np.moveaxis(np.asarray(gaps_longer), -1, 0)
    resources = np.mean(np.asarray(gaps) - gaps_longer, axis=-1)
    estimation = (train + 3 * fresh) / 4
    rest = (unseen - fresh) / 4, (later - fresh) / 4
    return np.stack([resources, estimation, *rest], axis=-1)


def parts_of(by_case, metric):
    """Returns {cell: parts [S, 4]}, the mean over a cell's T and N.

    Args:
      by_case: {(cell, T, N): [model, budget, seed, set]}.
      metric: 'loss', or 'accuracy', whose gaps are those of 1 - accuracy.
    """
    found: dict[str, list] = {}
    for (cell, *_), values in by_case.items():
        gaps = _SIGN[metric] * (values[1] - values[0])  # [budget, seed, set]
        found.setdefault(cell, []).append(decompose(*gaps))
    return {cell: np.mean(parts, axis=0) for cell, parts in found.items()}


def contrast(parts):
    """Returns unseen positions and lengths, less resources and estimation."""
    return parts @ np.array([-1.0, -1.0, 1.0, 1.0])


def _bar(cell, parts):
    intervals = [mean_interval(column) for column in parts.T]
    return figure.Bar(cell, intervals, mean_interval(contrast(parts)))


def parts_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the parts of the gap, a row a metric and cell."""
    table = [("cell", "gap in", *PARTS, "last two less first two", "sum")]
    for metric, bars in verdict.data.items():
        for bar in bars:
            total = sum(part.estimate for part in bar.parts)
            shown = (f"{part:z.3f}" for part in (*bar.parts, bar.contrast))
            table.append((bar.label, UNITS[metric], *shown, f"{total:.3f}"))
    return tuple(table)


def draw_parts(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of the parts, a panel a metric."""
    labels = {metric: f"gap, untied less tied ({u})" for metric, u in UNITS.items()}
    return figure.draw_parts(
        {labels[metric]: bars for metric, bars in verdict.data.items()},
        PARTS,
        # A tied model at the oracle, an untied one at chance on sets 3 and 4 alone.
        {labels[metric]: level / 2 for metric, level in GUESSING.items()},
    )


def _losses(by_case):
    """Returns what the gaps were split from: a cell's mean losses after 4 s."""
    told = []
    for cell in dict.fromkeys(cell for cell, *_ in by_case):
        runs = [values for case, values in by_case.items() if case[0] == cell]
        losses = np.stack(runs)[:, :, 1].mean((0, 2))  # [model, set]
        for model, row in zip(("tied", "untied"), losses, strict=True):
            told.append(f"{cell} {model} " + ", ".join(f"{x:.3f}" for x in row))
    return (
        f"Losses after {LONGER} s on training examples, fresh ones, unseen positions, "
        f"unseen lengths: {'; '.join(told)}. Step 0 reads the initial carry and not a "
        "coin before it, so where it is not shown a tied model need not know it."
    )


def judge_agreement(plan: Plan, found: Measured) -> Verdict:
    """Returns the verdict of Ac2d: how the two gaps go together."""
    measured, diverged, enough = whole_seeds(found.agreement)
    gaps = {metric: two_gaps(measured[metric], metric) for metric in GUESSING}
    (x, y), cases = gaps["loss"], [*measured["loss"]]
    readings = _readings(cases, gaps)
    interval = readings["all settings", "loss"][0]
    enough = enough and len(cases) >= MANY
    within = readings["Untied alone", "loss"][0]
    in_errors = readings["all settings", "accuracy"][0]
    return Verdict(
        agreement_verdict(interval) if enough else "inconclusive",
        interval,
        "correlation of the unseen-position gap with the train-test gap",
        f"Over {len(cases)} settings of sharing, cell and training-set size the "
        f"two gaps in loss correlate by {interval.estimate:.2f}; over the untied "
        f"models alone by {within.estimate:.2f}, and over all settings in error rate "
        f"by {in_errors.estimate:.2f}.",
        x.shape[1],
        f"The local rule, half of the T steps shown; T = {_listed(plan.lengths)}, "
        f"N = {_listed(plan.agreement_sizes)}; Tied, Segments, Cyclic and Untied, "
        f"stacks started as copies of one initialisation; equal width "
        f"({plan.hidden_features}), {plan.agreement_steps:,} steps, rate tuned by "
        "validation. A point is a mean over the seeds, and the interval resamples "
        "the seeds, not the settings: it is of these settings, not of others."
        f"{diverged} The train-test gap is within {_FLOOR:g} nats of 0 in "
        f"{(np.abs(x.mean(1)) < _FLOOR).sum()} of the {len(cases)} settings.",
        data=(cases, x, y, readings),
    )


def agreement_verdict(interval: Interval) -> str:
    """Returns Ac2d's verdict of the interval of the correlation."""
    return decide(
        interval.estimate > HIGH and interval.low > LOW,
        interval.estimate < LOW and interval.high < HIGH,
    )


def two_gaps(by_case, metric):
    """Returns the train-test gaps and the unseen-position gaps, each [case, S].

    Args:
      by_case: {case: [seed, set]}, the first three of `measure.SETS`.
      metric: 'loss', or 'accuracy', whose gaps are those of 1 - accuracy.
    """
    train, fresh, unseen = np.moveaxis(np.array([*by_case.values()]), -1, 0)
    return _SIGN[metric] * (fresh - train), _SIGN[metric] * (unseen - fresh)


def correlation(x, y, statistic=scipy.stats.pearsonr):
    """Returns the correlation of the settings' means, its interval over the seeds.

    Args:
      x: [case, S].
      y: [case, S], the same seeds: each is one sample of all cases.
      statistic: Pearson's, or Spearman's.
    """

    def of(seeds):
        chosen = np.asarray(seeds).astype(int)
        a, b = x[:, chosen].mean(1), y[:, chosen].mean(1)
        if np.ptp(a) == 0 or np.ptp(b) == 0:
            return 0.0  # nothing goes with what does not move
        return float(statistic(a, b).statistic)

    return bootstrap_interval(np.arange(x.shape[1]), statistic=of, num_resamples=999)


def _readings(cases, gaps):
    """Returns {(settings, metric): (Pearson's interval, Spearman's, how many)}."""
    kinds, found = np.array([label for label, *_ in cases]), {}
    for kind in ("all settings", *dict.fromkeys(kinds)):
        which = (kinds == kind) | (kind == "all settings")
        name = kind if kind == "all settings" else f"{kind} alone"
        for metric, (x, y) in gaps.items():
            found[name, metric] = (
                correlation(x[which], y[which]),
                correlation(x[which], y[which], scipy.stats.spearmanr),
                which.sum(),
            )
    return found


def agreement_table(plan: Plan, found: Measured, verdict: Verdict) -> tuple:
    """Returns the correlations, over all settings and over those of one sharing."""
    table = [("settings", "gaps in", "number", "Pearson", "Spearman")]
    for (name, metric), (*intervals, count) in verdict.data[-1].items():
        shown = [f"{i:z.3f}" if any(i) else "a gap is constant" for i in intervals]
        table.append((name, UNITS[metric], str(count), *shown))
    return tuple(table)


def draw_agreement(plan: Plan, found: Measured, verdict: Verdict):
    """Returns the figure of the two gaps, a point a setting."""
    cases, x, y, _ = verdict.data
    points = [
        figure.GapPoint(label, cell, size, mean_interval(a), mean_interval(b))
        for (label, cell, _, size), a, b in zip(cases, x, y, strict=True)
    ]
    told = f"correlation {verdict.effect:.2f}: supported above {HIGH:g}, "
    told += f"refuted below {LOW:g}"
    return figure.draw_agreement(points, told, GUESSING["loss"])


def _listed(numbers):
    return ", ".join(f"{number:,}" for number in numbers)


GAP = Claim(
    id="Ac1",
    rule=(
        "The gap in loss, untied less tied, on a mixture of the training examples, "
        "fresh ones at shown steps, at unseen steps, and at steps past T (untied read "
        f"literally), is split into resources (what {LONGER} times the steps remove), "
        "in-distribution estimation, unseen positions and unseen lengths. The effect "
        "is the last two less the first two, mean over T and N. Supported if its 95 % "
        "interval is above 0 for the mean over the cells and in more than half of the "
        "cells; refuted if below 0 in both; else inconclusive."
    ),
    judge=judge_parts,
    draw=draw_parts,
    table=parts_table,
)
AGREEMENT = Claim(
    id="Ac2d",
    rule=(
        f"Pearson's correlation, over at least {MANY} settings, of the unseen-position "
        "gap (loss at unseen less shown steps) with the train-test gap (loss on fresh "
        f"less training examples, at shown steps). Supported if above {HIGH:g} and the "
        f"low end of its 95 % interval over the seeds above {LOW:g}; refuted if below "
        f"{LOW:g} and the high end below {HIGH:g}; else inconclusive."
    ),
    judge=judge_agreement,
    draw=draw_agreement,
    table=agreement_table,
)
EXPERIMENT = Experiment("gap_decomposition", PLANS, measure, (GAP, AGREEMENT))

"""What the pairs of `gap_study.py` say of Ac1: the parts of the gap, the verdict."""

import math
import time

import numpy as np

from experiments.claims import CLAIMS
from experiments.gap_decomposition import figure as decomposition_figures
from experiments.gap_decomposition.figure import Bar
from experiments.gap_decomposition.measure import LONGER, METRICS, PLANS, measure_pairs
from experiments.lab.finding import Finding
from rnnshare.analysis.statistics import bootstrap_interval
from rnnshare.plotting import panels as figures
from rnnshare.training.rows import JsonLines

PARTS = (
    "resources",
    "in-distribution estimation",
    "unseen positions",
    "unseen lengths",
)
_SIGNS = np.array([-1.0, -1.0, 1.0, 1.0])  # of the parts in Ac1's contrast
# A tied model at the oracle and an untied one at chance on sets 3 and 4 alone.
_CHANCE = {"loss": math.log(2.0) / 2, "accuracy": 0.25}
UNITS = {"loss": "nats", "accuracy": "error rate"}


def decompose(gaps, gaps_longer):
    """Returns the four parts of the mean of four gaps, which they add up to exactly.

    With g_k the gap on set k after s steps and g'_k after 4 s,

        resources    = mean_k (g_k - g'_k)    estimation = (g'_1 + 3 g'_2) / 4
        unseen positions = (g'_3 - g'_2) / 4  unseen lengths = (g'_4 - g'_2) / 4

    What is off already where the task was shown underlies the unseen sets too, so it
    counts as estimation on all of them.

    Args:
      gaps: [..., 4], untied less tied, on the sets of `gap_study.SETS`.
      gaps_longer: the same after 4 times the steps.

    Returns:
      [..., 4], in the order of `PARTS`.
    """
    train, fresh, unseen, later = np.moveaxis(np.asarray(gaps_longer), -1, 0)
    return np.stack(
        [
            np.mean(np.asarray(gaps) - gaps_longer, axis=-1),
            (train + 3 * fresh) / 4,
            (unseen - fresh) / 4,
            (later - fresh) / 4,
        ],
        axis=-1,
    )


def parts_of(by_case, metric):
    """Returns {cell: parts [S, 4]}, the mean over a cell's T and N.

    Args:
      by_case: {(cell, T, N): [model, budget, seed, set]}.
      metric: 'loss', or 'accuracy', whose gaps are those of 1 - accuracy.
    """
    sign = 1.0 if metric == "loss" else -1.0
    found: dict[str, list] = {}
    for (cell, *_), values in by_case.items():
        gaps = sign * (values[1] - values[0])  # [budget, seed, set]
        found.setdefault(cell, []).append(decompose(*gaps))
    return {cell: np.mean(parts, axis=0) for cell, parts in found.items()}


def contrast(parts):
    """Returns unseen positions and lengths, less resources and estimation."""
    return parts @ _SIGNS


def complete(arrays):
    """Returns bool[S], the seeds of which no run diverged; seeds are the first axis."""
    return np.all([np.isfinite(a).reshape(len(a), -1).all(1) for a in arrays], axis=0)


def gap_verdict(by_cell, overall):
    """Returns Ac1's verdict.

    Args:
      by_cell: the contrast's interval of each cell.
      overall: of the mean over the cells.
    """
    above = sum(interval.low > 0 for interval in by_cell)
    below = sum(interval.high < 0 for interval in by_cell)
    if overall.low > 0 and 2 * above > len(by_cell):
        return "supported"
    if overall.high < 0 and 2 * below > len(by_cell):
        return "refuted"
    return "inconclusive"


def gap_finding(preset, folder, rule):
    """Runs the pairs; returns the finding of Ac1."""
    plan, began = PLANS[preset], time.perf_counter()
    measured = measure_pairs(plan, JsonLines(folder / "gap_decomposition.jsonl"))
    parts = {metric: parts_of(measured[metric], metric) for metric in METRICS}
    kept = complete([p for by_cell in parts.values() for p in by_cell.values()])
    parts = {
        metric: {cell: values[kept] for cell, values in by_cell.items()}
        for metric, by_cell in parts.items()
    }
    bars = {metric: _bars(by_cell) for metric, by_cell in parts.items()}
    overall = bootstrap_interval(
        np.mean([contrast(values) for values in parts["loss"].values()], axis=0)
    )
    contrasts = [bar.contrast for bar in bars["loss"]]
    verdict = gap_verdict(contrasts, overall)
    path = "figures/Ac1.png"
    labels = {
        metric: f"gap, untied less tied ({unit})" for metric, unit in UNITS.items()
    }
    figure = decomposition_figures.draw_parts(
        {labels[metric]: bars[metric] for metric in METRICS},
        PARTS,
        {labels[metric]: _CHANCE[metric] for metric in METRICS},
        "untied at chance where nothing was shown, all else perfect",
    )
    figures.save(figure, folder / path)
    shares = np.mean([values.mean(0) for values in parts["loss"].values()], axis=0)
    told = ", ".join(f"{n} {x:+z.3f}" for n, x in zip(PARTS, shares, strict=True))
    errors = np.mean([values.mean(0) for values in parts["accuracy"].values()], axis=0)
    above = sum(interval.low > 0 for interval in contrasts)
    return Finding(
        id="Ac1",
        claim=CLAIMS["Ac1"],
        verdict=verdict,
        effect=overall.estimate,
        effect_label="unseen positions and lengths, less resources and estimation "
        "(nats of the tied-untied gap)",
        interval=overall[1:],
        num_seeds=int(kept.sum()),
        rule=rule,
        command=f"python -m experiments.gap_decomposition --preset={preset}",
        figure=path,
        seconds=time.perf_counter() - began,
        meaning=(
            f"Of a tied-untied gap of {shares.sum():.3f} nats, mean over the cells, "
            f"the parts are: {told}. The last two exceed the first two, with their "
            f"interval, in {above} of {len(contrasts)} cells; in error rate, of a "
            f"mean gap of {errors.sum():.3f}, by {contrast(errors):+z.3f}."
        ),
        details=(
            f"The local rule, half of the T steps shown; T = {listed(plan.lengths)}, "
            f"N = {listed(plan.sizes)} training examples, equal width "
            f"({plan.hidden_features}), rate and start tuned by validation loss after "
            f"s = {plan.num_steps:,} steps, by equally many trainings. Resources is "
            f"the gap that {LONGER} times the steps remove; it is negative where "
            "longer training widens the gap. The loss of a confident wrong answer "
            "grows with training, so the same split of the error rate stands beside."
            f"{left_out(kept)}\n\n{_losses(measured['loss'])}"
        ),
        table=_parts_table(bars),
    )


def _bars(by_cell):
    return [
        Bar(
            cell,
            [bootstrap_interval(column) for column in values.T],
            bootstrap_interval(contrast(values)),
        )
        for cell, values in by_cell.items()
    ]


def _parts_table(bars):
    table = [("cell", "gap in", *PARTS, "last two less first two", "sum")]
    for metric in METRICS:
        for bar in bars[metric]:
            total = sum(part.estimate for part in bar.parts)
            shown = [interval_text(part) for part in (*bar.parts, bar.contrast)]
            table.append((bar.label, UNITS[metric], *shown, f"{total:.3f}"))
    return tuple(table)


def _losses(by_case):
    """Returns what the gaps were split from: a cell's mean losses after 4 s."""
    told = []
    for cell in dict.fromkeys(cell for cell, *_ in by_case):
        runs = [values for case, values in by_case.items() if case[0] == cell]
        losses = np.nanmean(np.stack(runs)[:, :, 1], axis=(0, 2))  # [model, set]
        for model, row in zip(("tied", "untied"), losses, strict=True):
            told.append(f"{cell} {model} " + ", ".join(f"{x:.3f}" for x in row))
    return (
        f"Losses after {LONGER} s on training examples, fresh ones, unseen positions, "
        f"unseen lengths: {'; '.join(told)}. Step 0 reads the initial carry and not a "
        "coin before it, so where it is not shown a tied model need not know it."
    )


def interval_text(interval):
    """Returns an interval for a table."""
    return f"{interval.estimate:z.3f} [{interval.low:z.3f}, {interval.high:z.3f}]"


def listed(numbers):
    """Returns numbers for a sentence."""
    return ", ".join(f"{number:,}" for number in numbers)


def left_out(kept):
    """Returns a sentence on the seeds that are not among bool[S], or nothing."""
    count = int((~kept).sum())
    if not count:
        return ""
    return f" Left out of both sides: {count} seeds with a run that diverged."

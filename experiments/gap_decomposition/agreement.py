"""What the settings of `gap_study.py` say of Ac2d: do the two gaps go together?"""

import math
import time

import numpy as np
import scipy.stats

from experiments.claims import CLAIMS
from experiments.gap_decomposition import figure as decomposition_figures
from experiments.gap_decomposition.claims import (
    UNITS,
    complete,
    interval_text,
    left_out,
    listed,
)
from experiments.gap_decomposition.figure import GapPoint
from experiments.gap_decomposition.measure import METRICS, PLANS, measure_agreement
from experiments.lab.finding import Finding
from rnnshare.analysis.statistics import bootstrap_interval
from rnnshare.plotting import panels as figures
from rnnshare.training.rows import JsonLines

_FLOOR = 1e-3  # nats: gaps that no over-fitting tells apart


def two_gaps(by_case, metric):
    """Returns the train-test gaps and the unseen-position gaps, each [case, S].

    Args:
      by_case: {case: [seed, set]}, the first three of `gap_study.SETS`.
      metric: 'loss', or 'accuracy', whose gaps are those of 1 - accuracy.
    """
    sign = 1.0 if metric == "loss" else -1.0
    train, fresh, unseen = np.moveaxis(np.array([*by_case.values()]), -1, 0)
    return sign * (fresh - train), sign * (unseen - fresh)


def correlation(x, y, statistic=scipy.stats.pearsonr):
    """Returns the correlation of the settings' means, its interval over the seeds.

    Args:
      x: [case, S].
      y: [case, S], the same seeds: each is one draw for all cases.
      statistic: Pearson's, or Spearman's.
    """

    def of(seeds):
        chosen = np.asarray(seeds).astype(int)
        a, b = x[:, chosen].mean(1), y[:, chosen].mean(1)
        if np.ptp(a) == 0 or np.ptp(b) == 0:
            return 0.0  # nothing goes with what does not move
        return float(statistic(a, b).statistic)

    return bootstrap_interval(np.arange(x.shape[1]), statistic=of, num_resamples=999)


def agreement_verdict(interval):
    """Returns Ac2d's verdict of the interval of the correlation."""
    if interval.estimate > 0.8 and interval.low > 0.3:
        return "supported"
    if interval.estimate < 0.3 and interval.high < 0.8:
        return "refuted"
    return "inconclusive"


def agreement_finding(preset, folder, rule):
    """Runs the settings between tied and untied; returns the finding of Ac2d."""
    plan, began = PLANS[preset], time.perf_counter()
    measured = measure_agreement(plan, JsonLines(folder / "gap_agreement.jsonl"))
    cases = [*measured["loss"]]
    kept = complete([values for by in measured.values() for values in by.values()])
    gaps = {
        metric: tuple(values[:, kept] for values in two_gaps(measured[metric], metric))
        for metric in METRICS
    }
    x, y = gaps["loss"]
    interval = correlation(x, y)
    verdict = agreement_verdict(interval)
    path = "figures/Ac2d.png"
    points = [
        GapPoint(label, cell, size, bootstrap_interval(a), bootstrap_interval(b))
        for (label, cell, _, size), a, b in zip(cases, x, y, strict=True)
    ]
    figure = decomposition_figures.draw_agreement(
        points,
        "loss on fresh less training examples, shown steps (nats)",
        "loss at unseen less shown steps (nats)",
        f"correlation {interval.estimate:.2f} [{interval.low:.2f}, "
        f"{interval.high:.2f}]: supported above 0.8, refuted below 0.3",
        math.log(2.0),
        "chance where unseen, perfect where shown:",
    )
    figures.save(figure, folder / path)
    readings = _readings(cases, gaps)
    within = readings["Untied alone", "loss"][0]
    in_errors = readings["all settings", "accuracy"][0]
    return Finding(
        id="Ac2d",
        claim=CLAIMS["Ac2d"],
        verdict=verdict,
        effect=interval.estimate,
        effect_label="correlation of the unseen-position gap with the train-test gap",
        interval=interval[1:],
        num_seeds=int(kept.sum()),
        rule=rule,
        command=f"python -m experiments.gap_decomposition --preset={preset}",
        figure=path,
        seconds=time.perf_counter() - began,
        meaning=(
            f"Over {len(cases)} settings of sharing, cell and training-set size the "
            "two gaps in loss correlate by "
            f"{interval.estimate:.2f}; over the untied models alone by "
            f"{within.estimate:.2f}, and over all settings in error rate by "
            f"{in_errors.estimate:.2f}."
        ),
        details=(
            f"The local rule, half of the T steps shown; T = {listed(plan.lengths)}, "
            f"N = {listed(plan.agreement_sizes)}; Tied, Segments, Cyclic and Untied, "
            f"stacks started as copies of one draw; equal width "
            f"({plan.hidden_features}), {plan.agreement_steps:,} steps, rate tuned by "
            "validation. A point is a mean over the seeds, and the interval resamples "
            "the seeds, not the settings: it is of these settings, not of others."
            f"{left_out(kept)} The train-test gap is within {_FLOOR:g} nats of 0 in "
            f"{int((np.abs(x.mean(1)) < _FLOOR).sum())} of the {len(cases)} settings."
        ),
        table=_readings_table(readings),
    )


def _readings(cases, gaps):
    """Returns {(settings, metric): (Pearson's interval, Spearman's, how many)}."""
    chosen = {"all settings": np.ones(len(cases), bool)}
    for kind in dict.fromkeys(label for label, *_ in cases):
        chosen[f"{kind} alone"] = np.array([c[0] == kind for c in cases])
    return {
        (name, metric): (
            correlation(x[which], y[which]),
            correlation(x[which], y[which], scipy.stats.spearmanr),
            int(which.sum()),
        )
        for name, which in chosen.items()
        for metric, (x, y) in gaps.items()
    }


def _readings_table(readings):
    table = [("settings", "gaps in", "number", "Pearson", "Spearman")]
    for (name, metric), (*intervals, count) in readings.items():
        shown = [interval_text(i) if any(i) else "a gap is constant" for i in intervals]
        table.append((name, UNITS[metric], str(count), *shown))
    return tuple(table)

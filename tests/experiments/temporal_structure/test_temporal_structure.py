"""The rule of Q4 on made-up accuracies: every verdict can be reached; the figure."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.temporal_structure import figure, measure
from experiments.temporal_structure.claims import (
    EXPERIMENT,
    STRUCTURE,
    on_images,
    on_rotation,
    verdict_of,
)
from experiments.temporal_structure.measure import (
    BAG,
    DIGITS,
    EACH,
    IMAGES,
    IN_ORDER,
    MNIST,
    OTHER,
)
from experiments.temporal_structure.plan import PLANS
from rnnshare.analysis.statistics import mean_interval
from rnnshare.models.sequence_model import BagOfSteps
from rnnshare.plotting.style import COLOURS

PLAN = dataclasses.replace(PLANS["quick"], cells=("GRU", "LSTM"))
JITTER = np.array([-0.01, 0.0, 0.01, 0.005, -0.005])


def gaps(along, shuffled, plain, each):
    """Returns gaps of five seeds about these means; `along` is [X] or [X, S]."""
    along = np.asarray(along)
    if along.ndim == 1:  # the seeds of a growth differ
        along = along[:, None] * (1 + JITTER) + JITTER
    keys = [("rotation", r, IN_ORDER) for r in PLAN.dial]
    rows = dict(zip(keys, along, strict=True))
    for r in PLAN.dial:
        rows["rotation", r, EACH] = shuffled + np.resize(JITTER, along.shape[1])
    for time, mean in ((IN_ORDER, plain), (OTHER, 0.0), (EACH, each)):
        for data in (MNIST, DIGITS) if time != OTHER else (MNIST,):
            rows[data, 0.0, time] = mean + np.resize(JITTER, along.shape[1])
    index = pd.MultiIndex.from_tuples(rows, names=measure.CASE)
    return pd.DataFrame(np.array(list(rows.values())), index)


def outcomes(*gaps):
    return [
        outcome
        for gap in gaps
        for outcome in (on_rotation(gap), *(on_images(gap, data) for data in IMAGES))
    ]


GROWS, FLAT = (0.0, 0.08, 0.18, 0.21), (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("gap", "verdict"),
    [
        (gaps(GROWS, 0.0, 0.5, 0.01), "supported"),
        (gaps(GROWS, -0.2, 0.5, -0.1), "supported"),
        (gaps(FLAT, 0.0, 0.0, 0.0), "refuted"),
        (gaps(GROWS, 0.2, 0.5, 0.4), "refuted"),
        (gaps(GROWS, 0.0, 0.0, 0.0), "inconclusive"),
        (gaps(GROWS, 0.08, 0.5, 0.01), "inconclusive"),
    ],
)
def test_verdicts(gap, verdict):
    assert verdict_of(outcomes(gap)) == verdict


def test_a_gap_must_grow_along_the_dial_in_the_seeds_at_large():
    up, down = [0.0, 0.1, 0.2, 0.3], [0.0, -0.001, -0.002, -0.003]
    outcome = on_rotation(gaps(np.array([up] * 6 + [down] * 4).T, 0.0, 0.5, 0.0))
    assert outcome.growth.low > 0 and not outcome.grows
    assert verdict_of([outcome]) == "inconclusive"


@pytest.mark.parametrize("lstm", [True, False])
def test_the_lstm_decides_and_the_others_are_told(lstm):
    good, bad = gaps(GROWS, 0.0, 0.5, 0.0), gaps(FLAT, 0.0, 0.0, 0.0)
    of_cell = {
        "GRU": bad if lstm else good,
        "LSTM": good if lstm else bad,
        BAG: 0 * bad,
    }
    runs = pd.concat(
        (0.5 + gap).rename_axis(columns="seed").stack().rename("accuracy")
        .reset_index().assign(model=model, diverged=False)
        for model, gap in of_cell.items()
    )  # fmt: skip
    told = STRUCTURE.judge(PLAN, runs)
    assert told.verdict == ("supported" if lstm else "refuted")
    assert f"LSTM {told.verdict}; the LSTM decides." in told.summary
    assert f"GRU {'refuted' if lstm else 'supported'}," in told.summary
    growth = on_rotation(of_cell["LSTM"]).growth
    np.testing.assert_allclose(told.effect, growth, atol=1e-12)


class MadeUpLab:
    """Accuracies that tell the task, the model and the seed; a tied run diverges."""

    def __init__(self, lost=()):
        self.rates, self.lost = [], lost

    def tune(self, candidates, budget):
        self.rates.append(([c.learning_rate for c in candidates], budget))
        return candidates[-1]

    def train(self, settings, repeats):
        return [
            {"seed": r.seed, "test_accuracy": self.accuracy(s, r)}
            for s in settings
            for r in repeats
        ]

    def accuracy(self, setting, repeat):
        task = setting.make_task(repeat.split)
        if (task.name, repeat.seed) in self.lost:
            return None
        base = 0.1 * task.num_steps / 16 + 0.01 * repeat.seed
        return base + 0.5 * (setting.cell is not BagOfSteps)


def test_gaps_are_paired_by_task_and_seed():
    plan, lab = dataclasses.replace(PLAN, num_seeds=3), MadeUpLab()
    found = measure.measure(plan, lab)
    assert list(found["model"].unique()) == ["GRU", "LSTM", BAG]
    means = found.set_index(["model", *measure.CASE])["accuracy"].sort_index()
    np.testing.assert_allclose(means["GRU", "rotation", 0.2, EACH], [0.6, 0.61, 0.62])
    np.testing.assert_allclose(means[BAG, "MNIST-1D", 0, IN_ORDER], [0.25, 0.26, 0.27])
    gap = measure.gaps(found, "GRU")
    assert gap.shape == (2 * 4 + 3 + 2, 3)
    np.testing.assert_allclose(gap, 0.5)
    # All models choose from the same rates on each of the thirteen data.
    assert lab.rates == [([3e-3, 1e-2], 2)] * 39


def test_what_diverged_counts_as_guessing_and_is_told():
    lab = MadeUpLab(lost=[("rotation_16_0.8_n4000", 1), ("mnist1d", 2)])
    found = EXPERIMENT.measure(PLAN, lab)
    lost = found[found["diverged"]].set_index(["data", "seed"])["accuracy"].sort_index()
    assert lost["rotation", 1].tolist() == [0.5] * 3
    assert lost["MNIST-1D", 2].tolist() == [0.1] * 3
    verdict = STRUCTURE.judge(PLAN, found)
    assert "6 of 195 runs diverged and count as guessing" in verdict.details
    assert len(STRUCTURE.table(PLAN, found, verdict)) == 14
    assert STRUCTURE.draw(PLAN, found, verdict).axes


def test_gaps_are_drawn_along_the_dial_and_beside_it():
    rows = np.array([[0.0, 0.1], [0.1, 0.2], [0.3, 0.2]])
    drawn = figure.draw_gaps(
        {
            "Tied GRU, in order": ([0, 0.4, 0.8], rows),
            "Tied GRU, each shuffled": ([0, 0.4, 0.8], rows * 0),
        },
        [0.0, 0.2, 0.4],
        {"Tied GRU": {"plain": [0.5, 0.7], "shuffled": [0.0, 0.0]}},
        ("dial", "data"),
        "accuracy",
    )
    left, right = drawn.axes
    ordered, shuffled = (bar.lines[0] for bar in left.containers)
    np.testing.assert_allclose(ordered.get_ydata(), rows.mean(1))
    assert shuffled.get_linestyle() == "--"
    names = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert names == ["Tied GRU, in order", "Tied GRU, each shuffled", "best possible"]
    levels = [list(line.get_ydata()) for line in left.lines]
    assert [0, 0.2, 0.4] in levels
    points = right.containers[0].lines[0]
    np.testing.assert_allclose(points.get_ydata(), [0.6, 0.0])
    assert points.get_color() == COLOURS["Tied"]
    (spans,) = left.containers[0].lines[2]
    ends = spans.get_segments()[1][:, 1]
    np.testing.assert_allclose(ends, mean_interval(rows[1])[1:])
    texts = {text.get_text() for panel in drawn.axes for text in panel.texts}
    assert {"refuted if flat", "refuted if over half of what is"} <= texts


def test_plans_are_of_the_size_they_claim():
    assert [PLANS[name].num_seeds for name in ("quick", "full")] == [5, 10]
    for plan in PLANS.values():
        assert plan.dial[0] == 0 and list(plan.dial) == sorted(plan.dial)

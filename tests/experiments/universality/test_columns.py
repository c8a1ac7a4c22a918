"""Cc1: its rule on made-up data, who needs less, and the figures of both claims."""

import numpy as np
import pandas as pd
import pytest

from experiments.universality import figure as figures
from experiments.universality import measure as study
from experiments.universality.claims import AMBIGUITY, AMBIGUOUS, columns_rule, pairs_of
from experiments.universality.measure import needs
from experiments.universality.power_claim import POWER, by_seed
from rnnshare.analysis.statistics import Interval
from tests.experiments.universality.power_cases import FOUND, PLAN, RUNS, SPREAD, rows


@pytest.mark.parametrize(
    ("pairs", "verdict"),
    [
        ([(2, -1, -1)], "supported"),
        ([(2, 0, -1)], "supported"),
        ([(2, 1, 1)], "refuted"),
        ([(0, 0, 1)], "refuted"),
        ([(0, 0, 0)], "inconclusive"),
        ([(1, 1, 1), (0, 0, 0)], "inconclusive"),
        ([(1, 1, 1), (1, -1, 0)], "supported"),
        ([(1, 1, 1), (-1, -1, 0)], "refuted"),
    ],
)
def test_the_rule_of_columns(pairs, verdict):
    names = ("units", "updates", "sequences")
    made = {
        (f"Tied {i}", f"Untied {i}"): {
            name: mean + 0.1 * SPREAD for name, mean in zip(names, means, strict=True)
        }
        for i, means in enumerate(pairs)
    }
    found, tests = columns_rule(made)
    assert found == verdict
    assert AMBIGUITY[found]
    for (one, another), columns in tests.items():
        for interval, less in columns.values():
            sign = np.sign(round(interval.estimate))
            assert less == {1: another, -1: one, 0: ""}[sign]


def test_least_sizes_longest_strings_and_what_no_size_solves():
    accuracy = [[0.5, 0.98, 0.1], [0.99, 0.9, 0.2], [1.0, 0.995, 0.3]]
    found = study.least(pd.DataFrame(accuracy, index=[2, 4, 8]))
    np.testing.assert_array_equal(found, [4, 8, 16])
    # Sizes end where all seeds are solved; a luckier small one counts.
    by_width = pd.DataFrame([[0.5, 1.0], [1.0, 1.0]], index=[2, 4])
    np.testing.assert_array_equal(study.least(by_width), [4, 2])
    never = pd.DataFrame([[1.0, 0.5]] * 3, index=[2, 4, 8])
    np.testing.assert_array_equal(study.least(never), [2, 16])
    right = {4: [1.0, 1.0, 0.9], 8: [1.0, 0.5, 0.9], 16: [0.99, 1.0, 0.9]}
    runs = [
        row
        for length, by_seed in right.items()
        for row in rows({"arm": "Tied", "H": 1, "length": length}, [*by_seed, 1, 1])
    ]
    held = study.longest(pd.DataFrame(runs)).loc["Tied", 1]
    np.testing.assert_array_equal(held, [8, 16, 0, 16, 16])
    assert by_seed([4, 64], 32) == "4, more than 32"
    assert by_seed([8, 32], 31, 32) == "8, at least 32"


def test_the_columns_compare_what_they_say():
    pairs = pairs_of(needs(PLAN, RUNS))
    assert list(pairs) == [
        ("Tied Elman", "Untied Elman"),
        ("Tied LSTM", "Untied LSTM"),
        ("Tied Elman", "Tied LSTM"),
    ]
    columns = pairs["Tied Elman", "Untied Elman"]
    np.testing.assert_array_equal(columns["units"], np.ones(5))  # 4 : 2
    # Untied solves no endless data, so that all of the budget counts.
    updates = np.full(5, np.log2(100 / PLAN.num_updates))
    np.testing.assert_array_equal(columns["updates"], updates)
    most = np.log2(PLAN.sizes[0] / (2 * PLAN.sizes[-1]))
    np.testing.assert_array_equal(columns["sequences"], np.full(5, most))
    for values in pairs["Tied Elman", "Tied LSTM"].values():
        np.testing.assert_array_equal(values, np.zeros(5))


def test_the_figures_say_what_refutes_and_who_needs_less():
    seeds = np.random.default_rng(0).uniform(0.6, 1.0, (2, 5))
    figure = figures.draw_widths(
        {"Tied": ((2, 4), seeds), "Untied": ((2, 4), seeds)},
        {"Tied": ((1, 4), 10 * seeds), "Untied": ((1,), 30 * seeds[:1])},
        solved=0.99, no_memory=0.5, longest=32,
        separation={"Untied": [2, 4], "Tied: at most": [2, 3]},
    )  # fmt: skip
    top, left, right = figure.axes
    assert [line.get_ydata()[-1] for line in top.lines] == [4, 3]
    texts = [text.get_text() for panel in (left, right) for text in panel.texts]
    assert texts == ["solved, 0.99", "no memory, 0.50", "longest tried, 32"]
    levels = [line.get_ydata()[0] for line in left.lines if line.get_linestyle() == ":"]
    assert levels == [0.99, 0.5]
    columns = {
        "units": Interval(1.0, 0.5, 1.5),
        "updates": Interval(-1.0, -1.5, -0.5),
        "sequences": Interval(0.1, -1.0, 1.0),
    }
    needed = {("Tied A", "Untied A"): columns}
    figure = figures.draw_needs(needed)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["Untied needs less", "Tied needs less"]
    assert figure.axes[0].get_xlabel() == "log2 of Tied A's need over Untied A's"
    figure = figures.draw_needs(needed | {("Tied A", "Tied B"): columns})
    assert figure.axes[0].texts[0].get_text() == "Untied A needs less"
    assert len(figure.axes[0].get_yticklabels()) == 6
    # Of two cells, labels name theirs.
    for claim in (POWER, AMBIGUOUS):
        assert claim.refuted_if
        assert claim.draw(PLAN, FOUND, claim.judge(PLAN, FOUND)) is not None
    figure = POWER.draw(PLAN, FOUND, POWER.judge(PLAN, FOUND))
    (legend,) = figure.subfigs[1].legends
    labels = ["Tied, Elman", "Untied, Elman", "Tied, LSTM", "Untied, LSTM"]
    assert [text.get_text() for text in legend.get_texts()] == labels

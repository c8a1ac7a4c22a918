"""C2, Cc1: rules on made-up data, compiled networks, what diverged, the figures."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from experiments.universality import figure as figures
from experiments.universality import measure as study
from experiments.universality.claims import (
    AMBIGUITY,
    AMBIGUOUS,
    EXPERIMENT,
    columns_rule,
    pairs_of,
)
from experiments.universality.compiled import CASES, Compiled, compile_networks
from experiments.universality.measure import Measured, needs
from experiments.universality.plan import PLANS
from experiments.universality.power_claim import (
    POWER,
    by_seed,
    power_rule,
    undecided_cells,
)
from rnnshare import ElmanCell, GRUCell, LSTMCell
from rnnshare.analysis.statistics import Interval
from rnnshare.tasks import STREAMING

PLAN = dataclasses.replace(
    PLANS["quick"], widths=(2, 4), sizes=(32, 64), rates=(0.1,), lengths=(8, 32)
)
SPREAD = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
FEW = np.zeros(100)


def rows(labels, accuracy, steps=100):
    """Returns a run a seed with these accuracies."""
    metrics = {"validation_loss": 0.1, "steps_trained": steps, "num_parameters": 7}
    return [
        {**labels, **metrics, "seed": seed, "test_accuracy": value, "diverged": None}
        for seed, value in enumerate(np.broadcast_to(accuracy, 5))
    ]


def composed(cells):
    """Returns runs of {cell: {arm: ({H: accuracy}, accuracy of one map, updates)}}."""
    found = []
    for cell, arms in cells.items():
        for arm, (by_width, one_map, updates) in arms.items():
            model = {"cell": cell, "arm": arm}
            for width, accuracy in by_width.items():
                task = {"H": width, "same": False, "num_examples": STREAMING}
                found += rows({**model, **task}, accuracy)
            for size in (*PLAN.sizes, STREAMING):
                task = {"H": 8, "same": True, "num_examples": size}
                found += rows({**model, **task}, one_map, updates)
    return pd.DataFrame(found)


TIED = {2: 0.5, 4: 1.0}, 1.0, 100
UNTIED = {2: 1.0, 4: 1.0}, 0.5, 400
RUNS = composed({cell: {"Tied": TIED, "Untied": UNTIED} for cell in ("Elman", "LSTM")})
STRINGS = pd.DataFrame(
    [
        row
        for arm, width, length in itertools.product(study.ARMS, (1, 4), PLAN.lengths)
        for row in rows(
            {"cell": "Elman", "arm": arm, "H": width, "length": length},
            1.0 if arm == "Untied" or length < 9 else 0.9,
        )
    ]
)
COMPILED = {"a case": Compiled([1e-6] * 100, [1e-6] * 100, (2, 8), (10, 90, 30))}
FOUND = Measured(RUNS, STRINGS, COMPILED)


@pytest.mark.parametrize(
    ("error", "ratios", "verdict"),
    [
        (1e-6, [2.0], "refuted"),
        (1e-6, [2.0, 0.0], "inconclusive"),  # one cell alone
        (1e-6, [0.0, -1.0], "supported"),
        (1e-6, [0.3], "inconclusive"),  # might be 0, might be more than half a power
        (2e-5, [2.0], "inconclusive"),  # what is not exact says nothing
        (2e-5, [0.0], "inconclusive"),
    ],
)
def test_the_rule_of_power(error, ratios, verdict):
    errors = np.append(FEW, error)
    width = 0.5 if ratios == [0.3] else 0.05
    made = {str(i): mean + width * SPREAD for i, mean in enumerate(ratios)}
    found, exact, tests = power_rule(errors, made)
    assert (found, exact) == (verdict, error < 1e-5)
    for mean, interval in zip(ratios, tests.values(), strict=True):
        assert interval.estimate == pytest.approx(mean)
    # So few networks show nothing.
    assert power_rule(errors[2:], made)[:2] == ("inconclusive", False)


@pytest.mark.parametrize("tied_solves", [False, True])
def test_two_failures_decide_nothing_of_power(tied_solves):
    one_short = np.array([1.0, 1.0, 1.0, 1.0, 0.9])
    last = 1.0 if tied_solves else one_short
    both = {2: 1.0}, 1.0, 100
    cells = {
        "A": {"Tied": both, "Untied": both},
        "B": {
            "Tied": ({2: one_short, 4: last}, 1.0, 100),
            "Untied": ({2: one_short, 4: one_short}, 1.0, 100),
        },
    }
    runs = composed(cells)
    undecided = set() if tied_solves else {"B"}
    assert undecided_cells(runs) == undecided
    verdict = POWER.judge(PLAN, FOUND._replace(composed=runs))
    assert verdict.verdict == ("supported" if tied_solves else "inconclusive")
    assert "no new function" in verdict.summary
    assert ("(1 undecided)" in verdict.summary) == (not tied_solves)
    # Without the names of such cells, the ratio of two failures would be "no more".
    units = needs(PLAN, runs)["units"]
    ratios = {c: np.log2(units.loc[c, "Tied"] / units.loc[c, "Untied"]) for c in "AB"}
    assert power_rule(FEW, ratios)[0] == "supported"


def test_updates_are_those_of_the_rate_that_solves_first():
    def row(seed, loss, accuracy, steps):
        labels = {"cell": "A", "arm": "Tied", "H": 8, "same": True, "seed": seed}
        metrics = {"validation_loss": loss, "test_accuracy": accuracy}
        size = {"num_examples": STREAMING, "steps_trained": steps}
        return labels | metrics | size

    trained = pd.DataFrame(
        [
            # It validates best, and takes longest; no rate; only the second.
            *(row(0, 0.001, 1.0, 900), row(1, 0.5, 0.9, 1_000), row(2, None, 0.0, 100)),
            *(row(0, 0.002, 0.99, 200), row(1, 0.4, 0.98, 50), row(2, 0.003, 1.0, 300)),
        ]
    )
    differs = trained.assign(same=False)
    found = needs(
        dataclasses.replace(PLAN, num_updates=1_000), pd.concat([trained, differs])
    )
    np.testing.assert_array_equal(found["updates"].loc["A", "Tied"], [200, 1_000, 300])
    best = study.best_of(trained).sort_values("seed")
    assert [*best["validation_loss"]] == [0.001, 0.4, 0.003]


def test_training_stops_only_where_the_task_is_solved():
    for plan in PLANS.values():
        # Of two answers a wrong one has a probability of at most a half.
        most = study.recipe_of(plan).stop_loss / np.log(2)
        assert 0 < most < 1 - study.SOLVED
        wrong_bit = np.log(2) / max(plan.lengths)
        assert 0 < study.recipe_of_strings(plan).stop_loss < wrong_bit


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


def test_runs_that_diverged_solve_nothing_and_are_counted(monkeypatch):
    class Lab:
        def train(self, settings, repeats):
            assert len({s.sharing for s in settings}) == 1
            good = {"test_accuracy": 1.0, "validation_loss": 0.1, "steps_trained": 9}
            found = [{**good, "seed": r.seed, "num_parameters": 7} for r in repeats]
            lost = dict.fromkeys(("test_accuracy", "validation_loss"))
            found[0] |= lost | {"diverged": 3}
            return found * len(settings)

    runs = [study.compose(PLAN, Lab(), "Elman", arm) for arm in study.ARMS]
    strings = study.learn_strings(PLAN, Lab())
    found = Measured(pd.concat(runs, ignore_index=True), strings, COMPILED)
    assert undecided_cells(found.composed) == {"Elman"}
    power, columns = POWER.judge(PLAN, found), AMBIGUOUS.judge(PLAN, found)
    assert power.verdict == columns.verdict == "inconclusive"
    count = len(found.composed)
    told = f"{count // 5} of {count} runs diverged and count as not solving their task."
    assert told in columns.details
    assert "runs diverged" in power.details
    assert "diverged" not in POWER.judge(PLAN, FOUND).details
    assert POWER.table(PLAN, found, power)[2][2].startswith("more than 4, 2, 2")
    assert AMBIGUOUS.table(PLAN, found, columns)[-1][2] == "4 of 5"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_hundred_random_networks_equal_their_compiled_ones(case):
    assert 17 * len(CASES) >= 100
    found = compile_networks(case, 17)
    assert len(found.errors) == 17 and max(found.errors) < 1e-5
    assert max(found.gradient_errors) < 1e-5
    steps, width = case.num_steps, case.hidden_features
    units = {
        ElmanCell: steps * (width + 1),
        LSTMCell: steps * (width + case.in_features + 1),
        GRUCell: steps * (width + case.in_features + 2),
    }[case.cell]
    assert found.units == (width, units)
    assert found.parameters[0] < found.parameters[2] < found.parameters[1]


def test_every_preset_can_be_judged():
    for name, plan in PLANS.items():
        assert plan.num_updates % plan.validate_every == 0, name
        assert plan.lengths[-1] <= plan.string_steps
        assert plan.sample_width > 1 and plan.num_seeds >= 2
        assert list(plan.widths) == sorted(plan.widths)
    assert PLANS["quick"].num_seeds == 5 and PLANS["full"].num_seeds == 10
    for plan in (PLANS["quick"], PLANS["full"]):
        assert plan.num_cases == len(CASES)
        assert plan.num_networks * plan.num_cases >= 100
    assert [claim.id for claim in EXPERIMENT.claims] == ["C1", "C2", "Cc1"]
    task = study.composition(4, 3, 2, 2, same=True, num_examples=9)
    assert (task.moves == task.moves[:1]).all() and task.num_examples == 9
    other = study.composition(4, 3, 2, 2)
    assert not (other.moves == other.moves[:1]).all()
    np.testing.assert_array_equal(task.moves[0], other.moves[0])


def test_the_figures_say_what_refutes_and_who_needs_less():
    seeds = np.random.default_rng(0).uniform(0.6, 1.0, (2, 5))
    figure = figures.draw_widths(
        {"Tied": ((2, 4), seeds), "Untied": ((2, 4), seeds)},
        {"Tied": ((1, 4), 10 * seeds), "Untied": ((1,), 30 * seeds[:1])},
        solved=0.99, no_memory=0.5, longest=32,
    )  # fmt: skip
    left, right = figure.axes
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
    (legend,) = figure.legends
    labels = ["Tied, Elman", "Untied, Elman", "Tied, LSTM", "Untied, LSTM"]
    assert [text.get_text() for text in legend.get_texts()] == labels

"""C2, Cc1, the existence table: rules on made-up data, the proofs, the figures."""

import dataclasses
import itertools
import re

import numpy as np
import pytest

from experiments.translation import existence
from experiments.translation.existence import one_unit_allows
from experiments.universality import (
    claims as universality_claims,
)
from experiments.universality import figure as clock_figures
from experiments.universality import (
    measure as universality_study,
)
from experiments.universality.judgement import (
    judge_columns,
    judge_power,
    least,
    least_width,
    longest,
    size_ratios,
    undecided_cells,
)
from experiments.universality.measure import PLANS, Composed, Measured, fewest_updates
from rnnshare.analysis.statistics import Interval

PLAN = PLANS["quick"]
SPREAD = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


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
    errors = np.array([0.0, error])
    width = 0.5 if ratios == [0.3] else 0.05
    found, exact, tests = judge_power(
        errors, {str(i): mean + width * SPREAD for i, mean in enumerate(ratios)}
    )
    assert (found, exact) == (verdict, error < 1e-5)
    for mean, interval in zip(ratios, tests.values(), strict=True):
        assert interval.estimate == pytest.approx(mean)


@pytest.mark.parametrize("tied_solves", [False, True])
def test_two_failures_decide_nothing_of_power(tied_solves):
    solved, one_short = np.ones(5), np.array([1.0, 1.0, 1.0, 1.0, 0.9])
    last = solved if tied_solves else one_short
    found = {"Tied": {2: one_short, 4: last}, "Untied": {2: one_short, 4: one_short}}
    cells = {"A": composed((1.0, 1.0), (1.0, 1.0)), "B": Composed(found, {}, {})}
    measured = Measured({}, cells, {}, {})
    plan = dataclasses.replace(PLAN, widths=(2, 4))
    ratios, undecided = size_ratios(plan, measured), undecided_cells(measured)
    assert undecided == (set() if tied_solves else {"B"})
    verdict, exact, _ = judge_power(np.zeros(1), ratios, undecided)
    assert (verdict, exact) == ("supported" if tied_solves else "inconclusive", True)
    # Without the names of such cells, the ratio of two failures would be "no more".
    assert judge_power(np.zeros(1), ratios)[0] == "supported"


def test_updates_are_those_of_the_rate_that_solves_first():
    def row(loss, accuracy, steps):
        return {
            "validation_loss": loss, "test_accuracy": accuracy, "steps_trained": steps,
        }  # fmt: skip

    trained = np.reshape(
        [
            # It validates best, and takes longest; no rate; only the second.
            *(row(0.001, 1.0, 900), row(0.5, 0.9, 1_000), row(None, None, 100)),
            *(row(0.002, 0.99, 200), row(0.4, 0.98, 50), row(0.003, 1.0, 300)),
        ],
        (2, 3),
    )
    found = fewest_updates(trained, 1_000)
    np.testing.assert_array_equal(found, [200, 1_000, 300])
    best = universality_study.best_of(trained)
    assert [one["validation_loss"] for one in best] == [0.001, 0.4, 0.003]


def test_training_stops_only_where_the_task_is_solved():
    for plan in PLANS.values():
        # Of two answers a wrong one has a probability of at most a half.
        most = universality_study.recipe_of(plan).stop_loss / np.log(2)
        assert 0 < most < 1 - universality_study.SOLVED
        wrong_bit = np.log(2) / max(plan.lengths)
        assert 0 < universality_study.recipe_of_strings(plan).stop_loss < wrong_bit


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
    found, tests = judge_columns(made)
    assert found == verdict
    assert universality_claims.AMBIGUITY[found]
    for (one, another), columns in tests.items():
        for interval, less in columns.values():
            sign = np.sign(round(interval.estimate))
            assert less == {1: another, -1: one, 0: ""}[sign]


def test_least_sizes_longest_strings_and_what_no_size_solves():
    accuracy = np.array([[0.5, 0.99, 1.0], [0.98, 0.9, 0.995], [0.1, 0.2, 0.3]])
    np.testing.assert_array_equal(least(accuracy, (2, 4, 8)), [4, 8, 16])
    # Sizes end where all seeds are solved; a luckier small one counts.
    by_width = {2: np.array([0.5, 1.0]), 4: np.array([1.0, 1.0])}
    np.testing.assert_array_equal(least_width(by_width, (2, 4, 8)), [4, 2])
    never = {w: np.array([1.0, 0.5]) for w in (2, 4, 8)}
    np.testing.assert_array_equal(least_width(never, (2, 4, 8)), [2, 16])
    right = np.array([[1.0, 1.0, 0.99], [1.0, 0.5, 1.0], [0.9, 0.9, 0.9]])
    np.testing.assert_array_equal(longest(right, (4, 8, 16)), [8, 16, 0])
    told = universality_claims._by_seed
    assert told([4, 64], 32) == "4, more than 32"
    assert told([8, 32], 31, 32) == "8, at least 32"


def composed(tied, untied, by_size=(0.995, 0.999)):
    """A `Composed` of accuracies at the widths 2 and 4."""
    seeds = np.ones(5)
    sizes = len(PLAN.sizes)
    rows = {"Tied": by_size[0], "Untied": by_size[1]}
    return Composed(
        {
            arm: {2: low * seeds, 4: high * seeds}
            for arm, (low, high) in (("Tied", tied), ("Untied", untied))
        },
        {arm: np.full((5, sizes + 1), value) for arm, value in rows.items()},
        {"Tied": 100 * seeds, "Untied": 400 * seeds},
    )


def test_the_columns_compare_what_they_say():
    found = composed((0.5, 1.0), (1.0, 1.0), (1.0, 0.5))
    measured = Measured({}, {"Elman": found, "LSTM": found}, {}, {})
    pairs = universality_claims.pairs_of(PLAN, measured)
    assert list(pairs) == [
        ("Tied Elman", "Untied Elman"),
        ("Tied LSTM", "Untied LSTM"),
        ("Tied Elman", "Tied LSTM"),
    ]
    columns = pairs["Tied Elman", "Untied Elman"]
    np.testing.assert_array_equal(columns["units"], np.ones(5))  # 4 : 2
    np.testing.assert_array_equal(columns["updates"], np.full(5, -2.0))
    most = np.log2(PLAN.sizes[0] / (2 * PLAN.sizes[-1]))
    np.testing.assert_array_equal(columns["sequences"], np.full(5, most))
    for values in pairs["Tied Elman", "Tied LSTM"].values():
        np.testing.assert_array_equal(values, np.zeros(5))


def test_the_proof_for_one_unit_holds_of_random_ones_and_the_witness_is_refused():
    every = list(itertools.product((0, 1), repeat=6))
    allowed = {bits for bits in every if one_unit_allows(bits)}
    found = existence.strings_of_one_unit(3_000, 6)
    assert found <= allowed < set(every)
    assert len(found) > len(allowed) / 2  # the proof is not far from what there is
    assert not one_unit_allows(existence.WITNESS)
    assert not any(one_unit_allows((*bits, 0)) for bits in set(every) - allowed)
    for bits in (existence.WITNESS, *every[::7]):
        assert existence.untied_unit_puts_out(bits) == bits


def test_what_the_existence_table_says_is_computed():
    assert existence.parity_errors(500) == 0
    broken = existence.parity_network()
    broken["input"]["bias"] = broken["input"]["bias"] * 3.0
    assert existence.parity_errors(500, weights=broken) > 100
    assert existence.tied_copies_error(count=2) < 1e-6
    rows = existence.existence_rows(200)
    answers = [(row.holds, row.kind) for row in rows]
    assert answers == [
        (True, "proof"), (True, "proof"), (False, "proof"),
        (False, "proof by construction"), (True, "definition"), (True, "proof"),
        (None, "literature"),
    ]  # fmt: skip
    told = existence.existence_text(rows).split("\n\n")
    assert len(told) == len(rows)
    assert "0 beyond the 24" in told[0]
    assert all(cell in told[3] for cell in ("ElmanCell", "LSTMCell", "GRUCell"))
    assert float(re.search(r"to (\S+) in float32", told[3])[1]) < 1e-5
    assert "Open (literature)" in told[-1]


def test_a_carry_of_few_bits_comes_again():
    rng = np.random.default_rng(0)
    steps = existence.cycles(5, 1)
    assert steps.shape == (5,) and (steps >= 1).all() and steps.max() < 2**16
    # By hand, of the first network: no state twice before, and then one again.
    u, b = 3 * rng.normal(size=(1, 1)), rng.normal(size=1)
    h, orbit = np.zeros(1, np.float16), []
    for _ in range(steps[0] + 1):
        orbit.append(h.item())
        h = np.tanh(h.astype(np.float32) @ u + b).astype(np.float16)
    assert len(set(orbit)) == steps[0] and orbit[-1] in orbit[:-1]


def test_every_preset_can_be_judged():
    for name, plan in PLANS.items():
        assert plan.num_updates % plan.validate_every == 0, name
        assert plan.lengths[-1] <= plan.string_steps
        assert plan.sample_width > 1 and plan.num_seeds >= 2
        assert list(plan.widths) == sorted(plan.widths)
    assert PLANS["quick"].num_seeds == 5 and PLANS["full"].num_seeds == 10
    cases = len(universality_study.CASES)
    assert all(PLANS[p].num_networks * cases >= 100 for p in ("quick", "full"))
    task = universality_study.MakeComposition(3, 2, 2, same=True, num_examples=9)(4)
    assert (task.moves == task.moves[:1]).all() and task.num_examples == 9
    other = universality_study.MakeComposition(3, 2, 2)(4)
    assert not (other.moves == other.moves[:1]).all()
    np.testing.assert_array_equal(task.moves[0], other.moves[0])


def test_the_figures_say_what_refutes_and_who_needs_less():
    seeds = np.random.default_rng(0).uniform(0.6, 1.0, (5, 2))
    figure = clock_figures.draw_widths(
        {"Tied": ((2, 4), seeds), "Untied": ((2, 4), seeds)},
        {"Tied": ((1, 4), 10 * seeds), "Untied": ((1,), 30 * seeds[:, :1])},
        solved=0.99, no_memory=0.5, longest=32, refuted="the one needs more",
    )  # fmt: skip
    assert figure.get_suptitle() == "Refuted if the one needs more."
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
    needs = {("Tied A", "Untied A"): columns}
    figure = clock_figures.draw_needs(needs, "one wins all")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["Untied needs less", "Tied needs less"]
    assert figure.axes[0].get_xlabel() == "log2 of Tied A's need over Untied A's"
    both = needs | {("Tied A", "Tied B"): columns}
    figure = clock_figures.draw_needs(both, "one wins all")
    assert figure.axes[0].texts[0].get_text() == "Untied A needs less"
    assert len(figure.axes[0].get_yticklabels()) == 6

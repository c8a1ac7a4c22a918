"""Over-fitting and memorising: the tasks, the rules on made-up data, the figures."""

import itertools
import math

import jax
import numpy as np
import pytest

from experiments.over_fitting import (
    capacity as capacity_study,
)
from experiments.over_fitting import (
    claims as over_fitting_claims,
)
from experiments.over_fitting import figure as gap_figures
from experiments.over_fitting import (
    measure as over_fitting_study,
)
from experiments.over_fitting.measure import Losses, judge_closing, judge_growth
from rnnshare.analysis.statistics import Interval, memorised_bits, rank_correlation
from rnnshare.tasks import RandomLabels

PLAN = over_fitting_study.PLANS["quick"]
NOISE = np.random.default_rng(0).normal(size=(5, 2, 2, 2))


def entropy(p):
    return -sum(q * math.log2(q) for q in (p, 1 - p) if q > 0)


def test_memorised_bits_by_the_entropy():
    for p, n in itertools.product((0.5, 0.6, 0.9, 1.0), (1, 64, 1_000)):
        assert memorised_bits(p, n) == pytest.approx(n * (1 - entropy(p)), abs=1e-9)
    assert memorised_bits(0.5, 64) == 0 and memorised_bits(1.0, 64) == 64
    assert memorised_bits(0.1, 64) == 0  # worse than a guess holds nothing
    found = memorised_bits(np.array([[0.5, 1.0], [1.0, 0.5]]), np.array([8, 16]))
    np.testing.assert_array_equal(found, [[0, 16], [8, 0]])
    with pytest.raises(ValueError, match=r"accuracies in \[0, 1\], but got 1.5"):
        memorised_bits(1.5, 8)
    with pytest.raises(ValueError, match=r"num_examples is 0\. Use at least 1"):
        memorised_bits(0.5, 0)


def test_rank_correlation_is_that_of_the_ranks():
    x, y = [1.0, 2.0, 4.0, 8.0], [0.1, 5.0, 0.2, 6.0]
    ranks = [1, 3, 2, 4]
    assert rank_correlation(x, y) == pytest.approx(
        np.corrcoef([1, 2, 3, 4], ranks)[0, 1]
    )
    assert rank_correlation(x, [3, 3, 3, 3]) == 0.0


def test_random_labels_are_coins_and_every_one_is_measured():
    task = RandomLabels(64, 3, num_held_out=256, num_steps=8, num_features=4)
    held_out = jax.jit(lambda task, split: task.held_out(split), static_argnums=1)
    batch = jax.device_get(held_out(task, "train"))
    assert batch.inputs.shape == (256, 8, 4) and set(np.unique(batch.inputs)) == {-1, 1}
    label_of = {}
    for row, label in zip(batch.inputs, batch.targets, strict=True):
        assert label_of.setdefault(row.tobytes(), label) == label
    assert len(label_of) == 64  # no two equal, each measured four times
    drawn = jax.device_get(task.sample(jax.random.key(0), 100))
    for row, label in zip(drawn.inputs, drawn.targets, strict=True):
        assert label_of[row.tobytes()] == label
    large = RandomLabels(4_096, 3, num_held_out=4_096)
    every = jax.device_get(held_out(large, "train"))
    assert np.mean(every.targets) == pytest.approx(0.5, abs=0.03)
    assert np.mean(every.inputs) == pytest.approx(0.0, abs=0.01)
    # Chance by simulation: the labels tell nothing that the inputs or others tell.
    known = every.inputs.reshape(4_096, -1).T @ (2 * every.targets - 1) / 4_096
    assert np.abs(known).max() < 5 / 64
    guesses = np.random.default_rng(0).integers(0, 2, 4_096)
    right = np.mean(guesses == every.targets)
    assert right == pytest.approx(large.lines["chance"]["accuracy"], abs=0.03)
    assert memorised_bits(right, 4_096) < 10
    outputs = jax.nn.one_hot(every.targets, 2)
    line = large.lines["all memorised"]["train_accuracy"]
    assert large.metrics(outputs, every)["accuracy"] == line


def growing(amount, slope=1.0, noise=0.01):
    """[S, T, N, E] of differences that grow with T / N, and whose mean is amount."""
    ratios = over_fitting_study.ratios_of(PLAN)
    order = np.argsort(np.argsort(ratios.ravel())).reshape(ratios.shape) - 1.5
    return amount + slope * order[None, :, :, None] + noise * NOISE


@pytest.mark.parametrize(
    ("cells", "verdict"),
    [
        ([(1, 1), (1, 1), (1, 1)], "supported"),
        ([(1, 1), (1, 1), (-1, -1)], "supported"),
        ([(1, 1), (1, -1), (-1, 1)], "inconclusive"),
        ([(1, -1), (1, -1), (1, -1)], "inconclusive"),
        ([(-1, -1), (-1, -1), (1, 1)], "refuted"),
        ([(1, 1), (-1, -1)], "inconclusive"),
    ],
)
def test_the_rule_of_growth(cells, verdict):
    apart = {str(i): growing(a, slope) for i, (a, slope) in enumerate(cells)}
    found, tests = judge_growth(apart, over_fitting_study.ratios_of(PLAN))
    assert found == verdict
    for (amount, slope), (larger, growth) in zip(cells, tests.values(), strict=True):
        assert larger.estimate == pytest.approx(amount, abs=0.01)
        assert growth.estimate == slope  # all ranks are in order


@pytest.mark.parametrize(
    ("tuned", "gone"),
    [((0.01, -0.1, 0.1), True), ((0.05, 0.01, 0.1), True), ((0.2, 0.1, 0.3), False),
     ((-0.2, -0.3, -0.1), True)],
)  # fmt: skip
def test_what_counts_as_vanished(tuned, gone):
    assert over_fitting_study.vanishes(Interval(*tuned), Interval(1, 0.9, 1.1)) == gone


def around(mean, spread=0.01):
    return mean + spread * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("cells", "verdict"),
    [
        ([(around(0.3), around(0.2))] * 2 + [(around(-1), around(0))], "supported"),
        ([(around(0.3), around(-0.2))] * 3, "inconclusive"),  # at a loss in the test
        ([(around(-0.3), around(0.2))] * 3, "refuted"),
        ([(around(0.001), around(0.2))] * 3, "refuted"),
        ([(around(0.1, 1.0), around(0.2))] * 3, "inconclusive"),  # too few seeds
    ],
)
def test_the_rule_of_closing(cells, verdict):
    assert judge_closing(dict(enumerate(cells)))[0] == verdict


def held(tied, untied, top=0.0):
    """{arm: [S, N]} of bits, the most of them at N = 64, or at the top."""
    return {arm: np.stack([around(most) / 2, around(most), top * around(most)], axis=1)
            for arm, most in (("Tied", tied), ("Untied", untied))}  # fmt: skip


@pytest.mark.parametrize(
    ("cases", "verdict"),
    [
        ([(10, 40)] * 3, "supported"),
        ([(10, 40), (10, 40), (10, 9)], "inconclusive"),
        ([(10, 9), (10, 9), (10, 40)], "refuted"),
        ([(128, 128)] * 3, "inconclusive"),  # both hold all of the largest set
    ],
)
def test_the_rule_of_capacity(cases, verdict):
    bits = {str(i): held(*pair) for i, pair in enumerate(cases)}
    for arms in bits.values():
        for values in arms.values():
            values[values > 120] = 128
    assert capacity_study.judge_capacity(bits, 128)[0] == verdict


def test_a_capacity_at_the_top_is_at_least_that():
    assert capacity_study._told(held(10, 40)["Untied"]) == "40"
    assert capacity_study._told(held(10, 40, top=1.2)["Untied"]) == "at least 48"


def test_a_diverged_seed_is_left_out_of_all_and_gaps_are_test_less_train():
    ones = np.ones((5, 2, 2, 2))
    broken = ones.copy()
    broken[3, 0, 1, 0] = np.inf
    measured = {"tuned": {"GRU": {"Tied": Losses(ones, 3 * ones + NOISE),
                                  "Untied": Losses(broken, ones)}}}  # fmt: skip
    arms = over_fitting_study._without_diverged(measured)["tuned"]["GRU"]
    kept = np.array([0, 1, 2, 4])
    np.testing.assert_allclose(arms["Tied"].gap, 2 + NOISE[kept])
    np.testing.assert_allclose(over_fitting_study.apart_of(arms), -2 - NOISE[kept])
    assert over_fitting_claims._count(
        {"tuned": {"GRU": arms}}
    ) == 4  # fmt: skip


def test_what_has_one_t_over_n_is_one_point_and_the_lines_are_those_of_the_tasks():
    plan = over_fitting_study.Plan(
        {}, 5, 1, (), (), (4, 8), 8, (64, 128), (0.0, 0.2), 4, 8, 4, 2, 128
    )
    values = np.arange(8.0).reshape(1, 2, 2, 2)
    places, means = over_fitting_claims._by_ratio(plan, values)
    np.testing.assert_array_equal(places, [4 / 128, 4 / 64, 8 / 64])
    # T = 4, N = 64 and T = 8, N = 128 share 1/16: the mean of 0, 1, 6 and 7.
    np.testing.assert_array_equal(means, [[2.5, 3.5, 4.5]])
    lines = over_fitting_claims._lines(plan)
    np.testing.assert_allclose(lines["chance"][1], math.log(2))
    best = lines["best possible"][1]
    # Of labels flipped with 0 and 0.2, no less than half the entropy of the flips.
    assert (best > entropy(0.2) * math.log(2) / 2).all() and (best < 0.4).all()
    assert best[0] < best[2]  # more steps hide the signal better


def test_every_n_divides_what_is_measured_of_it():
    for plan in over_fitting_study.PLANS.values():
        assert all(plan.num_held_out % n == 0 for n in plan.sizes)
    for plan in capacity_study.PLANS.values():
        assert all(max(plan.sizes) % n == 0 for n in plan.sizes)
        assert 2 ** (plan.num_steps * plan.num_features) > max(plan.sizes)
    assert over_fitting_study.PLANS["full"].num_seeds == 10
    # One object a strength, or each of its settings would be compiled again.
    recipes = [over_fitting_study.recipe(PLAN, "tuned", 1.0) for _ in range(2)]
    assert recipes[0] == recipes[1] and hash(recipes[0]) == hash(recipes[1])


def test_the_figures_show_chance_all_bits_and_what_refutes():
    sizes, rng = np.array([8, 16, 32]), np.random.default_rng(0)
    bits = {"Tied, H = 4": (sizes, rng.uniform(2, 5, (5, 3))),
            "Untied, H = 4": (sizes, rng.uniform(5, 8, (5, 3)))}  # fmt: skip
    figure = gap_figures.draw_memorised({"GRU": bits, "LSTM": bits}, "Refuted if")
    lines = figure.axes[0].lines
    assert any(np.array_equal(*line.get_data()) for line in lines)  # all N bits
    assert any(not np.any(line.get_ydata()) for line in lines)  # guessing
    assert figure.get_suptitle() == "Refuted if"
    row = gap_figures.GapRow(
        "Refuted if", "gap (nats)", {"GRU": bits, "LSTM": bits},
        {"chance": (sizes, np.full(3, 0.7))},
    )  # fmt: skip
    figure = gap_figures.draw_gaps([row, row], "T / N")
    assert [part.get_suptitle() for part in figure.subfigs] == ["Refuted if"] * 2
    first, second = figure.axes[:2]
    assert first.get_ylim() == second.get_ylim()
    assert "chance" in [text.get_text() for text in second.texts]
    assert len(figure.axes) == 4

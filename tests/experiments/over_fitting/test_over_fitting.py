"""Over-fitting and memorising: the rules on made-up data, the plans, the figures."""

import dataclasses
import itertools
import math

import numpy as np
import pandas as pd
import pytest

from experiments.lab.trials import replicates
from experiments.over_fitting import figure, measure
from experiments.over_fitting.claims import (
    CLOSING,
    EXPERIMENT,
    by_ratio,
    reference_lines,
)
from experiments.over_fitting.measure import CASE, REGIMES, Measured, whole
from experiments.over_fitting.plan import PLANS
from experiments.over_fitting.rise_claim import RISE, rises_of, vanishes
from experiments.over_fitting.rises import GUESSING, follow, rise
from rnnshare.analysis.statistics import Interval

PLAN = PLANS["quick"]
NOISE = np.random.default_rng(0).normal(size=(5, 2, 2, 2))
LOW_RANK = 0.05 + 0.001 * NOISE  # its test loss, where tied's is 0
ARMS = (*measure.ARMS, measure.PARTIAL)
CHOSEN = dict.fromkeys(itertools.product(REGIMES, "0123", ARMS), (1e-2, 0.0))


def losses(values, low_rank):
    """Returns the runs of {(regime, cell): untied's (train, test)}, tied's being 0.

    A loss is broadcast to [S, T, N, E].
    """
    rows = []
    for (regime, cell), untied in values.items():
        partial = {"LowRank": (0, low_rank)} if regime == "tuned" else {}
        for arm, pair in ({"Tied": (0, 0), "Untied": untied} | partial).items():
            pair = [np.broadcast_to(x, NOISE.shape).reshape(5, 8) for x in pair]
            for i, case in enumerate(measure.grid(PLAN, PLAN.steps)):
                label = {"regime": regime, "cell": cell, "arm": arm}
                label |= zip(CASE, case, strict=True)
                for seed, (train, test) in enumerate(zip(*pair, strict=True)):
                    losses = {"train_loss": train[i], "test_loss": test[i]}
                    rows.append({**label, "seed": seed, **losses})
    return pd.DataFrame(rows)


def measured(values, low_rank=LOW_RANK):
    return Measured(
        whole(losses(values, low_rank), CHOSEN), pd.DataFrame(), pd.DataFrame()
    )


def rises(cells):
    """Returns runs whose untied curves rise more, by (amount, along T, along N)."""
    rng, rows = np.random.default_rng(1), []
    sizes = PLAN.rises.sizes
    for number, (amount, along_t, along_n) in enumerate(cells):
        for i, steps in enumerate((4, 8)):
            for j, size in enumerate(sizes):
                more = amount + along_t * (i - 0.5) + along_n * (j - 1)
                for arm, by in (("Tied", 0.0), ("Untied", more)):
                    for seed in range(5):
                        low = 0.1 + 0.01 * rng.normal()
                        rows.append(
                            {"cell": str(number), "arm": arm, "T": steps, "N": size,
                             "seed": seed, "lost": False,
                             "curve": [low + 9, low, low + 5 + by]}
                        )  # fmt: skip
    return pd.DataFrame(rows)


def no_gaps():
    cells = {("tuned", str(i)): (0, 1 + NOISE) for i in range(3)}
    return whole(losses(cells, LOW_RANK), CHOSEN)


@pytest.mark.parametrize(
    ("cells", "verdict"),  # untied's rise: more by, along T, along N
    [
        ([(1, 1, -1)] * 3, "supported"),
        ([(1, 1, -1), (1, 1, -1), (-1, 0, 0)], "supported"),
        ([(1, 1, 1)] * 3, "inconclusive"),  # T alone: T / N would not tell
        ([(1, -1, -1)] * 3, "inconclusive"),
        ([(1, -1, 1)] * 3, "refuted"),
        ([(-1, 1, -1), (-1, 1, -1), (1, 1, -1)], "refuted"),
    ],
)
def test_the_rule_of_the_rise(cells, verdict):
    found = Measured(no_gaps(), pd.DataFrame(), rises(cells))
    judged = RISE.judge(PLAN, found)
    assert judged.verdict == verdict and judged.count == 5
    assert "tuning alone does not take" in judged.summary
    undecided = verdict == "inconclusive"
    assert ("What is not shown" in judged.details) == undecided
    names = list(judged.data)
    for number, (amount, along_t, along_n) in enumerate(cells):
        got = [judged.data[name][str(number)].estimate for name in names]
        # N is thrice as much, and once, a step of the grid: 3 doublings.
        np.testing.assert_allclose(got, [amount, along_t, along_n / 3], atol=0.03)
    table = RISE.table(PLAN, found, judged)
    assert len(table) == 1 + 6 * len(cells)
    assert len(RISE.draw(PLAN, found, judged).axes) == 6


def test_a_rise_is_from_where_the_other_seeds_are_best():
    curves = np.array([[3.0, 1.0, 2.0], [3.0, 1.0, 4.0], [0.5, 1.0, 6.0]])
    # The third's own least is at 0, where the others are not; 0 is its own noise.
    np.testing.assert_allclose(rise(curves), [1.0, 3.0, 5.0])


@pytest.mark.slow
def test_curves_are_those_of_the_training_and_what_diverged_guesses():
    class Lab:
        def kept_each(self, keys, make):
            made = {str(key): columns for key, columns in make(keys)}
            made[str(keys[0])] = {"curve": made[str(keys[0])]["curve"][:1]}
            return [key | made[str(key)] for key in keys]

    plan = dataclasses.replace(
        PLANS["smoke"], rises=dataclasses.replace(PLANS["smoke"].rises, steps=(4,))
    )
    runs = follow(plan, Lab(), {("Elman", "Tied"): 1e-2})
    assert list(runs["N"]) == [8, 8, 16, 16] and list(runs["lost"]) == [1, 0, 0, 0]
    assert list(runs["seed"]) == [10_000, 10_001] * 2
    assert {len(curve) for curve in runs["curve"]} == {2}
    assert runs["curve"][0][1] == GUESSING
    assert len(rises_of(runs)) == 4


@pytest.mark.parametrize(
    ("tuned", "gone"),
    [((0.01, -0.1, 0.1), True), ((0.05, 0.01, 0.1), True), ((0.2, 0.1, 0.3), False),
     ((-0.2, -0.3, -0.1), True)],
)  # fmt: skip
def test_what_counts_as_vanished(tuned, gone):
    assert vanishes(Interval(*tuned), Interval(1, 0.9, 1.1)) == gone


def around(mean, spread=0.01):
    return mean + spread * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("cells", "verdict"),  # untied's less tied's gap and test loss
    [
        ([(around(0.3), around(0.2))] * 2 + [(around(-1), around(0))], "supported"),
        ([(around(-0.3), around(0.2))] * 3, "supported"),  # the gap decides nothing
        ([(around(0.3), around(-0.2))] * 3, "refuted"),  # wide, with a lower loss
        ([(around(0.3), around(0.001))] * 3, "refuted"),
        ([(around(0.1), around(0.1, 1.0))] * 3, "inconclusive"),  # too few seeds
    ],
)
def test_the_rule_of_closing(cells, verdict):
    values = {
        ("tuned", str(i)): [x[:, None, None, None] for x in (test - gap, test)]
        for i, (gap, test) in enumerate(cells)
    }
    found = CLOSING.judge(PLAN, measured(values))
    assert found.verdict == verdict and found.count == 5
    (cell, (gap, loss)), *_ = found.data.items()
    assert cell == "0" and gap.estimate == pytest.approx(cells[0][0].mean())
    assert loss.estimate == pytest.approx(cells[0][1].mean())
    apart = 0.05 - min(0.0, cells[0][1].mean())  # than the better end, tied's 0 or less
    assert f"of the better end: 0 {apart:.3f} [" in found.details
    assert "Nowhere is it shown to be below" in found.details


def test_where_partial_untying_is_below_both_it_is_said():
    up = around(0.2)[:, None, None, None]
    found = CLOSING.judge(PLAN, measured({("tuned", "0"): (up, up)}, LOW_RANK - 0.15))
    assert found.verdict == "supported"
    assert "0 -0.100 [" in found.details
    assert "below both ends in 1 of 1 cells, where neither is" in found.details


def test_a_diverged_run_counts_as_guessing_and_gaps_are_test_less_train():
    ones, test = np.ones((5, 2, 2, 2)), 3 + NOISE
    broken = ones.copy()
    broken[3, 0, 1, 0] = np.nan
    values = {
        ("tuned", "0"): (broken, test * broken),
        ("unregularised", "0"): (ones, test),
    }
    found = measured(values)
    apart = measure.untied_less_tied(found.gaps.runs, "tuned").to_numpy()
    expected = (2 + NOISE).reshape(5, -1).T
    expected[2, 3] = 0.0  # who guesses has no gap
    np.testing.assert_allclose(apart, expected)
    verdict = CLOSING.judge(PLAN, found)
    assert verdict.count == 5
    assert "1 of 200 runs diverged and count as guessing." in verdict.details


class MadeUpLab:
    """Losses that tell the arm; one run of tied weights and one of labels diverges."""

    def __init__(self):
        self.tuned = []

    def tune(self, candidates, budget, by=None):
        rows = self.train(candidates[0], replicates(budget // len(candidates)))
        if by is not None:  # what holds all of every set is the best
            assert by([{**row, "train_accuracy": 1.0} for row in rows]) == -2_048
        self.tuned.append((len(candidates), budget))
        return candidates[-1]

    def kept_each(self, keys, make):
        """Curves that rise; one of them ends before the last point."""
        count = PLAN.rises.num_updates // PLAN.rises.validate_every
        short = [key["seed"] == 10_002 and key["N"] == 64 for key in keys]
        curve = [0.5 + 0.01 * i for i in range(count)]
        return [
            k | {"curve": curve[: count - s]} for k, s in zip(keys, short, strict=True)
        ]

    def train(self, settings, repeats):
        rows = []
        for setting in settings:
            untied = type(setting.sharing).__name__ == "Untied"
            for repeat in repeats:
                task = setting.make_task(repeat.split)
                assert int(task.seed) == repeat.seed
                lost = not untied and repeat.seed == 2 and int(task.num_examples) == 64
                found = {"test_loss": 0.3 + 0.2 * untied, "train_accuracy": 0.8}
                found = dict.fromkeys(found) if lost else found
                rows.append({"seed": repeat.seed, "num_parameters": 100,
                             "train_loss": 0.1, **found})  # fmt: skip
        return rows


def test_what_is_measured_is_judged_and_drawn_with_runs_that_diverged():
    lab = MadeUpLab()
    found = EXPERIMENT.measure(PLAN, lab)
    # Two rates without decay, four of both, on two tuning seeds; two rates on one.
    assert sorted(set(lab.tuned)) == [(2, 2), (2, 4), (4, 8)]
    assert set(found.gaps.chosen.values()) == {(1e-2, 0.0), (1e-2, 1.0)}
    assert found.gaps.runs["lost"].sum() == 24 and found.rises["lost"].sum() == 8
    assert found.memorised["diverged"].sum() == 2
    for claim in EXPERIMENT.claims:
        verdict = claim.judge(PLAN, found)
        assert "diverged" in verdict.details
        assert claim.table(PLAN, found, verdict) and claim.draw(PLAN, found, verdict)
    by_cell = measure.gaps_by_cell(PLAN, lab)
    assert list(by_cell) == ["Elman", "LSTM"]
    np.testing.assert_allclose(np.delete(by_cell["LSTM"], 2), [0.2] * 4)


def test_what_has_one_t_over_n_is_one_point_and_the_lines_are_those_of_the_tasks():
    plan = dataclasses.replace(PLAN, sizes=(64, 128), num_held_out=128)
    cases = measure.grid(plan, plan.steps)
    runs = pd.DataFrame(cases, columns=CASE).assign(seed=0, loss=np.arange(8.0))
    places, means = by_ratio(runs, "loss")
    np.testing.assert_array_equal(places, [4 / 128, 4 / 64, 8 / 64])
    # T = 4, N = 64 and T = 8, N = 128 share 1/16: the mean of 0, 1, 6 and 7.
    np.testing.assert_array_equal(means, [[2.5, 3.5, 4.5]])
    lines = reference_lines(plan)
    np.testing.assert_allclose(lines["chance"][1], math.log(2))
    best = lines["best possible"][1]
    # Of labels flipped with 0 and 0.2, no less than half the entropy of the flips.
    flips = -0.2 * math.log(0.2) - 0.8 * math.log(0.8)
    assert (best > flips / 2).all() and (best < 0.4).all()
    assert best[0] < best[2]  # more steps hide the signal better


def test_every_n_divides_what_is_measured_of_it():
    for plan in PLANS.values():
        sizes = plan.capacity
        assert all(plan.num_held_out % n == 0 for n in plan.sizes)
        assert all(max(sizes.sizes) % n == 0 for n in sizes.sizes)
        assert 2 ** (sizes.num_steps * sizes.num_features) > max(sizes.sizes)
        assert plan.decays[0] == 0  # the choice of the unregularised regime
    assert PLANS["full"].num_seeds == 10
    # Equal settings are one, or each of them would be compiled again.
    recipes = [measure.recipe(PLAN, "tuned", 1.0) for _ in range(2)]
    assert recipes[0] == recipes[1] and hash(recipes[0]) == hash(recipes[1])


def test_the_figures_show_chance_all_bits_and_what_refutes():
    sizes, rng = np.array([8, 16, 32]), np.random.default_rng(0)
    bits = {"Tied": (sizes, rng.uniform(2, 5, (5, 3))),
            "Untied": (sizes, rng.uniform(5, 8, (5, 3)))}  # fmt: skip
    drawn = figure.draw_memorised({"GRU": bits, "LSTM": bits}, "Refuted if")
    lines = drawn.axes[0].lines
    assert any(np.array_equal(*line.get_data()) for line in lines)  # all N bits
    assert any(not np.any(line.get_ydata()) for line in lines)  # guessing
    assert drawn.get_suptitle() == "Refuted if"
    row = figure.GapRow(
        "Refuted if", "gap (nats)", {"GRU": bits, "LSTM": bits},
        {"chance": (sizes, np.full(3, 0.7))},
    )  # fmt: skip
    drawn = figure.draw_gaps([row, row], "T / N")
    assert [part.get_suptitle() for part in drawn.subfigs] == ["Refuted if"] * 2
    first, second = drawn.axes[:2]
    assert first.get_ylim() == second.get_ylim()
    assert "chance" in [text.get_text() for text in second.texts]
    assert len(drawn.axes) == 4

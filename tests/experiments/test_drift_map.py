"""The map of drift: its rules on made-up losses, the crossing, FLOPs, the figures."""

import dataclasses
import functools

import numpy as np
import pytest

from experiments.drift_map import (
    __main__ as drift_map,
)
from experiments.drift_map import (
    claims as drift_map_claims,
)
from experiments.drift_map import (
    measure as drift_map_study,
)
from experiments.drift_map.claims import judged, map_sentences
from experiments.drift_map.judgement import (
    crossover,
    crossover_interval,
    differences_of,
    judge_limit,
    won,
)
from experiments.drift_map.measure import ARMS, PLANS, Measured
from rnnshare import GRUCell, Tied, Untied
from rnnshare.models.sizing import count_flops
from rnnshare.plotting import panels as figures
from rnnshare.plotting.style import COLOURS
from rnnshare.tasks import STREAMING

PLAN = dataclasses.replace(
    PLANS["quick"], num_seeds=6, steps=(10, 20), drifts=(0.0, 0.2), sizes=(50, 1_000)
)


def made_up(untied, fresh=None):
    """Returns a map with these mean differences [d, N] at every T and matching."""
    rng = np.random.default_rng(0)
    means = np.asarray(untied, np.float64)[None, ..., None]
    shape = 2, 2, 2, 6
    losses = {"Tied": np.full(shape, 0.5) + 0.1 * rng.normal(size=shape)}
    for arm in ARMS[1:]:
        losses[arm] = losses["Tied"] + means + 0.004 * rng.normal(size=shape)
    again = {
        (arm, *map(int, place)): (fresh or means[0][tuple(place[1:])][0])
        + 0.004 * rng.normal(size=6)
        for arm, whose in won(differences_of(losses)).items()
        for place in np.argwhere(whose < 0)
    }
    return Measured(PLAN, losses, again, np.array([[0.0, 0.3]] * 2), {})


@pytest.mark.parametrize(
    ("untied", "fresh", "verdict", "wins"),
    [
        ([[0.2, 0.1], [0.1, -0.1]], None, "supported", 4),
        ([[0.2, 0.1], [0.1, 0.05]], None, "refuted", 0),
        ([[0.2, 0.1], [0.1, -0.1]], 0.02, "refuted", 0),  # not confirmed
        ([[0.2, 0.0], [0.0, 0.0]], None, "inconclusive", 0),
        ([[0.2, -0.1], [0.1, 0.1]], None, "inconclusive", 4),  # without drift only
    ],
)
def test_each_verdict_of_the_map_is_reached(untied, fresh, verdict, wins):
    found = made_up(untied, fresh)
    judgement = judged(found)
    assert judgement.verdict == verdict
    assert sum(int(cells.sum()) for cells in judgement.untied_wins.values()) == wins
    told = " ".join(map_sentences(found, judgement))
    assert ("surprise" in told) == (untied[0][1] == -0.1)
    assert ("fresh seeds)" in judgement.effect_label) == (verdict == "supported")
    assert "d = 0.2, N = " in judgement.effect_label  # a cell with drift
    assert (judgement.effect.high < 0) == (verdict == "supported" or fresh is not None)


def test_holm_is_over_the_whole_map():
    rng = np.random.default_rng(1)
    one = 0.1 + 0.06 * rng.normal(size=6)  # p about 0.01: clear by itself only
    differences = {ARMS[1]: one[None, None, None]}
    assert won(differences)[ARMS[1]] == 1
    noise = rng.normal(size=(1, 1, 60, 6))
    noise -= noise.mean(-1, keepdims=True)
    differences[ARMS[2]] = noise
    assert won(differences)[ARMS[1]] == 0


def limit_of(means, spread=0.001):
    noise = np.array([-1, 1, -1, 1, 0.5, -0.5])
    return np.array(means)[:, None] + spread * noise


@pytest.mark.parametrize(
    ("means", "spread", "verdict"),
    [
        ([0.0, -0.01, -0.05], 0.001, "supported"),
        ([0.01, -0.01, -0.05], 0.001, "supported"),  # d = 0 has no say
        ([0.0, -0.01, 0.01], 0.001, "refuted"),
        ([0.0, -0.01, -0.001], 0.004, "refuted"),
        ([0.0, 0.01, -0.05], 0.001, "inconclusive"),
        ([0.0, -0.01, -0.01], 0.02, "inconclusive"),  # too wide to say
    ],
)
def test_each_verdict_of_the_limit_is_reached(means, spread, verdict):
    drifts = (0.0, 0.05, 0.2)
    found, intervals, p_values = judge_limit(limit_of(means, spread), drifts)
    assert set(p_values) == {0.05, 0.2}
    assert found == verdict
    np.testing.assert_allclose([i.estimate for i in intervals], means, atol=1e-12)


def test_the_crossing_is_on_the_line_over_log_n():
    sizes = (10, 100, 1_000, 10_000)
    means = [
        [0.3, 0.1, -0.1, -0.2],  # half of the way from 100 to 1000
        [0.3, 0.1, -0.3, 0.2],  # the first change counts; a quarter of the way
        [-0.1, 0.1, -0.1, -0.1],
        [0.3, 0.2, 0.1, 0.0],
    ]
    expected = [10**2.5, 10**2.25, 10, np.inf]
    np.testing.assert_allclose(crossover(sizes, means), expected)
    seeds = np.array(means[0])[:, None] + np.array([-0.05, 0.0, 0.05, 0.02, -0.02])
    estimate, low, high = crossover_interval(sizes, seeds)
    assert estimate == pytest.approx(10**2.5)
    assert 100 < low < estimate < high < 1_000
    never = crossover_interval(sizes, seeds + 1)
    assert never == (np.inf, np.inf, np.inf)
    mixed = crossover_interval(sizes, seeds + np.array([[1], [1], [1], [0.2]]))
    assert mixed.low < np.inf == mixed.high


def test_equal_flops_is_equal_width():
    """So that the map has two matchings and not three."""
    plan = PLANS["full"]
    cell = functools.partial(GRUCell, plan.num_features)
    # What a step costs does not depend on how many there are.
    assert count_flops(cell, Untied(10), 32) == count_flops(cell, Tied(), 32)
    small = dataclasses.replace(plan, hidden_features=8)
    assert drift_map_study.equal_width(small, 10, "flops") == 8
    tied = 3 * 32 * (32 + 3 + 2)
    for num_steps in plan.steps:
        narrow = drift_map_study.equal_width(plan, num_steps, "parameters")
        assert num_steps * 3 * narrow * (narrow + 5) == pytest.approx(tied, rel=0.2)


def test_a_cell_is_run_on_its_own_task_and_the_same_seeds(monkeypatch):
    asked = []

    def run(settings, replicates, rows):
        asked.append((len(settings), [r.seed for r in replicates]))
        return [
            {"test_loss": None if r.seed == 0 else s.make_task(r.split).num_examples}
            for s in settings
            for r in replicates
        ]

    def tune(candidates, replicates, rows):
        assert all(r.seed >= 1_000 for r in replicates)
        budgets.append(len(candidates) * len(replicates))
        return candidates[0]

    budgets: list[int] = []
    monkeypatch.setattr(drift_map_study, "run", run)
    monkeypatch.setattr(drift_map_study, "tune", tune)
    plan = PLANS["full"]
    chosen = drift_map_study.tuned(plan, 10, None)
    assert budgets == [8, 8, 8]
    cells = [(0.0, 50), (0.2, STREAMING)]
    found = drift_map_study.losses_at(plan, chosen["Untied"], cells, 2_000, None)
    np.testing.assert_array_equal(found[:, 0], [50, STREAMING])
    assert asked == [(2, list(range(2_000, 2_010)))]
    lost = drift_map_study.losses_at(plan, chosen["Tied"], cells, 0, None)
    np.testing.assert_array_equal(lost[:, 0], 1)  # diverged


def test_wins_of_untied_and_no_other_cells_are_run_on_fresh_seeds(monkeypatch):
    asked = []

    def losses_at(plan, setting, cells, first, rows):
        asked.append((setting, cells, first))
        value = 0.3 if setting[0] == "Tied" else 0.1
        return np.full((len(cells), plan.num_seeds), value)

    monkeypatch.setattr(drift_map_study, "losses_at", losses_at)
    found = made_up([[0.2, 0.1], [0.1, -0.1]])
    chosen = {(arm, steps): (arm, steps) for arm in ARMS for steps in PLAN.steps}
    fresh = drift_map_study.confirmed(PLAN, chosen, found.losses, None)
    assert set(fresh) == {(arm, c, 1, 1) for arm in ARMS[1:] for c in (0, 1)}
    for values in fresh.values():
        np.testing.assert_allclose(values, np.full(6, -0.2))
    assert all(call[1:] == ([(0.2, 1_000)], 2_000) for call in asked)
    assert {call[0] for call in asked} == set(chosen)


def test_the_figures_say_which_colour_is_whose(tmp_path):
    found = made_up([[0.2, 0.1], [0.1, -0.1]])
    figure = drift_map_claims._map_figure(found, judged(found))
    heat = next(a for a in figure.findobj() if hasattr(a, "get_cmap"))
    from matplotlib.colors import to_hex

    ends = [to_hex(heat.get_cmap()(x)).upper() for x in (0.0, 1.0)]
    assert ends == [COLOURS["Untied"], COLOURS["Tied"]]
    texts = " ".join(t.get_text() for t in figure.findobj() if hasattr(t, "get_text"))
    for word in ("untied better", "tied better", "Refuted if", "predicting the mean",
                 "time-invariant linear", "equal parameters"):  # fmt: skip
        assert word in texts
    figures.save(figure, tmp_path / "map.png")
    streaming = {arm: found.losses[arm][1, :, 1] for arm in ARMS[:2]}
    figure = drift_map_claims._limit_figure(found, streaming)
    texts = " ".join(t.get_text() for t in figure.findobj() if hasattr(t, "get_text"))
    assert "Refuted if" in texts and "\N{INFINITY}" in texts
    figures.save(figure, tmp_path / "limit.png")


def test_plans_and_rules_speak_of_the_same():
    assert set(drift_map.RULES) == {"Q5", "B5"}
    for plan in PLANS.values():
        assert plan.drifts[0] == 0.0 < plan.drifts[-1]
        assert plan.limit_steps in plan.steps
    assert PLANS["quick"].num_seeds == 5 and PLANS["full"].num_seeds == 10

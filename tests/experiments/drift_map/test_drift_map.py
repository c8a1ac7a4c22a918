"""The map of drift: its rules on made-up losses, the crossing, FLOPs, the figures."""

import dataclasses
import functools

import numpy as np
import pandas as pd
import pytest

from experiments.drift_map import measure as study
from experiments.drift_map.claims import (
    EXPERIMENT,
    LIMIT,
    MAP,
    crossover,
    crossover_interval,
)
from experiments.drift_map.measure import ARMS, CASE, Measured, differences, losses
from experiments.drift_map.plan import PLANS
from experiments.lab import frames
from experiments.lab.choices import equal_width
from rnnshare import GRUCell, Tied, Untied, count_flops
from rnnshare.plotting import save
from rnnshare.plotting.style import COLOURS
from rnnshare.tasks import STREAMING

PLAN = dataclasses.replace(
    PLANS["quick"], num_seeds=6, steps=(10, 20), drifts=(0.0, 0.2), sizes=(50, 1_000)
)


def runs_of(losses_at, arms=ARMS, first=0, sizes=PLAN.sizes):
    """Returns runs of `losses_at(arm, T, d, N)`, six seeds each."""
    rows = [
        {"arm": a, "T": t, "d": d, "N": n, "seed": first + s, "test_loss": value}
        for a in arms
        for t in PLAN.steps
        for d in PLAN.drifts
        for n in sizes
        for s, value in enumerate(losses_at(a, t, d, n))
    ]
    return pd.DataFrame(rows, columns=["arm", *CASE, "seed", "test_loss"])


def made_up(untied, fresh=None, streaming=(0.0, -0.1)):
    """Returns a map with these mean differences [d, N] at every T and matching."""
    rng = np.random.default_rng(0)
    tied = {
        (t, d, n): 0.5 + 0.1 * rng.normal(size=6)
        for t in PLAN.steps
        for d in PLAN.drifts
        for n in PLAN.sizes
    }

    def at(arm, t, d, n, again=None):
        means = np.asarray(untied)[PLAN.drifts.index(d), PLAN.sizes.index(n)]
        mean = means if again is None else again
        noise = 0.004 * rng.normal(size=6)
        return tied[t, d, n] + (arm != "Tied") * (mean + noise)

    runs = runs_of(at)
    won = frames.tests(differences(runs)).query("wins < 0").index
    cells = {case[1:] for case in won}
    again = runs_of(functools.partial(at, again=fresh), first=2_000)
    fresh_runs = again[[tuple(c) in cells for c in again[CASE].to_numpy()]]
    limit = runs_of(
        lambda a, t, d, n: (
            0.3
            + (a != "Tied")
            * (streaming[PLAN.drifts.index(d)] + 0.001 * rng.normal(size=6))
        ),
        arms=ARMS[:2],
        sizes=(STREAMING,),
    )
    oracles = {(t, d): 1.5 * d for t in PLAN.steps for d in PLAN.drifts}
    return Measured(runs, fresh_runs, limit[limit["T"] == 20], oracles, {})


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
    found = MAP.judge(PLAN, made_up(untied, fresh))
    assert found.verdict == verdict
    assert (found.data.tests.wins < 0).sum() == wins
    assert ("surprise" in found.summary) == (untied[0][1] == -0.1)
    assert ("fresh seeds)" in found.label) == (verdict == "supported")
    assert "d = 0.2, N = " in found.label  # a cell with drift
    assert (found.effect.high < 0) == (verdict == "supported" or fresh is not None)


def test_wins_of_untied_and_no_other_cells_are_run_on_fresh_seeds():
    asked = []

    class Lab:
        def tune(self, candidates, budget):
            budgets.append(len(candidates) * max(1, budget // len(candidates)))
            return candidates[0]

        def train(self, settings, repeats):
            first = repeats[0].seed
            asked.append((settings, first))
            return [
                {"seed": r.seed, "test_loss": self.loss(s, s.make_task(r.split), r)}
                for s in settings
                for r in repeats
            ]

        def loss(self, setting, task, repeat):
            if setting.sharing == Tied():
                lost = task.amount == 0 and repeat.seed == 3
                return None if lost else 0.3
            won = float(task.amount) > 0 and int(task.num_examples) == 1_000
            return (0.1 if won else 0.5) + 0.01 * (repeat.seed % 3)

    budgets: list[int] = []
    plan = dataclasses.replace(PLAN, tuning=8, starts=(True, False))
    found = study.measure(plan, Lab())
    assert budgets == [8, 8, 8] * 2
    fresh = set(map(tuple, found.fresh[["arm", *CASE]].to_numpy()))
    assert fresh == {(arm, t, 0.2, 1_000) for arm in ARMS for t in PLAN.steps}
    assert set(found.fresh.seed) == set(range(2_000, 2_006))
    assert {first for _, first in asked} == {0, 2_000}
    apart = differences(found.runs)
    # Who diverged counts as 1, the loss of predicting the mean.
    np.testing.assert_allclose(apart.loc["Untied", 10, 0.0, 50][3], 0.5 - 1.0)
    assert {int(n) for n in found.streaming.N} == {STREAMING}


def test_a_cell_is_run_on_its_own_task(monkeypatch):
    class Lab:
        def train(self, settings, repeats):
            return [
                {"seed": r.seed, "test_loss": int(s.make_task(r.split).num_examples)}
                for s in settings
                for r in repeats
            ]

    (setting, *_) = study.arms(PLAN, 10)["Untied"]
    cells = {("Untied", 10): [(0.0, 50), (0.2, STREAMING)]}
    found = losses(PLAN, Lab(), {("Untied", 10): setting}, cells, 2_000)
    assert list(found.test_loss) == list(found.N)
    assert list(found.seed) == [*range(2_000, 2_006)] * 2


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
    plan = dataclasses.replace(PLAN, drifts=(0.0, 0.05, 0.2))
    noise = spread * np.array([-1, 1, -1, 1, 0.5, -0.5])
    rows = [
        {"arm": arm, "d": d, "seed": s, "test_loss": (arm == "Untied") * (mean + e)}
        for arm in ARMS[:2]
        for d, mean in zip(plan.drifts, means, strict=True)
        for s, e in enumerate(noise)
    ]
    found = LIMIT.judge(plan, Measured(None, None, pd.DataFrame(rows), {}, {}))
    every, p_values = found.data
    assert set(p_values.index) == {0.05, 0.2}
    assert found.verdict == verdict
    np.testing.assert_allclose(every.estimate, means, atol=1e-12)


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
    assert equal_width(cell, Untied(10), 8, "flops") == 8
    tied = 3 * 32 * (32 + 3 + 2)
    for num_steps in plan.steps:
        narrow = equal_width(cell, Untied(num_steps), 32, "parameters")
        assert study.arms(plan, num_steps)[ARMS[2]][0].hidden_features == narrow
        assert num_steps * 3 * narrow * (narrow + 5) == pytest.approx(tied, rel=0.2)


def test_the_figures_say_which_colour_is_whose(tmp_path):
    found = made_up([[0.2, 0.1], [0.1, -0.1]])
    figure = MAP.draw(PLAN, found, MAP.judge(PLAN, found))
    heat = next(a for a in figure.findobj() if hasattr(a, "get_cmap"))
    from matplotlib.colors import to_hex

    ends = [to_hex(heat.get_cmap()(x)).upper() for x in (0.0, 1.0)]
    assert ends == [COLOURS["Untied"], COLOURS["Tied"]]
    texts = " ".join(t.get_text() for t in figure.findobj() if hasattr(t, "get_text"))
    for word in ("untied better", "tied better", "Refuted if", "predicting the mean",
                 "time-invariant linear", "equal parameters"):  # fmt: skip
        assert word in texts
    save(figure, tmp_path / "map.png")
    figure = LIMIT.draw(PLAN, found, LIMIT.judge(PLAN, found))
    texts = " ".join(t.get_text() for t in figure.findobj() if hasattr(t, "get_text"))
    assert "Refuted if" in texts and "\N{INFINITY}" in texts
    save(figure, tmp_path / "limit.png")


def test_plans_and_claims_speak_of_the_same():
    assert [claim.id for claim in EXPERIMENT.claims] == ["Q5", "B5"]
    for plan in PLANS.values():
        assert plan.drifts[0] == 0.0 < plan.drifts[-1]
        assert plan.limit_steps in plan.steps
    assert PLANS["quick"].num_seeds == 5 and PLANS["full"].num_seeds == 10

"""The map of drift: its rules on made-up losses, the crossing, FLOPs, the figures."""

import dataclasses
import functools

import numpy as np
import pandas as pd
import pytest

from experiments.drift_map import measure as study
from experiments.drift_map.claims import EXPERIMENT, LIMIT, MAP
from experiments.drift_map.measure import (
    CASE,
    KINDS,
    LIMIT_ARMS,
    LOW_RANK,
    NARROW,
    STEP_BIAS,
    TIED,
    UNTIED,
    WHOLE,
    WIDE,
    Measured,
    differences,
)
from experiments.drift_map.plan import PLANS
from experiments.drift_map.telling import joint_sentence, settings_told
from experiments.lab import frames
from experiments.lab.choices import equal_width
from experiments.lab.crossing import crossover, crossover_interval
from rnnshare import GRUCell, LowRank, Tied, Untied, count_flops
from rnnshare.plotting import save
from rnnshare.plotting.style import COLOURS
from rnnshare.tasks import STREAMING
from tests.experiments.drift_map.made_up import PLAN, limit_of


def runs_of(losses_at, kinds=(*KINDS, WHOLE), first=0):
    """Returns runs of `losses_at(kind, T, d, N)`, six seeds each."""
    rows = [
        {"kind": k, "arm": k, "T": t, "d": d, "N": n, "seed": first + s}
        | {"test_loss": value, "best_step": 3 * n, "lost": False}
        for k in kinds
        for t in PLAN.steps
        for d in PLAN.drifts
        for n in PLAN.sizes
        for s, value in enumerate(losses_at(k, t, d, n))
    ]
    return pd.DataFrame(rows)


def made_up(untied, fresh=None, partial=0.0):
    """Returns a map with these mean log ratios [d, N] at every T."""
    rng = np.random.default_rng(0)
    tied = {
        (t, d, n): np.log(0.5) + 0.1 * rng.normal(size=6)
        for t in PLAN.steps
        for d in PLAN.drifts
        for n in PLAN.sizes
    }

    def at(kind, t, d, n, again=None):
        means = np.asarray(untied)[PLAN.drifts.index(d), PLAN.sizes.index(n)]
        mean = means if again is None else again
        apart = {"Untied": mean, "Partial": partial}.get(kind, 0.0)
        noise = 0.004 * rng.normal(size=6) * (kind in ("Untied", "Partial"))
        return np.exp(tied[t, d, n] + apart + noise)

    runs = runs_of(at)
    won = frames.tests(differences(runs, "Untied", "Tied")).query("wins < 0").index
    again = runs_of(functools.partial(at, again=fresh), ("Tied", "Untied"), 12_000)
    fresh_runs = again[[tuple(c) in set(won) for c in again[CASE].to_numpy()]]
    oracles = {(t, d): 1.5 * d for t in PLAN.steps for d in PLAN.drifts}
    return Measured(runs, fresh_runs, limit_of([0.0, -0.1]), oracles, {})


@pytest.mark.parametrize(
    ("untied", "fresh", "verdict", "wins"),
    [
        ([[0.2, 0.1], [0.1, -0.1]], None, "supported", 2),
        ([[0.2, 0.1], [0.1, 0.05]], None, "refuted", 0),
        ([[0.2, 0.1], [0.1, -0.1]], 0.02, "refuted", 0),  # not confirmed
        ([[0.2, 0.0], [0.0, 0.0]], None, "inconclusive", 0),
        ([[0.2, -0.1], [0.1, 0.1]], None, "inconclusive", 2),  # without drift only
    ],
)
def test_each_verdict_of_the_map_is_reached(untied, fresh, verdict, wins):
    found = MAP.judge(PLAN, made_up(untied, fresh))
    assert found.verdict == verdict
    assert (found.data.tests.wins < 0).sum() == wins
    assert ("surprise" in found.summary) == (untied[0][1] == -0.1)
    assert ("fresh seeds)" in found.label) == (verdict == "supported")
    assert "d = 0.2, N = " in found.label  # a cell with drift
    assert (found.effect.high < 1) == (verdict == "supported" or fresh is not None)
    assert ("What would decide it" in found.details) == (verdict == "inconclusive")


def test_partial_untying_is_held_against_the_better_of_both_and_decides_nothing():
    """Its wins and losses are told, with how many of untied's cells it takes."""
    cells = [[0.2, 0.1], [0.1, -0.1]]
    made = made_up(cells, partial=-0.3)
    short = (made.runs["kind"] == "Partial") & (made.runs["T"] == 10)
    made.runs.loc[short, "arm"] = STEP_BIAS
    found = MAP.judge(PLAN, made)
    assert found.verdict == "supported"
    assert (
        "Of the 2 cells that untied wins, partly untied beats it in 2, in 1 of them by "
        "a bias a step alone"
    ) in found.summary
    assert "the 160 steps: 0% at N = 50, 100% at N = 1,000." in found.details
    assert joint_sentence(found.data) == (
        "untied wins where d = 0.2 (2 of 4 cells, N = 1,000), tied where d = 0 (4 of 4 "
        "cells, N = 50 to 1,000) and d = 0.2 (2 of 4 cells, N = 50), partial untying, "
        "against the better of both, where d = 0 (4 of 4 cells, N = 50 to 1,000) and "
        "d = 0.2 (4 of 4 cells, N = 50 to 1,000)"
    )
    found = MAP.judge(PLAN, made_up(cells, partial=0.3))
    assert found.verdict == "supported"
    assert joint_sentence(found.data).endswith("the better of both, nowhere")


def test_arms_are_chosen_by_tuning_seeds_and_untied_wins_run_again_on_fresh_ones():
    asked = []

    class Lab:
        def tune(self, candidates, budget):
            return candidates[0]

        def train(self, settings, repeats):
            first = repeats[0].seed
            asked.append((settings, first, len(repeats)))
            return [
                {"seed": r.seed, **dict.fromkeys(("test_loss", "validation_loss"), x)}
                | {"best_step": 1}
                for s in settings
                for r in repeats
                for x in [self.loss(s, s.make_task(r.split), r)]
            ]

        def loss(self, setting, task, repeat):
            if int(task.num_examples) == STREAMING:
                return 0.2
            if isinstance(setting.sharing, Tied):
                lost = task.amount == 0 and repeat.seed == 10_003
                wide = 0.1 * (setting.hidden_features > 32)
                return None if lost else 0.3 + wide
            if not isinstance(setting.sharing, Untied):
                return 0.25 if isinstance(setting.sharing, LowRank) else 0.6
            won = float(task.amount) > 0 and int(task.num_examples) == 1_000
            return (0.1 if won else 0.5) + 0.01 * (repeat.seed % 3)

    plan = dataclasses.replace(PLAN, tuning=8, starts=(True, False))
    found = study.measure(plan, Lab())
    # Tuned by eight trainings each: of one start and of two, at four rates.
    seeds = {(first, count) for _, first, count in asked}
    assert seeds == {(1_000, 2), (1_000, 1), (10_000, 6), (12_000, 6)}
    arms = found.runs.groupby("kind")["arm"].unique()
    assert list(arms["Tied"]) == [TIED]  # the wide one has more, at every cell
    assert list(arms["Partial"]) == [LOW_RANK]
    by_size = found.runs[found.runs["kind"] == WHOLE].groupby(["d", "N"])["arm"].first()
    assert by_size[0.2, 1_000] in KINDS["Untied"] and by_size[0.0, 1_000] == TIED
    fresh = set(map(tuple, found.fresh[["kind", *CASE]].to_numpy()))
    assert fresh == {(k, t, 0.2, 1_000) for k in ("Tied", "Untied") for t in PLAN.steps}
    assert set(found.fresh.seed) == set(range(12_000, 12_006))
    # Who diverged counts as 1, the loss of predicting the mean.
    apart = differences(found.runs, "Untied", "Tied")
    np.testing.assert_allclose(apart.loc[10, 0.0, 50][10_003], np.log(0.5 + 0.01))
    assert found.runs["lost"].any()
    assert {int(n) for n in found.streaming.N} == {STREAMING}
    assert set(found.streaming["T"]) == {plan.limit_steps}
    assert list(found.streaming["arm"].unique()) == list(LIMIT_ARMS)


def test_a_cell_is_run_on_its_own_task():
    class Lab:
        def train(self, settings, repeats):
            return [
                {"seed": r.seed, "test_loss": int(s.make_task(r.split).num_examples)}
                | {"best_step": 1}
                for s in settings
                for r in repeats
            ]

    (setting, *_) = study.arms(PLAN, 10)[UNTIED]
    best = {("Untied", (10, d, n)): UNTIED for d, n in [(0.0, 50), (0.2, 1_000)]}
    found = study.of_kinds(PLAN, Lab(), {(UNTIED, 10): setting}, best, 2_000)
    assert list(found.test_loss) == list(found.N)
    assert list(found.seed) == [*range(2_000, 2_006)] * 2


def test_a_choice_at_an_edge_of_the_rates_is_named():
    middle, edge = PLAN.rates[1], PLAN.rates[-1]
    (setting, *_) = study.arms(PLAN, 10)[WIDE]
    chosen = {
        (arm, 10): dataclasses.replace(setting, learning_rate=rate)
        for arm, rate in ((WIDE, edge), (TIED, middle))
    }
    assert f"At an edge of the rates: {WIDE} (T = 10)." in settings_told(chosen, PLAN)
    del chosen[WIDE, 10]
    assert "No choice lies at an edge" in settings_told(chosen, PLAN)


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
        assert study.arms(plan, num_steps)[NARROW][0].hidden_features == narrow
        assert num_steps * 3 * narrow * (narrow + 5) == pytest.approx(tied, rel=0.2)


def test_the_figures_say_which_colour_is_whose(tmp_path):
    found = made_up([[0.2, 0.1], [0.1, -0.1]], partial=-0.2)
    figure = MAP.draw(PLAN, found, MAP.judge(PLAN, found))
    from matplotlib.colors import to_hex

    heats = [a for a in figure.findobj() if hasattr(a, "get_array") and a.axes]
    maps = [a for a in heats if hasattr(a, "get_extent") and a.get_array().ndim == 2]
    ends = [tuple(to_hex(m.get_cmap()(x)).upper() for x in (0.0, 1.0)) for m in maps]
    tied = COLOURS["Tied"]
    assert ends == [(COLOURS["Untied"], tied)] * 2 + [(COLOURS["LowRank"], tied)] * 2
    texts = " ".join(t.get_text() for t in figure.findobj() if hasattr(t, "get_text"))
    for word in ("untied / tied", "partly untied", "Refuted if", "predicting the mean",
                 "time-invariant linear", "below 1 the first named is"):  # fmt: skip
        assert word in texts
    save(figure, tmp_path / "map.png")
    figure = LIMIT.draw(PLAN, found, LIMIT.judge(PLAN, found))
    texts = " ".join(t.get_text() for t in figure.findobj() if hasattr(t, "get_text"))
    for arm in LIMIT_ARMS:
        assert arm in texts
    save(figure, tmp_path / "limit.png")
    lead = EXPERIMENT.figures["lead"](PLAN, found)
    texts = " ".join(t.get_text() for t in lead.findobj() if hasattr(t, "get_text"))
    for word in ("un-shared do better", "partly shared do better", "d = 0.2 a step"):
        assert word in texts
    save(lead, tmp_path / "lead.png")


def test_plans_and_claims_speak_of_the_same():
    assert [claim.id for claim in EXPERIMENT.claims] == ["Q5", "B5"]
    for plan in PLANS.values():
        assert plan.drifts[0] == 0.0 < plan.drifts[-1]
        assert plan.limit_steps in plan.steps
        assert plan.first_seed == 10_000  # seeds below were seen
    assert PLANS["quick"].num_seeds == 5 and PLANS["full"].num_seeds == 10

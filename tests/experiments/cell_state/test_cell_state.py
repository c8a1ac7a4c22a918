"""The study of the cell state: its gradients, rule and figure."""

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import matplotlib.colors
import numpy as np
import pytest
from flax import nnx

from experiments.cell_state import figure as memory_figures
from experiments.cell_state import measure as study
from experiments.cell_state.claims import (
    MEMORY,
    doublings,
    identity,
    judge,
    longest_solved,
    whole,
)
from experiments.cell_state.gradients import decay, gradient_norms
from experiments.cell_state.measure import Measured, candidates, scoring
from experiments.cell_state.plan import CUT, ELMAN, IRNN, LSTM, NO_CARRY, PLANS
from experiments.lab.trials import Lab, soonest
from rnnshare import Tied, Untied
from rnnshare.cells.blueprint import pure_params

TASKS = ("adding", "copy memory")


def test_the_gradient_of_the_study_is_that_of_the_model_that_was_trained():
    """The last of the gradients of a tied and an untied copy of it are the same."""
    (untied,) = candidates(PLANS["smoke"], "adding", LSTM)
    (tied,) = candidates(PLANS["smoke"], "adding", "Tied LSTM")
    assert (untied.sharing, tied.sharing) == (Untied(6, same_init=True), Tied())
    params = pure_params(tied.make_model()(rngs=nnx.Rngs(0)))
    layers = params["layers"][0]["weights"]
    copies = jax.tree.map(lambda w: jnp.stack([w] * 6), layers)
    ours, theirs = (
        gradient_norms(s, [{"layers": {0: {"weights": w}}}] * 2, 2, 4)
        for s, w in ((untied, copies), (tied, layers))
    )
    assert ours.shape == (2, 4)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert np.all(ours > 0)


def test_the_goal_that_was_reached_soonest_ranks_first():
    def run(loss, steps):
        return {"validation_loss": loss, "steps_trained": steps, "stop_loss": 0.02}

    best = [run(0.015, 100), run(0.019, 150)]
    later = [run(0.001, 300), run(0.001, 300)]
    missed = [run(0.021, 50), run(0.001, 50)]
    lost = [run(None, 50), run(0.001, 50)]
    assert soonest(best) < soonest(later) < soonest(missed) < soonest(lost)


def test_the_decay_is_the_slope_of_the_log_norm():
    back = np.arange(10, 0, -1)
    rows = np.stack([3 * np.exp(-0.5 * back), np.full(10, 2.0), 1e-6 * 1.1**back])
    np.testing.assert_allclose(decay(rows), [-0.5, 0, math.log(1.1)], atol=1e-12)
    lost = np.exp(-9.0 * back)
    lost[lost < 1e-30] = 0.0  # underflow is left out, and does not tilt the line
    np.testing.assert_allclose(decay(lost[None]), [-9.0])
    assert np.isnan(decay(np.zeros((1, 10)))).all()


def test_the_longest_solved():
    lengths = (10, 20, 40)
    losses = np.array([[0.01, 0.02, 0.1], [0.01, 0.05, 0.04], [0.1, 0.1, np.inf],
                       [0.01, 1 / 24, 0.2]])  # fmt: skip
    np.testing.assert_array_equal(longest_solved("adding", lengths, losses),
                                  [20, 40, 5, 10])  # fmt: skip
    accuracies = np.array([[1.0, 0.9, 0.3], [0.25, 0.89, 0.0]])
    np.testing.assert_array_equal(longest_solved("copy memory", lengths, accuracies),
                                  [20, 5])  # fmt: skip
    assert scoring("adding").bar == pytest.approx(1 / 24)
    assert scoring("copy memory").no_memory == 1 / 4


NOISE = np.array([-1.0, 0.5, 0.0, 0.5, -0.5])


def by_case(*values):
    """Returns {(task, arm): value} of a row of three values a task."""
    cases = itertools.product(TASKS, (LSTM, ELMAN, CUT))
    return dict(zip(cases, itertools.chain(*values), strict=True))


@pytest.mark.parametrize(
    ("longest", "slopes", "verdict"),
    [
        ([(40, 20, 20)] * 2, [(-0.1, -0.3, -0.4)] * 2, "supported"),
        ([(40, 20, 20), (40, 20, 40)], [(-0.1, -0.3, -0.4)] * 2, "inconclusive"),
        ([(40, 20, 20)] * 2, [(-0.1, -0.3, -0.4), (-0.1, -0.05, -0.4)], "inconclusive"),
        ([(40, 20, 20)] * 2, [(-0.1, -0.1, -0.4)] * 2, "inconclusive"),
        ([(20, 20, 10)] * 2, [(-0.3, -0.1, -0.4)] * 2, "refuted"),
        ([(20, 40, 10), (20, 20, 20)], [(-0.3, -0.1, -0.4)] * 2, "refuted"),
        ([(20, 20, 10)] * 2, [(-0.3, -0.1, -0.4), (-0.1, -0.2, -0.4)], "inconclusive"),
    ],
)
def test_the_rule(longest, slopes, verdict):
    solved = {case: np.full(5, float(n)) for case, n in by_case(*longest).items()}
    decays = by_case(
        *([s + 0.01 * NOISE * (i + 1) for i, s in enumerate(each)] for each in slopes)
    )
    found, tests = judge(solved, decays)
    assert found == verdict
    for (task, rival), (longer, _) in tests.items():
        assert longer == (solved[task, LSTM][0] > solved[task, rival][0])
    if verdict == "supported":
        assert doublings(solved) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("irnn", "text"),
    [
        ((40, 20), "as much as the LSTM, so it is the identity path that counts."),
        ((20, 5), ": less than the LSTM."),
        ((40, 5), "on adding as much as the LSTM, so there it is the identity path"),
        ((None, None), ""),
    ],
)
def test_the_irnn_is_told_and_decides_nothing(irnn, text):
    lengths = {"adding": (10, 20, 40), "copy memory": (5, 10, 20)}
    plan = dataclasses.replace(PLANS["quick"], lengths=lengths)
    longest = {(TASKS[0], LSTM): np.full(5, 40), (TASKS[1], LSTM): np.full(5, 20)}
    if irnn[0] is not None:
        longest |= {(t, IRNN): np.full(5, n) for t, n in zip(TASKS, irnn, strict=True)}
    told = identity(plan, longest)
    assert text in told and bool(told) == bool(text)
    slopes = by_case(*([s + 0.01 * NOISE for s in (-0.1, -0.3, -0.4)],) * 2)
    solved = by_case((40, 20, 20), (20, 10, 10))
    solved = {case: np.full(5, float(n)) for case, n in solved.items()}
    with_it = {**solved, **{c: n for c, n in longest.items() if c[1] == IRNN}}
    slopes_of_it = {**slopes, **{c: 0 * NOISE for c in with_it if c not in slopes}}
    assert judge(with_it, slopes_of_it)[0] == judge(solved, slopes)[0] == "supported"


ONES = np.exp(-np.arange(30.0)).reshape(5, 6)


def test_a_seed_without_a_slope_is_left_out_of_all_but_the_control_has_none():
    broken = ONES.copy()
    broken[3] = np.nan
    scores = np.arange(5.0)[:, None]
    found = {
        ("adding", LSTM): Measured(scores, ONES, ONES, "", np.isnan(scores)),
        ("adding", ELMAN): Measured(scores, ONES, broken, "", np.isnan(scores)),
        ("adding", NO_CARRY): Measured(
            scores, 0 * ONES, 0 * ONES, "", np.isnan(scores)
        ),
    }
    for m in whole(found).values():
        np.testing.assert_array_equal(m.score[:, 0], [0, 1, 2, 4])
        assert len(m.start) == len(m.trained) == 4


@pytest.mark.parametrize(("lost", "verdict"), [(1, "supported"), (4, "inconclusive")])
def test_runs_that_diverged_remember_nothing_and_are_told(tmp_path, lost, verdict):
    """Of one rival, `lost` of five seeds at the length whose gradients are measured."""
    plan = dataclasses.replace(PLANS["quick"], num_seeds=5)
    noise = np.random.default_rng(0).uniform(0.9, 1.1, (5, 20))
    (probed,) = {plan.lengths[task].index(plan.probed[task]) for task in plan.lengths}

    class MadeUpLab(Lab):
        def kept(self, key, make):
            good, bad = (0.001, 0.1) if key["task"] == "adding" else (1.0, 0.3)
            scores = np.full((3, 5), good if key["arm"] == LSTM else bad).tolist()
            if key["arm"] == ELMAN:
                scores[probed][:lost] = [None] * lost
            slope = 0.1 if key["arm"] == LSTM else 0.5
            norms = (noise * np.exp(slope * np.arange(20))).tolist()
            gradients = {"start": norms, "trained": norms}
            row = {"rate": 0.01, "sharing": "Untied", **gradients}
            return {**row, "scores": list(itertools.chain(*scores))}

    found = study.measure(plan, MadeUpLab(tmp_path))
    for task, one in (("adding", 1 / 6), ("copy memory", 1 / 4)):
        np.testing.assert_allclose(found[task, ELMAN].score[:lost, probed], one)
        assert np.isnan(found[task, ELMAN].trained[:lost]).all()
    told = MEMORY.judge(plan, found)
    assert told.verdict == verdict and np.isfinite(told.effect).all()
    assert f"{2 * lost} of 150 runs diverged and count as remembering" in told.details
    left_out = "1 of 5 seeds are left out, since their gradients have no slope"
    assert (left_out in told.details) == (told.count == 4) == (lost == 1)
    assert ("therefore not compared" in told.details) == (lost == 4)
    assert len(MEMORY.table(plan, found, told)) == 1 + 2 * 5 * 3
    assert len(MEMORY.draw(plan, found, told).axes) == 4


def test_every_plan_is_probed_at_a_length_that_it_trains():
    for plan in PLANS.values():
        assert plan.probed.keys() == plan.lengths.keys()
        assert all(plan.probed[task] in plan.lengths[task] for task in plan.lengths)
        assert {LSTM, ELMAN} <= set(plan.arms)
        for task, arm in itertools.product(plan.lengths, plan.arms):
            tuned = candidates(plan, task, arm)
            assert len(tuned) == len(set(tuned)) and tuned == candidates(
                plan, task, arm
            )
        assert plan.num_steps % max(1, plan.num_steps // 20) == 0
    for name, least in (("quick", 5), ("full", 10)):
        assert PLANS[name].num_seeds >= least
        assert CUT in PLANS[name].arms


def test_the_figure_shows_scores_levels_gradients_and_what_refutes():
    rng = np.random.default_rng(0)
    scores = {LSTM: rng.uniform(0, 1, (5, 3)), ELMAN: rng.uniform(0, 1, (5, 3)),
              "Tied LSTM": rng.uniform(0, 1, (5, 3))}  # fmt: skip
    gradients = {LSTM: rng.uniform(1, 2, (5, 8)), ELMAN: np.zeros((5, 8))}
    panel = memory_figures.MemoryPanel(
        "Adding", "steps T", "test loss", (10, 20, 40), scores, {"no memory": 0.5},
        gradients,
    )  # fmt: skip
    figure = memory_figures.draw_memory([panel, panel], "norm")
    upper, _, lower, _ = figure.axes
    assert any(np.all(np.equal(line.get_ydata(), 0.5)) for line in upper.lines)
    assert "no memory" in [text.get_text() for text in upper.texts]
    assert (upper.get_xlabel(), upper.get_ylabel()) == ("steps T", "test loss")
    (line,) = lower.lines  # a gradient of zero has no line
    np.testing.assert_array_equal(line.get_xdata(), np.arange(8, 0, -1))
    means = np.exp(np.log(gradients[LSTM]).mean(0))
    np.testing.assert_allclose(line.get_ydata(), means)
    assert lower.get_yscale() == "log"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(scores)
    colours = {matplotlib.colors.to_hex(c.lines[0].get_color()).upper()
               for c in upper.containers}  # fmt: skip
    assert {"#D55E00", "#0072B2"} < colours and len(colours) == 3
    short = panel._replace(scores={LSTM: np.zeros((5, 2))})
    with pytest.raises(ValueError, match=r"scores of shape \(5, 2\), but there are 3"):
        memory_figures.draw_memory([short], "")

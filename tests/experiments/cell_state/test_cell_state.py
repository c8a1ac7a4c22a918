"""The study of the cell state: its gradients, rule and figure."""

import math

import jax
import jax.numpy as jnp
import matplotlib.colors
import numpy as np
import pytest
from flax import nnx

from experiments.cell_state import (
    claims as cell_state_claims,
)
from experiments.cell_state import figure as memory_figures
from experiments.cell_state import (
    measure as cell_state_study,
)
from experiments.cell_state.gradients import decay, gradient_norms
from experiments.cell_state.measure import CUT, ELMAN, LSTM, judge, longest_solved
from rnnshare import Tied, Untied
from rnnshare.cells.blueprint import pure_params


def test_the_gradient_of_the_study_is_that_of_the_model_that_was_trained():
    """The last of the gradients of a tied and an untied copy of it are the same."""
    plan = cell_state_study.PLANS["smoke"]
    untied = cell_state_study.setting_of(plan, "adding", LSTM, 1e-2, True)
    tied = cell_state_study.setting_of(plan, "adding", "Tied LSTM", 1e-2, True)
    assert (untied.sharing, tied.sharing) == (Untied(6, same_init=True), Tied())
    params = pure_params(tied.make_model()(rngs=nnx.Rngs(0)))
    layers = params["layers"][0]["weights"]
    copies = jax.tree.map(lambda w: jnp.stack([w] * 6), layers)
    ours, theirs = (
        gradient_norms(s, {"layers": {0: {"weights": w}}}, 2, 4)
        for s, w in ((untied, copies), (tied, layers))
    )
    assert ours.shape == (4,)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert np.all(ours > 0)


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
    assert cell_state_study.bar_of("adding") == pytest.approx(1 / 24)
    assert cell_state_study.task_line("copy memory") == 1 / 4


NOISE = np.array([-1.0, 0.5, 0.0, 0.5, -0.5])


def arms(lstm, elman, cut):
    return {LSTM: lstm, ELMAN: elman, CUT: cut}


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
    names = ("adding", "copy memory")
    solved = {
        name: arms(*(np.full(5, float(n)) for n in each))
        for name, each in zip(names, longest, strict=True)
    }
    decays = {
        name: arms(*(s + 0.01 * NOISE * (i + 1) for i, s in enumerate(each)))
        for name, each in zip(names, slopes, strict=True)
    }
    found, tests = judge(solved, decays)
    assert found == verdict
    for name, each in zip(names, longest, strict=True):
        assert [longer for longer, _ in tests[name].values()] == [
            each[0] > rival for rival in each[1:]
        ]
    if verdict == "supported":
        assert cell_state_study.doublings(solved) == (1.0, 1.0, 1.0)


def test_a_seed_without_a_slope_is_left_out_of_all_but_the_control_has_none():
    ones = np.exp(-np.arange(30.0)).reshape(5, 6)
    broken = ones.copy()
    broken[3] = np.nan
    make = cell_state_study.Measured
    scores = np.arange(5.0)[:, None]
    measured = {
        "adding": {
            LSTM: make(scores, ones, ones, ""),
            ELMAN: make(scores, ones, broken, ""),
            cell_state_study.NO_CARRY: make(scores, 0 * ones, 0 * ones, ""),
        }
    }
    whole = cell_state_claims._whole(measured)["adding"]
    for m in whole.values():
        np.testing.assert_array_equal(m.score[:, 0], [0, 1, 2, 4])
        assert len(m.start) == len(m.trained) == 4


def test_every_plan_is_probed_at_a_length_that_it_trains():
    for plan in cell_state_study.PLANS.values():
        assert plan.probed.keys() == plan.lengths.keys()
        assert all(plan.probed[task] in plan.lengths[task] for task in plan.lengths)
        assert {LSTM, ELMAN} <= set(plan.arms) <= set(cell_state_study.CELLS)
        assert plan.num_steps % max(1, plan.num_steps // 20) == 0
    for name, least in (("quick", 5), ("full", 10)):
        assert cell_state_study.PLANS[name].num_seeds >= least
        assert CUT in cell_state_study.PLANS[name].arms


def test_the_figure_shows_scores_levels_gradients_and_what_refutes():
    rng = np.random.default_rng(0)
    scores = {LSTM: rng.uniform(0, 1, (5, 3)), ELMAN: rng.uniform(0, 1, (5, 3)),
              "Tied LSTM": rng.uniform(0, 1, (5, 3))}  # fmt: skip
    gradients = {LSTM: rng.uniform(1, 2, (5, 8)), ELMAN: np.zeros((5, 8))}
    panel = memory_figures.MemoryPanel(
        "Adding", "steps T", "test loss", (10, 20, 40), scores, {"no memory": 0.5},
        gradients,
    )  # fmt: skip
    figure = memory_figures.draw_memory([panel, panel], "it does not", "norm")
    assert "Refuted if it does not." in figure.get_suptitle()
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
        memory_figures.draw_memory([short], "", "")

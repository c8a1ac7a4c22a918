"""The spectrum: rules of Ac2c and B3 on made-up losses, the arms, the figure."""

import dataclasses
import itertools

import jax
import matplotlib.colors
import numpy as np
import optax
import pandas as pd
import pytest

from experiments.spectrum import claims, figure
from experiments.spectrum import measure as study
from experiments.spectrum.claims import BEYOND, EXPERIMENT, SOFT
from experiments.spectrum.measure import Measured
from experiments.spectrum.plan import PLANS
from rnnshare import Cyclic, GRUCell, Tied, Untied, count_parameters
from rnnshare.analysis.statistics import Interval
from rnnshare.plotting import save
from rnnshare.plotting.style import COLOURS

QUICK, SEEDS = PLANS["quick"], range(5)
STRENGTHS = (0.0, 1.0, 10.0, np.inf)
PATHS = ("periodic", "linear", "random_walk")
ARMS = (*study.BASELINES, "Basis", "Drift")
JITTER = np.array([-0.02, 0.01, 0.02, -0.01, 0.015])


def soft(best, seeds=SEEDS):
    """Returns runs whose validation loss is least at strength `best(d, N)`."""
    rows = [
        {
            "strength": strength, "d": d, "N": n, "seed": seed, "lost": False,
            "validation_loss": float(place != best(d, n, seed)),
            "test_loss": 0.1 * place,
        }
        for place, strength in enumerate(STRENGTHS)
        for d, n, seed in itertools.product((0.0, 0.1, 0.2), (50, 1_000), seeds)
    ]  # fmt: skip
    return Measured(None, {}, pd.DataFrame(rows), None, {})


@pytest.mark.parametrize(
    ("at_rest", "moving", "verdict"),
    [
        ((3, 3), (3, 2, 1, 0), "supported"),
        ((3, 0), (3, 2, 1, 0), "inconclusive"),  # tied is best at one size alone
        ((0, 2), (3, 2, 1, 0), "refuted"),  # at none
        ((3, 3), (0, 1, 2, 3), "refuted"),
        ((3, 3), (1, 2, 2, 1), "inconclusive"),
    ],
)
def test_each_verdict_of_soft_tying_is_reached(at_rest, moving, verdict):
    places = dict(zip(itertools.product((0.0,), (50, 1_000)), at_rest, strict=True))
    places |= zip(itertools.product((0.1, 0.2), (50, 1_000)), moving, strict=True)
    found = soft(lambda d, n, seed: places[d, n])
    judged = SOFT.judge(QUICK, found)
    assert judged.verdict == verdict
    assert f"at {sum(p == 3 for p in at_rest)} of 2 training-set" in judged.summary
    table = SOFT.table(QUICK, found, judged)
    assert [row[2] for row in table[1:3]] == [
        claims.strength_name(STRENGTHS[place]) for place in at_rest
    ]
    assert table[0][-1] == "test loss at tied" and table[1][3:] == (
        *("0.000", "0.100", "0.200", "0.300"),
    )


def test_a_run_of_soft_tying_that_diverged_is_never_the_best(tmp_path):
    found = soft(lambda d, n, seed: 3 if d == 0 else 0)
    lost = (found.soft["strength"] == 0) & (found.soft["seed"] == 1)
    told = found.soft.assign(lost=lost)
    told.loc[lost, ["validation_loss", "test_loss"]] = [np.inf, 1.0]
    judged = SOFT.judge(QUICK, found._replace(soft=told))
    assert (judged.data.loc[0.1:, 1] == 1).all() and (
        judged.data.loc[0.1:, 2] == 0
    ).all()
    assert np.isfinite(judged.effect).all()
    text = "6 of 120 runs diverged and count as 1, the loss of predicting the mean."
    assert text in judged.details
    drawn = SOFT.draw(QUICK, found, judged)
    ticks = [text.get_text() for text in drawn.axes[0].get_xticklabels()]
    assert ticks == ["untied", "1", "10", "tied"]
    save(drawn, tmp_path / "Ac2c.png")


def beyond(losses):
    """Returns runs of test loss `losses[path][arm]`, where Basis validates best."""
    rows = [
        {
            "path": path, "arm": arm, "seed": seed, "lost": False,
            "validation_loss": 0.1 + (arm != "Basis"),
            "test_loss": losses[path][ARMS.index(arm)] + (1 + place) * JITTER[seed],
        }
        for path in PATHS
        for place, arm in enumerate(ARMS)
        for seed in SEEDS
    ]  # fmt: skip
    return Measured(None, {}, None, pd.DataFrame(rows), dict.fromkeys(PATHS, 0.5))


WIN, LOSS, TIE = (1.0, 1.0, 0.5, 0.1), (1.0, 1.0, 1.5, 0.1), (1.0, 0.5, 0.5, 0.1)


@pytest.mark.parametrize(
    ("periodic", "linear", "verdict"),
    [
        (WIN, WIN, "supported"),
        (WIN, LOSS, "inconclusive"),
        (TIE, WIN, "inconclusive"),
        (LOSS, TIE, "refuted"),
    ],
)
def test_each_verdict_of_b3_is_reached(periodic, linear, verdict, tmp_path):
    """What validation chose is judged, though Drift has the lower test loss."""
    found = beyond(dict(zip(PATHS, (periodic, linear, LOSS), strict=True)))
    judged = BEYOND.judge(QUICK, found)
    assert judged.verdict == verdict
    for path, losses in (("periodic", periodic), ("linear", linear)):
        wins = "wins" if losses == WIN else "does not win"
        assert f"{path}: Basis {wins}" in judged.summary
        margin = judged.data[path].margin
        np.testing.assert_allclose(
            margin.estimate, losses[2] - min(losses[:2]), atol=0.05
        )
    assert "random walk the difference is +0.5" in judged.summary
    shown = [row for row in BEYOND.table(QUICK, found, judged)[1:] if row[-1]]
    assert [row[:2] for row in shown] == [
        (path.replace("_", " "), "Basis") for path in PATHS
    ]
    save(BEYOND.draw(QUICK, found, judged), tmp_path / "B3.png")


def test_runs_are_labelled_and_one_that_diverged_is_the_trivial_predictor():
    class Lab:
        def tune(self, candidates, budget):
            tuned.append((budget, len(candidates)))
            return candidates[-1]

        def train(self, settings, repeats):
            return [
                {
                    "seed": r.seed, "num_parameters": 10, "validation_loss": 0.2,
                    "test_loss": None if r.seed == 1 and s.sharing == Tied() else 0.1,
                }
                for s in settings
                for r in repeats
            ]  # fmt: skip

    tuned: list[tuple[int, int]] = []
    plan = dataclasses.replace(PLANS["smoke"], num_seeds=5)
    found = study.measure(plan, Lab())
    assert {budget for budget, _ in tuned} == {plan.tuning}
    panels = ["drift 0", "drift 0.2", study.ITALY]
    assert list(found.lines) == panels == list(found.spectrum["panel"].unique())
    lost = found.spectrum[found.spectrum["lost"]]
    chance = found.lines[study.ITALY]["chance"]
    assert dict(zip(lost["panel"], lost["test_loss"], strict=True)) == {
        "drift 0": 1.0, "drift 0.2": 1.0, study.ITALY: chance,
    }  # fmt: skip
    assert list(found.soft["strength"].unique()) == [0.0, 10.0, np.inf]
    assert list(found.oracles) == list(PATHS)
    for claim in EXPERIMENT.claims:
        judged = claim.judge(plan, found)
        assert np.isfinite(judged.effect).all() and "runs diverged" in judged.details
    drawn = EXPERIMENT.figures["spectrum"](plan, found)
    titles = [panel.get_title() for panel in drawn.axes if panel.axison]
    assert titles[-1] == f"{study.ITALY}\ndotted: chance 0.693"


def test_every_arm_of_a_plan_is_a_sharing_with_its_starts():
    for plan in PLANS.values():
        arms = study.sharings(30, plan.starts)
        assert set(plan.italy_arms) <= set(plan.arms) <= set(arms)
        for name, choices in arms.items():
            stacked = name in ("Untied", "Segments", "Cyclic")
            assert len(choices) == (len(plan.starts) if stacked else 1)
    assert list(PLANS["full"].arms) == list(arms)
    assert arms["Cyclic"][0] == Cyclic(study.PERIOD, same_init=True)


def test_a_matched_width_has_the_tied_models_size():
    plan = PLANS["full"]
    tied = study.tied_setting(plan, study.tasks.drift)
    untied = dataclasses.replace(tied, sharing=Untied(30))
    assert study.matched(plan, untied, "width") == untied
    assert study.matched(plan, tied, "parameters") == tied
    assert study.matched(plan, untied, "flops").hidden_features == 32
    narrow = study.matched(plan, untied, "parameters").hidden_features

    def size(sharing, width):
        return count_parameters(lambda *args, **kw: GRUCell(3, *args, **kw), sharing,
                                width)  # fmt: skip

    assert size(Untied(30), narrow) == pytest.approx(size(Tied(), 32), rel=0.5)


def test_soft_adam_draws_the_steps_of_layers_together_and_nothing_else():
    params = {"layers": {"w": np.array([0.0, 2.0])}, "readout": {"w": np.ones(2)}}
    params = {k: {"w": v["w"].astype(np.float32)} for k, v in params.items()}
    optimizer = study.soft_adam(1e-3, strength=1e6)
    still = {k: {"w": np.zeros(2, np.float32)} for k in params}
    with jax.numpy_dtype_promotion("standard"):  # of Optax's own counts
        moves, _ = optimizer.update(still, optimizer.init(params), params)
    found = optax.apply_updates(params, moves)
    np.testing.assert_allclose(found["layers"]["w"], 1.0, atol=1e-2)
    np.testing.assert_array_equal(found["readout"]["w"], 1.0)


def points(labels):
    return [
        figure.TradeOffPoint(label, 10.0 * 3**place, Interval(place, place - 1, place))
        for place, label in enumerate(labels)
    ]


def test_trade_offs_are_joined_in_order_with_their_intervals():
    labels = ["Tied", "Untied", "Drift"]
    panel = figure.draw_trade_off({"drift 0": points(labels)[::-1]}).axes[0]
    joined, *rest = panel.lines
    assert list(joined.get_xdata()) == [10, 30, 90]
    bars = {colour(line): list(line.get_ydata()) for line in rest[::2]}
    assert bars[COLOURS["Tied"]] == [-1, 0] and bars[COLOURS["Untied"]] == [0, 1]
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("parameters", "test loss")
    assert panel.get_xscale() == "log"


def test_many_trade_offs_share_their_axes_and_a_legend():
    labels = ["Tied", "Untied", *(f"Mixture, K = {k}" for k in range(2, 8))]
    curves = {f"drift {d}": points(labels[:n]) for d, n in enumerate((8, 4, 1))}
    lines = {"drift 2": {"best possible": 6.0}}  # far from this panel's one point
    drawn = figure.draw_trade_off(curves, "weights", "error (%)", lines)
    panels = [panel for panel in drawn.axes if panel.axison]
    titles = [*list(curves)[:2], "drift 2\ndotted: best possible 6"]
    assert [panel.get_title() for panel in panels] == titles
    assert len({(panel.get_xlim(), panel.get_ylim()) for panel in panels}) == 1
    (legend,) = drawn.legends
    assert [text.get_text() for text in legend.get_texts()] == labels
    same = legend.get_lines()[2:]
    assert len({(line.get_marker(), colour(line)) for line in same}) == len(same) == 6
    assert panels[0].get_ylabel() == "error (%)" and panels[2].get_xlabel() == "weights"


def colour(line):
    return matplotlib.colors.to_hex(line.get_color()).upper()

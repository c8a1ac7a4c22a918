"""The spectrum: rules of Ac2c and B3 on made-up losses, the arms, the figure."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from flax import nnx

from experiments.spectrum import measure as study
from experiments.spectrum import soft as soft_study
from experiments.spectrum import soft_claim
from experiments.spectrum.claims import BEYOND, EXPERIMENT, SOFT
from experiments.spectrum.measure import Measured
from experiments.spectrum.plan import PLANS
from rnnshare import (
    Cyclic,
    GRUCell,
    Tied,
    Untied,
    count_parameters,
    tasks,
    tying_penalty,
)
from rnnshare.plotting import save
from tests.cases import with_slow

QUICK, SEEDS = PLANS["quick"], range(5)
PATHS = ("periodic", "linear", "random_walk")
ARMS = (*study.BASELINES, "Basis", "Drift")
JITTER = np.array([-0.02, 0.01, 0.02, -0.01, 0.015])


def soft(power, on_size=0.0, noise=0.0):
    """Returns runs whose best strength is ratio^power N^on_size, by validation."""
    rng, rows = np.random.default_rng(0), []
    grid = (0.0, *(10 ** (place / 20) for place in range(-80, 161)), np.inf)
    for d, s, n, seed in itertools.product((0.1, 0.2), (0.3, 1.0), (50, 400), SEEDS):
        ratio = s**2 / (d**2 * (1 + 0.1 * seed))
        best = power * np.log(ratio) + on_size * np.log(n) + noise * rng.normal()
        for strength in grid:
            away = 99.0
            if 0 < strength < np.inf:
                away = abs(np.log(strength) - best)
            rows.append(
                {"strength": strength, "d": d, "s": s, "N": n, "seed": seed,
                 "lost": False, "validation_loss": 1 + away, "test_loss": 1 + away,
                 "ratio": ratio}
            )  # fmt: skip
    return Measured(None, {}, pd.DataFrame(rows), None, {})


@pytest.mark.parametrize(
    ("power", "on_size", "noise", "verdict"),
    [
        (1.0, 0.0, 0.0, "supported"),
        (0.0, 0.0, 0.0, "refuted"),
        (-1.0, 0.0, 0.0, "refuted"),
        (1.0, 0.5, 0.0, "inconclusive"),  # it moves with N
        (0.5, 0.0, 0.0, "inconclusive"),
        (1.0, 0.0, 1.0, "inconclusive"),
    ],
)
def test_each_verdict_of_soft_tying_is_reached(power, on_size, noise, verdict):
    found = soft(power, on_size, noise)
    judged = SOFT.judge(QUICK, found)
    assert judged.verdict == verdict and judged.count == 5
    assert ("at these means and spreads" in judged.details) == (
        verdict == "inconclusive"
    )
    if not noise:
        each = soft_claim.slopes(judged.data, "ratio", "N")
        np.testing.assert_allclose(each, [[power, on_size]] * 5, atol=0.06)


def test_soft_tying_is_told_and_drawn_with_runs_that_diverged(tmp_path):
    found = soft(1.0)
    few = found.soft["strength"].isin([0.0, 1.0, 10.0, 1e4, np.inf])
    runs = found.soft[few].reset_index(drop=True)
    lost = (runs["strength"] == 10.0) & (runs["seed"] == 1)
    runs.loc[lost, ["validation_loss", "test_loss"]] = [np.inf, 2.0]
    found = found._replace(soft=runs.assign(lost=lost))
    judged = SOFT.judge(QUICK, found)
    assert (judged.data.query("seed == 1")["best"] != 10.0).all()
    text = "8 of 200 runs diverged and count as the loss of predicting the mean."
    assert text in judged.details
    table = SOFT.table(QUICK, found, judged)
    assert len(table) == 9 and table[0][-1] == "test loss at tied"
    drawn = SOFT.draw(QUICK, found, judged)
    (panel,) = drawn.axes
    marks = [line for line in panel.lines if line.get_linestyle() == "None"]
    assert len(marks) == 8  # a case each
    best = np.log(judged.data["best"]).groupby([judged.data[c] for c in "dsN"]).mean()
    at = sorted(float(mark.get_ydata()[0]) for mark in marks)
    np.testing.assert_allclose(at, sorted(np.exp(best)))
    slope = judged.effect.estimate
    told = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert told == [
        *("N = 50", "N = 400", "slope 1, as the prior has it"),
        f"slope {slope:.2f}, measured",
    ]
    for line, wanted in zip(panel.lines[-2:], (1.0, slope), strict=True):
        x, y = (np.log(values) for values in line.get_data())
        assert (y[1] - y[0]) / (x[1] - x[0]) == pytest.approx(wanted)
    save(drawn, tmp_path / "Ac2c.png")


def test_the_penalty_is_in_the_loss_in_the_unit_of_the_squares():
    options = {"amount": 0.1, "num_steps": 6, "num_lags": 2, "noise": 0.5}
    options |= {"num_examples": 7, "num_held_out": 20}
    plain = tasks.drift_stream(3, **options)
    task = soft_study.soft_drift(3, strength=5.0, **options)
    assert task.name == f"{plain.name}_tie5"
    batch = task.held_out("validation")
    weights = {"w": jnp.arange(12.0).reshape(6, 2)}
    outputs = soft_study.Outputs(jnp.zeros_like(batch.targets), weights)
    error = plain.loss(outputs.values, batch)
    # sum_t |w_t - mean|^2 is 2 times that of 0, 2, .., 10; 7 examples of 4 steps.
    penalty = 2 * 70.0
    expected = float(error) + 5.0 * penalty / (7 * 4)
    assert float(task.loss(outputs, batch)) == pytest.approx(expected, rel=1e-6)
    assert task.metrics(outputs, batch) == {"loss": error}


def test_a_soft_model_gives_its_layers_weights_and_tau_is_that_of_the_task():
    sizes = PLANS["smoke"].soft
    setting = soft_study._setting(sizes, 1.0, 0.2, 0.3, 20)
    model = setting.make_model()(rngs=nnx.Rngs(0))
    outputs = model(jnp.zeros((2, sizes.num_steps, 3)))
    assert {len(leaf) for leaf in jax.tree.leaves(outputs.weights)} == {10}
    # All start from one.
    assert float(tying_penalty(outputs.weights)) == pytest.approx(0, abs=1e-9)
    assert soft_study._setting(sizes, np.inf, 0.2, 0.3, 20).sharing == Tied()
    weights = setting.make_task(4).step_weights[sizes.num_lags :]
    apart = np.asarray(weights) - np.asarray(weights).mean(0)
    expected = (apart**2).sum(0).mean() / (len(weights) - 1)
    assert soft_study.drift_variance(sizes, 0.2, 4) == pytest.approx(expected, rel=1e-4)


def test_the_steps_below_2_t_are_scored_apart_and_all_paths_are_one_program():
    made = [study.beyond_drift(1, path=path, amount=0.2) for path in PATHS]
    assert len({jax.tree.structure(task) for task in made}) == 1
    assert len({float(task.oracle) for task in made}) == 3
    steps = study.BEYOND_STEPS
    batch = made[0].held_out("test")
    assert batch.inputs.shape[1] == 4 * steps
    far = np.where(np.arange(4 * steps) < 2 * steps, 1.0, 3.0)[None, :, None]
    found = made[0].metrics(batch.targets + far.astype(np.float32), batch)
    assert float(found["near"]) == pytest.approx(1.0, rel=1e-5)
    # Of the 3 T that are scored, T are off by 1 and 2 T by 3.
    assert float(found["loss"]) == pytest.approx((1 + 9 * 2) / 3, rel=1e-5)


def beyond(losses):
    """Returns runs of test loss `losses[path][arm]`, where Basis validates best."""
    rows = [
        {
            "path": path, "arm": arm, "seed": seed, "lost": False,
            "validation_loss": 0.1 + (arm != "Basis"),
            "near": losses[path][ARMS.index(arm)] * np.exp((1 + place) * JITTER[seed]),
            "test_loss": 2.0 + place,
        }
        for path in PATHS
        for place, arm in enumerate(ARMS)
        for seed in SEEDS
    ]  # fmt: skip
    none = pd.DataFrame({"lost": []})
    return Measured(none, {}, None, pd.DataFrame(rows), dict.fromkeys(PATHS, 0.5))


WIN, LOSS, TIE = (1.0, 1.0, 0.5, 0.1), (1.0, 1.0, 1.5, 0.1), (1.0, 0.5, 0.5, 0.1)


@pytest.mark.parametrize(
    ("periodic", "linear", "verdict"),
    with_slow(
        [
            (WIN, WIN, "supported"),
            (WIN, LOSS, "inconclusive"),
            (TIE, WIN, "inconclusive"),
            (LOSS, TIE, "refuted"),
        ],
        [(WIN, LOSS, "inconclusive"), (LOSS, TIE, "refuted")],
    ),
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
        ratio = np.log(losses[2] / min(losses[:2]))
        np.testing.assert_allclose(margin.estimate, ratio, atol=0.05)
        further = judged.data[path].further.estimate
        assert further == pytest.approx(np.log(4 / 2))
    assert "is expected, the ratio is 1.5" in judged.summary
    assert ("80 % power" in judged.details) == (verdict == "inconclusive")
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
            trained.extend(settings)
            return [
                {
                    "seed": r.seed, "num_parameters": 10, "validation_loss": 0.2,
                    "test_near": 0.1,
                    "test_loss": loss(s, r),
                }
                for s in settings
                for r in repeats
            ]  # fmt: skip

    def loss(setting, repeat):
        return None if repeat.seed in (1, 10_001) and setting.sharing == Tied() else 0.1

    tuned: list[tuple[int, int]] = []
    trained: list = []
    plan = dataclasses.replace(PLANS["smoke"], num_seeds=5)
    found = study.measure(plan, Lab())
    assert {budget for budget, _ in tuned} == {plan.tuning}
    read_outs = {s.readout_sharing for s in trained if s.readout_sharing != Tied()}
    assert len(read_outs) == 5  # every arm's of B3 but tied's
    panels = ["drift 0", "drift 0.2", study.ITALY]
    assert list(found.lines) == panels == list(found.spectrum["panel"].unique())
    lost = found.spectrum[found.spectrum["lost"]]
    chance = found.lines[study.ITALY]["chance"]
    assert dict(zip(lost["panel"], lost["test_loss"], strict=True)) == {
        "drift 0": 1.0, "drift 0.2": 1.0, study.ITALY: chance,
    }  # fmt: skip
    assert list(found.soft["strength"].unique()) == [0.0, 1.0, 100.0, np.inf]
    assert list(found.oracles) == list(PATHS)
    for claim in EXPERIMENT.claims:
        judged = claim.judge(plan, found)
        assert np.isfinite(judged.effect).all() and "runs diverged" in judged.details
    drawn = EXPERIMENT.figures["spectrum"](plan, found)
    titles = [panel.get_title() for panel in drawn.axes if panel.axison]
    assert titles[-1] == f"{study.ITALY}\ndotted: chance 0.693"
    # What is equal in more than the width has a figure of its own, where it was run.
    assert EXPERIMENT.figures["matched"](plan, found) is None
    wide = found.spectrum.assign(
        panel=found.spectrum["panel"] + study.MATCHED + "flops"
    )
    lines = found.lines | {f"drift 0{study.MATCHED}flops": {"level": 0.1}}
    both = found._replace(spectrum=pd.concat([found.spectrum, wide]), lines=lines)
    (only,) = EXPERIMENT.figures["matched"](plan, both).axes
    assert only.get_title() == "drift 0, equal flops\ndotted: level 0.1"
    drawn = EXPERIMENT.figures["spectrum"](plan, both)
    assert [panel.get_title() for panel in drawn.axes if panel.axison] == titles


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

"""Parameter counts and unrollings: every verdict on made-up rows, the figures."""

import matplotlib.colors
import numpy as np
import pytest

from experiments.identities import figure, libraries, measure
from experiments.identities.claims import EXPERIMENT, FORMULAS, TOLERANCE
from experiments.identities.measure import Measured
from experiments.identities.plan import PLANS, Plan
from rnnshare import ElmanCell, Untied
from rnnshare.plotting.style import COLOURS, MUTED

PLAN = Plan(3, (1, 2, 4))
CHECKS = ("B1: output", "B1: gradient", "B1: sum of untied gradients", "B2: output",
          "B2: gradient")  # fmt: skip
Q1, Q3, B4, B1, B2 = EXPERIMENT.claims


def made_up(extra=0, layer=(7, 7, 7), errors=()):
    """Returns rows that hold, but for what is added to one count, or an error."""
    counts = []
    for place, (name, formula) in enumerate(FORMULAS.items()):
        for seed in range(3):
            one = formula(2, 3 + seed)
            sets = {"Tied": (1, 1, 1), "Untied": (1, 2, 4), "Segments": (1, 2, 4),
                    "Cyclic": (4, 4, 4)}  # fmt: skip
            row = {k: [n * one for n in v] for k, v in sets.items()}
            row["Untied"][1] += extra * (place == seed == 1)
            counts.append({"counted": name, "D": 2, "H": 3 + seed, **row})
    layers = [{"layer": "flax nnx LSTMCell", "parameters": [5, 5, 5]},
              {"layer": "torch LSTM", "parameters": list(layer)}]  # fmt: skip
    rows = [
        {"unrolled": name, "seed": seed, **dict.fromkeys(CHECKS, 1e-7 * (1 + seed))}
        for name in FORMULAS
        for seed in range(3)
    ]
    for check in errors:
        rows[4][check] = 2 * TOLERANCE
    return Measured(counts, layers, rows)


def verdicts(found):
    return {c.id: c.judge(PLAN, found).verdict for c in EXPERIMENT.claims}


def test_each_verdict_is_reached():
    every = dict.fromkeys(("Q1", "Q3", "B4", "B1", "B2"), "supported")
    assert verdicts(made_up()) == every
    assert verdicts(made_up(extra=1)) == every | {"Q3": "refuted", "B4": "refuted"}
    assert verdicts(made_up(layer=(5, 10, 20))) == every | {"Q1": "refuted"}
    for check in CHECKS:
        found = verdicts(made_up(errors=[check]))
        assert found == every | {check[:2]: "refuted"}


def test_what_is_exact_says_so_and_what_is_estimated_has_its_seeds():
    found = made_up()
    effects = ((0, ""), (4, ""), (1, ""), (2e-7, "seeds"), (2e-7, "seeds"))
    for claim, (effect, repeats) in zip(EXPERIMENT.claims, effects, strict=True):
        verdict = claim.judge(PLAN, found)
        assert verdict.effect.estimate == pytest.approx(effect)
        assert (verdict.repeats, verdict.count) == (repeats, 3)
    assert "flax nnx, torch" in Q1.judge(PLAN, found).summary
    labels = list(B2.judge(PLAN, found).data)
    assert labels[:4] == ["output, Elman", "output, GRU", "output, LSTM",
                          "gradient, Elman"]  # fmt: skip


def test_every_figure_shows_its_claims_rows():
    found = made_up()
    assert {c.draw for c in (Q1, Q3, B4)} == set(EXPERIMENT.figures)
    counts, of_libraries = (draw(PLAN, found) for draw in EXPERIMENT.figures.values())
    assert texts_of(counts) == {"Tied", "Untied, Segments,\nCyclic"}
    assert "(LSTM, 2 inputs, 3 units)" in counts.axes[0].get_ylabel()
    assert texts_of(of_libraries) == {"flax nnx LSTMCell", "torch LSTM"}
    drawn = B1.draw(PLAN, found, B1.judge(PLAN, found))
    assert len(drawn.axes[0].get_yticklabels()) == 9


def test_rows_are_what_is_measured():
    assert measure.counts_of(ElmanCell, 2, 3, [4])["Untied"] == [4 * 3 * (2 + 3 + 1)]
    count = measure.count_parameters(ElmanCell, 2, 3, Untied(5))
    assert count == 5 * FORMULAS["Elman"](2, 3)
    (lstm,) = (n for n in libraries.installed()["names"] if n == "flax nnx LSTMCell")
    assert len(set(libraries.counts_of(lstm, 2, 3, [1, 5])["parameters"])) == 1
    errors = measure.compare_unrollings(ElmanCell, 0)
    assert set(errors) == set(CHECKS) and max(errors.values()) <= TOLERANCE


def test_plans_count_at_three_steps_at_least():
    for plan in PLANS.values():
        assert len(plan.steps) >= 3 and plan.num_seeds >= 2  # a line and an interval


def texts_of(figure):
    return {text.get_text() for panel in figure.axes for text in panel.texts}


def test_counts_are_drawn_and_labelled_where_they_end():
    steps = np.array([1, 8, 64])
    counts = {
        "Tied LSTM": (steps, [100, 100, 100]),
        "torch": (steps, [100, 100, 100]),
        "Untied": (steps, 100 * steps),
    }
    panel = figure.draw_parameter_counts(counts).axes[0]
    drawn = {tuple(line.get_ydata()) for line in panel.lines}
    assert drawn == {(100, 100, 100), (100, 800, 6400)}
    assert texts_of(panel.figure) == {"Tied LSTM, torch", "Untied"}
    assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")
    colours = {matplotlib.colors.to_hex(x.get_color()).upper() for x in panel.lines}
    assert colours == {COLOURS["Tied"], COLOURS["Untied"], MUTED.upper()}


def test_errors_are_drawn_on_a_log_axis_with_zeros_named():
    drawn = figure.draw_errors(["a", "b", "c"], [0.0, 2e-7, 3e-4], 1e-5)
    panel = drawn.axes[0]
    assert texts_of(drawn) == {"0", "2e-07", "3e-04", "tolerance 1e-05"}
    low, high = panel.get_xlim()
    assert low < 2e-7 and high > 3e-4 and panel.get_xscale() == "log"
    places = [line.get_xdata()[0] for line in panel.lines if line.get_marker() == "o"]
    assert places == [low, 2e-7, 3e-4]


def test_wrong_errors_are_refused_by_text():
    with pytest.raises(ValueError, match=r"one finite error.*nan"):
        figure.draw_errors(["a"], [float("nan")], 1e-5)
    with pytest.raises(ValueError, match="for 2 labels"):
        figure.draw_errors(["a", "b"], [1.0], 1e-5)

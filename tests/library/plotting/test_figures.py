"""Figures show what they are given, and the same sharing has one colour."""

import matplotlib.colors
import numpy as np
import pytest

from rnnshare.analysis.statistics import Interval, mean_interval
from rnnshare.plotting import panels as figures
from rnnshare.plotting.curves import draw_lines
from rnnshare.plotting.style import (
    COLOURS,
    MUTED,
    colour_of,
    name_powers,
    new_figure,
    spread,
)
from rnnshare.sharing import Cyclic, Segments, Tied, Untied

T = 12


def texts_of(figure):
    return {text.get_text() for panel in figure.axes for text in panel.texts}


def colours_of(panel):
    return {matplotlib.colors.to_hex(line.get_color()).upper() for line in panel.lines}


def test_matrices_are_the_definition_of_each_sharing():
    step = np.arange(T)
    cases = [
        (Tied(), np.zeros(T)),
        (Untied(T), step),
        (Segments(T, 3), step * 3 // T),
        (Cyclic(4), step % 4),
        (Untied(T, same_init=True), np.zeros(T)),
    ]
    for sharing, template in cases:
        matrix = figures.tying_matrix(sharing, T)
        same = template[:, None] == template[None]
        np.testing.assert_array_equal(matrix == 1.0, same)
        assert np.abs(matrix[~same]).max(initial=0.0) < 0.6
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)


def test_matrix_follows_its_seed():
    first, again, other = (figures.tying_matrix(Untied(3), 3, s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_panels_are_named_by_the_sharing_and_spare_ones_are_blank():
    sharings = [Tied(), Untied(T), Segments(T, 3), Cyclic(4), Cyclic(2)]
    figure = figures.draw_tying_matrices(sharings, T)
    drawn = [panel for panel in figure.axes if panel.images]
    assert len(drawn) == 5
    titles = ["".join(panel.get_title().split()) for panel in drawn]
    assert titles == [repr(sharing).replace(" ", "") for sharing in sharings]
    assert drawn[0].get_xlabel() == "step"
    assert sum(not panel.axison for panel in figure.axes) == 1


def test_one_colour_a_sharing_whatever_names_it():
    for kind in (Untied(5), Untied, "Untied", "untied", "Untied(num_steps=5)"):
        assert colour_of(kind) == COLOURS["Untied"]
    assert colour_of("Segments, K = 4") == COLOURS["Segments"]
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert colour_of("torch LSTM") == colour_of("") == MUTED


def test_labels_are_kept_apart():
    places = np.array(spread([1.0, 1.1, 5.0], [1.0, 1.0, 1.0]))
    assert np.diff(places).min() >= 1.0 and places[2] == 5.0


def test_powers_are_named_and_lines_look_as_their_labels():
    figure = new_figure(height=3)
    panel = figure.subplots()
    curves = {
        "Tied": ([0.25, 1, 4], np.ones((3, 5))),
        "Untied, a": ([1, 2], [Interval(1, 0, 3), Interval(2, 2, 2)]),
    }
    drawn = draw_lines(panel, curves, ["Untied, b", "Untied, a", "Tied"], lw=7)
    places = name_powers(panel, [x for x, _ in curves.values()], 2)
    assert places.tolist() == [0.25, 1, 2, 4] and panel.get_xscale() == "log"
    names = [tick.get_text() for tick in panel.get_xticklabels()]
    assert names == ["1/4", "2"]
    line, _, (bars,) = drawn["Untied, a"]
    assert (line.get_linestyle(), line.get_linewidth()) == ("--", 7)
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == [[0, 3], [2, 2]]
    assert list(drawn) == list(curves)


def test_intervals_are_drawn_with_what_lies_on_each_side():
    rows = [
        figures.IntervalRow("vowels", Interval(-0.1, -0.2, -0.05), Untied(3)),
        figures.IntervalRow("power", Interval(0.2, 0.1, 0.4), "Segments"),
    ]
    sides = ("tied is better", "untied is better")
    figure = figures.draw_intervals(rows, "accuracy (points)", sides=sides)
    panel = figure.axes[0]
    spans = [tuple(line.get_xdata()) for line in panel.lines]
    assert (-0.2, -0.05) in spans and (0.1, 0.4) in spans and (0.0, 0.0) in spans
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["vowels", "power"]
    assert panel.get_ylim()[0] > panel.get_ylim()[1]  # the first row is at the top
    assert {"← tied is better", "untied is better →"} == texts_of(figure)
    low, high = panel.get_xlim()
    assert low < -0.2 and high > 0.4 and low == pytest.approx(-high)


def test_pairs_are_joined_seed_by_seed_with_their_interval():
    tied, untied = [0.9, 0.8, 0.85], [0.7, 0.75, 0.6]
    figure = figures.draw_paired(
        {"vowels": {"Tied": tied, "Untied": untied}}, "accuracy"
    )
    panel = figure.axes[0]
    spans = [tuple(np.ravel(line.get_ydata())) for line in panel.lines]
    for pair in zip(tied, untied, strict=True):
        assert pair in spans
    _, low, high = mean_interval(np.array(untied))
    assert (low, high) in spans
    assert (panel.get_title(), panel.get_ylabel()) == ("vowels", "accuracy")


def test_panels_of_another_score_say_so():
    figure = figures.draw_paired(
        {name: {"Tied": [0.5, 0.6], "Untied": [0.4, 0.5]} for name in "abc"},
        {"a": "accuracy", "b": "bits", "c": "bits"},
    )
    labels = [panel.get_ylabel() for panel in figure.axes]
    assert labels == ["accuracy", "bits", ""]


def test_levels_are_drawn_or_pointed_at():
    scores = {"Tied": [0.5, 0.6, 0.7], "Untied": [0.4, 0.5, 0.6]}
    figure = figures.draw_paired(
        {"near": scores, "far": scores},
        "accuracy",
        chance={"near": 0.3, "far": -9.0},
        oracle={"near": 0.8},
    )
    near, far = figure.axes
    levels = [list(line.get_ydata()) for line in near.lines]
    assert [0.3, 0.3] in levels and [0.8, 0.8] in levels
    assert {text.get_text() for text in far.texts} == {"↓ chance -9"}
    assert far.get_ylim()[0] > 0.0  # the far level does not squeeze the data


def test_wrong_data_is_refused_by_text():
    with pytest.raises(ValueError, match=r"vowels has .*'Tied': 2, 'Untied': 1"):
        figures.draw_paired({"vowels": {"Tied": [1, 2], "Untied": [1]}}, "accuracy")


def test_files_are_sharp_and_equal_for_equal_figures(tmp_path):
    import matplotlib.image

    def draw():
        return figures.draw_paired({"a": {"Tied": [0.2, 0.4]}}, "accuracy")

    first = figures.save(draw(), tmp_path / "new" / "one.png")
    second = figures.save(draw(), tmp_path / "two.png")
    assert first.read_bytes() == second.read_bytes()
    assert matplotlib.image.imread(first).shape[1] == 1280
    with pytest.raises(ValueError, match=r"end 'one.svg' in \.png"):
        figures.save(draw(), tmp_path / "one.svg")

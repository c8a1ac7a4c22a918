"""The figure of what models score against what they cost."""

import matplotlib.colors

from experiments.spectrum import figure
from rnnshare.analysis.statistics import Interval
from rnnshare.plotting.style import COLOURS


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

"""Figures of what a training step takes: time, memory, the longest sequence.

Shape letters: X points on an axis.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy.typing as npt

from rnnshare.analysis.statistics import Interval
from rnnshare.plotting.curves import draw_means
from rnnshare.plotting.style import (
    COLOURS,
    FONT,
    INK,
    MUTED,
    colour_of,
    dress,
    legend_below,
    name_powers,
    new_figure,
    note,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Line = tuple[npt.ArrayLike, npt.ArrayLike]  # x [X], y [X]
Estimates = tuple[npt.ArrayLike, Sequence[Interval]]  # x [X], y [X]
_DASHES = ("-", "--", ":", "-.", (0, (5, 1)))
_MARKS = ("o", "s", "^", "D", "v")


class Largest(NamedTuple):
    """The largest T of one sharing within one budget, by H.

    Attributes:
      widths: H, [X].
      steps: T with its interval, [X].
      by_memory: whether memory, and not time, is what ends it, [X].
    """

    widths: Sequence[int]
    steps: Sequence[Interval]
    by_memory: Sequence[bool]


def draw_step_times(
    by_width: Mapping[str, Estimates],
    by_batch: Mapping[str, Estimates],
    compiling: Mapping[str, Line],
    levels: Mapping[str, float],
) -> "Figure":
    """Draws untied's step time over tied's by H and by B, and seconds to compile by T.

    Args:
      by_width: label -> (H, ratios).
      by_batch: label -> (B, ratios).
      compiling: label -> (T, seconds); a label that begins with a sharing's name has
        its colour, those of one colour differ in their dash.
      levels: what is said at a ratio -> the ratio; the highest one's words are shown.
    """
    figure = new_figure(height=6.6)
    halves: Any = figure.subfigures(2, 1)
    upper, lower = halves
    panels = upper.subplots(1, 2, sharey=True)
    for panel, curves, xlabel in zip(
        panels, (by_width, by_batch), ("hidden features H", "batch B"), strict=True
    ):
        for index, (label, (x, y)) in enumerate(curves.items()):
            style = _style(index, COLOURS["Untied"])
            draw_means(panel, x, y, label=label, **style)
        for level in levels.values():
            panel.axhline(level, color=INK, lw=1.2, ls=":", zorder=0)
        _log_axes(panel, [x for x, _ in curves.values()])
        panel.legend(frameon=False, fontsize=FONT - 2)
        dress(panel, xlabel, "" if panel is panels[1] else "step time, untied / tied",
              grid="y")  # fmt: skip
    bottom, top = panels[0].get_ylim()
    panels[0].set_ylim(0.5 * bottom, 25 * top)  # for words, and the legends
    highest = max(levels, key=levels.__getitem__)
    note(panels[0], highest, (1.0, 0.0), (0, 9), "right", MUTED, "axes fraction")
    _plain_y(panels[0])
    panel = lower.subplots()
    for label, (x, seconds) in compiling.items():
        form = 1 if label.endswith("unrolled") else 0
        panel.plot(x, seconds, ls=_DASHES[form], marker=_MARKS[form], lw=1.8,
                   color=colour_of(label), label=label)  # fmt: skip
    _log_axes(panel, [x for x, _ in compiling.values()])
    _plain_y(panel)
    panel.legend(frameon=False, fontsize=FONT - 2)
    dress(panel, "steps T", "seconds to compile", grid="y")
    return figure


def draw_ledger(
    panels: Mapping[str, Mapping[str, Line]],
    shares: Mapping[str, Line],
    unit: str = "MiB",
) -> "Figure":
    """Draws memory by T, and by B what is stored over the activations; log axes.

    Args:
      panels: title -> {label: (T, memory)}; a label that begins with a sharing's name
        has its colour, any other is grey and dashed.
      shares: label -> (B, what is stored over activations).
      unit: of the memory.
    """
    figure = new_figure(height=7.4)
    halves: Any = figure.subfigures(2, 1)
    upper, lower = halves
    axes = upper.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    drawn: dict[str, Any] = {}
    for panel, (title, lines) in zip(axes, panels.items(), strict=True):
        for label, (x, y) in lines.items():
            colour = colour_of(label)
            (drawn[label],) = panel.plot(
                x, y, "o--" if colour == MUTED else "o-", color=colour, lw=1.8, ms=5
            )
        _log_axes(panel, [x for x, _ in lines.values()])
        dress(panel, "steps T", unit if panel is axes[0] else "", "y", title)
    legend_below(upper, drawn)
    panel = lower.subplots()
    used: dict[str, int] = {}
    for label, (x, y) in shares.items():
        colour = colour_of(label)
        place = used.setdefault(colour, 0) % len(_DASHES)
        used[colour] += 1
        panel.plot(x, y, ls=_DASHES[place], marker=_MARKS[place], lw=1.8, ms=5,
                   color=colour, label=label)  # fmt: skip
    panel.axhline(1.0, color=INK, lw=1.2, zorder=0)
    _log_axes(panel, [x for x, _ in shares.values()])
    side = ("axes fraction", "data")  # where lines that fall with B leave room
    note(panel, "stored dominates", (0.06, 1.0), (0, 9), "left", MUTED, side)
    note(panel, "activations dominate", (0.27, 1.0), (0, -9), "left", MUTED, side)
    dress(panel, "batch B", "stored / activations", grid="y")
    legend_below(lower, {line.get_label(): line for line in panel.lines[:-1]})
    return figure


def draw_largest(
    panels: Mapping[str, Mapping[str, Largest]], long: int, near: float, far: float
) -> "Figure":
    """Draws the largest T by H, tied and untied: a panel a budget, log axes.

    Args:
      panels: title -> {label: Largest}, tied's first; a filled mark is ended by memory,
        an open one by time.
      long: steps of a long sequence.
      near: a share of tied's T, drawn beside it.
      far: another.
    """
    figure = new_figure(height=4.6)
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, (title, arms) in zip(axes, panels.items(), strict=True):
        for label, largest in arms.items():
            colour = colour_of(label)
            style = _style(0, colour) | {"marker": ""}
            draw_means(panel, largest.widths, largest.steps, label=label, **style)
            for x, y, full in zip(*largest, strict=True):
                face = colour if full else "white"
                panel.plot(x, y.estimate, "o", ms=8, mec=colour, mfc=face)
        tied = next(iter(arms.values()))
        for share, dash in ((near, "--"), (far, ":")):
            panel.plot(
                tied.widths,
                [share * y.estimate for y in tied.steps],
                color=colour_of("Tied"),
                lw=1.0,
                ls=dash,
                label=f"{share:g} of tied's",
            )
        panel.axhline(long, color=INK, lw=1.2, ls=":", zorder=0)
        _log_axes(panel, [largest.widths for largest in arms.values()])
        ylabel = "largest T" if panel is axes[0] else ""
        dress(panel, "hidden features H", ylabel, "y", title)
    note(axes[0], f"a long sequence: {long:,}", (0.02, long), (0, -9), "left", MUTED,
         ("axes fraction", "data"))  # fmt: skip
    note(axes[-1], "filled: ended by memory\nopen: ended by time", (0.99, 0.96),
         (0, -4), "right", MUTED, "axes fraction")  # fmt: skip
    axes[0].yaxis.set_major_formatter("{x:,.0f}")
    axes[0].set_ylim(top=4 * axes[0].get_ylim()[1])  # room for the note
    handles, labels = axes[0].get_legend_handles_labels()
    drawn = dict(zip(labels, handles, strict=True))
    order = sorted(labels, key=lambda label: label[0].isdigit())
    legend_below(figure, {label: drawn[label] for label in order}, columns=4)
    return figure


def _style(style: int, colour: str) -> dict[str, Any]:
    return {
        "color": colour,
        "marker": _MARKS[style % len(_MARKS)],
        "ls": _DASHES[style % len(_DASHES)],
        "ms": 6,
        "lw": 1.8,
    }


def _log_axes(panel: "Axes", x: Sequence[npt.ArrayLike]) -> None:
    """Makes both axes logarithmic, and names at most five of the x."""
    name_powers(panel, x, 5)
    panel.set_yscale("log")


def _plain_y(panel: "Axes") -> None:
    """Names 1, 2, 5, 10 and so on of a logarithmic y axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())

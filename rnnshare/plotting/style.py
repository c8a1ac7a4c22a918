"""What all figures look like: one colour a sharing, sizes that a phone can show.

The colours are Okabe and Ito's, which hold up for colour-blind readers. A figure is 640
pixels wide, saved at twice that, and a phone shows it at little more than half.
"""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: Mapping[str, str] = {
    "Tied": "#0072B2",
    "Untied": "#D55E00",
    "Segments": "#009E73",
    "Cyclic": "#CC79A7",
    "Schedule": "#A8123E",
    "Mixture": "#56B4E9",
    "LowRank": "#E69F00",
    "Scaled": "#000000",
    "Basis": "#7A5195",
    "Drift": "#8C564B",
    "Hypernetwork": "#B2A300",
    "TimeInput": "#17A2A2",
    "Partition": "#A0A0A0",
}
_BY_NAME = {name.lower(): colour for name, colour in COLOURS.items()}
# Lines of one sharing have shades of its colour, and differ in dash and mark.
_DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 2)))
_MARKS = ("o", "s", "^", "D", "v", "X")
_DARKER = (0.0, 0.65, 0.3, 0.5, 0.8, -0.5)  # towards black; below 0 towards white
INK, MUTED, LINK, GRID = "#222222", "#5f5f5f", "#bbbbbb", "#dddddd"
FONT = 12  # points
DPI, WIDTH = 100, 6.4  # dots an inch, inches


def colour_of(kind: Any) -> str:
    """Returns the colour of a kind of sharing, and grey for anything else.

    Args:
      kind: a sharing, its class, or a text that begins with the name of its class, as
        `'Untied(num_steps=28)'` and `'tied, equal width'` do.
    """
    if isinstance(kind, str):
        start = re.match(r"\w+", kind)
        name = start.group() if start else ""
    else:
        name = (kind if isinstance(kind, type) else type(kind)).__name__
    return _BY_NAME.get(name.lower(), MUTED)


def line_style(label: str, names: Sequence[str]) -> dict[str, Any]:
    """Returns how a line of a label is drawn, among the names of a figure's lines."""
    from matplotlib.colors import to_rgb

    colour = colour_of(label)
    alike = [name for name in names if colour_of(name) == colour]
    place = alike.index(label)
    darker = _DARKER[place % len(_DARKER)]
    end = 1.0 if darker < 0 else 0.0
    return {
        "color": tuple(x + abs(darker) * (end - x) for x in to_rgb(colour)),
        "ls": _DASHES[place % len(_DASHES)],
        "marker": _MARKS[place % len(_MARKS)],
        "ms": 5,
        "lw": 1.8,
    }


def new_figure(height: float) -> "Figure":
    """Returns an empty figure of the common width and the height, in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)  # type: ignore[call-arg, union-attr]
    return figure


def grid_of(figure: "Figure", count: int, most: int) -> "list[Axes]":
    """Returns `count` panels in balanced rows of at most `most`."""
    rows = -(-count // most)
    columns = -(-count // rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in panels[count:]:
        panel.set_axis_off()
    return panels[:count]


def say_what_refutes(figure: "Figure", text: str) -> None:
    """Writes above a figure what it would have shown had the claim been wrong."""
    wrapped = textwrap.fill(f"Refuted if {text}.", 78)
    figure.suptitle(wrapped, fontsize=FONT - 1, color=MUTED, x=0.02, ha="left")


def dress(
    panel: "Axes", xlabel: str, ylabel: str, grid: str = "", title: str = ""
) -> None:
    """Gives a panel its labels, a quiet frame, and grid lines along one axis."""
    if title:
        panel.set_title(title, fontsize=FONT - 1, color=INK)
    panel.set_xlabel(xlabel, fontsize=FONT, color=INK)
    panel.set_ylabel(ylabel, fontsize=FONT, color=INK)
    panel.tick_params(labelsize=FONT - 1, colors=INK, which="both")
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines[["left", "bottom"]].set_color(MUTED)
    panel.set_axisbelow(True)
    if grid:
        panel.grid(axis="x" if grid == "x" else "y", color=GRID)


def log_axis(panel: "Axes", x: Any) -> None:
    """Makes the x axis logarithmic, with few ticks, such as 300, 1k and 3k."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    panel.set_xscale("log")
    wide = np.max(x) > 20 * np.min(x)
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 3) if wide else (1, 2, 5)))
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.xaxis.set_minor_formatter(NullFormatter())


def name_powers(panel: "Axes", x: Any, most: int = 6) -> np.ndarray:
    """Makes the x axis logarithmic, and names at most so many of its places.

    Args:
      panel: whose axis.
      x: places, or lists of them, any number of times each.
      most: how many are named; those below 1 as fractions.

    Returns:
      All places, in order.
    """
    panel.set_xscale("log", base=2)
    places = np.unique(np.concatenate([np.ravel(one) for one in x]))
    few = places[:: max(1, -(-len(places) // most))]
    names = [f"1/{1 / place:g}" if place < 1 else f"{place:g}" for place in few]
    panel.set_xticks(few, names)
    panel.xaxis.minorticks_off()
    return places


def note(
    panel: "Axes",
    text: str,
    xy: tuple[float, float],
    offset: tuple[float, float],
    align: str,
    colour: str,
    coords: Any = "data",
) -> None:
    """Writes on the figure itself, `offset` points away from `xy`."""
    panel.annotate(
        text,
        xy,
        offset,
        xycoords=coords,
        textcoords="offset points",
        ha=align,
        va="center",
        color=colour,
        fontsize=FONT - 1,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
    )


def name_rows(panel: "Axes", labels: Sequence[str]) -> None:
    """Names the rows of a panel, the first at the top."""
    panel.set_yticks(range(len(labels)), [textwrap.fill(text, 24) for text in labels])
    panel.set_ylim(len(labels) - 0.5, -0.5)


def spread(wanted: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """Returns places near the wanted ones at which labels of these sizes stay apart."""
    places, free = list(wanted), -np.inf
    for index in np.argsort(np.asarray(wanted), kind="stable"):
        places[index] = max(wanted[index], free + sizes[index] / 2)
        free = places[index] + sizes[index] / 2
    return places


def mark_level(panel: "Axes", level: float, label: str) -> None:
    """Draws a level with its name, or says where it is if it would squeeze the data."""
    low, high = panel.dataLim.intervaly
    above = level > (low + high) / 2
    text, offset = f"{label} {level:.3g}", (0, 9 if above else -9)
    if low - 1.5 * (high - low) <= level <= high + 1.5 * (high - low):
        panel.axhline(level, color=INK, lw=1.2, ls=":", zorder=0)
        panel.margins(y=0.15)
        coords, at = ("axes fraction", "data"), (0.98, level)
    else:
        arrow = "\N{UPWARDS ARROW}" if above else "\N{DOWNWARDS ARROW}"
        panel.margins(y=0.15)
        coords, at = ("axes fraction", "axes fraction"), (0.98, float(above))
        text, offset = f"{arrow} {text}", (0, -9 if above else 9)
    note(panel, text, at, offset, "right", MUTED, coords)


def legend_below(figure: Any, handles: Mapping[str, Any], columns: int = 2) -> None:
    """Puts one legend below a figure's panels.

    Args:
      figure: a figure or a part of one.
      handles: {label: what was drawn}.
      columns: of the legend.
    """
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=FONT - 1,
    )

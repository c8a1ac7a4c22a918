"""Primitives of figures, which any study or notebook may use."""

from rnnshare.plotting.panels import (
    IntervalRow,
    draw_intervals,
    draw_paired,
    draw_tying_matrices,
    save,
    tying_matrix,
)
from rnnshare.plotting.pictures import picture_of
from rnnshare.plotting.style import (
    COLOURS,
    colour_of,
    line_style,
)

__all__ = [
    "COLOURS",
    "IntervalRow",
    "colour_of",
    "draw_intervals",
    "draw_paired",
    "draw_tying_matrices",
    "line_style",
    "picture_of",
    "save",
    "tying_matrix",
]

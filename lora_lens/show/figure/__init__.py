"""A figure, described once: labelled arrays, which matplotlib and the report's page draw.

A `Panel` is a pair of axes with what is marked on them, or a heat map. A `Sheet` is panels in rows, as a
file or a notebook shows them. Nothing here draws, and nothing here knows a question.
"""

from .apart import apart
from .axis import Axis, in_order, named, positions, round_top
from .heat_map import HeatMap, Ramp, View
from .marks import Band, Bars, Colour, Dash, Level, Line, Mark, Marker, Strokes, numbers
from .rows import in_rows, on_one_axis
from .sheet import Block, Panel, Scale, Sheet

__all__ = [
    "Axis",
    "Band",
    "Bars",
    "Block",
    "Colour",
    "Dash",
    "HeatMap",
    "Level",
    "Line",
    "Mark",
    "Marker",
    "Panel",
    "Ramp",
    "Scale",
    "Sheet",
    "Strokes",
    "View",
    "apart",
    "in_order",
    "in_rows",
    "named",
    "numbers",
    "on_one_axis",
    "positions",
    "round_top",
]

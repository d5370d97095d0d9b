"""A described heat map on matplotlib's axes."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties

from ...labelled import Array
from ..figure import HeatMap, Panel, View
from ..paper import LEAST_POINTS
from ..style import MOST_ANNOTATED, cell, colours, percent, words
from .axes import ROOM, name, points, upright

_NOTHING = "0.88"  # where there is no number, or where it says nothing: pale in every style
_LEAST_LINED = 5.0  # points: white lines between smaller cells would wash their colours out
_APART = 3.0  # points between rows of two kinds
_LEAST_APART = 1.1  # height of such a row, in that of the others
_MOST_TO_ONE = 24  # others are as high together as one apart, at most
_MOST_VECTOR = 2_500  # cells that an SVG draws one by one
_MOST_POINTS = 9.0  # of a number in a cell
# What a number takes of its cell, in the size of its letters: each sign, beside them, and down.
_SIGN, _BESIDE, _DOWN = 0.62, 0.25, 1.4


def cells(ax: Axes, panel: Panel, *, annotate: bool | None = None) -> None:
    """The cells with their numbers where those can be read; grey where there is none.

    The mesh is ``ax.collections[0]``, in the view's limits.
    """
    heat = panel.heat
    assert heat is not None
    view = heat.views[0]
    values = heat.shown(view)
    hidden = ~np.isfinite(values)
    if heat.diagonal:
        hidden = hidden | np.eye(len(heat.rows), dtype=bool)
    rows, columns = values.shape
    lined = min(points(ax, "x") / columns, points(ax, "y") / rows) >= _LEAST_LINED
    down = _edges(heat)
    ax.pcolormesh(
        np.arange(columns + 1) - 0.5,
        down,
        np.ma.masked_array(values, mask=hidden),
        vmin=view.low,
        vmax=view.high,
        cmap=colours(view.ramp),
        edgecolors="white" if lined else "none",
        linewidth=0.5 if lined else 0,
        rasterized=rows * columns > _MOST_VECTOR,
    )
    if heat.apart:
        ax.axhline(down[-1 - heat.apart], color="white", lw=_APART)
    ax.set_facecolor(_NOTHING)
    ax.set_xlim(-0.5, columns - 0.5)
    ax.set_ylim(down[-1], down[0])
    if heat.square:
        ax.set_aspect("equal", adjustable="box")
    if panel.y.far:
        ax.yaxis.tick_right()
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.grid(visible=False)
    ax.set_xlabel(words(panel.x.label))
    ax.set_ylabel(words(panel.y.label))
    upright(ax.yaxis, panel.y.label)
    which: Literal["x", "y"]
    alike = heat.square and heat.rows == heat.columns
    for which, places, names, axis in (
        ("x", range(columns), heat.columns, panel.x), ("y", _middles(down), heat.rows, panel.y)
    ):  # fmt: skip
        name(ax, which, places, names, heat.shades, axis.unnamed, alike=alike)
    write(ax, panel, annotate=annotate, share=ROOM)


def _edges(heat: HeatMap) -> Array:
    """Where rows begin and end: one a unit, but for those apart, which must be seen beside many."""
    rows = len(heat.rows)
    heights = np.ones(rows)
    heights[rows - heat.apart :] = max(_LEAST_APART, rows / _MOST_TO_ONE)
    return np.cumsum([-0.5, *heights])


def _middles(edges: Array) -> list[float]:
    return ((edges[:-1] + edges[1:]) / 2).tolist()


def write(ax: Axes, panel: Panel, *, annotate: bool | None = None, share: float = 1.0) -> None:
    """Numbers in the cells: where there are few, and where they are not too small to be read.

    Args:
        ax: With the cells on it.
        panel: What they show.
        annotate: Write them, or do not; by default where they can be read.
        share: Of the axes as they are now that is left when the figure has been laid out.
    """
    heat = panel.heat
    assert heat is not None
    view = heat.views[0]
    values = heat.shown(view)
    rows, columns = values.shape
    across, down = (points(ax, "x", share) / columns, points(ax, "y", share) / rows)
    small = FontProperties(size="small").get_size_in_points()
    texts = {
        place: percent(float(value)) if heat.percent else cell(float(value), heat.decimals)
        for place, value in np.ndenumerate(values)
        if math.isfinite(value)
    }
    longest = max(map(len, texts.values()), default=1)
    size = min(_MOST_POINTS, small, across / (_SIGN * longest + _BESIDE), down / _DOWN)
    readable = max(rows, columns) <= MOST_ANNOTATED and size >= LEAST_POINTS
    if not (readable if annotate is None else annotate):
        return
    middles = _middles(_edges(heat))
    for (row, column), text in texts.items():
        own = heat.diagonal and row == column
        ax.text(
            column,
            middles[row],
            text,
            ha="center",
            va="center",
            fontsize=max(LEAST_POINTS, size),
            color="black" if own else _ink(float(values[row, column]), view),
        )


def _ink(value: float, view: View) -> str:
    place = (value - view.low) / (view.high - view.low or 1.0)
    red, green, blue, _ = colours(view.ramp)(min(max(place, 0.0), 1.0))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"

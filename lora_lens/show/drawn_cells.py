"""A described heat map on matplotlib's axes."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties

from ..labelled import Array
from .drawn_axes import name, points
from .figure import HeatMap, Panel, View
from .style import MOST_ANNOTATED, cell, colours, words

_NOTHING = "0.88"  # where there is no number, or where it says nothing
_LEAST_LINED = 5.0  # points: white lines between smaller cells would wash their colours out
_MOST_VECTOR = 10_000  # cells that an SVG draws one by one
_LEAST_POINTS, _MOST_POINTS = 5.5, 9.0  # of a number in a cell


def cells(ax: Axes, panel: Panel, *, annotate: bool | None = None) -> None:
    """The cells with their numbers where those can be read; grey where there is none.

    The mesh is ``ax.collections[0]``, in the view's limits.
    """
    heat = panel.heat
    assert heat is not None
    view = heat.views[panel.view]
    values = heat.shown(view)
    hidden = ~np.isfinite(values)
    if heat.diagonal:
        hidden = hidden | np.eye(len(heat.rows), dtype=bool)
    rows, columns = values.shape
    lined = min(points(ax, "x") / columns, points(ax, "y") / rows) >= _LEAST_LINED
    ax.pcolormesh(
        np.arange(columns + 1) - 0.5,
        np.arange(rows + 1) - 0.5,
        np.ma.masked_array(values, mask=hidden),
        vmin=view.low,
        vmax=view.high,
        cmap=colours(view.ramp),
        edgecolors="white" if lined else "none",
        linewidth=0.5 if lined else 0,
        rasterized=rows * columns > _MOST_VECTOR,
    )
    ax.set_facecolor(_NOTHING)
    ax.set_xlim(-0.5, columns - 0.5)
    ax.set_ylim(rows - 0.5, -0.5)
    if heat.square:
        ax.set_aspect("equal", adjustable="box")
    if panel.y.far:
        ax.yaxis.tick_right()
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for which, names in (("x", heat.columns), ("y", heat.rows)):
        name(ax, which, range(len(names)), names, heat.shades)  # type: ignore[arg-type]
    ax.set_xlabel(words(panel.x.label))
    ax.set_ylabel(words(panel.y.label))
    _write(ax, heat, view, values, annotate)


def _write(ax: Axes, heat: HeatMap, view: View, values: Array, annotate: bool | None) -> None:
    """Numbers in the cells: where there are few, and where they are not too small to be read."""
    rows, columns = values.shape
    room = min(points(ax, "x") / columns / 1.9, points(ax, "y") / rows / 1.3)
    small = FontProperties(size="small").get_size_in_points()
    size = min(_MOST_POINTS, small, room)
    readable = max(rows, columns) <= MOST_ANNOTATED and size >= _LEAST_POINTS
    if not (readable if annotate is None else annotate):
        return
    for (row, column), value in np.ndenumerate(values):
        if not math.isfinite(value):
            continue
        own = heat.diagonal and row == column
        ax.text(
            column,
            row,
            cell(float(value), heat.decimals),
            ha="center",
            va="center",
            fontsize=max(_LEAST_POINTS, size),
            color="black" if own else _ink(float(value), view),
        )


def _ink(value: float, view: View) -> str:
    place = (value - view.low) / (view.high - view.low or 1.0)
    red, green, blue, _ = colours(view.ramp)(min(max(place, 0.0), 1.0))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"

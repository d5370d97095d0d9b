"""Described marks on matplotlib's axes: lines, bands, bars, levels, trees.

Strokes and marks are as thick beside each other as described; `lines.linewidth` and `lines.markersize`
of matplotlib's settings make all of them finer or coarser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from ..figure import Band, Bars, Level, Line, Mark, Strokes
from ..style import colour, line_ramp, words

_DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", "none": "none"}
_MARKERS = {
    "": "", "circle": "o", "square": "s", "up": "^", "diamond": "D", "cross": "x", "plus": "+",
    "dot": ".", "ring": "o", "bar": "_",
}  # fmt: skip
_SIZES = {"dot": 5.0, "ring": 9.0, "bar": 12.0}
_PALE = 0.25  # opacity of what chance gives
_MOST_DENSE = 60  # strokes of a tree; above it they would run into each other
_USUAL_WIDTH, _USUAL_SIZE = 1.5, 6.0


def line_shade(position: float) -> tuple[float, float, float, float]:
    """Colour of one of many lines, by its place from 0 to 1."""
    ramp, first, span = line_ramp()
    return ramp(first + span * position)


def stroke(width: float) -> float:
    """A stroke's width in points, under the settings."""
    return width * float(rcParams["lines.linewidth"]) / _USUAL_WIDTH


def _size(marker: str) -> float:
    return _SIZES.get(marker, 5.0) * float(rcParams["lines.markersize"]) / _USUAL_SIZE


def _line(ax: Axes, mark: Line) -> None:
    shade = colour(mark.colour) if mark.shade is None else line_shade(mark.shade)
    ax.plot(
        mark.x,
        mark.y,
        linestyle=_DASHES[mark.dash],
        linewidth=stroke(mark.width),
        color=shade,
        marker=_MARKERS[mark.marker],
        markersize=_size(mark.marker),
        markevery=mark.every,
        markerfacecolor="none" if mark.hollow or mark.marker == "ring" else shade,
        markeredgewidth=stroke(mark.width) if mark.marker == "bar" else None,
        label=words(mark.label) or None,
        zorder=3,
    )
    for name, at in zip(mark.names, zip(mark.x, mark.y, strict=True), strict=False):
        if name and np.isfinite(at).all():
            ax.annotate(
                words(name), at, (5, 0), textcoords="offset points", fontsize="small",
                color=colour("grey"), va="center",
            )  # fmt: skip


def _band(ax: Axes, mark: Band) -> None:
    ax.fill_between(
        mark.x, mark.low, mark.high, color=colour(mark.colour), alpha=_PALE, linewidth=0,
        label=words(mark.label) or None,
    )  # fmt: skip


def _bars(ax: Axes, mark: Bars) -> None:
    shade = colour(mark.colour)
    solid = mark.mean is None
    ax.bar(
        mark.x, mark.high - mark.low, mark.width, mark.low, color=shade,
        alpha=1.0 if solid else _PALE, linewidth=0, label=words(mark.label) or None,
    )  # fmt: skip
    if mark.mean is not None:
        half = mark.width / 2
        ax.hlines(mark.mean, mark.x - half, mark.x + half, color=shade, linewidth=stroke(1.0))


def _level(ax: Axes, mark: Level) -> None:
    across = ax.axvline if mark.upright else ax.axhline
    in_legend = mark.said == "legend"
    across(
        mark.at, color=colour(mark.colour), linestyle=_DASHES[mark.dash], linewidth=stroke(1.0),
        zorder=1, label=(words(mark.label) or None) if in_legend else None,
    )  # fmt: skip
    if mark.label and not in_legend:
        _at_its_end(ax, mark)


# Of a line that stands and is told above it; inside, of one that stands and of one that lies: where its text is
# from its end, in points, and which side of the text that is.
_ENDS = {
    ("above", True): ((0, 2), "center", "bottom"),
    ("inside", True): ((2, -1), "left", "top"),
    ("inside", False): ((-1, 1), "right", "bottom"),
}


def _at_its_end(ax: Axes, mark: Level) -> None:
    offset, across, up = _ENDS[mark.said, mark.upright]
    ax.annotate(
        words(mark.label),
        (mark.at, 1.0) if mark.upright else (1.0, mark.at),
        offset,
        xycoords=ax.get_xaxis_transform() if mark.upright else ax.get_yaxis_transform(),
        textcoords="offset points",
        fontsize="small",
        color=colour("grey" if mark.colour == "pale" else mark.colour),
        ha=across,
        va=up,
    )


def _strokes(ax: Axes, mark: Strokes) -> None:
    width = 1.2 if len(mark.paths) <= _MOST_DENSE else 0.6
    shades = [colour(one) for one in mark.colours]
    ax.add_collection(LineCollection(list(mark.paths), colors=shades, linewidths=stroke(width)))


MARKS: dict[type[Mark], Callable[[Axes, Any], None]] = {
    Line: _line, Band: _band, Bars: _bars, Level: _level, Strokes: _strokes,
}  # fmt: skip

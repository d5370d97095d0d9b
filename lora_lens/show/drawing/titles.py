"""Titles that are whole: broken into lines where they are wider than their place on the figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.text import Text

from .arranged import in_lines
from .placed import place
from .sheet import Drawn

_FEWEST_LETTERS = 8  # of a line
_SIDE = 0.05  # inches left and right of a title
_LINE = 1.3  # height of a line, in the size of its letters
_LONG = 0.75  # of a panel's share of the figure: what is longer may be too long once panels have their places


def break_titles(figure: Figure, drawn: Sequence[Drawn]) -> float:
    """Break what is too wide, of the figure, its blocks and its panels; inches that the new lines take."""
    whole = figure.bbox.width
    side = _SIDE * figure.dpi
    headings = [figure, *figure.subfigs]
    added = 0.0
    for text in (text for one in headings for text in one.texts):
        at_left = text.get_horizontalalignment() == "left"
        start = text.get_window_extent().x0 if at_left else side
        added += _broken(text, whole - start - side)
    return added + break_panel_titles(figure, drawn)


def break_panel_titles(
    figure: Figure | SubFigure, drawn: Sequence[Drawn], long: float = _LONG
) -> float:
    """Break what is too wide of the panels' titles; inches that the new lines take.

    A layout makes room for the height of a title, not for its width. Where panels lie is found only if one
    of their titles is longer than `long` of its share of the figure, as that takes half of a figure's time.
    """
    root = figure.get_figure(root=True)
    assert root is not None  # a figure is its own
    whole, side, added = figure.bbox.width, _SIDE * root.dpi, 0.0
    if any(_width(one) > long * _share(one) * whole for one in drawn):
        place(root)
        rows: dict[tuple[int, int], float] = {}
        for one in drawn:
            left, right = _place(one, drawn, figure)
            box = one.ax.get_window_extent()
            centre = (box.x0 + box.x1) / 2
            lines = _broken(one.ax.title, 2 * (min(centre - left, right - centre) - side))
            rows[one.block, one.row] = max(rows.get((one.block, one.row), 0.0), lines)
        added += sum(rows.values())
    return added


def _width(one: Drawn) -> float:
    return one.ax.title.get_window_extent().width if one.panel.title else 0.0


def _share(one: Drawn) -> float:
    """Of the figure's width, before panels have their places."""
    place = one.ax.get_subplotspec()
    assert place is not None
    grid = place.get_gridspec()
    shares = np.asarray(grid.get_width_ratios(), dtype=np.float64)
    return float(shares[place.colspan.start] / shares.sum())


def _place(one: Drawn, drawn: Sequence[Drawn], figure: Figure | SubFigure) -> tuple[float, float]:
    """Where a panel's place begins and ends: halfway to those beside it, or where the figure does."""
    box = one.ax.get_window_extent()
    beside = [
        other.ax.get_window_extent()
        for other in drawn
        if other is not one and (other.block, other.row) == (one.block, one.row)
    ]
    left = [(other.x1 + box.x0) / 2 for other in beside if other.x1 <= box.x0]
    right = [(other.x0 + box.x1) / 2 for other in beside if other.x0 >= box.x1]
    return max(left, default=figure.bbox.x0), min(right, default=figure.bbox.x1)


def _broken(text: Text, room: float) -> float:
    """Break a text into as few lines as are no longer than `room`, in dots, and about alike, and a word only where it is longer; inches that it is higher then."""
    said = text.get_text()
    before = said.count("\n")
    word = max(map(len, said.split()), default=0)
    for letters in range(max(map(len, said.split("\n"))) - 1, _FEWEST_LETTERS, -1):
        lines = in_lines(said, letters, whole=letters >= word)
        fits = text.get_window_extent().width <= room
        if fits and (
            text.get_text() == said
            or letters < word
            or lines.count("\n") > text.get_text().count("\n")
        ):
            break
        text.set_text(lines)
    return (
        (text.get_text().count("\n") - before)
        * _LINE
        * text.get_fontproperties().get_size_in_points()
        / 72
    )

"""A figure, described once: labelled arrays, which matplotlib and the report's page draw.

A `Panel` is a pair of axes with what is marked on them, or a heat map. A `Sheet` is panels in rows, as a
file or a notebook shows them. Nothing here draws, and nothing here knows a question.

Colours are positions in a palette, or names of greys; each drawing room has its own shades of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np

from ..labelled import Array

Colour = int | Literal["black", "grey", "pale", "red"]
Dash = Literal["solid", "dash", "dot", "dashdot", "none"]
Marker = Literal["", "circle", "square", "up", "diamond", "cross", "plus", "dot", "ring", "bar"]
Ramp = Literal["up", "both", "p"]


@dataclass(frozen=True)
class Axis:
    """One direction of a panel.

    Attributes:
        label: What is along it.
        names: What stands at 0, 1, 2, …; where it is empty the axis is numbered.
        at: Where the names stand, if not there.
        low, high: Its ends; low above high turns it round; None where the data end.
        log: Whether it is logarithmic.
        whole: Whether it is numbered in whole numbers alone.
        far: Whether its names stand on the other side: on the right.
        unnamed: Its label where there is no room for its names.
    """

    label: str = ""
    names: tuple[str, ...] = ()
    at: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False
    far: bool = False
    unnamed: str = ""

    @property
    def places(self) -> tuple[float, ...]:
        """Where the names stand."""
        return self.at or tuple(map(float, range(len(self.names))))


@dataclass(frozen=True)
class Line:
    """Points, joined or not. NaN is a gap."""

    x: Array
    y: Array
    label: str = ""
    colour: Colour = 0
    dash: Dash = "solid"
    marker: Marker = ""
    width: float = 1.5
    shade: float | None = (
        None  # of many lines, in the place of a colour: 0 is the first, 1 the last
    )
    hollow: bool = False  # its marks


@dataclass(frozen=True)
class Band:
    """What lies between two lines."""

    x: Array
    low: Array
    high: Array
    label: str = ""
    colour: Colour = 0


@dataclass(frozen=True)
class Bars:
    """A bar a position, from `low` to `high`, with a mark at `mean`: what is between two positions means nothing."""

    x: Array
    low: Array
    high: Array
    mean: Array | None = None
    label: str = ""
    colour: Colour = 0
    width: float = 0.36


@dataclass(frozen=True)
class Level:
    """A line right across, at one height or one place."""

    at: float
    label: str = ""
    colour: Colour = "grey"
    dash: Dash = "solid"
    upright: bool = False


@dataclass(frozen=True)
class Strokes:
    """Paths of straight strokes, each of its colour: a tree."""

    paths: tuple[Array, ...]
    colours: tuple[Colour, ...]


Mark = Line | Band | Bars | Level | Strokes


@dataclass(frozen=True)
class View:
    """One thing that the cells of a heat map can show.

    Attributes:
        shows: Name of the quantity, or of two: how far the first exceeds the second,
            (first − second)/(1 − second).
        low, high: Ends of its colour scale.
        ramp: From pale to dark, both ways from the middle, or p-values, steep where they are small.
        words: What is shown, in a sentence.
        chosen: The switches that show it: ``{"view": "excess", "null": "propagated"}``.
        hover: Lines for a cell; ``{name}`` stands for the cell's value of a quantity.
    """

    shows: str | tuple[str, str]
    low: float
    high: float
    ramp: Ramp = "up"
    words: str = ""
    chosen: Mapping[str, str] = field(default_factory=dict)
    hover: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeatMap:
    """Numbers in cells.

    Attributes:
        rows, columns: Their names.
        quantities: Name to (row, column), or to one number for all cells.
        views: What can be shown; the first one is, on paper.
        diagonal: Whether a row and the column of its number are one thing, so that the diagonal says nothing.
        square: Whether its cells are.
        decimals: Of the numbers in the cells; None for numbers of any size.
        shades: Colour of each row's and column's name, where they have one.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    quantities: Mapping[str, Array | float]
    views: tuple[View, ...]
    diagonal: bool = False
    square: bool = False
    decimals: int | None = 2
    shades: tuple[Colour, ...] = ()

    def shown(self, view: View) -> Array:
        """The numbers that a view shows, (row, column); NaN where there are none."""
        one, *over = (view.shows,) if isinstance(view.shows, str) else view.shows
        values = self._grid(one)
        if over:
            chance = self._grid(over[0])
            room = np.where(1 - chance > 1e-6, 1 - chance, np.nan)
            values = np.asarray((values - chance) / room)
            if self.diagonal:
                values = np.where(np.eye(len(self.rows), dtype=bool), np.nan, values)
        return values

    def _grid(self, name: str) -> Array:
        shape = (len(self.rows), len(self.columns))
        return np.broadcast_to(np.asarray(self.quantities[name], dtype=np.float64), shape)

    def top(self, view: View) -> float:
        """The largest number that a view shows, without the diagonal where that says nothing; 0 if none."""
        values = np.abs(self.shown(view)).astype(np.float64)
        if self.diagonal:
            values = np.where(np.eye(len(self.rows), dtype=bool), np.nan, values)
        finite = values[np.isfinite(values)]
        return float(finite.max()) if finite.size else 0.0


@dataclass(frozen=True)
class Panel:
    """A pair of axes: marks, or one heat map seen in one view.

    Attributes:
        title: Above it.
        x, y: Its axes.
        marks: In the order in which they are drawn.
        heat: A heat map in their place.
        view: Which of its views.
        legend: Where the labels are explained: inside, below, to the right, below the whole row with the
            other panels' (each label once), or not here.
        bare: Without the frame on the left.
    """

    title: str = ""
    x: Axis = field(default_factory=Axis)
    y: Axis = field(default_factory=Axis)
    marks: tuple[Mark, ...] = ()
    heat: HeatMap | None = None
    view: int = 0
    legend: Literal["inside", "below", "right", "row", "none"] = "none"
    bare: bool = False


@dataclass(frozen=True)
class Scale:
    """A colour scale beside panels.

    Attributes:
        low, high: Its ends.
        label: What it measures.
        ramp: As in `View`.
        of: Columns of the panels that it belongs to, below which it lies; all by default, beside which it
            stands.
        at: Rows and columns of the panels that it belongs to, in the place of `of`.
        below: Whether it lies below them; by default where `of` is given.
        marks: Numbers marked on it: what chance gives.
        lines: Whether it is of lines that go from pale to dark.
    """

    low: float
    high: float
    label: str
    ramp: Ramp = "up"
    of: tuple[int, ...] = ()
    marks: tuple[float, ...] = ()
    lines: bool = False
    at: tuple[tuple[int, int], ...] = ()
    below: bool | None = None

    @property
    def lies(self) -> bool:
        """Whether it lies below its panels."""
        return bool(self.of) if self.below is None else self.below


@dataclass(frozen=True)
class Block:
    """Panels in rows under one heading; None leaves a place empty.

    Attributes:
        rows: Of the same length, or shorter.
        title: The heading.
        scales: Colour scales.
        widths: Of the columns, beside each other.
        joined: Whether the panels of a row share their y axis.
        narrow: What becomes of it on a page too narrow for its columns: ``flow``, panel after panel in
            new rows; ``wrap``, some columns below the others; ``turn``, rows become columns; ``keep``,
            nothing, it is shrunk.
    """

    rows: Sequence[Sequence[Panel | None]]
    title: str = ""
    scales: tuple[Scale, ...] = ()
    widths: tuple[float, ...] = ()
    joined: bool = False
    narrow: Literal["flow", "wrap", "turn", "keep"] = "flow"

    @property
    def columns(self) -> int:
        """How many panels the longest row has."""
        return max(map(len, self.rows))


@dataclass(frozen=True)
class Sheet:
    """A whole figure.

    Attributes:
        blocks: One below the other.
        size: Width and height in inches.
        title, note: Above and below.
        legend: Whether one legend, of all labels, stands below.
        font: Size of its letters in points where the reader's style has none of its own; the small ones
            are five sixths of it.
    """

    blocks: tuple[Block, ...]
    size: tuple[float, float]
    title: str = ""
    note: str = ""
    legend: Literal["none", "below"] = "none"
    font: float | None = None


def numbers(values: Sequence[float | None]) -> Array:
    """Numbers as an array, NaN where there is none."""
    return np.array([np.nan if value is None else float(value) for value in values])


def positions(names: Sequence[object]) -> Array:
    """0, 1, 2, …: where things with names stand."""
    return np.arange(len(names), dtype=np.float64)


def named(label: str, names: Sequence[object], **rest: float | None) -> Axis:
    """An axis of things with names: layers."""
    return Axis(label, tuple(map(str, names)), **rest)  # type: ignore[arg-type]


def in_order(names: Sequence[str]) -> bool:
    """Whether names are numbers that rise, but for a last step that is called “end”: some stand for all."""
    found = [float(one) for one in names if _is_number(one)]
    return len(found) >= max(1, len(names) - 1) and all(a < b for a, b in pairwise(found))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def round_top(value: float) -> float:
    """A round number at or above a number from 0 to 1, for the end of a scale."""
    return next((top for top in _TOPS if top >= value - 1e-9), 1.0)


_TOPS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)

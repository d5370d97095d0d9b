"""Panels in rows, as a file or a notebook shows them, with their headings, legends and colour scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from .axis import Axis
from .heat_map import HeatMap, Ramp
from .marks import Mark


@dataclass(frozen=True)
class Panel:
    """A pair of axes: marks, or one heat map seen in one view.

    Attributes:
        title: Above it.
        x, y: Its axes.
        marks: In the order in which they are drawn.
        heat: A heat map in their place, in the first of its views.
        legend: Where the labels are explained: inside, below, to the right, below the whole row with the
            other panels' (each label once), or not here.
        bare: Without the frame on the left.
    """

    title: str = ""
    x: Axis = field(default_factory=Axis)
    y: Axis = field(default_factory=Axis)
    marks: tuple[Mark, ...] = ()
    heat: HeatMap | None = None
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

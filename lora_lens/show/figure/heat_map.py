"""Numbers in cells, and what of them a heat map can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ...labelled import Array
from .marks import Colour

Ramp = Literal["up", "both", "p"]


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
        percent: Whether the numbers in the cells are in percent, where two decimals would leave ".00".
        shades: Colour of each row's and column's name, where they have one.
        apart: How many of the last rows stand apart from the others, as they are something else.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    quantities: Mapping[str, Array | float]
    views: tuple[View, ...]
    diagonal: bool = False
    square: bool = False
    decimals: int | None = 2
    percent: bool = False
    shades: tuple[Colour, ...] = ()
    apart: int = 0

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

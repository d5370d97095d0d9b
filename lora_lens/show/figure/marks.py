"""What is drawn on a panel's axes: lines, bands, bars, levels, trees.

Colours are positions in a palette, or names of greys; each drawing room has its own shades of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...labelled import Array

Colour = int | Literal["black", "grey", "pale", "red"]
Dash = Literal["solid", "dash", "dot", "dashdot", "none"]
Marker = Literal["", "circle", "square", "up", "diamond", "cross", "plus", "dot", "ring", "bar"]


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
    every: int = 1  # how many points there are to a mark
    names: tuple[str, ...] = ()  # a word beside each point, or none


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

    @classmethod
    def around(
        cls,
        x: Array,
        mean: Array | float,
        sd: Array | float,
        label: str,
        colour: Colour = 0,
        width: float = 0.36,
    ) -> Bars:
        """From two deviations below a mean to two above it; the mean alone where a deviation is none."""
        centre, spread = (
            np.broadcast_to(np.asarray(one, dtype=np.float64), x.shape) for one in (mean, sd)
        )
        far = np.where(np.isfinite(spread), 2 * spread, 0.0)
        return cls(x, centre - far, centre + far, centre, label, colour, width)


@dataclass(frozen=True)
class Level:
    """A line right across, at one height or one place."""

    at: float
    label: str = ""
    colour: Colour = "grey"
    dash: Dash = "solid"
    upright: bool = False
    said: Literal["legend", "above", "inside"] = (
        "legend"  # where its label stands; inside, at its end
    )


@dataclass(frozen=True)
class Strokes:
    """Paths of straight strokes, each of its colour: a tree."""

    paths: tuple[Array, ...]
    colours: tuple[Colour, ...]


Mark = Line | Band | Bars | Level | Strokes


def numbers(values: Sequence[float | None]) -> Array:
    """Numbers as an array, NaN where there is none."""
    return np.array([np.nan if value is None else float(value) for value in values])

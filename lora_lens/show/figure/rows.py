"""Many panels: in rows, and with an axis on which those of different rows are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .axis import Axis
from .marks import Line
from .sheet import Panel

_MARGIN = 0.05  # of what lies between the lowest and the highest number, above and below them
_MOST = 1e308  # that such an axis can have
_LEAST = 1.02  # of a logarithmic axis: how far its ends are from numbers that are all one


def in_rows(panels: Sequence[Panel], most: int) -> list[list[Panel | None]]:
    """Panels in rows of at most `most`; what is left of the last row is empty.

    Example:
        >>> panels = [Panel("one"), Panel("two"), Panel("three")]
        >>> [[one and one.title for one in row] for row in in_rows(panels, 2)]
        [['one', 'two'], ['three', None]]
    """
    columns = min(most, len(panels))
    places = [*panels, *[None] * (-len(panels) % columns)]
    return [places[k : k + columns] for k in range(0, len(places), columns)]


def on_one_axis(panels: Sequence[Panel]) -> list[Panel]:
    """Panels of lines, their y axis from below the lowest of all numbers to above the highest.

    Example:
        >>> from lora_lens.show.figure import Axis, Line
        >>> x = np.arange(2.0)
        >>> low, high = (Panel(y=Axis(low=0), marks=(Line(x, x + k),)) for k in (0, 9))
        >>> [(one.y.low, one.y.high) for one in on_one_axis([low, high])]
        [(0, 10.5), (0, 10.5)]
    """
    lines = [mark.y for one in panels for mark in one.marks if isinstance(mark, Line)]
    values = np.concatenate(lines)
    known = values[np.isfinite(values)]
    if not known.size:
        return list(panels)
    return [
        replace(one, y=_around(one.y, float(known.min()), float(known.max()))) for one in panels
    ]


def _around(axis: Axis, lowest: float, highest: float) -> Axis:
    """With ends beyond the numbers, but for those that it has."""
    if axis.log:
        beyond = max(min(highest / lowest, _MOST) ** _MARGIN, _LEAST)
        ends = max(lowest / beyond, 1 / _MOST), min(highest * beyond, _MOST)
    else:
        beyond = _MARGIN * (highest - (lowest if axis.low is None else axis.low)) or 1.0
        ends = lowest - beyond, highest + beyond
    low, high = (
        end if own is None else own for own, end in zip((axis.low, axis.high), ends, strict=True)
    )
    return replace(axis, low=low, high=high)

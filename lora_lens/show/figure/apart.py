"""Names beside points, but for those that would lie on another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .marks import Line, Mark


def apart(marks: Sequence[Mark], across: float, up: float) -> tuple[Mark, ...]:
    """The same marks, and of the names beside points those that have room, the first ones first.

    Args:
        marks: Of one panel.
        across, up: The room that a name takes, as shares of what the points span to the side and upwards.

    Example:
        >>> x = np.array([0.0, 0.05, 1.0])
        >>> (line,) = apart([Line(x, x, names=("a", "b", "c"))], 0.1, 0.1)
        >>> line.names
        ('a', '', 'c')
    """
    lines = [one for one in marks if isinstance(one, Line)]
    if not any(one.names for one in lines):
        return tuple(marks)
    points = np.concatenate([np.stack([one.x, one.y], axis=1) for one in lines])
    known = points[np.isfinite(points).all(1)]
    span = (known.max(0, initial=-np.inf) - known.min(0, initial=np.inf)) * (across, up)
    taken = np.empty((0, 2))
    found: list[Mark] = []
    for one in marks:
        if isinstance(one, Line) and one.names:
            kept = []
            for name, point in zip(one.names, np.stack([one.x, one.y], axis=1), strict=True):
                free = bool(name) and bool((np.abs(taken - point) > span).any(1).all())
                taken = np.vstack([taken, point]) if free else taken
                kept.append(name if free else "")
            found.append(replace(one, names=tuple(kept)))
        else:
            found.append(one)
    return tuple(found)

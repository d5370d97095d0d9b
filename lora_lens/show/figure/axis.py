"""One direction of a panel: numbers, or things with names; and where these stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ...labelled import Array

_TOPS = (0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


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


def named(label: str, names: Sequence[object], **rest: float | None) -> Axis:
    """An axis of things with names: layers."""
    return Axis(label, tuple(map(str, names)), **rest)  # type: ignore[arg-type]


def positions(names: Sequence[object]) -> Array:
    """0, 1, 2, …: where things with names stand."""
    return np.arange(len(names), dtype=np.float64)


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

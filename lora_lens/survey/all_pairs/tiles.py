"""Adapters against adapters, tile by tile, so that memory does not grow with their pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...labelled import Array
from ..table import read_rows
from ..task import PlaceTask

_TILE = (128, 512)  # adapters by adapters whose pairs are joined at once


def tiles(count: int) -> Iterator[tuple[range, range]]:
    """Adapters by adapters, all pairs of which the first has the lower number."""
    tall, wide = _TILE
    for first in range(0, count, tall):
        one = range(first, min(first + tall, count))
        for start in range(first // wide * wide, count, wide):
            yield one, range(start, min(start + wide, count))


def read_tile(
    task: PlaceTask,
    question: str,
    names: Sequence[str],
    one: range,
    other: range,
    *,
    matrix: str | None = None,
) -> tuple[Any, Any, dict[str, Array]]:
    """A place's pairs in a tile: their rows and columns there, and numbers."""
    numbers = np.array([piece.adapter for piece in task.place.pieces])
    sides = {}
    for name, which in (("one", one), ("other", other)):
        start, stop = np.searchsorted(numbers, [which.start, which.stop])
        sides[name] = range(int(start), int(stop))
    found = read_rows(task.path, question, ["one", "other", *names], matrix=matrix, **sides)
    rows = numbers[found["one"].to_numpy()] - one.start
    columns = numbers[found["other"].to_numpy()] - other.start
    return rows, columns, {name: found[name].to_numpy().astype(np.float64) for name in names}

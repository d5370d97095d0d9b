"""The tree of all adapters, cut into clusters: it alone needs every pair at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.many_adapters.clustering import cluster
from ...labelled import Array

_MOST_CLUSTERED = 4096  # adapters: of more, their tree alone would take gigabytes


@dataclass(frozen=True)
class Clustered:
    """What a tree has found.

    Attributes:
        adapters: Numbers of those that are in it; none where there is no tree.
        clusters: Each one's cluster, in that order.
        outside: Numbers of those that have a φ, and are not in it.
        notes: Sentences.
    """

    adapters: tuple[int, ...] = ()
    clusters: tuple[int, ...] = ()
    outside: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


class Tree:
    """φ of all pairs and its moments under the null, adapter by adapter, of one matrix."""

    def __init__(self, adapters: int, matrix: str) -> None:
        self._count, self._matrix = adapters, matrix
        self._fits = adapters <= _MOST_CLUSTERED
        size = adapters if self._fits else 0
        self._phi = np.full((size, size), np.nan, np.float32)
        self._mean, self._sd, self._least = (_Moments(size) for _ in range(3))

    def add(self, one: Any, other: Any, phi: Array, mean: Array, sd: Array, least: Array) -> None:
        """Some pairs: the numbers of their adapters, φ, its moments and what it is at least."""
        if not self._fits:
            return
        self._phi[one, other] = self._phi[other, one] = phi
        for moments, numbers in ((self._mean, mean), (self._sd, sd), (self._least, least)):
            moments.add(one, other, numbers)

    def found(self) -> Clustered:
        """Clusters of those of which every two have a φ; the grids are given up for it."""
        if not self._fits:
            return Clustered(notes=(
                f"no clusters of {self._matrix}: a tree is made of at most {_MOST_CLUSTERED:,} adapters, and these are {self._count:,}",
            ))  # fmt: skip
        notes = []
        kept, known = _complete(self._phi)
        if len(kept) < len(known):
            notes.append(
                f"clusters of {self._matrix} are of {len(kept)} of {len(known)} adapters: the others share no place with some of these"
            )
        outside = tuple(sorted({*known} - {*kept}))
        if len(kept) < 2:
            return Clustered(outside=outside, notes=tuple(notes))
        phi, self._phi = _of(self._phi, kept), np.empty((0, 0), np.float32)
        np.fill_diagonal(phi, 1.0)
        mean, sd, least = (each.of(kept) for each in (self._mean, self._sd, self._least))
        found = cluster(phi, mean, sd, least=least)
        if found.cut == "gap" and len(set(found.clusters)) > 1:
            notes.append(
                f"every merge of {self._matrix}'s tree is above chance, so that it is cut at its largest gap, which is arbitrary: adapters of "
                f"different clusters are alike, too"
            )
        return Clustered(tuple(kept), found.clusters, outside, tuple(notes))


class _Moments:
    """What all pairs have, which is one number where all adapters have one rank; a grid as soon as two differ."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._value: float | None = None
        self._grid: NDArray[np.float32] | None = None

    def add(self, one: Any, other: Any, numbers: Array) -> None:
        if not len(numbers):
            return
        rounded = numbers.astype(np.float32)
        if self._value is None:
            self._value = float(rounded[0])
        if self._grid is None and (rounded != self._value).any():
            self._grid = np.full((self._size, self._size), self._value, np.float32)
        if self._grid is not None:
            self._grid[one, other] = self._grid[other, one] = rounded

    def of(self, kept: Sequence[int]) -> NDArray[np.float32] | float:
        """Of those that are kept; of no pair with itself."""
        if self._grid is None:
            return self._value or 0.0
        grid, self._grid = self._grid, None
        return _of(grid, kept)


def _of(grid: NDArray[np.float32], kept: Sequence[int]) -> NDArray[np.float32]:
    return grid if len(kept) == len(grid) else grid[np.ix_(kept, kept)]


def _complete(phi: NDArray[np.float32]) -> tuple[list[int], list[int]]:
    """Numbers of adapters of which every two have a φ, and of all that have one; those with the most holes are left out, one by one."""
    missing = np.isnan(phi)
    known = np.flatnonzero(~missing.all(1))
    kept = known
    holes = missing[:, known].sum(1) - 1  # its own
    while len(kept) and (holes[kept] > 0).any():
        worst = int(holes[kept].argmax())
        holes = holes - missing[:, kept[worst]]
        kept = np.delete(kept, worst)
    return kept.tolist(), known.tolist()

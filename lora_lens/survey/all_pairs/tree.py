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
    """Grids of φ and its moments under the null, adapter by adapter, of one matrix."""

    def __init__(self, adapters: int, matrix: str) -> None:
        self._count, self._matrix = adapters, matrix
        self._fits = adapters <= _MOST_CLUSTERED
        size = adapters if self._fits else 0
        self._grids = [np.full((size, size), np.nan, np.float32) for _ in range(3)]
        self._least: NDArray[np.float32] | None = None  # where that is not 0 for all

    def add(self, one: Any, other: Any, phi: Array, mean: Array, sd: Array, least: Array) -> None:
        """Some pairs: the numbers of their adapters, φ, its moments and what it is at least."""
        if not self._fits:
            return
        for grid, numbers in zip(self._grids, (phi, mean, sd), strict=True):
            grid[one, other] = grid[other, one] = numbers
        if least.any():
            if self._least is None:
                self._least = np.zeros_like(self._grids[0])
            self._least[one, other] = self._least[other, one] = least

    def found(self) -> Clustered:
        """Clusters of those of which every two have a φ; the grids are given up for it."""
        if not self._fits:
            return Clustered(notes=(
                f"no clusters of {self._matrix}: a tree is made of at most {_MOST_CLUSTERED:,} adapters, and these are {self._count:,}",
            ))  # fmt: skip
        grids, self._grids = self._grids, []
        notes = []
        kept = _complete(grids[0])
        known = np.flatnonzero(np.isfinite(grids[0]).any(1)).tolist()
        if len(kept) < len(known):
            notes.append(
                f"clusters of {self._matrix} are of {len(kept)} of {len(known)} adapters: the others share no place with some of these"
            )
        outside = tuple(sorted({*known} - {*kept}))
        if len(kept) < 2:
            return Clustered(outside=outside, notes=tuple(notes))
        phi, mean, sd = (
            _whole(grid, kept, own) for grid, own in zip(grids, (1.0, None, None), strict=True)
        )
        del grids
        least = None if self._least is None else _whole(self._least, kept, None)
        found = cluster(phi, mean, sd, least=least)
        if found.cut == "gap" and len(set(found.clusters)) > 1:
            notes.append(
                f"every merge of {self._matrix}'s tree is above chance, so that it is cut at its largest gap, which is arbitrary: adapters of "
                f"different clusters are alike, too"
            )
        return Clustered(tuple(kept), found.clusters, outside, tuple(notes))


def _whole(grid: NDArray[np.float32], kept: Sequence[int], own: float | None) -> Array:
    """Of those that are kept, in float64; one number where all have the same, which takes no memory.

    Args:
        grid: Of all adapters.
        kept: Numbers of some.
        own: What each has with itself; by default what the first two have with each other.
    """
    found = grid[np.ix_(kept, kept)]
    np.fill_diagonal(found, found[0, 1] if own is None else own)
    if own is None and found.min() == found.max():
        return np.broadcast_to(np.float64(found[0, 1]), found.shape)
    return found.astype(np.float64)


def _complete(phi: NDArray[np.float32]) -> list[int]:
    """Numbers of adapters of which every two have a φ; those with the most holes are left out, one by one."""
    kept = [k for k in range(len(phi)) if np.isfinite(phi[k]).any()]
    while kept:
        holes = np.isnan(phi[np.ix_(kept, kept)]).sum(1) - 1
        if not (holes > 0).any():
            break
        del kept[int(holes.argmax())]
    return kept

"""Each adapter's nearest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...labelled import Array


class Nearest:
    """Of each adapter the one with the largest z of φ so far, and that z; -1 where there is none."""

    def __init__(self, count: int) -> None:
        self.of: NDArray[np.intp] = np.full(count, -1)
        self.z: Array = np.full(count, -np.inf)

    def add(self, one: Any, other: Any, z: Array) -> None:
        """Pairs of a tile: the numbers of their adapters, and φ's z; those of no z are passed over."""
        if not len(z):
            return
        least, beyond = (one.min(), other.min()), (one.max() + 1, other.max() + 1)
        grid = np.full((beyond[0] - least[0], beyond[1] - least[1]), -np.inf)
        grid[one - least[0], other - least[1]] = np.where(np.isnan(z), -np.inf, z)
        for first, second, found in ((0, 1, grid), (1, 0, grid.T)):
            best = found.argmax(1)
            own = np.take_along_axis(found, best[:, None], 1)[:, 0]
            at = slice(least[first], beyond[first])
            nearer = own > self.z[at]
            self.of[at] = np.where(nearer, best + least[second], self.of[at])
            self.z[at] = np.where(nearer, own, self.z[at])

    def among(self, adapters: set[int], above: float) -> set[int]:
        """Those of some adapters whose nearest, of a larger z than that, is one of those again.

        Example:
            >>> nearest = Nearest(4)
            >>> nearest.add(np.array([0, 0, 1]), np.array([1, 2, 3]), np.array([9.0, 5.0, 2.0]))
            >>> nearest.among({0, 1, 2}, 1.0), nearest.among({1, 2, 3}, 1.0)
            ({0, 1, 2}, set())
        """
        while True:
            kept = {k for k in adapters if self.of[k] in adapters and self.z[k] > above}
            if kept == adapters:
                return kept
            adapters = kept

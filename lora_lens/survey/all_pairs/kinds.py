"""What the closest of so many unrelated pairs has: pairs are counted by their moments under the null."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ...core.similarity.phi_by_chance import closest_by_chance
from ...labelled import Array, plain

_MOST_KINDS = 10_000


class Kinds:
    """How many pairs there are of each mean and deviation of φ; nothing once these are too many."""

    def __init__(self) -> None:
        self._counts: Counter[complex] | None = Counter()
        self._least: dict[complex, float] = {}

    def add(self, mean: Array, sd: Array, least: Array) -> None:
        """Some pairs: moments of φ under the null, and what it is at least."""
        if self._counts is None:
            return
        kinds, first, count = np.unique(
            (mean + 1j * sd).round(9), return_index=True, return_counts=True
        )
        self._counts.update(dict(zip(kinds.tolist(), count.tolist(), strict=True)))
        self._least.update(dict(zip(kinds.tolist(), least[first].tolist(), strict=True)))
        if len(self._counts) > _MOST_KINDS:
            self._counts = None

    def closest_by_chance(self) -> float | None:
        """z of the closest of so many unrelated pairs, in half of all surveys; None where it cannot be said."""
        if not self._counts:
            return None
        moments, count = np.array(list(self._counts)), np.array(list(self._counts.values()))
        if np.isnan(moments).any():
            return None
        least = np.array([self._least[kind] for kind in self._counts])
        z: float | None = plain(closest_by_chance(moments.real, moments.imag, count, least))
        return z

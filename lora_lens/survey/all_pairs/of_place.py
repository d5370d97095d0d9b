"""Means over the pairs of one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...labelled import Array, plain


class OfPlace:
    """Sums over the pairs of one place and matrix.

    Args:
        adapters: How many there are.
        nulls: Names of the nulls that a row has; of those that are not added it has None.
    """

    def __init__(self, adapters: int, nulls: Sequence[str]) -> None:
        self.count = 0
        self._nulls = nulls
        self._paired = np.zeros(adapters, dtype=bool)
        self._sums: dict[str, float] = {}

    def add(self, one: Any, other: Any, found: dict[str, Array]) -> None:
        """Some pairs: the numbers of their adapters, φ and its moments under each null."""
        self._paired[one] = self._paired[other] = True
        self.count += len(found["phi"])
        for name, values in found.items():
            more = float((values**2 if name.endswith("_sd") else values).sum())
            self._sums[name] = self._sums.get(name, 0.0) + more

    def row(self) -> dict[str, Any]:
        """Means; unrelated pairs' φ are uncorrelated, so the deviation of their mean is known."""
        found: dict[str, Any] = {
            "adapters": int(self._paired.sum()), "pairs": self.count, "phi": self._sums["phi"] / self.count
        }  # fmt: skip
        for null in self._nulls:
            found[f"{null}_mean"] = plain(self._sums.get(f"{null}_mean", np.nan) / self.count)
        sd = self._sums.get("gaussian_sd", np.nan) ** 0.5 / self.count
        found["gaussian_sd"] = plain(sd)
        found["gaussian_z"] = (found["phi"] - found["gaussian_mean"]) / sd if sd > 0 else None
        return found

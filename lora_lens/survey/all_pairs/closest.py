"""The closest pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...labelled import Array

_MOST = 10


class Closest:
    """The ten pairs with the largest z so far."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, float, int, int]] = []

    def add(self, one: Any, other: Any, phi: Array, z: Array) -> None:
        """Some pairs: the numbers of their adapters, φ and its z; those of no z are passed over."""
        best = [k for k in np.argsort(-z, kind="stable")[:_MOST] if not np.isnan(z[k])]
        self._kept += [(float(z[k]), float(phi[k]), int(one[k]), int(other[k])) for k in best]
        self._kept = sorted(self._kept, key=lambda pair: -pair[0])[:_MOST]

    def found(self, names: Mapping[int, str]) -> list[tuple[str, str, float, float]]:
        """Two names, φ and z of each, the closest first."""
        return [(names[one], names[other], phi, z) for z, phi, one, other in self._kept]

"""z of `interference` and `merges` are of unrelated A and B, and scatter more widely where either are alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..show.layout import number

_NEARLY = 2.0  # φ over that of unrelated ones below which z is off by less than √2


def wider(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence for A and for B where φ of two is well above that of unrelated ones.

    Where A are alike and B unrelated, E⟨ΔW₁, ΔW₂⟩² is φ of A over that of unrelated ones times as large, where the
    singular values are of one size: in/r times where A are one and the same.

    Args:
        rows: Of the places, of `pairs`.

    Example:
        >>> row = {"matrix": "A", "phi": 0.96, "gaussian_mean": 0.02}
        >>> print(*wider([row]))
        φ of A between two is 0.960, of unrelated ones 0.020: z of interference and merges, which are of unrelated A and B, scatter about 6.9 times as widely by that alone
        >>> wider([row | {"phi": 0.03}])
        []
    """
    said = []
    for matrix in ("A", "B"):
        some = [row for row in rows if row["matrix"] == matrix]
        if not some:
            continue
        phi, chance = (
            float(np.mean([row[name] for row in some])) for name in ("phi", "gaussian_mean")
        )
        if phi > _NEARLY * chance:
            times = number(math.sqrt(phi / chance), 1)
            said.append(
                f"φ of {matrix} between two is {number(phi)}, of unrelated ones {number(chance)}: z of interference and "
                f"merges, which are of unrelated A and B, scatter about {times} times as widely by that alone"
            )
    return said

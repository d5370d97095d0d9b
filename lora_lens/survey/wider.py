"""z of `interference` and `merges` are of unrelated A and B, and may scatter more widely where either are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..show.layout import number

_ALIKE = 2.0  # φ over that of unrelated ones: z scatter √2 times as widely then, of singular values of one size


def wider(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A sentence for A and for B where φ of two is well above that of unrelated ones.

    Where A are one and the same, of singular values of one size, and B unrelated, z have the deviation √(in/r); where
    the sizes differ, more or less, by what is shared.

    Args:
        rows: Of the places, of `pairs`.

    Example:
        >>> row = {"matrix": "A", "phi": 0.96, "gaussian_mean": 0.02}
        >>> print(*wider([row]))
        φ of A between two is 0.960, of unrelated ones 0.020: z of interference and merges are of unrelated A and B, may scatter more widely by that alone, and are no test here
        >>> list(wider([row | {"phi": 0.03}]))
        []
    """
    for matrix in ("A", "B"):
        some = [row for row in rows if row["matrix"] == matrix]
        if not some:
            continue
        phi, chance = (
            float(np.mean([row[name] for row in some])) for name in ("phi", "gaussian_mean")
        )
        if phi > _ALIKE * chance:
            yield (
                f"φ of {matrix} between two is {number(phi)}, of unrelated ones {number(chance)}: z of interference and "
                f"merges are of unrelated A and B, may scatter more widely by that alone, and are no test here"
            )

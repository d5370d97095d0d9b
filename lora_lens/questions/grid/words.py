"""What is seen in φ(i, j)."""

from __future__ import annotations

import math

import numpy as np

from ...show.layout import LABELS, number
from .result import RankGrids


def summary(result: RankGrids) -> str:
    """φ of the top directions and of the whole subspaces, means over the layers, beside chance."""
    parts = []
    for matrix, side in result.kinds:
        grids = result.of(matrix, side)
        top, whole = (float(np.mean([g.values[k, k] for g in grids])) for k in (0, -1))
        chance_top, chance = (
            float(np.mean([g.gaussian_mean[k, k] for g in grids])) for k in (0, -1)
        )
        share = f"φ(1, 1) is {number(top)} (by chance {number(chance_top)})"
        angle = (
            math.nan if not len(grids[0].angles) else float(np.mean([g.angles[0] for g in grids]))
        )
        parts.append(
            f"{LABELS[matrix]} ({side}): {share}, over the whole subspaces {number(whole)} "
            f"({number(chance)}), smallest angle {angle:.0f}°"
        )
    return f"Mean over the layers. {'; '.join(parts)}."

"""A number a layer, and how alike two such profiles are over the layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Profile = NDArray[np.float64]


class Likeness(NamedTuple):
    """Pearson's correlation of two profiles and its two-sided p; NaN where there is none.

    p is Student's, exact for layers that are independent and normal. Layers next to each other are often
    alike, so that two profiles that both rise with depth have a small p for that alone.
    """

    r: float
    p: float


def likeness(one: Sequence[float] | Profile, other: Sequence[float] | Profile) -> Likeness:
    """The correlation over the layers; none for fewer than three, other numbers of layers, or a flat one.

    Example:
        >>> found = likeness([0.1, 0.2, 0.3, 0.5], [0.2, 0.2, 0.4, 0.5])
        >>> round(found.r, 3), round(found.p, 3)
        (0.943, 0.057)
    """
    if len(one) != len(other) or len(one) < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return Likeness(math.nan, math.nan)
    found = stats.pearsonr(np.asarray(one), np.asarray(other))
    return Likeness(float(found.statistic), float(found.pvalue))

"""A mean against a null, as cells of a row: what a layer×layer grid and a series of layers share."""

from __future__ import annotations

import numpy as np

from ..results import Significance
from .layout import NONE, beside, number, signed


def tested(test: Significance) -> list[str]:
    """Null mean, z, p, excess, and how many cells are above the null."""
    mean = test.of_mean
    found = NONE if np.isnan(test.p_bh).all() else f"{test.discoveries} of {test.tests}"
    return [
        beside(mean.mean, mean.sd) if test.tests else NONE,
        signed(mean.z, 1 if abs(mean.z) < 100 else 0),
        number(mean.p),
        signed(mean.excess, 3),
        found,
    ]


def columns_legend(what: str) -> str:
    """What those columns mean, where the cells are `what`."""
    return (
        f"± sd of that mean; p: share of draws that reach φ; excess: (φ − null)/(1 − null); {what}: "
        "those above the null at a false discovery rate of 0.05 (Benjamini-Hochberg)."
    )

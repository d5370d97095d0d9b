"""What a test of predicted shares that found less than all of them would have seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...show.findings import seen_in_80
from ..numbers.shares import Share


def missed(rows: Sequence[Share]) -> str:
    """Of rows that are not all beyond chance, which excess would have been, of any of them; else nothing."""
    reach = max(one.detectable for one in rows)
    if all(one.beyond for one in rows) or not np.isfinite(reach):
        return ""
    return seen_in_80(f"{reach:.3f}")

"""What a test of predicted shares that found less than all of them would have seen."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...show.findings import seen_in_80
from ..numbers.shares import Share


def missed(rows: Sequence[Share]) -> str:
    """Of rows that are not all beyond chance, which excess would have been, of any of them; else nothing."""
    seen = [one.detectable for one in rows if math.isfinite(one.detectable)]
    if not seen or all(one.beyond for one in rows):
        return ""
    return seen_in_80(f"{max(seen):.3f}")

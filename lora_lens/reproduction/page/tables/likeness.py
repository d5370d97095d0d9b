"""How alike two profiles over the layers are, as a table has it."""

from __future__ import annotations

import math

from ....show.layout import NONE, p_value
from ...numbers.profile import Likeness


def likeness_cells(found: Likeness) -> list[str]:
    """r and p; dashes where there is none."""
    if math.isnan(found.r):
        return [NONE, NONE]
    return [f"{found.r:+.2f}", p_value(found.p)]

"""What is seen in a run's checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...show.findings import Claim, Finding
from ...show.layout import LABELS
from ...show.wording import listed
from .result import MATRIX_AND_SIDE, DynamicsResult


def claims(_: DynamicsResult) -> list[Claim]:
    """None: it describes."""
    return []


def summary(result: DynamicsResult, _: Sequence[Finding]) -> str:
    """From where each subspace is near its end, φ above one half. A description: nothing is tested.

    The end point itself is as near as can be, and tells nothing.
    """
    others = [name not in (result.end, *result.twins) for name in result.names]
    parts, never = [], []
    for space, grid in result.to_end.items():
        matrix, side = MATRIX_AND_SIDE[space]
        means = np.array([np.nan if np.isnan(row).all() else np.nanmean(row) for row in grid])
        near = np.flatnonzero((means > 0.5) & others)
        what = f"{LABELS[matrix]} ({side})"
        if len(near):
            parts.append(f"{what} from step {result.label(int(near[0]))}")
        else:
            never.append(what)
    if never:
        parts.append(f"{listed(never)} at no checkpoint but the end point itself")
    return (
        f"{result.module}: φ to the end point, mean over the layers, is above one half for "
        f"{'; '.join(parts)}."
    )

"""What is seen in φ between many adapters."""

from __future__ import annotations

import numpy as np

from ...chance.significance import LEVEL
from ...show.layout import LABELS
from .result import MatrixResult


def summary(result: MatrixResult) -> str:
    """The closest pair, how many pairs are above chance, and the clusters."""
    (one, other), *_ = result.closest(1)
    pairs = len(result.pairs()[0])
    text = (
        f"{LABELS[result.matrix]} of {result.module}: the closest of {len(result)} adapters are "
        f"{result.names[one]} and {result.names[other]} (mean φ {result.values[one, other]:.3f}, where "
        f"unrelated subspaces give {result.gaussian_mean[one, other]:.3f})"
    )
    p = result.p_bh[result.pairs()]
    if not np.isnan(p).any():
        found = int((p <= LEVEL).sum())
        text += f"; {found} of {pairs} pairs are above that after Benjamini-Hochberg at {LEVEL}"
    clusters = len(set(result.clusters))
    return f"{text}; {clusters} cluster{'' if clusters == 1 else 's'}."

"""What is seen in φ between two adapters."""

from __future__ import annotations

from ...results import ComparisonResult
from ...results.significance import LEVEL
from ..layout import LABELS, signed
from .wording import listed


def comparison_sentence(result: ComparisonResult) -> str:
    """φ between two adapters by layer, against the Gaussian baseline."""
    series = list(result.values())
    nulls = {f"{one.baseline.mean:.3f} ± {one.baseline.sd:.3f}": None for one in series}
    means = listed([f"{one.mean:.3f} for {LABELS[one.matrix]}" for one in series])
    text = (
        f"the two adapters, {result.module}: mean φ over the layers is {means}, where unrelated "
        f"subspaces give {listed(list(nulls))} in a layer"
    )
    if series[0].baseline.samples is None:
        return f"{text}."
    found = listed([str(one.significance.discoveries) for one in series])
    excess = listed([signed(one.significance.of_mean.excess, 3) for one in series])
    p = listed([f"{one.significance.of_mean.p:.3f}" for one in series])
    return (
        f"{text}: excess {excess}, p = {p}; {found} of {len(result.layers)} layers are above that "
        f"after Benjamini-Hochberg at {LEVEL}."
    )

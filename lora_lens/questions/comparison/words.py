"""What is seen in φ between two adapters."""

from __future__ import annotations

from collections.abc import Sequence

from ...chance.significance import LEVEL
from ...show.layout import LABELS, signed
from ...show.wording import listed
from .result import ComparisonResult, LayerSeries


def summary(result: ComparisonResult) -> str:
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
    text += f": {_tests(series, 'gaussian')}"
    if all(one.significance.findable for one in series):
        found = listed([str(one.significance.discoveries) for one in series])
        text += f"; {found} of {len(result.layers)} layers are above that after Benjamini-Hochberg at {LEVEL}"
    if all("mismatched" in one.tests for one in series):
        means = listed([f"{one.tests['mismatched'].of_mean.mean:.3f}" for one in series])
        text += f". With the other's layers shuffled it is {means} on average: {_tests(series, 'mismatched')}"
    return f"{text}."


def _tests(series: Sequence[LayerSeries], null: str) -> str:
    means = [one.tests[null].of_mean for one in series]
    excess = listed([signed(mean.excess, 3) for mean in means])
    return f"excess {excess}, p = {listed([f'{mean.p:.3f}' for mean in means])}"

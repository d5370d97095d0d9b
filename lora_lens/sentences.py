"""Results → what is seen in them, in plain sentences that claim no more than the numbers do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .results import ComparisonResult, LayerGrid, SimilarityResult
from .tables.layout import LABELS

_CLEAR = 3.0  # deviations of the null's mean beyond which a mean is called higher or lower


def similarity_sentences(result: SimilarityResult) -> list[str]:
    """One sentence a matrix: φ off the diagonal against both baselines."""
    if len(result.layers) == 1:
        return [f"{result.module} is adapted in one layer only, so no layers can be compared."]
    return [_grid_sentence(result, grid) for grid in result.values()]


def _grid_sentence(result: SimilarityResult, grid: LayerGrid) -> str:
    start = f"{LABELS[grid.matrix]} conversions of {result.module} ({result.method}, {grid.convention}): "
    if grid.values.min() > 1 - 1e-5:
        return start + "φ is 1 between all layers, as one shared θ makes it."
    gaussian = grid.baseline_mean("gaussian")
    text = f"{start}mean φ between layers is {grid.mean:.3f}, against {gaussian:.3f} for unrelated subspaces"
    propagated = grid.baselines.get("propagated")
    if propagated is None:
        return text + "."
    expected = grid.baseline_mean("propagated")
    return (
        f"{text} and {expected:.3f} ± {propagated.mean_sd:.3f} for random factors sent through the "
        f"same W0; {_verdict(grid.mean, expected, propagated.mean_sd)}."
    )


def _verdict(mean: float, expected: float, sd: float) -> str:
    if sd == 0:
        return "this null does not vary, so it tells nothing"
    z = (mean - expected) / sd
    if z > _CLEAR:
        return f"the trained factors are more alike than W0 alone makes them, by {z:.1f} deviations"
    if z < -_CLEAR:
        return (
            f"the trained factors are less alike than W0 alone makes them, by {-z:.1f} deviations"
        )
    return f"W0 alone accounts for it ({z:+.1f} deviations)"


def comparison_sentences(result: ComparisonResult) -> Iterator[str]:
    """One sentence a matrix: φ over layers against the Gaussian baseline."""
    for matrix, series in result.items():
        mean, sd = float(series.baseline.mean), float(series.baseline.sd)
        above = int(np.sum(series.values > mean + _CLEAR * sd))
        yield (
            f"{LABELS[matrix]} of {result.module}: φ between the two adapters is {series.mean:.3f} on "
            f"average (from {series.values.min():.3f} to {series.values.max():.3f}), against "
            f"{mean:.3f} ± {sd:.3f} for unrelated subspaces; {above} of {len(series.layers)} layers "
            f"are above that by more than {_CLEAR:.0f} deviations."
        )

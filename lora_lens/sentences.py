"""Results → what is seen in them, in plain sentences that claim no more than the numbers do."""

from __future__ import annotations

import numpy as np

from .results import ComparisonResult, LayerGrid, LayerSeries, SimilarityResult
from .tables.layout import LABELS

_CLEAR = 3.0  # deviations of a null beyond which a number is called higher or lower
_ONE = 1 - 1e-5


def similarity_sentence(result: SimilarityResult) -> str:
    """φ between layers of every matrix, against both baselines."""
    start = f"{result.method} {result.module}, convention {result.convention}:"
    if len(result.layers) == 1:
        return f"{start} one layer only, so no layers can be compared."
    alike = [LABELS[matrix] for matrix, grid in result.items() if grid.values.min() > _ONE]
    parts = (
        [f"φ between all layers is 1 for {_listed(alike)}, as one shared θ makes it"]
        if alike
        else []
    )
    parts += [_of_grid(grid) for grid in result.values() if grid.values.min() <= _ONE]
    return f"{start} {'; '.join(parts)}."


def _of_grid(grid: LayerGrid) -> str:
    gaussian = grid.baseline_mean("gaussian")
    text = (
        f"mean φ between layers is {grid.mean:.3f} for {LABELS[grid.matrix]}, against "
        f"{gaussian:.3f} for unrelated subspaces"
    )
    propagated = grid.baselines.get("propagated")
    if propagated is None:
        return text
    expected = grid.baseline_mean("propagated")
    return (
        f"{text} and {expected:.3f} ± {propagated.mean_sd:.3f} for random factors through the same "
        f"W0: {_verdict(grid.mean, expected, propagated.mean_sd)}"
    )


def _verdict(mean: float, expected: float, sd: float) -> str:
    if sd == 0:
        return "this null does not vary, so it tells nothing"
    z = (mean - expected) / sd
    if z > _CLEAR:
        return f"more alike than W0 alone makes them ({z:+.1f} deviations)"
    if z < -_CLEAR:
        return f"less alike than W0 alone makes them ({z:+.1f} deviations)"
    return f"no more than W0 alone makes them ({z:+.1f} deviations)"


def comparison_sentence(result: ComparisonResult) -> str:
    """φ between two adapters by layer, against the Gaussian baseline."""
    parts = [_of_series(series) for series in result.values()]
    return f"the two adapters, {result.module}: {'; '.join(parts)}."


def _of_series(series: LayerSeries) -> str:
    mean, sd = float(series.baseline.mean), float(series.baseline.sd)
    above = int(np.sum(series.values > mean + _CLEAR * sd))
    return (
        f"φ of {LABELS[series.matrix]} is {series.mean:.3f} on average ({series.values.min():.3f} to "
        f"{series.values.max():.3f}; unrelated subspaces {mean:.3f} ± {sd:.3f}), clearly above chance "
        f"in {above} of {len(series.layers)} layers"
    )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

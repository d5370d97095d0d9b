"""Results → what is seen in them, in plain sentences that claim no more than the numbers do."""

from __future__ import annotations

import numpy as np

from .results import ComparisonResult, LayerGrid, LayerSeries, SimilarityResult
from .tables.layout import LABELS

_CLEAR = 3.0  # deviations of a null beyond which a number is called higher or lower
_ONE = 1 - 1e-5


def similarity_sentence(result: SimilarityResult) -> str:
    """φ between layers of every matrix, against both baselines; matrices of one null together."""
    start = f"{result.method} {result.module}, convention {result.convention}:"
    if len(result.layers) == 1:
        return f"{start} one layer only, so no layers can be compared."
    alike = [LABELS[matrix] for matrix, grid in result.items() if grid.values.min() > _ONE]
    parts = (
        [f"φ between all layers is 1 for {_listed(alike)}, as one shared θ makes it"]
        if alike
        else []
    )
    groups: dict[str, list[LayerGrid]] = {}
    for grid in result.values():
        if grid.values.min() <= _ONE:
            groups.setdefault(_null(grid), []).append(grid)
    parts += [_of_grids(null, grids) for null, grids in groups.items()]
    return f"{start} {'; '.join(parts)}."


def _null(grid: LayerGrid) -> str:
    text = f"unrelated subspaces give {grid.baseline_mean('gaussian'):.3f}"
    propagated = grid.baselines.get("propagated")
    if propagated is None:
        return text
    mean = grid.baseline_mean("propagated")
    return (
        f"{text} and random factors through the same W0 give {mean:.3f} ± {propagated.mean_sd:.3f}"
    )


def _of_grids(null: str, grids: list[LayerGrid]) -> str:
    means = _listed([f"{grid.mean:.3f} for {LABELS[grid.matrix]}" for grid in grids])
    text = f"mean φ between layers is {means}, where {null}"
    if "propagated" not in grids[0].baselines:
        return text
    verdicts: dict[str, list[str]] = {}
    for grid in grids:
        verdict, z = _verdict(grid)
        verdicts.setdefault(verdict, []).append(f"{LABELS[grid.matrix]} ({z})")
    found = "; ".join(
        f"{_listed(names)} {'is' if len(names) == 1 else 'are'} {verdict}"
        for verdict, names in verdicts.items()
    )
    return f"{text}. In deviations from that, {found}"


def _verdict(grid: LayerGrid) -> tuple[str, str]:
    sd = grid.baselines["propagated"].mean_sd
    if sd == 0:
        return "beyond telling, for the null does not vary", "–"
    z = (grid.mean - grid.baseline_mean("propagated")) / sd
    if z > _CLEAR:
        return "more alike than W0 alone makes them", f"{z:+.1f}"
    if z < -_CLEAR:
        return "less alike than W0 alone makes them", f"{z:+.1f}"
    return "no more alike than W0 alone makes them", f"{z:+.1f}"


def comparison_sentence(result: ComparisonResult) -> str:
    """φ between two adapters by layer, against the Gaussian baseline."""
    series = list(result.values())
    nulls = {f"{one.baseline.mean:.3f} ± {one.baseline.sd:.3f}": None for one in series}
    means = _listed([f"{one.mean:.3f} for {LABELS[one.matrix]}" for one in series])
    above = _listed([str(_above(one)) for one in series])
    return (
        f"the two adapters, {result.module}: mean φ over the layers is {means}, where unrelated "
        f"subspaces give {_listed(list(nulls))} in a layer; {above} of {len(result.layers)} layers are "
        f"above that by more than {_CLEAR:.0f} deviations."
    )


def _above(series: LayerSeries) -> int:
    baseline = series.baseline
    return int(np.sum(series.values > np.asarray(baseline.mean) + _CLEAR * np.asarray(baseline.sd)))


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

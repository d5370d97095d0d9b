"""Results → what is seen in them, in plain sentences that claim no more than the numbers do."""

from __future__ import annotations

import numpy as np

from .results import ComparisonResult, LayerGrid, Significance, SimilarityResult
from .results.significance import LEVEL
from .tables.layout import LABELS, signed

_BELOW = (
    -3.0
)  # deviations of a null under which a mean is called lower: the tests are of the upper tail
_ONE = 1 - 1e-5


def similarity_sentence(result: SimilarityResult) -> str:
    """φ between layers of every matrix, against both baselines; matrices of one null together."""
    start = f"{result.method} {result.module}, convention {result.convention}:"
    if len(result.layers) == 1:
        return f"{start} one layer only, so no layers can be compared."
    alike = [LABELS[matrix] for matrix, grid in result.items() if grid.values.min() > _ONE]
    parts = (
        [f"φ between all layers is 1 for {_listed(alike)}, {_why_alike(result)}"] if alike else []
    )
    groups: dict[str, list[LayerGrid]] = {}
    for grid in result.values():
        if grid.values.min() <= _ONE:
            groups.setdefault(_null(grid), []).append(grid)
    parts += [_of_grids(null, grids) for null, grids in groups.items()]
    return f"{start} {'; '.join(parts)}."


def _why_alike(result: SimilarityResult) -> str:
    if result.side == "right" and result.method == "lora":
        return "as it is on the right side when all singular vectors are taken"
    return "as one shared θ makes it"


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
        verdict, numbers = _verdict(grid.significance["propagated"])
        verdicts.setdefault(verdict, []).append(f"{LABELS[grid.matrix]} ({numbers})")
    found = "; ".join(
        f"{_listed(names)} {'is' if len(names) == 1 else 'are'} {verdict}"
        for verdict, names in verdicts.items()
    )
    return f"{text}. Against that, {found}"


def _verdict(test: Significance) -> tuple[str, str]:
    mean = test.of_mean
    if np.isnan(mean.z):
        return "beyond telling, for the null does not vary", "–"
    numbers = f"excess {signed(mean.excess, 3)}, p = {mean.p:.3f}"
    if test.discoveries or mean.p <= LEVEL:
        numbers += f", {_found(test)} pairs after Benjamini-Hochberg at {LEVEL}"
    if mean.p <= LEVEL:
        return "more alike than W0 alone makes them", numbers
    if mean.z < _BELOW:
        return "less alike than W0 alone makes them", f"z = {mean.z:.1f}, {numbers}"
    return "no more alike than W0 alone makes them", numbers


def _found(test: Significance) -> str:
    return f"{test.discoveries} of {test.tests}"


def comparison_sentence(result: ComparisonResult) -> str:
    """φ between two adapters by layer, against the Gaussian baseline."""
    series = list(result.values())
    nulls = {f"{one.baseline.mean:.3f} ± {one.baseline.sd:.3f}": None for one in series}
    means = _listed([f"{one.mean:.3f} for {LABELS[one.matrix]}" for one in series])
    text = (
        f"the two adapters, {result.module}: mean φ over the layers is {means}, where unrelated "
        f"subspaces give {_listed(list(nulls))} in a layer"
    )
    if series[0].baseline.samples is None:
        return f"{text}."
    found = _listed([str(one.significance.discoveries) for one in series])
    excess = _listed([signed(one.significance.of_mean.excess, 3) for one in series])
    p = _listed([f"{one.significance.of_mean.p:.3f}" for one in series])
    return (
        f"{text}: excess {excess}, p = {p}; {found} of {len(result.layers)} layers are above that "
        f"after Benjamini-Hochberg at {LEVEL}."
    )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

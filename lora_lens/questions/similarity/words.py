"""What is seen in φ between layers."""

from __future__ import annotations

import numpy as np

from ...chance.significance import LEVEL, Significance
from ...show.layout import LABELS, signed
from ...show.wording import (
    AS_TOLD,
    BELOW,
    ONE,
    TOO_FEW,
    listed,
    too_few,
)
from .result import LayerGrid, SimilarityResult


def summary(result: SimilarityResult) -> str:
    """φ between layers of every matrix, against both baselines; matrices of one null together."""
    start = f"{result.method} {result.module}, convention {result.convention}:"
    if len(result.layers) == 1:
        return f"{start} one layer only, so no layers can be compared."
    alike = [LABELS[matrix] for matrix, grid in result.items() if grid.values.min() > ONE]
    parts = (
        [f"φ between all layers is 1 for {listed(alike)}, {_why_alike(result)}"] if alike else []
    )
    groups: dict[str, list[LayerGrid]] = {}
    for grid in result.values():
        if grid.values.min() <= ONE:
            groups.setdefault(_null(grid), []).append(grid)
    parts += [_of_grids(null, grids) for null, grids in groups.items()]
    return f"{start} {'; '.join(parts)}."


def _why_alike(result: SimilarityResult) -> str:
    if result.side == "right" and not result.from_w0:
        return "as it is on the right side when all singular vectors are taken"
    return "as one shared θ makes it"


def _null(grid: LayerGrid) -> str:
    given = []
    if "gaussian" in grid.baselines:
        given.append(f"unrelated subspaces give {grid.baseline_mean('gaussian'):.3f}")
    if (propagated := grid.baselines.get("propagated")) is not None:
        mean = grid.baseline_mean("propagated")
        given.append(
            f"random factors through the same W0 give {mean:.3f} ± {propagated.mean_sd:.3f}"
        )
    return " and ".join(given)


def _of_grids(null: str, grids: list[LayerGrid]) -> str:
    means = listed([f"{grid.mean:.3f} for {LABELS[grid.matrix]}" for grid in grids])
    text = f"mean φ between layers is {means}" + (f", where {null}" if null else "")
    if "propagated" not in grids[0].baselines:
        return text
    verdicts: dict[str, list[str]] = {}
    for grid in grids:
        verdict, numbers = _verdict(
            grid.significance["propagated"], grid.baselines["propagated"].draws
        )
        verdicts.setdefault(verdict, []).append(f"{LABELS[grid.matrix]} ({numbers})")
    found = "; ".join(
        f"{listed(names)} {'is' if len(names) == 1 else 'are'} {verdict}"
        for verdict, names in verdicts.items()
    )
    return f"{text}. Against that, {found}"


def _verdict(test: Significance, draws: int | None) -> tuple[str, str]:
    mean = test.of_mean
    if np.isnan(mean.z):
        return "beyond telling, for the null does not vary", "–"
    numbers = f"excess {signed(mean.excess, 3)}, p = {mean.p:.3f}"
    if test.findable and (test.discoveries or mean.p <= LEVEL):
        numbers += f", {_found(test)} pairs after Benjamini-Hochberg at {LEVEL}"
    if mean.p <= LEVEL:
        return "more alike than W0 alone makes them", numbers
    if mean.z < BELOW:
        return "less alike than W0 alone makes them", f"z = {mean.z:.1f}, {numbers}"
    if too_few(draws, LEVEL):
        return TOO_FEW, numbers
    return f"no more alike than W0 alone makes them{AS_TOLD}", numbers


def _found(test: Significance) -> str:
    return f"{test.discoveries} of {test.tests}"

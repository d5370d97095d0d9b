"""What is seen in φ between layers: sizes, beside random factors'; no verdict.

φ between layers describes, and whether layers share anything is said by `shared` alone. No null of φ that goes without an
SVD of every W0 keeps its level (``flipped``, which takes one, does). Factors along each W0's own leading singular
directions share nothing, and are told from random ones all the same (MiniLM's value: φ of B is .021, the propagated null
.056 ± .003); and what layers do share is mostly missed, for W0⁻¹ blows up the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...chance.p_values import RESOLUTION
from ...show.findings import PHI
from ...show.layout import LABELS
from ...show.wording import ONE, each, listed, same_phi
from .result import LayerGrid, SimilarityResult

_DESCRIBES = "this is no test of sharing (`shared` is): φ moves with where factors lie on W0's singular directions"
_RANDOM = ("gaussian", "propagated", "equivalent")  # nulls of factors that share nothing
# Planted in MiniLM's value modules, such a layer is found in 5 % of cases.
_BLIND_FLIPS = (
    "; without a ridge flips can miss a shared layer that makes nine tenths of every factor"
)
_BLIND = ", and can miss a shared layer that makes nine tenths of every factor"


def distinct(result: SimilarityResult) -> dict[str, LayerGrid]:
    """The grids without BA's where its numbers are B's, as they are at i = j = r on the left side."""
    return {m: grid for m, grid in result.items() if not is_b(m, result)}


def is_b(matrix: str, result: SimilarityResult) -> bool:
    """Whether this is BA and its numbers are B's."""
    both = matrix == "BA" and "B" in result
    return both and same_phi(result["BA"].values, result["B"].values)


def summary(result: SimilarityResult) -> str:
    """How alike conversions are across layers, beside what random factors give."""
    if len(result.layers) == 1:
        return f"{result.module}: one layer only, so no layers can be compared."
    ones = {LABELS[matrix]: grid for matrix, grid in result.items() if grid.values.min() > ONE}
    alike = list(ones)
    parts = [
        f"φ between all layers is 1 for {listed(names)}, {why}"
        for why in dict.fromkeys(_why_alike(result, grid) for grid in ones.values())
        if (names := [name for name, grid in ones.items() if _why_alike(result, grid) == why])
    ]
    if rest := [one for one in distinct(result).values() if LABELS[one.matrix] not in alike]:
        tested = [one for one in rest if _varies(one.flips_sd)]
        parts += [_means(rest), _flipped(tested) if tested else _DESCRIBES]
        if not result.ridge:
            parts[-1] += _BLIND_FLIPS if tested else _BLIND
    return f"{result.module}: {'; '.join(parts)}."


def _means(grids: Sequence[LayerGrid]) -> str:
    """Each matrix's mean φ, its size in words, and the propagated null's."""
    nulls = [_null(grid) for grid in grids]
    digits = max(_digits(sd) for _, sd in nulls)
    sizes = [_size(grid.mean, *_beside(grid)) for grid in grids]
    apart = len(set(sizes)) > 1
    means = listed(
        [
            f"{grid.mean:.{digits}f} for {LABELS[grid.matrix]}" + (size if apart else "")
            for grid, size in zip(grids, sizes, strict=True)
        ]
    )
    text = f"mean φ between layers, from 0 to 1, is {means}" + ("" if apart else sizes[0])
    known = [f"{mean:.{digits}f}{_spread(sd, digits)}" for mean, sd in nulls if np.isfinite(mean)]
    if not known:
        beside = any(_varies(grid.flips_sd) for grid in grids)
        return text if beside else f"{text}, with no random factors drawn to set beside it"
    return f"{text}, and random factors through the same W0 give {each(known)}"


def _flipped(grids: Sequence[LayerGrid]) -> str:
    """What the same factors give when they are turned on W0's singular directions: the one null that tests sharing."""
    tests = [grid.significance["flipped"].of_mean for grid in grids]
    p = [f"{test.p:.2g}" for test in tests]
    digits = max(_digits(test.sd) for test in tests)
    given = [f"{test.mean:.{digits}f}{_spread(test.sd, digits)}" for test in tests]
    alone = ", each by itself" if len(p) > 1 else ""
    return f"the same factors, turned on their own W0's singular directions, give {each(given)} (p = {each(p)}{alone})"


def _size(mean: float, chance: float, sd: float) -> str:
    """φ's size in words, but where random factors have it too, and are not merely nearly orthogonal.

    A mean that random factors scatter to has their word: on both sides of a word's edge it would have two.
    """
    word = PHI.word(chance if _varies(sd) and abs(mean - chance) <= 2 * sd else mean)
    as_random = bool(np.isfinite(chance)) and PHI.word(chance) == word != PHI.word(0.0)
    return "" if as_random else f" ({word})"


def _null(grid: LayerGrid) -> tuple[float, float]:
    """The propagated null's mean over the pairs of layers, and its deviation if it was drawn; NaN without it."""
    tests = grid.significance
    test = tests.get("propagated", tests.get("equivalent"))
    return (math.nan, math.nan) if test is None else (test.of_mean.mean, test.of_mean.sd)


def _beside(grid: LayerGrid) -> tuple[float, float]:
    """The same of flips where nothing random was drawn."""
    null = _null(grid)
    if np.isfinite(null[0]) or "flipped" not in grid.significance:
        return null
    test = grid.significance["flipped"].of_mean
    return test.mean, test.sd


def _digits(sd: float) -> int:
    """Decimals that show a deviation to one digit, three at least."""
    return max(3, math.ceil(-math.log10(sd))) if _varies(sd) else 3


def _spread(sd: float, digits: int) -> str:
    return f" ± {sd:.{digits}f}" if _varies(sd) else ""


def _varies(sd: float) -> bool:
    """Whether a null's deviation is one, and no rounding error."""
    return bool(np.isfinite(sd)) and sd > RESOLUTION


def _why_alike(result: SimilarityResult, grid: LayerGrid) -> str:
    if result.side == "right" and not result.from_w0:
        return "as it is on the right side when all singular vectors are taken"
    random = (grid.baseline_mean(null) for null in _RANDOM if null in grid.baselines)
    if result.side == "left" and max(random, default=0.0) > ONE:
        return "as it is of any factors whose rank is the whole space's dimension"
    if "flipped" in grid.baselines and grid.baseline_mean("flipped") > ONE:
        return "as it is of the same factors turned on their own W0's singular directions"
    return "as one shared θ makes it"

"""What is seen in φ between layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...chance.verdict import Trial
from ...show.findings import PHI, Claim, Finding, told
from ...show.layout import LABELS
from ...show.wording import ONE, listed
from .result import LayerGrid, SimilarityResult

_SAME = 1e-6  # φ in float32's resolution
_PATTERN = (
    "the conversion matrices of {names} are {degree} alike across layers than W0 alone makes them"
)
# Planted in MiniLM's value modules, such a layer is found in 5 % of cases.
_BLIND = (
    "this test can miss even a shared layer that makes nine tenths of every factor, for W0⁻¹ blows up the "
    "rest: `shared` asks in a form that can see it"
)


def claims(result: SimilarityResult) -> list[Claim]:
    """Mean φ of every matrix against the propagated null, the one that knows W0; BA once where it is B."""
    return list(_claims(result))


def _claims(result: SimilarityResult) -> Iterator[Claim]:
    for matrix, grid in distinct(result).items():
        test = grid.significance.get("propagated")
        if test is None or not np.isfinite(test.of_mean.z):
            continue
        mean, draws = test.of_mean, grid.baselines["propagated"].draws or 0
        trial = Trial(grid.mean, mean.mean, mean.sd, mean.p_two_sided, draws)
        about = f"{LABELS[matrix]}'s conversion matrices alike across layers (mean φ)"
        yield Claim(about, LABELS[matrix], PHI, "propagated", trial)


def distinct(result: SimilarityResult) -> dict[str, LayerGrid]:
    """The grids without BA's where its numbers are B's, as they are at i = j = r on the left side."""
    return {m: grid for m, grid in result.items() if not is_b(m, result)}


def is_b(matrix: str, result: SimilarityResult) -> bool:
    """Whether this is BA and its numbers are B's."""
    return (
        matrix == "BA"
        and "B" in result
        and np.allclose(result[matrix].values, result["B"].values, rtol=0, atol=_SAME)
    )


def summary(result: SimilarityResult, findings: Sequence[Finding]) -> str:
    """Whether conversions are alike across layers, beside what W0 alone makes."""
    if len(result.layers) == 1:
        return f"{result.module}: one layer only, so no layers can be compared."
    alike = [LABELS[matrix] for matrix, grid in result.items() if grid.values.min() > ONE]
    parts = []
    if alike:
        parts.append(f"φ between all layers is 1 for {listed(alike)}, {_why_alike(result)}")
    if some := [one for one in findings if one.label not in alike]:
        parts.append(told((some, _PATTERN)))
    said = {*alike, *(one.label for one in findings)}
    rest = [grid for grid in distinct(result).values() if LABELS[grid.matrix] not in said]
    if rest:
        parts.append(_untested(rest))
    if not result.ridge and any(one.word == "not seen" for one in findings):
        parts.append(_BLIND)
    return f"{result.module}: {'; '.join(parts)}."


def _untested(grids: Sequence[LayerGrid]) -> str:
    means = listed([f"{grid.mean:.3f} for {LABELS[grid.matrix]}" for grid in grids])
    varies = "propagated" not in grids[0].significance
    why = "no random factors were drawn" if varies else "random factors give it too"
    return f"mean φ between layers is {means}, which nothing can be said of, for {why}"


def _why_alike(result: SimilarityResult) -> str:
    if result.side == "right" and not result.from_w0:
        return "as it is on the right side when all singular vectors are taken"
    return "as one shared θ makes it"

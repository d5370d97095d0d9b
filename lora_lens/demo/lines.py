"""What the demo says of each result: a line of eighty columns at most, with the name before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..show.findings import Finding, short
from ..show.layout import p_text
from ..show.wording import ONE, listed

if TYPE_CHECKING:
    from ..questions.comparison.result import ComparisonResult
    from ..questions.shared.result import SharedResult
    from ..questions.similarity.result import SimilarityResult


def shared_line(result: SharedResult) -> str:
    """How much of a layer's factors the others' shared layer predicts, and what is chance."""
    found = {name: one.predicted for name, one in result.items() if one.predicted is not None}
    whole = all(one.share.min() > ONE for one in found.values())
    if whole and {one.word for one in result.findings} == {"more"}:
        return f"{result.module}: one shared layer gives all of {listed(list(found))}, as it is built to"
    shares = [f"{name} {100 * one.mean:.1f}" for name, one in found.items()]
    shares[0] = f"share of {shares[0]} %"
    chance = [f"{100 * one.nulls['flipped'].mean:.1f}" for one in found.values()]
    return f"{result.module}: {_beside(shares, chance)}: {_verdict(result.findings, percent=True)}"


def similarity_line(result: SimilarityResult) -> str:
    """φ of conversion matrices beside random factors through the same W0."""
    values = ", ".join(f"{name} {result[name].mean:.3f}" for name in ("A", "B"))
    null = result["B"].baseline_mean("propagated")
    return f"{result.module}: φ {values}; of random factors {null:.3f}; it decides nothing"


def comparison_line(result: ComparisonResult) -> str:
    """φ of the two adapters beside what W0's directions make of it."""
    values = [f"{name} {result[name].mean:.3f}" for name in ("A", "B")]
    chance = [f"{result[name].tests['flipped'].of_mean.mean:.3f}" for name in ("A", "B")]
    return f"{result.module}: φ {_beside(values, chance)}: {_verdict(result.findings)}"


def _beside(values: Sequence[str], chance: Sequence[str]) -> str:
    """Numbers, each with what is chance."""
    first, *others = zip(values, chance, strict=True)
    return ", ".join([f"{first[0]} (chance {first[1]})", *(f"{one} ({by})" for one, by in others)])


def _verdict(findings: Sequence[Finding], *, percent: bool = False) -> str:
    """Which are more or less than chance; where none is, the excess that would have been seen."""
    said = [one for one in findings if one.word != "not seen"]
    if said:
        both = len(said) == len(findings) == 2
        kinds = [
            f"{'both' if both and len(labels) == len(said) else listed(labels)} {word}"
            for word in ("more", "less")
            if (labels := [one.label for one in said if one.word == word])
        ]
        return f"{', '.join(kinds)}, {p_text(max(one.verdict.p for one in said))}"
    able = [one for one in findings if not one.hopeless]
    if not able:
        return findings[0].words
    most = max(one.verdict.detectable or 0.0 for one in able)
    return f"{able[0].degree}; +{f'{100 * most:.1f}' if percent else short(most)} would show"

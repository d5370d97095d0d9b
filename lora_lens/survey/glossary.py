"""What the words of a survey's tables mean, as ``--explain`` prints it; docs/survey.md has all of it."""

from __future__ import annotations

from collections.abc import Collection

_PHI = "φ: the mean squared cosine of the principal angles between two adapters' subspaces. 1: one holds the other; 0: orthogonal."
_CLUSTERS = (
    "clusters: average linkage of 1 − φ, or of 1 − excess where chance differs from pair to pair, cut where chance begins, or where a note says so at its largest gap. In none: no other adapter was joined to it before the cut. "
    "Not in the tree: it shares no place with some that are."
)
_PHI_OF_START = (
    "mean A, or start: φ of subspaces that have only what both hold of one common first A. start is what --start names; mean A, the "
    "span of the adapters' mean A, stands for it otherwise."
)
_DIRECTIONS_OF_START = " mean A, or start: of the common first A."
# By question, in the order of the tables.
_WORDS = {
    "pairs": (
        _PHI,
        "A, B: φ of A is of ΔW's inputs, of B of its outputs.",
        "gaussian: φ of unrelated subspaces; z: how many of its deviations φ is above that.",
        _PHI_OF_START,
        "mean adapter: φ of subspaces that have only what both hold of the leading singular vectors of the mean ΔW. No adapter is judged by a "
        "mean that it is in.",
        _CLUSTERS,
    ),
    "conversions": (
        _PHI,
        "propagated: φ that the same W0⁻¹ makes of random factors.",
        _CLUSTERS,
    ),
    "subspace": (
        "left out: the share of ΔW that k directions hold of adapters that did not help to find them, each half's asked about the other, mean over up to seven "
        "ways to halve them; ±: its deviation for how they were dealt. Every ΔW counts as of norm 1. chance: k/d, what any k hold. fitted: of those that did help, which is high of anything and no measure.",
        "right: directions of ΔW's inputs; left: of its outputs.",
        "shared: the best k of all. mean adapter: leading singular vectors of the mean ΔW. shared beside the mean: the best k of what is left when "
        f"that mean is taken from each.{_DIRECTIONS_OF_START} random adapters: the best k of as many with the same singular "
        "values and unrelated directions.",
    ),
    "outlying": (
        "far from the others: in log₁₀ of ‖ΔW‖_F, in the effective rank, or in the mean z of its φ with all others, at a place or, where the "
        "module is all, in the mean over all.",
        "robust z: deviations from the median, the deviation being 1.4826 times the median absolute one, which far adapters do not move. "
        "p (Holm): corrected over all adapters, places and quantities.",
    ),
    "interference": (
        "cross energy: (‖ΣΔW‖² − Σ‖ΔW‖²)/Σ‖ΔW‖² of the sum of all. 0: no one meets another; negative: they cancel. sd and z are of unrelated B, "
        "whatever these A have in common.",
    ),
}  # fmt: skip


def legend(questions: Collection[str], *, start: bool = True) -> tuple[str, ...]:
    """A line for each word of what was asked, each once.

    Args:
        questions: What was asked.
        start: Whether a start, or a mean A that stands for it, is in any of the tables.

    Example:
        >>> [line.partition(":")[0] for line in legend(["interference"])]
        ['place', 'cross energy']
    """
    asked = [line for name, lines in _WORDS.items() if name in questions for line in lines]
    if not start:
        asked = [line.replace(_DIRECTIONS_OF_START, "") for line in asked if line != _PHI_OF_START]
    return tuple(dict.fromkeys(("place: one module in one layer.", *asked)))

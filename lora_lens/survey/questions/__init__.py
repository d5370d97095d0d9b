"""What is asked of a place: one file a question, each of which sees every adapter once and every pair once.

Here is what a question is called and what it leaves, which loads nothing: those who only name questions need no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

FOR_ALL = ("adapters", "failed")  # tables of every survey


@dataclass(frozen=True)
class Named:
    """What is known of a question without asking it.

    Attributes:
        said: What it is about, in a line.
        tables: Names of the joined tables that it makes; two questions may share one.
    """

    said: str
    tables: tuple[str, ...]


QUESTIONS = {
    "spectrum": Named("norm and ranks of ΔW, adapter by adapter", ("spectrum",)),
    "pairs": Named(
        "φ of A (right) and of B (left) between every two adapters, beside its nulls",
        ("pairs", "places", "clusters"),
    ),
    "subspace": Named("how much of all adapters' ΔW k shared directions hold", ("subspace",)),
    "outlying": Named("which adapters lie far from the others", ("outlying",)),
    "interference": Named(
        "the energy of ΔW's cross terms, pair by pair and of all in one sum",
        ("interference", "merges"),
    ),
    "conversions": Named(
        "φ of the conversion matrices W0⁻¹Aᵀ and W0⁻¹B; needs W0",
        ("pairs", "places", "clusters"),
    ),
}
TABLES = tuple(
    dict.fromkeys((*FOR_ALL, *(table for one in QUESTIONS.values() for table in one.tables)))
)

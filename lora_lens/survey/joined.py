"""What the join of a survey's places has made, beside its files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .planning import Failed


@dataclass
class Joined:
    """What the last step has made.

    Attributes:
        files: Names of the tables' files.
        places: A row a place and matrix: φ over all pairs beside its nulls.
        clusters: Matrix to each adapter's cluster, in the order of `clustered`.
        clustered: Numbers of the adapters that are in the tree, by matrix.
        outlying: Rows of what lies far, corrected over all.
        subspace: Rows of all places.
        merges: A row a place: the sum of all adapters.
        closest: Matrix to the closest pairs: two names, φ and z.
        closest_by_chance: Matrix to the number of pairs, and the z that the closest of so many unrelated ones has in half
            of all surveys; None where too many of them differ to say, and of conversions.
        without: Adapters that have no subspace at a place, and why.
        notes: Sentences.
    """

    files: list[str] = field(default_factory=list)
    places: list[dict[str, Any]] = field(default_factory=list)
    clusters: dict[str, tuple[int, ...]] = field(default_factory=dict)
    clustered: dict[str, list[int]] = field(default_factory=dict)
    outlying: list[dict[str, Any]] = field(default_factory=list)
    subspace: list[dict[str, Any]] = field(default_factory=list)
    merges: list[dict[str, Any]] = field(default_factory=list)
    closest: dict[str, list[tuple[str, str, float, float]]] = field(default_factory=dict)
    closest_by_chance: dict[str, tuple[int, float | None]] = field(default_factory=dict)
    without: list[Failed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

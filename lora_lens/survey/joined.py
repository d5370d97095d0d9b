"""What the join of a survey's places has made, beside its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .all_pairs.phi import FoundPairs
from .families import Families
from .far import WhoIsFar
from .planning import Failed


@dataclass(frozen=True)
class Joined:
    """What the last step has made.

    Attributes:
        files: Names of the tables' files.
        pairs: Of each matrix.
        families: Clusters of each matrix of which there is a tree.
        outlying: What lies far, corrected over all; None where nobody was compared.
        subspace: Rows of all places.
        merges: A row a place: the sum of all adapters.
        without: Adapters that have no subspace at a place, and why.
        notes: Sentences.
    """

    files: tuple[str, ...] = ()
    pairs: tuple[FoundPairs, ...] = ()
    families: tuple[Families, ...] = ()
    outlying: WhoIsFar | None = None
    subspace: tuple[dict[str, Any], ...] = ()
    merges: tuple[dict[str, Any], ...] = ()
    without: tuple[Failed, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def has_phi(self) -> bool:
        """Whether two adapters have a φ anywhere, of whichever matrices."""
        of_far = self.outlying is not None and self.outlying.of_phi
        return of_far or any(one.count for one in self.pairs)

    @property
    def places(self) -> list[dict[str, Any]]:
        """A row a place and matrix: φ over all pairs beside its nulls."""
        return [row for one in self.pairs for row in one.places]

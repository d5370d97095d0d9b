"""Clusters by the names of their members, as tables for people and JSON have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .all_pairs.phi import FoundPairs


@dataclass(frozen=True)
class Families:
    """What the tree of one matrix has found, by name.

    Attributes:
        matrix: Which.
        clusters: Of two adapters or more, by their number in ``clusters.csv``.
        alone: In the tree, and in no cluster with another.
        outside: Not in the tree, as they share no place with some that are.
    """

    matrix: str
    clusters: dict[int, tuple[str, ...]]
    alone: tuple[str, ...]
    outside: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many are in the tree."""
        return sum(map(len, self.clusters.values())) + len(self.alone)

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "clusters": [
                {"cluster": number, "members": list(members)}
                for number, members in self.clusters.items()
            ],
            "in_none": list(self.alone),
            "not_in_the_tree": list(self.outside),
        }


def families_of(pairs: FoundPairs, names: Mapping[int, str]) -> Families | None:
    """Of one matrix; None where there is no tree.

    Args:
        pairs: Of the matrix.
        names: Number of an adapter to its name.
    """
    tree = pairs.tree
    if not tree.clusters:
        return None
    members: dict[int, list[str]] = {}
    for adapter, cluster in zip(tree.adapters, tree.clusters, strict=True):
        members.setdefault(cluster, []).append(names[adapter])
    return Families(
        pairs.matrix,
        {number: tuple(own) for number, own in sorted(members.items()) if len(own) > 1},
        tuple(own[0] for own in members.values() if len(own) == 1),
        tuple(names[adapter] for adapter in tree.outside),
    )

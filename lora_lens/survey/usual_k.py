"""Of which k shared directions are spoken, where there is room for one: as many as the adapters' usual rank."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any


def usual_rank(ranks: Iterable[int]) -> int:
    """That of most; of several that as many have the lowest, whoever comes first.

    Example:
        >>> usual_rank([4, 2, 2, 4, 8])
        2
    """
    counts = Counter(ranks)
    return min(counts, key=lambda rank: (-counts[rank], rank))


def by_k(rows: Sequence[dict[str, Any]], directions: str) -> dict[int, list[dict[str, Any]]]:
    """Rows of inputs' directions of one kind that say what these hold of adapters left out, by their number."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        if (row["side"], row["directions"]) == ("right", directions) and row[
            "left_out"
        ] is not None:
            found.setdefault(row["k"], []).append(row)
    return found


def usual_k(rows: Sequence[dict[str, Any]], rank: int) -> int:
    """The largest k not above the rank, or the least where all are; of those that most places have, and the mean adapter at as many.

    Args:
        rows: Of `subspace`, one at least.
        rank: The adapters' usual one.

    Example:
        >>> row = {"side": "right", "directions": "shared", "left_out": 0.5}
        >>> rows = [row | {"k": k} for k in (1, 2, 4, 8)]
        >>> usual_k(rows, 4), usual_k(rows, 6), usual_k(rows[3:], 6)
        (4, 4, 8)
    """
    places = {k: len(some) for k, some in by_k(rows, "shared").items()}
    of_mean = by_k(rows, "mean adapter")
    # A mean adapter has fewer directions than all of them together.
    of_both = {k: count for k, count in places.items() if len(of_mean.get(k, ())) == count}
    among = of_both or places or dict.fromkeys((row["k"] for row in rows), 1)
    most = [k for k, count in among.items() if count == max(among.values())]
    return max((k for k in most if k <= rank), default=min(most))

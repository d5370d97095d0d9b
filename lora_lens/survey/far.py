"""Who is far from the others, in words: with what would have been seen, and by which assumption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..chance.significance import LEVEL
from ..core.many_adapters.robust import FEWEST, least_far_z
from ..show.layout import counted, number
from .joined_outlying import alone

_SEEN = 10.0  # robust z that enough adapters are to show
_MANY = 1_000
HEAVY = (
    "adapters far from the others: the level is of quantities that are Gaussian among adapters of one law; where they have "
    "heavier tails, as where one direction of W0 outweighs the rest, more are named"
)


@dataclass(frozen=True)
class Outlying:
    """Who is far, made once for all that is said of it.

    Attributes:
        rows: Everybody, at every place.
        far: Those rows that are far, the farthest first.
        seen: What would have been seen, as `_seen` has it.
    """

    rows: Sequence[dict[str, Any]]
    far: Sequence[dict[str, Any]]
    seen: dict[str, Any]


def outlying_of(rows: Sequence[dict[str, Any]]) -> Outlying | None:
    """Of rows with p corrected over all; None of none."""
    return Outlying(rows, _far(rows), _seen(rows)) if rows else None


def _far(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those rows whose p is below the level, the farthest first."""
    found = [row for row in rows if row["p_holm"] is not None and row["p_holm"] <= LEVEL]
    return sorted(found, key=lambda row: (row["p_holm"], -abs(row["z"])))


def _seen(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """From which robust z on one alone would be called far, among how many, and how many would do.

    Returns:
        ``level``; ``comparisons``, how many p are corrected together; ``least_z``, for every number of adapters that one
        was compared among: ``among``, ``comparisons`` of these and ``z``; ``by_norm_alone``, how many adapters have too
        few of their rank beside them at a place; ``enough``, the fewest adapters whose ``z`` is at most 10, of as many
        comparisons each, None where no thousand are.
    """
    tested = Counter(row["among"] for row in rows if row["p"] is not None)
    comparisons = sum(tested.values())
    return {
        "level": LEVEL,
        "comparisons": comparisons,
        "least_z": [
            {"among": n, "comparisons": tested[n], "z": least_far_z(n, comparisons, LEVEL)}
            for n in sorted(tested, reverse=True)
        ],
        "by_norm_alone": len(alone(rows)),
        "enough": {"z": _SEEN, "adapters": _enough(rows)},
    }


def _enough(rows: Sequence[dict[str, Any]]) -> int | None:
    adapters = len({row["adapter"] for row in rows})
    each = len(rows) / adapters
    if all(row["module"] is not None for row in rows):  # too few have no row of all places
        places = len({(row["module"], row["layer"]) for row in rows})
        each *= 1 + 1 / places if places > 1 else 1
    for n in range(FEWEST, _MANY):
        if least_far_z(n, round(n * each), LEVEL) <= _SEEN:
            return n
    return None


def said(found: Outlying) -> str | None:
    """A part of a survey's sentence; None where nothing can be said."""
    rows, known = found.rows, found.seen
    adapters = {row["adapter"] for row in rows}
    if len(adapters) < 2:
        return None
    if not known["comparisons"]:
        most = max(row["among"] for row in rows)
        return f"too few adapters to call any far{_enough_said(known)}" if most < FEWEST else None
    names = {row["adapter"] for row in found.far}
    first = known["least_z"][0]
    least = f"{number(first['z'], 1)} on among {first['among']}"
    if (last := known["least_z"][-1]) is not first:
        least += f", {number(last['z'], 1)} among {last['among']}"
    if first["z"] > 2 * _SEEN:
        least += _enough_said(known)
    who = counted(len(names), "adapter") if names else "no adapter"
    few = known["by_norm_alone"]
    left = (
        f", of whom {few} are compared by the norm alone somewhere, for too few have their rank"
        if few
        else ""
    )
    return (
        f"{who} far from the others (Holm at {LEVEL} if quantities are Gaussian, which errs more often where tails are heavier; "
        f"one alone is seen from a robust z of {least}){left}"
    )


def _enough_said(known: dict[str, Any]) -> str:
    enough = known["enough"]
    return (
        f", {enough['adapters']} are enough for z of {enough['z']:.0f}"
        if enough["adapters"]
        else ""
    )

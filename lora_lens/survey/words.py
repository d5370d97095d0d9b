"""What is said of a survey: one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..show.layout import counted, number
from .copies import Copies
from .far import said as said_of_far
from .joined import Joined
from .planning import Failed, Plan
from .tables import DIRECTIONS, mean_of


def summary(
    plan: Plan, joined: Joined, failed: Sequence[Failed], places: int, copies: Copies
) -> str:
    """What is seen, in one sentence."""
    twice = sum(len(names) - 1 for names in copies)
    of_these = (
        f", {twice} of them {'copies' if twice > 1 else 'a copy'} of others," if twice else ""
    )
    parts = [f"{counted(len(plan.adapters), 'adapter')}{of_these} at {counted(places, 'place')}"]
    if places < len(plan.tasks):
        parts.append(
            f"{len(plan.tasks) - places} of {counted(len(plan.tasks), 'place')} failed, and nothing here is of them"
        )
    for matrix in ("A", "B"):
        rows = [row for row in joined.places if row["matrix"] == matrix]
        if rows:
            parts.append(_alike(matrix, rows, start_given=plan.start_given))
    parts += _held(joined.subspace, _usual_rank(plan), start_given=plan.start_given)
    if joined.outlying and (verdict := said_of_far(joined.outlying)) is not None:
        parts.append(verdict)
    if (cross := mean_of(joined.merges, "cross_energy")) is not None:
        said = number(cross, 2, plus=True).replace("-", "−")
        parts.append(f"in the sum of all, cross terms are {said} of the parts' energy")
    left = len({one.adapter for one in failed if one.module is None})
    if left:
        parts.append(f"{left} not read")
    if nowhere := len(plan.names) - len(plan.adapters):
        parts.append(f"{nowhere} of another shape everywhere")
    return "; ".join(parts) + "."


def _usual_rank(plan: Plan) -> int:
    ranks = Counter(piece.rank for task in plan.tasks for piece in task.place.pieces)
    return ranks.most_common(1)[0][0]


def _alike(matrix: str, rows: Sequence[dict[str, Any]], *, start_given: bool) -> str:
    """φ beside its nulls; those that only some places have stand beside φ of these."""
    phi, unrelated = (mean_of(rows, name) for name in ("phi", "gaussian_mean"))
    # The span of a mean A is near a common start, if there was one, and holds what all have learnt as well.
    start = "their start" if start_given else "the span of their mean A, start or learnt"
    at: dict[tuple[int, ...], list[str]] = {
        tuple(range(len(rows))): [f"unrelated ones {number(unrelated)}"]
    }
    for null, what in (("start", start), ("mean_adapter", "the mean ΔW's directions")):
        known = tuple(k for k, row in enumerate(rows) if row.get(f"{null}_mean") is not None)
        if known:
            mean = mean_of([rows[k] for k in known], f"{null}_mean")
            at.setdefault(known, []).append(f"{number(mean)} if alike only in {what}")
    whole, *some = at.items()
    said = f"φ of {matrix} between two is {number(phi)} ({', '.join(whole[1])})"
    for known, nulls in some:
        places = f"{len(known)} of {counted(len(rows), 'place')}"
        said += (
            f", at {places} {number(mean_of([rows[k] for k in known], 'phi'))} ({', '.join(nulls)})"
        )
    return said


def _held(rows: Sequence[dict[str, Any]], rank: int, *, start_given: bool) -> list[str]:
    """What as many directions as the usual rank hold, found by the others, of their mean and of their start."""
    at: dict[str, dict[int, list[dict[str, Any]]]] = {name: {} for name in DIRECTIONS}
    for row in rows:
        if row["side"] == "right" and row["left_out"] is not None:
            at[row["directions"]].setdefault(row["k"], []).append(row)
    places = {k: len(some) for k, some in at["shared"].items()}
    if not places:
        return []
    # At every place; a mean adapter has fewer directions than all of them together.
    of_both = {
        k: count for k, count in places.items() if len(at["mean adapter"].get(k, ())) == count
    }
    among = of_both or places
    k = min((k for k in among if among[k] == max(among.values())), key=lambda k: (abs(k - rank), k))
    held = mean_of(at["shared"][k], "left_out")
    if held is None:
        return []
    said = [
        f"{counted(k, 'input direction')} shared by the others hold {number(held)} of an adapter's ΔW"
    ]
    start = "their start's" if start_given else "their mean A's"
    for name, whose in (("mean adapter", "the mean adapter's"), ("start", start)):
        some = at[name].get(k, [])
        if len(some) == places[k] and (share := mean_of(some, "left_out")) is not None:
            said.append(f"{whose} {number(share)}")
    return [", ".join([*said, f"any {number(mean_of(at['shared'][k], 'chance'))}"])]

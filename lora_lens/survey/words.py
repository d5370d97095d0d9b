"""What is said of a survey: a short sentence for each thing that is seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ..several import counted
from ..show.layout import number
from .above_rank import OF_PHI, why_no_phi
from .copies import Copies
from .far import said as said_of_far
from .joined import Joined
from .planning import Failed, Plan
from .tables import mean_of
from .usual_k import by_k, usual_k


def sentences(
    plan: Plan, joined: Joined, failed: Sequence[Failed], places: int, copies: Copies
) -> tuple[str, ...]:
    """What is seen, in the order of the tables."""
    return tuple(_sentences(plan, joined, failed, places, copies))


def _sentences(
    plan: Plan, joined: Joined, failed: Sequence[Failed], places: int, copies: Copies
) -> Iterator[str]:
    yield from _who(plan, places, copies)
    if places < len(plan.tasks):
        yield (
            f"{len(plan.tasks) - places} of {counted(len(plan.tasks), 'place')} failed, and nothing here is of them."
        )
    without_phi = _without_phi(plan, joined, places)
    if without_phi is not None:
        yield f"φ of no two is compared: {without_phi}."
    for matrix in ("A", "B"):
        rows = [row for row in joined.places if row["matrix"] == matrix]
        if rows:
            yield from _alike(matrix, rows, start_given=plan.start_given)
    yield from _held(joined.subspace, plan.usual_rank, start_given=plan.start_given)
    if joined.outlying:
        yield from said_of_far(joined.outlying, without_phi=without_phi is not None)
    if (cross := mean_of(joined.merges, "cross_energy")) is not None:
        said = number(cross, 2, plus=True).replace("-", "−")
        yield f"In the sum of all, cross terms are {said} of the parts' energy."
    if left := len({one.adapter for one in failed if one.module is None}):
        yield f"{left} {'was' if left == 1 else 'were'} not read."
    if nowhere := len(plan.names) - len(plan.adapters):
        yield f"{nowhere} {'is' if nowhere == 1 else 'are'} of another shape everywhere."


def _who(plan: Plan, places: int, copies: Copies) -> Iterator[str]:
    """How many adapters of how many bases at how many places: means over what has nothing in common come first of all."""
    twice = sum(len(names) - 1 for names in copies)
    of_these = (
        f", {twice} of them {'copies' if twice > 1 else 'a copy'} of others," if twice else ""
    )
    adapters = f"{counted(len(plan.adapters), 'adapter')}{of_these}"
    bases = {known.base for known in plan.adapters.values() if known.base}
    if len(bases) < 2 or plan.base is not None:
        yield f"{adapters} at {counted(places, 'place')}."
        return
    if _share_a_place(plan):
        yield f"{adapters} of {len(bases)} bases: numbers are over all of them."
    else:
        yield (
            f"{adapters} of {len(bases)} bases, which share no place: numbers are over all of them; ask each base by itself."
        )
    at_most = max(Counter(piece.adapter for task in plan.tasks for piece in task.place.pieces).values())  # fmt: skip
    no_more = f", none at more than {at_most}" if at_most < places else ""
    yield f"They are at {counted(places, 'place')}{no_more}."


def _share_a_place(plan: Plan) -> bool:
    """Whether adapters that name different bases are somewhere together."""
    together = (
        {plan.adapters[piece.adapter].base for piece in task.place.pieces} - {None}
        for task in plan.tasks
    )
    return any(len(bases) > 1 for bases in together)


def _without_phi(plan: Plan, joined: Joined, places: int) -> str | None:
    """Why no two have a φ, where it was asked for and the rank that was asked for is why."""
    rank, asked = plan.settings.rank, {*plan.settings.questions} & {*OF_PHI, "outlying"}
    if rank is None or not asked or joined.has_phi:
        return None
    every = [task.place for task in plan.tasks]
    if (why := why_no_phi(rank, every)) is not None:
        return why
    # A singular W0 leaves no conversions either, and places that failed may have had some.
    if asked == {"conversions"} or places < len(every) or all(len(one.pieces) < 2 for one in every):
        return None
    return f"no two adapters at one place have {rank} singular vectors"


def _alike(matrix: str, rows: Sequence[dict[str, Any]], *, start_given: bool) -> Iterator[str]:
    """φ beside its nulls; those that only some places have stand beside φ of these."""
    phi, unrelated = (mean_of(rows, name) for name in ("phi", "gaussian_mean"))
    every = tuple(range(len(rows)))
    at = {every: [("unrelated ones", number(unrelated))]}
    for null, what in (
        ("start", "their start" if start_given else "their mean A"),
        ("mean_adapter", "the mean ΔW's directions"),
    ):
        known = tuple(k for k, row in enumerate(rows) if row.get(f"{null}_mean") is not None)
        if known:
            mean = number(mean_of([rows[k] for k in known], f"{null}_mean"))
            at.setdefault(known, []).append((f"ones alike only in {what}", mean))
    yield f"φ of {matrix} between two is {number(phi)}: {_have(at.pop(every))}."
    for known, nulls in at.items():
        places = f"{len(known)} of {counted(len(rows), 'place')}"
        own = number(mean_of([rows[k] for k in known], "phi"))
        yield f"At {places} it is {own}: {_have(nulls)}."


def _have(nulls: Sequence[tuple[str, str]]) -> str:
    (first, mean), *others = nulls
    return ", ".join([f"{first} have {mean}", *(f"{what} {mean}" for what, mean in others)])


def _held(rows: Sequence[dict[str, Any]], rank: int, *, start_given: bool) -> Iterator[str]:
    """What as many directions as the usual rank hold, found by the others, of their mean and of their start."""
    shared = by_k(rows, "shared")
    if not shared:
        return
    k = usual_k(rows, rank)
    held = mean_of(shared[k], "left_out")
    if held is None:
        return
    said = [
        f"{counted(k, 'input direction')} shared by the others hold{'s' if k == 1 else ''} {number(held)} of an adapter's ΔW"
    ]
    for name, whose in (
        ("mean adapter", "the mean adapter"),
        ("start", "their start" if start_given else "their mean A"),
    ):
        some = by_k(rows, name).get(k, [])
        if len(some) == len(shared[k]) and (share := mean_of(some, "left_out")) is not None:
            said.append(f"{k} of {whose} {number(share)}")
    chance = number(mean_of(shared[k], "chance"))
    yield f"{', '.join(said)}, where k/d is {chance}."

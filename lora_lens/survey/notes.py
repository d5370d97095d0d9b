"""What a reader of a survey is told beside its numbers, as far as its plan knows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..subspaces.pairing import notes_of_many
from ..subspaces.ties import gauge_note
from .planning import Plan

_ONE_A = {"vera", "miss"}  # methods of which every layer has nearly one A
_SEEDS = (
    "runs of one seed begin with the same A, so that φ of A, and input directions that are shared, may be of that start and not "
    "learnt: --start ADAPTER, saved before any training, tells which{mean}; where runs of one seed train a new head, it begins the same, too, "
    "and makes B of short runs alike; no null knows that"
)
_MEAN_A = "; without it the adapters' mean A stands for it, which is the start of none where they began from several"


def notes_of(plan: Plan, *, mean_a: bool) -> Iterator[str]:
    """The convention, what adapters and their base ask to be said, and what depends on the gauge or counts one A as many.

    Args:
        plan: Of the survey.
        mean_a: Whether a mean A stands for the start anywhere, where none was given.
    """
    yield from _of_adapters(plan)
    yield from _alike_in_layers(plan)
    drawn = sum(not known.from_w0 for known in plan.adapters.values())
    if drawn > 1 and not plan.start_given and {*plan.settings.questions} - {"spectrum"}:
        yield _SEEDS.format(mean=_MEAN_A if mean_a else "")


def _of_adapters(plan: Plan) -> Iterator[str]:
    if plan.settings.of_w0:
        asked = plan.settings.convention
        told = "stored where W0 is square, else consistent" if asked == "auto" else asked
        yield f"convention of the conversions: {told}"
    dora = {
        caveat for known in plan.adapters.values() if known.rescaled for caveat in known.caveats
    }
    every = Counter(
        one for known in plan.adapters.values() for one in (*known.caveats, *known.of_base)
    )
    for one, count in every.items():
        here = "; ΔW is s·B·A here" if one in dora else ""
        yield f"{one} ({count} of {len(plan.adapters)} adapters){here}"
    if factors := _of_gauge(plan):
        yield gauge_note(f"rank {plan.settings.rank} is below that of some adapters", factors)
    known = plan.adapters.values()
    yield from notes_of_many(
        (one.base for one in known),
        sum(one.from_w0 for one in known),
        named=plan.base is not None,
    )


def _of_gauge(plan: Plan) -> tuple[str, ...]:
    """What is asked below an adapter's rank, and hangs on its gauge there."""
    rank, asked = plan.settings.rank, {*plan.settings.questions}
    ranks = (piece.rank for task in plan.tasks for piece in task.place.pieces)
    if rank is None or all(own <= rank for own in ranks):
        return ()
    of_factors = ("A", "B") if asked & {"pairs", "outlying"} else ()
    if "conversions" not in asked:
        return of_factors
    return (*of_factors, "their conversions") if of_factors else ("conversions of A", "those of B")


def _alike_in_layers(plan: Plan) -> Iterator[str]:
    """Of which adapters one place tells of the others; all places' numbers of one are in no one task."""
    alike = [known for known in plan.adapters.values() if known.method in _ONE_A]
    if (
        len(alike) > 1
        and len(plan.tasks) > 1
        and {"pairs", "outlying"} & {*plan.settings.questions}
    ):
        yield (
            f"{len(alike)} adapters have nearly one A in all layers ({', '.join(sorted({one.method for one in alike}))}): means over the "
            f"places count it as many, so that z of A between two of them claims too much; `lora-lens matrix` allows for it"
        )

"""What a reader would look for at a place and not find, and why: shared directions, and the nulls that are made of means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..show.wording import span
from .joined import Joined
from .planning import Plan
from .questions.folds import FEWEST, dealt, enough
from .task import PlaceTask

Rows = Sequence[dict[str, Any]]
_At = set[tuple[str, int | None]]  # module and layer


def places_of_start(by_place: Rows, subspace: Rows) -> _At:
    """Where the start that was given, or a mean A in its place, stands beside φ or among the directions."""
    judged = (row for row in by_place if row.get("start_mean") is not None)
    return _at(judged) | _at(row for row in subspace if row["directions"] == "start")


def missing_said(plan: Plan, tasks: Sequence[PlaceTask], joined: Joined) -> Iterator[str]:
    """A sentence for each reason, with the number of places; `tasks` are those whose files are there."""
    asked = {*plan.settings.questions} & {"subspace", "pairs"}
    if not asked:
        return
    judged = (row for row in joined.places if row.get("mean_adapter_mean") is not None)
    compared = _at(joined.places)
    means = _at(joined.subspace) | _at(judged)
    starts = places_of_start(joined.places, joined.subspace)
    without: defaultdict[str, list[PlaceTask]] = defaultdict(list)
    for task in tasks:
        if _place(task) in means:
            continue
        reason = _reason(task, plan.settings.seed)
        # Trained adapters of a lower rank than is asked for have no φ, and so nothing that a null stands beside.
        if plan.settings.rank is None or reason != "not trained" or _place(task) in compared:
            without[reason].append(task)
    what, take = _what(asked, start_given=plan.start_given)
    for reason, those in without.items():
        yield f"{what} left out at {_which(len(those), tasks)}{_why(reason, those).format(take=take, fewest=FEWEST)}"
    ranks = sum(_place(task) in means - starts for task in tasks)
    if ranks and not plan.start_given:
        where = "anywhere" if ranks == len(tasks) else f"at {_which(ranks, tasks)}"
        yield f"no mean A stands for a start {where}: it is of adapters of the commonest rank at a place, which are too few there, or copies"


def _at(rows: Iterable[dict[str, Any]]) -> _At:
    return {(row["module"], row["layer"]) for row in rows}


def _place(task: PlaceTask) -> tuple[str, int | None]:
    return task.place.module, task.place.layer


def _reason(task: PlaceTask, seed: int) -> str:
    digests = [piece.digest for piece in task.place.pieces]
    different = list(dict.fromkeys(digests))
    if len(digests) < FEWEST:
        return "few"
    if enough(dealt(digests, seed).counts):
        return "not trained"  # all of them would do: some do not count
    of_copies = len(different) < FEWEST or enough(dealt(different, seed).counts)
    return "copies" if of_copies and len(different) < len(digests) else "deal"


def _why(reason: str, those: Sequence[PlaceTask]) -> str:
    if reason == "copies":
        different = [str(len({piece.digest for piece in task.place.pieces})) for task in those]
        of = span(min(different, key=int), max(different, key=int))
        return (
            f", where adapters are copies of {of}: no adapter is judged by its own copies, and too few others are left; "
            "{take} {fewest} different trained adapters or more"
        )
    return {
        "few": ": {take} {fewest} trained adapters or more",
        "not trained": ", where adapters are untrained: {take} {fewest} trained ones or more that are no copies",
        "deal": ", where nearly all adapters were dealt to a few of eight folds, so that too few are left to judge them by; another --seed deals anew",
    }[reason]


def _what(asked: set[str], *, start_given: bool) -> tuple[str, str]:
    """What is left out, with its verb, and how it goes on."""
    if asked == {"subspace"}:
        return "subspace is", "it takes"
    nulls = ["the null of the mean adapter", "the nulls of the mean adapter and of a mean A"]
    if asked == {"pairs"}:
        return (f"{nulls[0]} is", "it takes") if start_given else (f"{nulls[1]} are", "they take")
    return f"subspace and {nulls[not start_given]} are", "they take"


def _which(count: int, tasks: Sequence[PlaceTask]) -> str:
    return "all places" if count == len(tasks) else f"{count} of {len(tasks)} places"

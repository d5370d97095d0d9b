"""One task a place: what it needs of W0, of the common start, and the name of its file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..adapter import Placement
from ..errors import AdapterError, LensError
from ..files.names import split_layer
from .escaped import escaped_line
from .lacking import digests_at
from .places import Place, places_of
from .reading import Known, Piece, Unread, read_adapter
from .settings import Settings
from .task import PlaceTask
from .w0 import NoW0Error, open_w0

PLACES = "places"  # the folder of the places' files


def tasks_of(
    places: Sequence[Place],
    adapters: dict[int, Known],
    settings: Settings,
    out: Path,
    base: str | None,
    start: str | None,
) -> list[tuple[PlaceTask, NoW0Error | None]]:
    """One a place, and why its W0 is not there, where it is needed and the base has it for others alone."""
    claimed = any(known.fan_in_fan_out for known in adapters.values())
    placed = _placement(adapters.values())
    if settings.of_w0:
        _check_copies(places, adapters)
    opened = open_w0(base, claimed, placed) if settings.of_w0 and base else None
    starts = _starts(start, base, places) if start is not None else {}
    digests = [""] * len(places) if opened is None else digests_at(opened, places)
    tasks: list[tuple[PlaceTask, NoW0Error | None]] = []
    for place, found in zip(places, digests, strict=True):
        of_w0, why = ("", found) if isinstance(found, NoW0Error) else (found, None)
        asked = settings if why is None else settings.without_w0()
        own = starts.get(place.pieces[0].name)
        file = place.file(asked, of_w0, own.digest if own else "")
        task = PlaceTask(place, asked, out / PLACES, file, of_w0, base, claimed, placed, own)
        tasks.append((task, why))
    return tasks


def _check_copies(places: Sequence[Place], adapters: Mapping[int, Known]) -> None:
    """Refuse a place whose W0 is one layer's for some adapters and another's for others: W0 is read once for all."""
    for place in places:
        copies = ((piece, adapters[piece.adapter].placement.copies) for piece in place.pieces)
        layers = {split_layer(of.get(piece.name, piece.name)) for piece, of in copies}
        if len({split and split[1] for split in layers}) > 1:
            raise LensError(
                f"{place.label} is a copy of another layer in some adapters than in others (layer_replication), so that they "
                f"have no W0 in common: survey those apart, or leave conversions out (--questions)"
            )


def _placement(adapters: Iterable[Known]) -> Placement:
    """Of all adapters together."""
    tables: set[str] = set()
    copies: dict[str, str] = {}
    for known in adapters:
        tables |= known.placement.tables
        copies |= known.placement.copies
    return Placement(frozenset(tables), copies)


def _starts(path: str, base: str | None, places: Sequence[Place]) -> dict[str, Piece]:
    """Of every place of the adapters, the common start's factors; it has to have them all."""
    read = read_adapter(path, -1, base)
    if isinstance(read, Unread):
        raise AdapterError(f"the common start {path}: {read.reason}")
    own, _ = places_of([*read[1], *(place.pieces[0] for place in places)])
    found: dict[str, Piece] = {}
    for place in own:
        first, *rest = place.pieces
        if first.adapter == -1:
            found |= {other.name: first for other in rest}
    missing = [place.label for place in places if place.pieces[0].name not in found]
    if missing:
        raise LensError(escaped_line(
            f"the common start {path} has no {missing[0]} of the adapters' shape; pass --start with an "
            f"adapter of the same modules, saved before any training"
        ))  # fmt: skip
    return found

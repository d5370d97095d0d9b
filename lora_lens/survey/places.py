"""Places: which adapters have factors of one and the same module in one and the same layer."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..adapter import FusedRows
from ..files.names import natural
from .naming import place_names, shortest
from .reading import Piece
from .roots import roots
from .settings import Settings

_HASH = 16  # hexadecimal digits in a file's name


@dataclass(frozen=True)
class Place:
    """One module in one layer, and the adapters that have factors of it.

    Attributes:
        module: Its short name among all places, or its path where two would have the same.
        layer: None where it is in no numbered layer.
        path: In the base model, the shortest that its adapters call it.
        part: Which rows of a fused projection.
        out_features, in_features: Of W0.
        pieces: In the order of the adapters.
    """

    module: str
    layer: int | None
    path: str
    part: FusedRows | None
    out_features: int
    in_features: int
    pieces: tuple[Piece, ...]

    @property
    def label(self) -> str:
        """``value.3``, for messages."""
        return self.module if self.layer is None else f"{self.module}.{self.layer}"

    def file(self, settings: Settings, of_w0: str, start: str) -> str:
        """The name of its file: it holds the hash of all that goes into it.

        Args:
            settings: What is asked, and how.
            of_w0: Digest of W0; empty where it is not read.
            start: Digest of the common start's A; empty where none is given.
        """
        found = hashlib.sha256(settings.told().encode())
        shape = f"{self.module} {self.layer} {self.out_features} {self.in_features}"
        # The path seeds the place's draws.
        for word in (shape, self.path, of_w0, start, *(piece.digest for piece in self.pieces)):
            found.update(f"\n{word}".encode())
        safe = re.sub(r"[^\w.-]+", "_", self.label)[:80]
        return f"{safe}.{found.hexdigest()[:_HASH]}.parquet"


@dataclass(frozen=True)
class Misfit:
    """A piece that has no place among the others, where they are, and why."""

    piece: Piece
    module: str
    layer: int | None
    reason: str


def places_of(pieces: Sequence[Piece]) -> tuple[list[Place], list[Misfit]]:
    """Pieces by place, in the order of module and layer; each place has one shape, which most of its adapters have.

    A place is told by its path in the model. Adapters of a model with a head have a word more before
    it, ``bert.encoder.layer.0…`` for ``encoder.layer.0…``, so a path that is another's end is the same place, unless
    it is the end of two that differ.
    """
    root = roots({piece.name for piece in pieces})
    found: dict[tuple[str, FusedRows | None], list[Piece]] = {}
    for piece in pieces:
        found.setdefault((root[piece.name], piece.part), []).append(piece)
    fitted = [_fitted(members) for members in found.values()]
    named = _named([kept for kept, _ in fitted])
    misfits = [
        Misfit(piece, place.module, place.layer, reason)
        for place, (_, others) in zip(named, fitted, strict=True)
        for piece, reason in others
    ]
    return sorted(named, key=_order), misfits


def _fitted(members: Sequence[Piece]) -> tuple[tuple[Piece, ...], list[tuple[Piece, str]]]:
    """One piece an adapter, of the shape of most, in the order of the adapters; and the others, with why."""
    shapes = Counter((piece.out_features, piece.in_features) for piece in members)
    (out, into), most = min(shapes.items(), key=lambda item: (-item[1], item[0]))
    fitting: dict[int, Piece] = {}
    others = []
    for piece in members:
        own = (piece.out_features, piece.in_features)
        if own != (out, into):
            why = f"{piece.name} is {own[0]}x{own[1]}, but {out}x{into} in {most} others: another base model"
            others.append((piece, why))
        elif piece.adapter in fitting:
            why = f"{piece.name} is the same place as {fitting[piece.adapter].name} of that adapter"
            others.append((piece, why))
        else:
            fitting[piece.adapter] = piece
    return tuple(fitting[number] for number in sorted(fitting)), others


def _named(places: Sequence[tuple[Piece, ...]]) -> list[Place]:
    """Places of these pieces, with paths for names where two would share one."""
    names = place_names(places)
    shared = {name for name, count in Counter(names).items() if count > 1}
    found = []
    for pieces, (module, layer) in zip(places, names, strict=True):
        one = shortest(pieces)
        called = one.name if (module, layer) in shared else module
        found.append(
            Place(called, layer, one.name, one.part, one.out_features, one.in_features, pieces)
        )
    return found


def _order(place: Place) -> tuple[Any, ...]:
    layer = -1 if place.layer is None else place.layer
    return natural(place.module), layer, natural(place.path)

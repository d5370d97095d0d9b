"""Places: which adapters have factors of one and the same module in one and the same layer."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ..adapter import FusedRows
from ..files.names import natural
from .reading import Piece
from .settings import Settings

_HASH = 16  # hexadecimal digits in a file's name


@dataclass(frozen=True)
class Place:
    """One module in one layer, and the adapters that have factors of it.

    Attributes:
        module: Its short name, or its path where two places would have the same.
        layer: None where it is in no numbered layer.
        path: In the base model, as the first adapter calls it.
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
    """A piece that has no place among the others, and why."""

    piece: Piece
    reason: str


def places_of(pieces: Sequence[Piece]) -> tuple[list[Place], list[Misfit]]:
    """Pieces by place; each place has one shape, which most of its adapters have.

    A place is told by its path in the model. Adapters of a model with a head have a word more before
    it, ``bert.encoder.layer.0…`` for ``encoder.layer.0…``, so a path that is another's end is the same place, unless
    it is the end of two that differ.
    """
    roots = _roots({piece.name for piece in pieces})
    found: dict[tuple[str, FusedRows | None], list[Piece]] = {}
    for piece in pieces:
        found.setdefault((roots[piece.name], piece.part), []).append(piece)
    places, misfits = [], []
    for members in found.values():
        shapes = Counter((piece.out_features, piece.in_features) for piece in members)
        (out, into), most = shapes.most_common(1)[0]
        fitting: dict[int, Piece] = {}
        for piece in members:
            own = (piece.out_features, piece.in_features)
            if own != (out, into):
                why = f"{piece.name} is {own[0]}x{own[1]}, but {out}x{into} in {most} others: another base model"
                misfits.append(Misfit(piece, why))
            elif piece.adapter in fitting:
                why = f"{piece.name} is the same place as {fitting[piece.adapter].name} of that adapter"
                misfits.append(Misfit(piece, why))
            else:
                fitting[piece.adapter] = piece
        kept = tuple(fitting[number] for number in sorted(fitting))
        first = kept[0]
        places.append(Place(first.module, first.layer, first.name, first.part, out, into, kept))
    return _told_apart(places), misfits


def _roots(paths: set[str]) -> Mapping[str, str]:
    """Path to the shortest path that is an end of it; a path that ends several different ones stands alone."""
    above: dict[str, list[str]] = {}
    for path in sorted(paths):
        for end in _ends(path):
            if end in paths:
                above.setdefault(end, []).append(path)
    ambiguous = {end for end, longer in above.items() if not _chain(longer)}
    found = {}
    for path in paths:
        ends = [end for end in _ends(path) if end in paths and end not in ambiguous]
        found[path] = ends[-1] if ends else path
    return found


def _ends(path: str) -> list[str]:
    """What is left of a path without its first words, the longest first."""
    words = path.split(".")
    return [".".join(words[k:]) for k in range(1, len(words))]


def _chain(paths: Sequence[str]) -> bool:
    """Whether each of the paths is an end of the next longer one."""
    ordered = sorted(paths, key=len)
    return all(longer.endswith(f".{shorter}") for shorter, longer in pairwise(ordered))


def _told_apart(places: Sequence[Place]) -> list[Place]:
    """In the order of module and layer, paths for names where two places share one."""
    named = Counter((place.module, place.layer) for place in places)
    found = [
        place if named[place.module, place.layer] == 1 else replace(place, module=place.path)
        for place in places
    ]
    return sorted(
        found,
        key=lambda place: (
            natural(place.module),
            -1 if place.layer is None else place.layer,
            natural(place.path),
        ),
    )

"""What places are called: as one adapter that had factors at all of them would call its modules."""

from __future__ import annotations

from collections.abc import Sequence

from ..adapter import is_numbered
from ..arrays import Tensor
from ..files.names import is_number
from ..formats.factors.grouping import group_by_module
from ..updates import Factor, LowRank
from .reading import Piece
from .roots import roots


def place_names(places: Sequence[Sequence[Piece]]) -> list[tuple[str, int | None]]:
    """Module and layer of each place, given by its pieces, which are of one shape.

    They hang on the set of paths, with their shapes, and on what DoRA rescales where adapters agree
    about that everywhere; not on the adapters' names, order or number.
    """
    called = _aligned([shortest(pieces).called for pieces in places])
    agreed = all(len({piece.rescaled for piece in pieces}) == 1 for pieces in places)
    updates = {
        path: _without_numbers(path, pieces[0], rescaled=agreed and pieces[0].rescaled)
        for path, pieces in zip(called, places, strict=True)
    }
    found = {
        member.path: (group.module, member.layer if is_numbered(group.pattern) else None)
        for group in group_by_module(updates)
        for member in group.members
    }
    return [found[path] for path in called]


def shortest(pieces: Sequence[Piece]) -> Piece:
    """A piece of a place's shortest path, which is an end of all its paths, whoever has it."""
    return min(pieces, key=lambda piece: (len(piece.name), piece.called))


def _aligned(paths: Sequence[str]) -> list[str]:
    """Paths without what stands before one module in some of its layers alone."""
    patterns = [
        ".".join("*" if is_number(word) else word for word in path.split(".")) for path in paths
    ]
    shared = roots({*patterns})
    return [
        ".".join(path.split(".")[-shared[pattern].count(".") - 1 :])
        for path, pattern in zip(paths, patterns, strict=True)
    ]


def _without_numbers(path: str, piece: Piece, *, rescaled: bool) -> LowRank:
    """What modules are named by, of a role that is taken apart already."""
    rows = piece.part.whole if piece.part else piece.out_features
    shapes = (piece.rank, piece.in_features), (rows, piece.rank), (rows, 1)
    a, b, magnitude = (Factor(path, shape, _unread) for shape in shapes)
    return LowRank(
        a, b, piece.scaling, (), magnitude=magnitude if rescaled else None, role=(path, piece.part)
    )


def _unread() -> Tensor:
    raise NotImplementedError("names are made of shapes alone")

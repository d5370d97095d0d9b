"""What a module's W0 is made of: tensors, rows of them, or one expert's matrix of a stack, below each other."""

from __future__ import annotations

from typing import NamedTuple


class Piece(NamedTuple):
    """Rows of one tensor; all of them where `stop` is None."""

    name: str
    start: int = 0
    stop: int | None = None


class Slice(NamedTuple):
    """One expert's matrix.

    Attributes:
        name: Of the tensor of all experts.
        expert: Which.
    """

    name: str
    expert: int


Pieces = tuple[Piece | Slice, ...]


def whole_tensor(pieces: Pieces) -> str | None:
    """The tensor that is W0 by itself; None where W0 is a part of one, or is made of several.

    Example:
        >>> whole_tensor((Piece("q.weight"),)), whole_tensor((Piece("qkv.weight", 0, 4),))
        ('q.weight', None)
    """
    first, *others = pieces
    return first.name if first == Piece(first.name) and not others else None

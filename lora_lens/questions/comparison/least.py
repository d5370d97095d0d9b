"""The least memory that the question takes, where a report asks it."""

from __future__ import annotations

from ...adapter import Adapter
from ...bases.weights import BaseWeights
from ...subspaces.memory import Least
from ...subspaces.pairing import select_in_both

_DIRECTIONS = 8 * 8  # bytes an entry of W0: itself, its singular vectors, and what LAPACK takes
# Bytes a number of both adapters' factors: as stored, bases, and what these are made of.
_COPIES = 8 * 6
_OTHER = 1 << 27  # flips of some draws


def least(
    one: Adapter, other: Adapter, module: str, *, base: BaseWeights | None, draws: int
) -> tuple[Least, ...]:
    """Of one W0's singular directions, which flips need, beside bases of all layers; nothing without W0."""
    first, second = select_in_both(one, other, module, of_delta=True)
    if base is None or not (draws or first.magnitude is not None or second.magnitude is not None):
        return ()
    rows, columns = first.out_features, first.in_features
    factors = first.a.numel() + first.b.numel() + second.a.numel() + second.b.numel()
    size = _DIRECTIONS * rows * columns + _COPIES * factors + _OTHER
    return (Least(size, f"one W0 of {rows}x{columns} and its singular vectors"),)

"""The least memory that the question takes, where a report asks it."""

from __future__ import annotations

from ...adapter import Adapter
from ...subspaces.memory import Least
from ...subspaces.pairing import select_in_both

# Bytes an entry of W0: itself, V and ΔW, its singular vectors, and what LAPACK takes.
_DORAS = 8 * 16
_OTHER = 1 << 25


def least(one: Adapter, other: Adapter, module: str) -> tuple[Least, ...]:
    """Of DoRA's ΔW, which is dense and made with W0; nothing of others."""
    both = select_in_both(one, other, module, of_delta=True)
    if all(factors.magnitude is None for factors in both):
        return ()
    rows, columns = both[0].out_features, both[0].in_features
    of = f"DoRA's ΔW of {rows}x{columns} and its singular vectors"
    return (Least(_DORAS * rows * columns + _OTHER, of),)

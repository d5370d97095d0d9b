"""The least memory that the question takes, where a report asks it."""

from __future__ import annotations

from ...adapter import Adapter
from ...bases.weights import BaseWeights
from ...subspaces.memory import Least
from ...subspaces.selection import select_name, with_dense

# Bytes an entry of W0: itself, its singular vectors, W0 + ΔW and its own, and with a random ΔW what LAPACK takes, too.
_SPECTRA = 8 * 15
_OTHER = 1 << 25


def least(
    adapter: Adapter, module: str, *, base: BaseWeights | None, beside_w0: bool
) -> tuple[Least, ...]:
    """Of one W0 beside W0 + ΔW, and of DoRA's ΔW; nothing where W0 is not read."""
    having = with_dense(adapter, module)
    one = next(having.each_layer([select_name(having, module, in_layers=False)]))
    if base is None or not (beside_w0 or one.rescaled):
        return ()
    rows, columns = one.out_features, one.in_features
    of = f"one W0 of {rows}x{columns} beside W0 + ΔW, with their singular vectors"
    return (Least(_SPECTRA * rows * columns + _OTHER, of),)

"""Factors of a fused projection as loralib and LitGPT keep them: each role's below the other, none for those not trained.

Of n roles that were trained A is (n·rank, in), and B has the rows of each role in turn, (rows, rank): role k
is B's k-th rows times A's k-th rank rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...adapter import FusedRows
from ...core.numbers.either import namespace
from ...errors import AdapterError
from ...updates import Factor, LowRank
from ..adapter_files import AdapterFiles
from .derived import changed, rows_of


def by_role(
    files: AdapterFiles,
    path: str,
    names: Mapping[str, str],
    parts: Mapping[str, FusedRows],
    scaling: Callable[[str, int], float],
) -> Iterator[tuple[str, LowRank]]:
    """Each trained role and its update, B with the role's own rows alone.

    Args:
        files: Of the adapter.
        path: Of the projection.
        names: Factor, ``A`` and ``B``, to its tensor.
        parts: Every trained role to its rows of W0.
        scaling: From a path and a rank to s.

    Raises:
        AdapterError: The tensors are not so many rows.
    """
    a, b = (files.factor(names[letter]) for letter in "AB")
    rank, rows = b.shape[1], sum(part.rows for part in parts.values())
    if a.shape[0] != len(parts) * rank or b.shape[0] != rows:
        raise AdapterError(
            f"{path} has A of {a.shape[0]} rows and B of {b.shape[0]}x{rank}, expected {len(parts) * rank} and "
            f"{rows}x{rank} of {', '.join(parts) or 'no role'}: the configuration is of another adapter"
        )
    start = 0
    for number, (role, part) in enumerate(parts.items()):
        update = LowRank(
            rows_of(a, number * rank, (number + 1) * rank),
            rows_of(b, start, start + part.rows),
            scaling(path, rank),
            (names["A"], names["B"]),
        )
        start += part.rows
        yield role, update


def in_fused(update: LowRank, path: str, part: FusedRows) -> LowRank:
    """A role's update as one of the fused projection at `path`."""
    return replace(update, b=_spread(update.b, part), role=(path, part))


def _spread(factor: Factor, part: FusedRows) -> Factor:
    """A role's rows of B where the fused projection has them, and zeros in the others'."""
    rank = factor.shape[1]
    rows = np.arange(part.whole).reshape(part.blocks, part.block)[:, part.start : part.stop].ravel()

    def spread(found: Any) -> Any:
        whole = namespace(found).zeros((part.whole, rank), dtype=found.dtype)
        whole[rows] = found
        return whole

    return changed(factor, factor.name, (part.whole, rank), spread)

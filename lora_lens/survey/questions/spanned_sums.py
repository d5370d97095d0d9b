"""Sums over few adapters of a place, in coordinates of what all of them span on either side.

Of 20 adapters of rank 16 that is 320 directions, where W0 may be 4096 wide: a sum of energies has a hundred and sixtieth of the
entries, and its best directions come from a decomposition of it, in place of rounds of an iteration.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ...core.many_adapters.scatter import ScatterRows
from .folds import FOLDS, Dealt
from .sums import Sums, added

SIDES = ("left", "right")


def spans_little(rows: int, out: int, into: int) -> bool:
    """Whether so many directions are better kept than summed: half a width at most, so that they take no more room than one sum.

    Example:
        >>> [spans_little(rows, 4096, 8192) for rows in (320, 2048, 2049)]
        [True, True, False]
    """
    return 2 * rows <= min(out, into)


class SpannedSums(Sums):
    """Every adapter's own directions, by fold, until all were seen."""

    def __init__(self, dealt: Dealt, out: int, into: int, rank: int, *, most: int) -> None:
        """Nothing seen yet; as `Sums` takes them."""
        super().__init__(dealt, out, into, rank, most)
        none = torch.zeros(0, 1, dtype=torch.float64)  # a fold may have nobody
        self._shares: list[list[Tensor]] = [[none] for _ in range(FOLDS)]
        self._seen: dict[str, list[list[Tensor]]] = {
            side: [[none.expand(0, d)] for _ in range(FOLDS)]
            for side, d in zip(SIDES, (out, into), strict=True)
        }

    def total(self, folds: Sequence[int]) -> Tensor:
        """Σ ΔW of some folds."""
        return added(self._deltas, folds)

    def within(self, side: str, directions: Tensor) -> Tensor:
        """The part of them that any adapter has something along."""
        return self._spans[side].basis.mT @ directions

    def placed(self, side: str, found: Tensor) -> Tensor:
        """Among W0's."""
        return self._spans[side].basis @ found

    def _add(self, fold: int, shares: Tensor, left: Tensor, right: Tensor) -> None:
        self._shares[fold].append(shares)
        for side, rows in zip(SIDES, (left, right), strict=True):
            self._seen[side][fold].append(rows)

    def _scatter(self, side: str, folds: Sequence[int], count: int) -> ScatterRows:
        own, scales = self._spans[side].own, self._scales
        return ScatterRows(torch.cat([scales[f] * own[f] for f in folds]), count)

    @cached_property
    def _deltas(self) -> Float[Tensor, "fold left right"]:
        left, right = (self._spans[side].own for side in SIDES)
        each = zip(left, self._scales, right, strict=True)
        return torch.stack([one.mT @ (scale * other) for one, scale, other in each])

    @cached_property
    def _scales(self) -> list[Tensor]:
        return [torch.cat(of) for of in self._shares]

    @cached_property
    def _spans(self) -> dict[str, _Span]:
        found = {
            side: _span([torch.cat(of) for of in self._seen[side]], self.most) for side in SIDES
        }
        self._seen.clear()
        return found


class _Span(NamedTuple):
    """What the adapters have directions in.

    Attributes:
        basis: Orthonormal columns; no fewer than are wanted, so that the last may have nothing along them.
        own: Each fold's directions, in coordinates of it.
    """

    basis: Float[Tensor, "d m"]
    own: Sequence[Float[Tensor, "n m"]]


def _span(folds: Sequence[Float[Tensor, "n d"]], most: int) -> _Span:
    rows = torch.cat(list(folds)).double()
    beside = max(0, most - len(rows))
    drawn = torch.randn(
        beside, rows.shape[-1], generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    basis, triangle = torch.linalg.qr(torch.cat([rows, drawn]).mT)
    return _Span(basis, triangle.mT[: len(rows)].split([len(fold) for fold in folds]))

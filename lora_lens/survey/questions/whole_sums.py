"""Sums over all adapters of a place as matrices of W0's width, whatever the adapters' number."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...core.many_adapters.scatter import ScatterMatrix
from .folds import FOLDS, Dealt
from .sums import Sums, added


class WholeSums(Sums):
    """ΔW of each fold, and its energies where they are asked for."""

    def __init__(
        self, dealt: Dealt, out: int, into: int, rank: int, *, most: int, energies: bool
    ) -> None:
        """Nothing seen yet.

        Args:
            dealt, out, into, rank, most: As `Sums` takes them.
            energies: Whether `scatter` is asked for too.
        """
        super().__init__(dealt, out, into, rank, most)
        self._delta = torch.zeros(FOLDS, out, into, dtype=torch.float64)
        sizes = {"left": out, "right": into} if energies else {}
        self._grams = {
            side: torch.zeros(FOLDS, d, d, dtype=torch.float64) for side, d in sizes.items()
        }

    def total(self, folds: Sequence[int]) -> Tensor:
        """Σ ΔW of some folds."""
        return added(self._delta, folds)

    def within(self, side: str, directions: Tensor) -> Tensor:
        """All of them."""
        del side
        return directions

    def placed(self, side: str, found: Tensor) -> Tensor:
        """Where they are."""
        del side
        return found

    def _add(self, fold: int, shares: Tensor, left: Tensor, right: Tensor) -> None:
        weighted = shares * right
        self._delta[fold].addmm_(left.mT, weighted)
        if self._grams:
            self._grams["right"][fold].addmm_(weighted.mT, weighted)
            weighted = shares * left
            self._grams["left"][fold].addmm_(weighted.mT, weighted)

    def _scatter(self, side: str, folds: Sequence[int], count: int) -> ScatterMatrix:
        return ScatterMatrix(added(self._grams[side], folds), count)

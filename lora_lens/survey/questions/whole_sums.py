"""Sums over all adapters of a place as matrices of W0's width, whatever the adapters' number."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .sums import FOLDS, Sums


class WholeSums(Sums):
    """ΔW of each fold, and energies of each half where they are asked for."""

    def __init__(
        self, folds: Sequence[int], out: int, into: int, rank: int, *, most: int, energies: bool
    ) -> None:
        """Nothing seen yet.

        Args:
            folds, out, into, rank, most: As `Sums` takes them.
            energies: Whether `half` is asked for too.
        """
        super().__init__(folds, out, into, rank, most)
        self._delta = torch.zeros(FOLDS, out, into, dtype=torch.float64)
        sizes = {"left": out, "right": into} if energies else {}
        self._grams = {side: torch.zeros(2, d, d, dtype=torch.float64) for side, d in sizes.items()}

    def total(self, folds: Sequence[int]) -> Tensor:
        """Σ ΔW of some folds."""
        return self._delta[list(folds)].sum(0)

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
        self._delta[fold] += left.mT @ weighted
        if self._grams:
            half = fold % 2
            self._grams["right"][half] += weighted.mT @ weighted
            weighted = shares * left
            self._grams["left"][half] += weighted.mT @ weighted

    def _gram(self, side: str, half: int) -> Tensor:
        return self._grams[side][half]

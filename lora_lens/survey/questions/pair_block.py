"""Some adapters of a place against some others: every φ between them, made once for all questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from ..table import Columns

if TYPE_CHECKING:
    from .spool import TensorSpool


@dataclass
class PairBlock:
    """Some adapters against some others: every φ is made once, when it is first asked for.

    Attributes:
        one, other: Ranges of adapters; the same, or one before the other.
        spools: Matrix to the bases of all adapters.
    """

    one: range
    other: range
    spools: Mapping[str, TensorSpool]
    _products: dict[int, Tensor] = field(default_factory=dict)
    _phi: dict[str, Tensor] = field(default_factory=dict)

    @cached_property
    def places(self) -> tuple[Tensor, Tensor]:
        """Rows and columns of the block that are pairs, each pair once."""
        if self.one != self.other:
            grid = torch.cartesian_prod(
                torch.arange(len(self.one)), torch.arange(len(self.other))
            ).reshape(-1, 2)
            return grid[:, 0], grid[:, 1]
        found = torch.triu_indices(len(self.one), len(self.one), 1)
        return found[0], found[1]

    def widths(self, matrix: str) -> tuple[Tensor, Tensor]:
        """Dimensions of both sides' subspaces."""
        widths = self.spools[matrix].widths
        return tuple(
            torch.tensor(widths[side.start : side.stop], dtype=torch.int64)
            for side in (self.one, self.other)
        )  # type: ignore[return-value]

    def product(self, matrix: str) -> Float[Tensor, "rows columns"]:
        """U_mᵀU_n of all pairs, side by side."""
        spool = self.spools[matrix]
        if id(spool) not in self._products:  # A and ΔW's right side are often one
            one = spool.rows(self.one)
            other = one if self.one == self.other else spool.rows(self.other)
            self._products[id(spool)] = one @ other.mT
        return self._products[id(spool)]

    def phi(self, matrix: str) -> Float[Tensor, "m n"]:
        """φ of all pairs; NaN where one has no subspace."""
        if matrix not in self._phi:
            i, j = self.widths(matrix)
            sums = summed(self.product(matrix).square(), i, j)
            self._phi[matrix] = (sums / torch.minimum(i[:, None], j)).clamp(0, 1)
        return self._phi[matrix]

    def found(self, matrix: str) -> tuple[Tensor, Tensor, Columns]:
        """Of the pairs that have a φ: their rows and columns in the block; and who they are, i, j and φ."""
        rows, columns = self.places
        phi = self.phi(matrix)[rows, columns]
        there = ~phi.isnan()
        r, c = rows[there], columns[there]
        i, j = self.widths(matrix)
        told: Columns = {
            "one": (r + self.one.start).int().numpy(),
            "other": (c + self.other.start).int().numpy(),
            "i": i[r].int().numpy(),
            "j": j[c].int().numpy(),
            "phi": phi[there].float().numpy(),
        }
        return r, c, told


def summed(
    values: Float[Tensor, "rows columns"], i: Tensor, j: Tensor, weights: Tensor | None = None
) -> Float[Tensor, "m n"]:
    """Sums of the entries that belong to each pair of subspaces, in float64.

    Args:
        values: i_m rows and j_n columns of the pair (m, n).
        i, j: Dimensions of both sides' subspaces.
        weights: Of the rows; 1 by default.
    """
    m, n = len(i), len(j)
    if _equal(i) and _equal(j):
        rows = values.reshape(len(values), n, int(j[0])).sum(-1).double()
        rows = rows if weights is None else rows * weights[:, None]
        return rows.reshape(m, int(i[0]), n).sum(1)
    columns = values.new_zeros(n, len(values), dtype=torch.float64)
    columns.index_add_(0, torch.arange(n).repeat_interleave(j), values.mT.double())
    columns = columns if weights is None else columns * weights
    found = columns.new_zeros(m, n)
    return found.index_add_(0, torch.arange(m).repeat_interleave(i), columns.mT)


def _equal(widths: Tensor) -> bool:
    return len(widths) > 0 and bool((widths == widths[0]).all()) and int(widths[0]) > 0

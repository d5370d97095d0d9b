"""LU with partial pivoting: of a stack as the library has it, and of one W0 where it lies.

The latter is of W0ᵀ, which is what LAPACK, which goes by columns, sees in a W0 that lies by rows. Turning it
first, as ``torch.linalg.lu_factor`` does, takes a fifth to two thirds of an LU's time again at 4096².
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..computing.lapack import lu_by_columns
from .triangular_solve import solve_triangle

_NARROW = 512  # up to this width torch's LU takes less than what SciPy's saves takes to load


def packed_lu(
    w0: Float[Tensor, "*batch n n"],
) -> tuple[Float[Tensor, "*batch n n"], Int[Tensor, "*batch n"]]:
    """L and U of each W0 in one matrix, and LAPACK's interchanges, as ``torch.linalg.lu_solve`` takes them.

    On a CPU one W0 after another, with all threads on each. ``torch.linalg.lu_factor`` of a stack shares the
    matrices out instead, and MKL within it takes the threads for its own once ``torch.set_num_threads`` has been
    called: it is wrong without a word or never ends (https://github.com/pytorch/pytorch/issues/141358); so are
    ``solve``, ``inv``, ``det`` and ``slogdet`` of a stack, which begin with it.

    Example:
        >>> packed, pivots = packed_lu(torch.tensor([[[0.0, 2.0], [4.0, 0.0]]]))
        >>> packed.tolist(), pivots.tolist()
        ([[[4.0, 0.0], [0.0, 2.0]]], [[2, 2]])
    """
    if w0.device.type != "cpu":
        return torch.linalg.lu_factor_ex(w0)[:2]
    packed = torch.empty_like(w0.mT, memory_format=torch.contiguous_format).mT  # by columns
    pivots = torch.empty(w0.shape[:-1], dtype=torch.int32)
    for place in product(*map(range, w0.shape[:-2])):
        if w0.shape[-1] > _NARROW:
            by_columns = packed[place].copy_(w0[place]).numpy()
            pivots[place] = torch.from_numpy(lu_by_columns(by_columns)) + 1
        else:
            info = torch.empty((), dtype=torch.int32)
            torch.linalg.lu_factor_ex(w0[place], out=(packed[place], pivots[place], info))
    return packed, pivots


class LU(NamedTuple):
    """W0's columns in another order, as (L·U)ᵀ.

    Attributes:
        packed: L below the diagonal, with ones on it, and U on and above it. Of W0ᵀ, by columns.
        order: Row k of L·U is column ``order[k]`` of W0.
    """

    packed: Float[Tensor, "n n"]
    order: Int[Tensor, " n"]

    def solve(self, rhs: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """W0⁻¹ rhs."""
        turned = self.packed.mT
        x = solve_triangle(turned, rhs, upper=False)
        rows = solve_triangle(turned, x, upper=True, unit=True, overwrite=True).mT
        place = torch.empty_like(self.order)
        place[self.order] = torch.arange(len(place), device=place.device)
        return rows.index_select(1, place).mT

    def solve_transposed(self, rhs: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """W0⁻ᵀ rhs."""
        x = rhs.mT.index_select(1, self.order).mT
        x = solve_triangle(self.packed, x, upper=False, unit=True, overwrite=True)
        return solve_triangle(self.packed, x, upper=True, overwrite=True)


@dataclass(frozen=True)
class LUSolver:
    """The LU of each W0 of a stack, which solves with one after another.

    Attributes:
        packed, order: Of each; see `LU`.
    """

    packed: Float[Tensor, "layer n n"]
    order: Int[Tensor, "layer n"]

    def solve(self, rhs: Float[Tensor, "layer n k"]) -> Float[Tensor, "layer n k"]:
        """X = W0⁻¹ rhs."""
        return _stacked([made.solve(b) for made, b in self._each(rhs)])

    def solve_transposed(self, rhs: Float[Tensor, "layer n k"]) -> Float[Tensor, "layer n k"]:
        """X = W0⁻ᵀ rhs."""
        return _stacked([made.solve_transposed(b) for made, b in self._each(rhs)])

    def _each(self, rhs: Tensor) -> Iterator[tuple[LU, Tensor]]:
        for packed, order, b in zip(self.packed, self.order, rhs, strict=True):
            yield LU(packed, order), b


def _stacked(solutions: list[Tensor]) -> Tensor:
    return solutions[0][None] if len(solutions) == 1 else torch.stack(solutions)


def lu(w0: Float[Tensor, "n n"]) -> LU:
    """Factor one square matrix.

    A singular one has a zero on U's diagonal, and what is solved with it is not finite.

    Example:
        >>> made = lu(torch.tensor([[0.0, 2.0], [4.0, 0.0]]))
        >>> made.order.tolist(), made.solve(torch.tensor([[2.0], [4.0]])).ravel().tolist()
        ([1, 0], [1.0, 1.0])
    """
    return lu_in_place(w0.clone(memory_format=torch.contiguous_format))


def lu_in_place(w0: Float[Tensor, "n n"]) -> LU:
    """The same, written over W0, which lies by rows.

    Example:
        >>> w0 = torch.tensor([[1.0, 2.0], [3.0, 2.0]])
        >>> made = lu_in_place(w0)
        >>> made.packed, made.packed.data_ptr() == w0.data_ptr()
        (tensor([[2.0000, 2.0000],
                [0.5000, 2.0000]]), True)
    """
    turned = w0.mT
    if w0.device.type == "cpu":
        return LU(turned, row_order(torch.from_numpy(lu_by_columns(turned.numpy())) + 1, len(w0)))
    pivots = torch.empty(len(w0), dtype=torch.int32, device=w0.device)
    info = torch.empty((), dtype=torch.int32, device=w0.device)
    torch.linalg.lu_factor_ex(turned, out=(turned, pivots, info))
    return LU(turned, row_order(pivots, len(w0)))


def row_order(pivots: Int[Tensor, " k"], rows: int) -> Int[Tensor, " rows"]:
    """The order of the rows after the interchanges that LAPACK gives, which count from 1.

    Example:
        >>> row_order(torch.tensor([3, 3]), 4)
        tensor([2, 0, 1, 3])
    """
    order = list(range(rows))
    for row, pivot in enumerate(pivots.tolist()):
        order[row], order[pivot - 1] = order[pivot - 1], order[row]
    return torch.tensor(order, dtype=torch.int64, device=pivots.device)

"""LU with partial pivoting: of a stack by the library, and of one W0 in float32, nearly all of it in products.

The latter goes by panels: each is factored by the library, and what is right of it is one triangular solve and
one product.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

_PANEL = 128


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
        info = torch.empty((), dtype=torch.int32)
        torch.linalg.lu_factor_ex(w0[place], out=(packed[place], pivots[place], info))
    return packed, pivots


class LU(NamedTuple):
    """W0's rows in another order, as L·U.

    Attributes:
        packed: L below the diagonal, with ones on it, and U on and above it.
        order: Row k of L·U is row ``order[k]`` of W0.
    """

    packed: Float[Tensor, "n n"]
    order: Int[Tensor, " n"]

    def solve(self, rhs: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """W0⁻¹ rhs."""
        x = rhs.index_select(0, self.order)
        x = torch.linalg.solve_triangular(self.packed, x, upper=False, unitriangular=True)
        return torch.linalg.solve_triangular(self.packed, x, upper=True)

    def solve_transposed(self, rhs: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """W0⁻ᵀ rhs."""
        turned = self.packed.mT
        x = torch.linalg.solve_triangular(turned, rhs, upper=False)
        x = torch.linalg.solve_triangular(turned, x, upper=True, unitriangular=True)
        return torch.empty_like(x).index_copy_(0, self.order, x)


def lu(w0: Float[Tensor, "n n"]) -> LU:
    """Factor one square matrix.

    A singular one has a zero on U's diagonal, and what is solved with it is not finite.

    Example:
        >>> made = lu(torch.tensor([[0.0, 2.0], [4.0, 0.0]]))
        >>> made.order.tolist(), made.solve(torch.tensor([[2.0], [4.0]])).ravel().tolist()
        ([1, 0], [1.0, 1.0])
    """
    packed = w0.clone(memory_format=torch.contiguous_format)
    return LU(packed, factor_in_place(packed))


def factor_in_place(w0: Float[Tensor, "n n"]) -> Int[Tensor, " n"]:
    """Write L and U over W0, as `LU.packed` has them; the order of the rows.

    Example:
        >>> w0 = torch.tensor([[1.0, 3.0], [2.0, 2.0]])
        >>> factor_in_place(w0), w0
        (tensor([1, 0]), tensor([[2.0000, 2.0000],
                [0.5000, 2.0000]]))
    """
    if w0.device.type != "cpu":
        packed, pivots = torch.linalg.lu_factor_ex(w0)[:2]
        w0.copy_(packed)
        return row_order(pivots, len(w0))
    order = torch.arange(n := len(w0))
    for start in range(0, n, _PANEL):
        stop = min(start + _PANEL, n)
        panel, pivots = torch.linalg.lu_factor_ex(w0[start:, start:stop])[:2]
        chosen = row_order(pivots, n - start)
        moved = (chosen != torch.arange(n - start)).nonzero()[:, 0]
        for rows in (w0, order):
            rows[start + moved] = rows[start + chosen[moved]]
        w0[start:, start:stop] = panel
        if stop < n:
            diagonal, right = panel[: stop - start], w0[start:stop, stop:]
            right.copy_(
                torch.linalg.solve_triangular(diagonal, right, upper=False, unitriangular=True)
            )
            w0[stop:, stop:].addmm_(w0[stop:, start:stop], right, alpha=-1)
    return order


def row_order(pivots: Int[Tensor, " k"], rows: int) -> Int[Tensor, " rows"]:
    """The order of the rows after the interchanges that LAPACK gives, which count from 1.

    Example:
        >>> row_order(torch.tensor([3, 3]), 4)
        tensor([2, 0, 1, 3])
    """
    order = list(range(rows))
    for row, pivot in enumerate(pivots.tolist()):
        order[row], order[pivot - 1] = order[pivot - 1], order[row]
    return torch.tensor(order, device=pivots.device)

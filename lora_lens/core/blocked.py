"""LU solves as a sweep of matrix products, in float32: many right-hand sides at a product's speed.

A library's solve with 1600 right-hand sides takes about twice as long as a product of as many
operations. Here the diagonal blocks of a triangle are inverted (in float64, once), after which a solve is
two products a block row, and nothing of the triangle's size is made. For nulls, whose sampling
error is far above float32's; `lora_lens.core.rounded.rounded_solver` says where it will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

_BLOCK = 64


@dataclass(frozen=True)
class BlockedLU:
    """A square W0 = P·L·U of one layer, solved in float32.

    Right-hand sides are float32. Fastest where their columns are contiguous, as those of ``rows.mT`` are; so
    are the solutions'.

    Attributes:
        lu: L and U in one matrix, in float64 or float32.
        order: Row k of L·U is row ``order[k]`` of W0.
    """

    lu: Float[Tensor, "n n"]
    order: Tensor

    def solve(self, rhs: Float[Tensor, "1 n k"]) -> Float[Tensor, "1 n k"]:
        """X = U⁻¹L⁻¹Pᵀ rhs."""
        x = rhs[0].mT.index_select(1, self.order)
        lower, upper = self._forward
        return _swept_up(_swept_down(x, lower), upper).mT[None]

    def solve_transposed(self, rhs: Float[Tensor, "1 n k"]) -> Float[Tensor, "1 n k"]:
        """X = P·L⁻ᵀU⁻ᵀ rhs."""
        x = _columns(rhs)
        upper, lower = self._backward
        x = _swept_up(_swept_down(x, upper), lower)
        return x.index_select(1, torch.argsort(self.order)).mT[None]

    @cached_property
    def _forward(self) -> tuple[_Blocked, _Blocked]:
        lu = self.lu.float()
        return _blocked(lu, upper=False, unit=True), _blocked(lu, upper=True, unit=False)

    @cached_property
    def _backward(self) -> tuple[_Blocked, _Blocked]:
        lu = self.lu.float().mT
        return _blocked(lu, upper=False, unit=False), _blocked(lu, upper=True, unit=True)


@dataclass(frozen=True)
class GaussianSolver:
    """W0⁻¹G and W0⁻ᵀG in law, for G whose law no rotation changes, as a Gaussian's: half the work of a solve.

    With W0 = Q·R, ``W0⁻¹G = R⁻¹(QᵀG)``, and QᵀG has the law of G. So one triangle does, in float32;
    for W0ᵀ, that of its own QR.
    """

    w0: Float[Tensor, "n n"]

    def solve(self, rhs: Float[Tensor, "1 n k"]) -> Float[Tensor, "1 n k"]:
        """R⁻¹ rhs: W0⁻¹ rhs but for a turn of the right-hand sides, the same for all of them."""
        return _swept_up(_columns(rhs), self._forward).mT[None]

    def solve_transposed(self, rhs: Float[Tensor, "1 n k"]) -> Float[Tensor, "1 n k"]:
        """W0⁻ᵀ rhs but for such a turn."""
        return _swept_up(_columns(rhs), self._backward).mT[None]

    @cached_property
    def _forward(self) -> _Blocked:
        return _blocked(torch.geqrf(self.w0.float()).a, upper=True, unit=False)

    @cached_property
    def _backward(self) -> _Blocked:
        return _blocked(torch.geqrf(self.w0.mT.float()).a, upper=True, unit=False)


def _columns(rhs: Tensor) -> Tensor:
    return rhs[0].mT.clone(memory_format=torch.contiguous_format)


class _Blocked(NamedTuple):
    """A triangle of a matrix, whose other half is anything, and the inverses of its diagonal blocks."""

    triangle: Float[Tensor, "n n"]
    inverses: Float[Tensor, "block b b"]

    def step(self, x: Tensor, number: int, block: slice, known: slice) -> None:
        """x_b = D⁻¹(x_b − T·x of what is known)."""
        size = block.stop - block.start
        if known.stop > known.start:
            x[:, block].addmm_(x[:, known], self.triangle[block, known].mT, alpha=-1)
        x[:, block] = x[:, block] @ self.inverses[number, :size, :size].mT


def _blocked(triangle: Tensor, *, upper: bool, unit: bool) -> _Blocked:
    blocks = _blocks(len(triangle))
    eye = torch.eye(_BLOCK, dtype=torch.float64, device=triangle.device)
    diagonals = eye.repeat(len(blocks), 1, 1)  # the last block may be smaller
    for diagonal, block in zip(diagonals, blocks, strict=True):
        size = block.stop - block.start
        diagonal[:size, :size] = triangle[block, block]
    inverses = torch.linalg.solve_triangular(
        diagonals, eye.expand_as(diagonals), upper=upper, unitriangular=unit
    )
    return _Blocked(triangle, inverses.float())


def _swept_down(x: Tensor, lower: _Blocked) -> Tensor:
    for number, block in enumerate(_blocks(x.shape[1])):
        lower.step(x, number, block, slice(0, block.start))
    return x


def _swept_up(x: Tensor, upper: _Blocked) -> Tensor:
    for number, block in reversed(list(enumerate(_blocks(x.shape[1])))):
        upper.step(x, number, block, slice(block.stop, x.shape[1]))
    return x


def _blocks(n: int) -> list[slice]:
    return [slice(start, min(start + _BLOCK, n)) for start in range(0, n, _BLOCK)]

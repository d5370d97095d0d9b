"""Solving with one factored W0 for many right-hand sides: LU, QR, the pseudo-inverse, and a ridge.

No inverse is ever formed: at condition 1e4 in float32, ``inv(W) @ T`` is off by 1.7e-3 where a solve is
off by 1.8e-4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
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


@dataclass(frozen=True)
class RidgeSolver:
    """Ridge solutions (W0ᵀW0 + λ²I)⁻¹W0ᵀ rhs from W0's SVD, times a positive number of each W0.

    A singular value s passes on s/(s² + λ²) of its direction where an inverse passes on 1/s, so that
    no direction is magnified beyond 1/(2λ). Transposed, (W0W0ᵀ + λ²I)⁻¹W0 rhs.
    """

    u: Tensor
    gain: Tensor
    vh: Tensor

    def solve(self, rhs: Tensor) -> Tensor:
        return self.vh.mT @ ((self.u.mT @ rhs) * self.gain[..., None])

    def solve_transposed(self, rhs: Tensor) -> Tensor:
        return self.u @ ((self.vh @ rhs) * self.gain[..., None])


def mapped(solver: Solver, change: Callable[[Tensor], Tensor]) -> Solver:
    """The solver with each of its tensors changed: some of its layers, another dtype.

    Args:
        solver: One of this file, or made of tensors and of solvers as they are.
        change: What to do to each of its tensors, the integers of an LU's interchanges too.

    Example:
        >>> from lora_lens.core.solving.lu import packed_lu
        >>> w0 = torch.stack([2 * torch.eye(2), 4 * torch.eye(2)])
        >>> second = mapped(SquareSolver(*packed_lu(w0)), lambda tensor: tensor[1:])
        >>> second.solve(torch.ones(1, 2, 1))
        tensor([[[0.2500],
                 [0.2500]]])
    """
    parts = (getattr(solver, field.name) for field in fields(solver))  # type: ignore[arg-type]
    return type(solver)(
        *(change(part) if isinstance(part, Tensor) else mapped(part, change) for part in parts)
    )

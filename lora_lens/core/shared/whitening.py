"""Coordinates in which a sum of squares S is the identity: by Cholesky, or on S's range where S is singular."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ..solving.lanczos import largest_singular_value

_SLICES = 4  # of a triangle in a product with it: 5/8 of a square's
_DIGITS = 1e-10  # of a norm's square, in a condition number that is printed
# κ(S) up to which its least eigenvalue has ten digits: it errs by some eps of the largest.
_SURE = 1e4


@runtime_checkable
class Whitening(Protocol):
    """H with ``H S Hᵀ = I``, applied to rows.

    Attributes:
        rank: Dimensions of S's range that are told from rounding; all of them but for a singular S.
        sqrt_kappa: √(largest/smallest eigenvalue of S on that range). Errors of what is fitted in S go as
            its square times the precision.
    """

    @property
    def rank(self) -> int:
        """Dimensions of S's range."""

    @property
    def sqrt_kappa(self) -> float:
        """√κ(S) on that range."""

    def whiten(self, rows: Float[Tensor, "*n in"]) -> Float[Tensor, "*n whitened"]:
        """``rows·Hᵀ``: inner products of the results are those of the rows in S⁺."""

    def back(self, rows: Float[Tensor, "*n whitened"]) -> Float[Tensor, "*n in"]:
        """``rows·H``: θᵀ of the whitened rows, with ``θᵀSθ`` their Gram matrix."""

    def single(self) -> Whitening:
        """The same in float32."""


@dataclass(frozen=True)
class Triangular:
    """H = C⁻¹ for the Cholesky factor C of S."""

    factor: Float[Tensor, "in in"]
    rank: int
    sqrt_kappa: float

    def whiten(self, rows: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self.factor.mT, rows, upper=True, left=False)

    def back(self, rows: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self.factor, rows, upper=False, left=False)

    def single(self) -> LowerTriangle:
        # The inverse once in float64: many products with it cost less than as many triangular solves.
        eye = torch.eye(len(self.factor), dtype=self.factor.dtype, device=self.factor.device)
        inverse = torch.linalg.solve_triangular(self.factor, eye, upper=False)
        return LowerTriangle(inverse.float(), self.rank, self.sqrt_kappa)


@dataclass(frozen=True)
class Explicit:
    """H as a matrix: of `whitening` Λ^-½Eᵀ for the eigenvectors E of S whose eigenvalues Λ are more than rounding."""

    h: Float[Tensor, "whitened in"]
    rank: int
    sqrt_kappa: float

    def whiten(self, rows: Tensor) -> Tensor:
        return rows @ self.h.mT

    def back(self, rows: Tensor) -> Tensor:
        return rows @ self.h

    def single(self) -> Explicit:
        return type(self)(self.h.float(), self.rank, self.sqrt_kappa)


class LowerTriangle(Explicit):
    """H = C⁻¹."""

    def whiten(self, rows: Tensor) -> Tensor:
        found = rows.new_empty(rows.shape)
        for some in torch.arange(len(self.h)).tensor_split(_SLICES):
            if len(some):
                first, last = int(some[0]), int(some[-1]) + 1
                found[..., first:last] = rows[..., :last] @ self.h[first:last, :last].mT
        return found


def whitening(s: Float[Tensor, "in in"]) -> Whitening:
    """Of a symmetric, positive semi-definite S in float64.

    Where S is singular (no Cholesky factor, or a condition number above 1/(in·eps), which rounding of S
    alone could make), eigenvalues up to ``in·eps`` of the largest count as 0 and their eigenvectors are
    left out: H is then that of S's pseudo-inverse.

    Example:
        >>> s = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)  # of eigenvalues 3 and 1
        >>> space = whitening(s)
        >>> space.rank, round(space.sqrt_kappa**2, 2)
        (2, 3.0)
        >>> space.whiten(space.whiten(s).mT).abs().round(decimals=6)  # H S Hᵀ
        tensor([[1., 0.],
                [0., 1.]], dtype=torch.float64)
        >>> of_two = whitening(torch.tensor([9.0, 0.0, 1.0], dtype=torch.float64).diag())
        >>> of_two.rank, round(of_two.sqrt_kappa, 6)
        (2, 3.0)
        >>> singular = whitening(torch.ones(2, 2, dtype=torch.float64))  # of eigenvalues 2 and 0
        >>> singular.rank, singular.whiten(torch.ones(1, 2, dtype=torch.float64)).abs().round(decimals=6)
        (1, tensor([[1.]], dtype=torch.float64))
    """
    factor, info = torch.linalg.cholesky_ex(s)
    if int(info) == 0:
        root_kappa = _root_kappa(s, factor)
        if root_kappa < 1 / math.sqrt(_cut(s)):
            return Triangular(factor, len(s), root_kappa)
    values, vectors = torch.linalg.eigh(s)
    kept = values > _cut(s) * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    root_kappa = float((values[-1] / values[0]).sqrt()) if len(values) else math.nan
    return Explicit((vectors / values.sqrt()).mT.contiguous(), len(values), root_kappa)


def _cut(s: Tensor) -> float:
    return len(s) * torch.finfo(s.dtype).eps


def _root_kappa(s: Tensor, factor: Tensor) -> float:
    """√κ(S) to about ten digits; `factor` is S's Cholesky factor.

    All eigenvalues take a fraction of what Lanczos takes to find the largest one of a crowd: 60 ms for 290 at 768².
    """
    values = torch.linalg.eigvalsh(s)
    if values[0] > values[-1] / _SURE:
        return float((values[-1] / values[0]).sqrt())
    return float(values[-1].sqrt() * _inverse_norm(factor))


def _inverse_norm(factor: Tensor) -> Tensor:
    def gram(v: Tensor) -> Tensor:
        once = torch.linalg.solve_triangular(factor.mT, v, upper=True)
        return torch.linalg.solve_triangular(factor, once, upper=False)

    return largest_singular_value(gram, factor[None], tolerance=_DIGITS)

"""W0 + ΔW from W0's own SVD, where ΔW has a low rank: no second one is made.

In W0's singular directions the sum is a diagonal matrix and the product of two thin ones, so that multiplying by it takes
n·r operations in the place of n². Its leading singular vectors come from a subspace that is widened by Davidson's rule (Davidson 1975;
the diagonal alone nearly solves for what is missing), and how many singular values lie above a number is known exactly, from the
signs of the eigenvalues of a matrix of order 2r (Sylvester's law of inertia, Haynsworth 1968). By that count the subspace is known to have missed none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

_ROUNDS = 40
_SMALL = (
    1e-2  # of the largest singular value: smaller ones' vectors come from a whole decomposition
)
_CLOSE = 1e-9  # of the largest singular value: nearer ones are told apart by a whole decomposition


class Leading(NamedTuple):
    """Singular values, descending, and what their left vectors have along W0's: inner products."""

    s: Float[Tensor, " k"]
    along: Float[Tensor, "n k"]


@dataclass(frozen=True)
class Updated:
    """diag(s0) + x·yᵀ, rows and columns with nothing on the diagonal behind.

    Attributes:
        s0: W0's singular values, and a 0 for each dimension that ΔW has beside W0's, if any.
        x, y: ΔW's factors in the same coordinates; where one side has fewer dimensions its last rows are 0.
        n: How many singular vectors W0 has.
    """

    s0: Float[Tensor, " m"]
    x: Float[Tensor, "m r"]
    y: Float[Tensor, "m r"]
    n: int

    @classmethod
    def of(
        cls,
        u0: Float[Tensor, "out n"],
        s0: Float[Tensor, " n"],
        vh0: Float[Tensor, "n in"],
        x: Float[Tensor, "out r"],
        y: Float[Tensor, "in r"],
    ) -> Updated:
        """The sum of ``u0·diag(s0)·vh0``, a thin SVD, and ``x·yᵀ``.

        Example:
            >>> w0, x, y = torch.diag(torch.tensor([3.0, 2.0, 1.0])).double(), *torch.eye(3).double()[1:, :, None]
            >>> updated = Updated.of(*torch.linalg.svd(w0), x, 2 * y)
            >>> round(updated.frobenius_norm().item() ** 2, 6), updated.count_above(2.5)
            (18.0, 2)
        """
        left, right = _within(u0, x), _within(vh0.mT, y)
        size = max(len(left), len(right))
        return cls(_padded(s0, size), _padded(left, size), _padded(right, size), len(s0))

    def frobenius_norm(self) -> Float[Tensor, ""]:
        """Of the sum, entry by entry: what ΔW takes away from W0 would be lost in a difference of squares."""
        return torch.linalg.matrix_norm(self.s0.diag() + self.x @ self.y.mT)

    def count_above(self, edge: float) -> int | None:
        """How many singular values are larger; None where one of W0's is so near that rounding would decide."""
        if float((self.s0 - edge).abs().min()) <= _CLOSE * float(self.s0[0]):
            return None
        r = self.x.shape[-1]
        scale = (edge**2 - self.s0.square())[:, None]
        own, crossed = -edge / scale, -self.s0[:, None] / scale
        across = torch.eye(r, dtype=self.x.dtype, device=self.x.device) + self.x.mT @ (
            crossed * self.y
        )
        inner = torch.cat([
            torch.cat([self.x.mT @ (own * self.x), across], dim=1),
            torch.cat([across.mT, self.y.mT @ (own * self.y)], dim=1),
        ])  # fmt: skip
        if not r:
            return int((self.s0 > edge).sum())
        below = int((torch.linalg.eigvalsh(_evened(inner)) < 0).sum())
        return int((self.s0 > edge).sum()) + below - r

    def leading(self, k: int) -> Leading | None:
        """The k leading singular values and vectors; None where rounding would decide which they are, or they are not found.

        Example:
            >>> generator = torch.Generator().manual_seed(0)
            >>> w0, x, y = (torch.randn(60, columns, generator=generator).double() for columns in (60, 2, 2))
            >>> u, s, vh = torch.linalg.svd(w0)
            >>> found = Updated.of(u, s, vh, x, y).leading(3)
            >>> whole = torch.linalg.svd(w0 + x @ y.mT)
            >>> torch.allclose(found.s, whole.S[:3]), torch.allclose(found.along.abs(), (u.mT @ whole.U[:, :3]).abs())
            (True, True)
        """
        size, r = self.x.shape
        if not k:
            return Leading(self.s0[:0], self.s0[: self.n, None][:, :0])
        first = torch.eye(size, min(size, k + r + 1), dtype=self.x.dtype, device=self.x.device)
        basis = torch.linalg.qr(torch.cat([first, self.x], dim=1)).Q
        images, rounding = self._transposed(basis), 64 * torch.finfo(self.x.dtype).eps
        for _ in range(_ROUNDS):
            _, s, turn = torch.linalg.svd(images, full_matrices=False)
            if len(s) <= k:
                return None
            found, squares = basis @ turn[:k].mT, s[:k].square()
            rest = self._times(images @ turn[:k].mT) - found * squares
            if float(rest.norm(dim=0).max()) <= rounding * float(squares[0]):
                return self._checked(s, found, k)
            if basis.shape[-1] + k > size:
                return None
            wider = _orthogonal(self._nearer(rest, squares), basis)
            basis, images = (
                torch.cat([basis, wider], 1),
                torch.cat([images, self._transposed(wider)], 1),
            )
        return None

    def _checked(self, s: Tensor, found: Tensor, k: int) -> Leading | None:
        """What was found, if there are no others as large, and none so small that its square beside the largest one's is rounded."""
        apart = float(s[k - 1] - s[k]) > _CLOSE * float(s[0])
        if (
            not apart
            or float(s[k - 1]) < _SMALL * float(s[0])
            or self.count_above(float(s[k - 1] + s[k]) / 2) != k
        ):
            return None
        return Leading(s[:k], found[: self.n])

    def _nearer(self, rest: Tensor, squares: Tensor) -> Tensor:
        """What the diagonal alone would take for the missing part."""
        apart = self.s0.square()[:, None] - squares
        least = torch.finfo(apart.dtype).eps * float(squares[0])
        nearer = rest / apart.where(apart.abs() > least, torch.full_like(apart, least))
        return nearer / nearer.norm(dim=0).clamp(min=torch.finfo(apart.dtype).tiny)

    def _times(self, x: Tensor) -> Tensor:
        return self.s0[:, None] * x + self.x @ (self.y.mT @ x)

    def _transposed(self, x: Tensor) -> Tensor:
        return self.s0[:, None] * x + self.y @ (self.x.mT @ x)


def _within(basis: Float[Tensor, "d n"], columns: Float[Tensor, "d r"]) -> Float[Tensor, "m r"]:
    """Columns by orthonormal ones, and below what they have beside them, in directions of their own."""
    inside = basis.mT @ columns
    d, n = basis.shape
    if d == n:
        return inside
    beside = columns - basis @ inside
    again = basis.mT @ beside
    return torch.cat([inside + again, torch.linalg.qr(beside - basis @ again).R])


def _evened(symmetric: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """The same signs of eigenvalues, with rows of about one size: beside ΔW's singular values squared all else would be rounding."""
    for _ in range(3):
        largest = symmetric.abs().amax(1)
        scale = largest.where(largest > 0, 1.0).rsqrt()
        symmetric = scale[:, None] * symmetric * scale
    return symmetric


def _padded(rows: Tensor, size: int) -> Tensor:
    return torch.cat([rows, rows.new_zeros(size - len(rows), *rows.shape[1:])])


def _orthogonal(columns: Tensor, basis: Tensor) -> Tensor:
    """Twice, for the first time leaves rounding that is large beside little."""
    for _ in range(2):
        columns = torch.linalg.qr(columns - basis @ (basis.mT @ columns)).Q
    return columns

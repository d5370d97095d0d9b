"""Many adapters' factors at once: bases of A and of B turned into ΔW's own singular vectors.

φ of whole subspaces does not see the turn, and the energies of ΔW's cross terms need nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..numbers.either import in_float64
from ..numbers.scaled import exponents, of_order_one
from .rank import rank_of, rank_of_product, stored_eps


class Balanced(NamedTuple):
    """One adapter's ΔW = s·B·A at one place.

    Attributes:
        left: Orthonormal rows that span B's columns, ΔW's left singular vectors first, with the sign of s.
        right: Orthonormal rows that span A's rows, ΔW's right singular vectors first.
        s: ΔW's singular values above rounding, descending: ``ΔW = left[:k]ᵀ·diag(s)·right[:k]``.
        own_left, own_right: B's left and A's right singular vectors, in the order of their own singular
            values; rows.
        norm_a, norm_b: Frobenius norms of the factors as stored.
    """

    left: Float[Tensor, "rank_b out"]
    right: Float[Tensor, "rank_a in"]
    s: Float[Tensor, " k"]
    own_left: Float[Tensor, "rank_b out"]
    own_right: Float[Tensor, "rank_a in"]
    norm_a: float
    norm_b: float


def balanced(
    a: Float[Tensor, "n rank in"], b: Float[Tensor, "n out rank"], scaling: Float[Tensor, " n"]
) -> list[Balanced]:
    """`Balanced` of n adapters of one rank: QR of both factors, SVDs of their triangles, never ΔW.

    Vectors above a factor's numerical rank (`lora_lens.core.factors.rank`, at the resolution of its dtype) are
    left out, so that of a zero B none are left.

    Args:
        a, b: In the dtype of the file, finite.
        scaling: s of each.

    Example:
        >>> a, b = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.tensor([[[5.0, 6.0], [7.0, 8.0]]])
        >>> (one,) = balanced(a, b, torch.tensor([-0.5]))
        >>> (one.left.mT @ one.s.diag() @ one.right).round(decimals=4)  # −b·a/2, of determinant 1
        tensor([[-11.5000, -17.0000],
                [-15.5000, -23.0000]], dtype=torch.float64)
        >>> round(one.s.prod().item(), 4)
        1.0
    """
    eps_a, eps_b = stored_eps(a), stored_eps(b)
    exponent = exponents(a) + exponents(b)
    norms = [torch.linalg.matrix_norm(in_float64(x)).tolist() for x in (a, b)]
    wide_a, wide_b = in_float64(of_order_one(a)), in_float64(of_order_one(b))
    right, left = _own(wide_a.mT), _own(wide_b)
    # b = left.u·diag(left.s)·left.vh and aᵀ = right.u·diag(right.s)·right.vh
    core = (left.s[..., None] * left.vh) @ (right.s[..., None] * right.vh).mT
    ranks_a = rank_of(right.s, (a.shape[-1], a.shape[-2]), eps_a).tolist()
    ranks_b = rank_of(left.s, (b.shape[-2], b.shape[-1]), eps_b).tolist()
    size, scale = max(b.shape[-2], a.shape[-1]), left.s[:, 0] * right.s[:, 0]
    whole = _Core(*torch.linalg.svd(core))
    found = []
    for k, (rank_a, rank_b) in enumerate(zip(ranks_a, ranks_b, strict=True)):
        full = rank_a == right.s.shape[-1] and rank_b == left.s.shape[-1]
        turn = whole.of(k) if full else _turn(core[k, :rank_b, :rank_a])
        own_left, own_right = left.u[k, :, :rank_b].mT, right.u[k, :, :rank_a].mT
        real = int(rank_of_product(turn.s, scale[k], size)) if float(scaling[k]) else 0
        s = torch.ldexp(turn.s[:real] * abs(scaling[k]).to(turn.s), exponent[k])
        sign = -1.0 if float(scaling[k]) < 0 else 1.0
        found.append(
            Balanced(
                sign * (turn.u.mT @ own_left), turn.vh @ own_right, s, own_left, own_right,
                norms[0][k], norms[1][k],
            )
        )  # fmt: skip
    return found


class _Core(NamedTuple):
    u: Tensor
    s: Tensor
    vh: Tensor

    def of(self, k: int) -> _Core:
        return _Core(self.u[k], self.s[k], self.vh[k])


def _turn(core: Float[Tensor, "rank_b rank_a"]) -> _Core:
    if not core.numel():
        rows, columns = core.shape
        eyes = (torch.eye(size, dtype=core.dtype, device=core.device) for size in (rows, columns))
        return _Core(next(eyes), core.new_empty(0), next(eyes))
    return _Core(*torch.linalg.svd(core))


def _own(tall: Float[Tensor, "n d rank"]) -> _Core:
    """Thin SVD of each: QR, then the SVD of the triangle."""
    q, r = torch.linalg.qr(tall)
    u, s, vh = torch.linalg.svd(r, full_matrices=False)
    return _Core(q @ u, s, vh)

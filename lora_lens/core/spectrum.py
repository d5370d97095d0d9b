"""The singular value decomposition of a product from its factors, and ranks read off a spectrum."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class ProductSVD(NamedTuple):
    """``b @ a = u @ diag(s) @ vh`` of a product of inner dimension r, never formed."""

    u: Float[Tensor, "*batch out r"]
    s: Float[Tensor, "*batch r"]
    vh: Float[Tensor, "*batch r in"]


def product_svd(b: Float[Tensor, "*batch out r"], a: Float[Tensor, "*batch r in"]) -> ProductSVD:
    """Thin SVD of ``b @ a`` for r at most out and in: QR of both factors, SVD of the r×r core.

    O((out + in)·r²) instead of O(out·in·min(out, in)). Singular values descend.
    """
    q_b, r_b = torch.linalg.qr(b)
    q_a, r_a = torch.linalg.qr(a.mT)
    u, s, vh = torch.linalg.svd(r_b @ r_a.mT)
    return ProductSVD(q_b @ u, s, vh @ q_a.mT)


def product_singular_values(
    b: Float[Tensor, "*batch out r"], a: Float[Tensor, "*batch r in"]
) -> Float[Tensor, "*batch r"]:
    """Singular values of ``b @ a``, descending, without its singular vectors."""
    r_b = torch.linalg.qr(b, mode="r").R
    r_a = torch.linalg.qr(a.mT, mode="r").R
    return torch.linalg.svdvals(r_b @ r_a.mT)


def stable_rank(s: Float[Tensor, "*batch r"]) -> Float[Tensor, "*batch"]:
    """‖·‖_F² / ‖·‖₂²: from 1 to the rank; NaN for a zero matrix."""
    return s.square().sum(-1) / s.amax(-1).square()


def effective_rank(s: Float[Tensor, "*batch r"]) -> Float[Tensor, "*batch"]:
    """exp of the entropy of the singular values s/Σs (Roy and Vetterli 2007): of s, not of s².

    From 1 to the rank; NaN for a zero matrix.
    """
    share = s / s.sum(-1, keepdim=True)
    return torch.special.entr(share).sum(-1).exp()

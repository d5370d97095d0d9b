"""W0 and the factors of one module over its layers, as the forward question takes them."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..adapter import ModuleFactors
from ..bases.weights import BaseWeights
from ..core.bases import orthonormal_basis
from .selection import Where

Factor = Literal["A", "B"]


class Forward(NamedTuple):
    """For B: W0 and B's bases. For A: W0ᵀ and bases of Aᵀ, so that both ask ``Q_l R_l ≈ W_l θ``."""

    w: Float[Tensor, "layer out in"]
    q: Float[Tensor, "layer out r"]


def stacked_w0(
    factors: ModuleFactors, weights: BaseWeights, where: Where
) -> Float[Tensor, "layer out in"]:
    """W0 of every layer, in float64 where the device has it."""
    return where.stack([weights.w0(factors, k) for k in range(len(factors.layers))])


def forward(
    factors: ModuleFactors, w0: Float[Tensor, "layer out in"], matrix: Factor, rank: int
) -> Forward:
    """What of one factor is asked forwards; `rank` leading directions of each layer."""
    factor = factors.b if matrix == "B" else factors.a.mT
    q = orthonormal_basis(factor.to(w0.device, torch.float64), rank, ordered=True)
    return Forward(w0 if matrix == "B" else w0.mT, q)

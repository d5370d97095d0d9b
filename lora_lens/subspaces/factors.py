"""The singular subspaces of an adapter's A, B and ΔW, with the ranks up to which they exist."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..core.bases import orthonormal_basis
from ..core.checked import Side
from ..core.precision import exponents, of_order_one
from ..core.product_svd import product_svd
from ..core.rank import numerical_rank
from ..core.triangle import spectral_norm


class SpaceName(NamedTuple):
    """A matrix (``A``, ``B`` or ``delta``) and the side of its singular vectors."""

    matrix: str
    side: Side


# A's left and B's right singular vectors live in R^rank, which no two adapters share.
SPACES: Mapping[str, SpaceName] = {
    "A": SpaceName("A", "right"),
    "B": SpaceName("B", "left"),
    "delta_left": SpaceName("delta", "left"),
    "delta_right": SpaceName("delta", "right"),
}


class Spaces(NamedTuple):
    """Leading singular subspaces layer by layer, one basis a space.

    Attributes:
        bases: Space to (layer, d, k); arbitrary in a layer where `ranks` is below k.
        ranks: Space to (layer,): how many singular vectors there are.
        s: Singular values of B·A without its scaling, descending, in float64 on the CPU; empty
            unless ΔW was wanted.
    """

    bases: Mapping[str, Float[Tensor, "layer d k"]]
    ranks: Mapping[str, Int[Tensor, " layer"]]
    s: Float[Tensor, "layer r"]


def factor_spaces(
    a: Float[Tensor, "layer rank in"],
    b: Float[Tensor, "layer out rank"],
    k: int,
    wanted: Collection[str] = tuple(SPACES),
    *,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float64,
    scaling: Float[Tensor, " layer"] | None = None,
) -> Spaces:
    """The top-k singular subspaces of A (right), B (left) and ΔW (left, right), and how far they exist.

    Ranks are judged as `compare` judges them: A's and B's by `numerical_rank` at the resolution of the
    file's dtype, and B·A's singular values must moreover be more than rounding.

    Args:
        a, b: In the dtype of the file.
        k: How many singular vectors.
        wanted: Which of `SPACES`.
        device, dtype: Where and in which precision to decompose; on the factors' device by default.
        scaling: s, which turns no singular vector of ΔW = s·B·A, but leaves none where it is 0.

    Example:
        >>> spaces = factor_spaces(torch.tensor([[[0.0, 2.0]]]), torch.tensor([[[3.0], [4.0]]]), 1)
        >>> [spaces.bases[name].abs().ravel().round(decimals=6).tolist() for name in ("delta_right", "B")]
        [[0.0, 1.0], [0.6, 0.8]]
        >>> spaces.ranks["delta_left"], spaces.s.round(decimals=6)
        (tensor([1]), tensor([[10.]], dtype=torch.float64))
    """
    rank_a, rank_b = numerical_rank(a), numerical_rank(b)
    scale_exponent = (exponents(a) + exponents(b)).cpu()
    a, b = of_order_one(a).to(device, dtype), of_order_one(b).to(device, dtype)
    bases: dict[str, Tensor] = {}
    ranks = {"A": rank_a, "B": rank_b}
    s = torch.zeros(len(a), 0, dtype=torch.float64)
    if "A" in wanted:
        bases["A"] = orthonormal_basis(a.mT, k, ordered=True)
    if "B" in wanted:
        bases["B"] = orthonormal_basis(b, k, ordered=True)
    if any(SPACES[name].matrix == "delta" for name in wanted):
        u, s, vh = product_svd(b, a)
        bases |= {"delta_left": u[..., :k], "delta_right": vh.mT[..., :k]}
        scale = spectral_norm(b) * spectral_norm(a)
        floor = 10 * max(b.shape[-2], a.shape[-1]) * torch.finfo(dtype).eps * scale
        real = (s > floor[..., None]).sum(-1).cpu()
        rank = torch.minimum(torch.minimum(rank_a, rank_b).cpu(), real)
        rank = rank if scaling is None else torch.where(scaling.cpu() == 0, 0, rank)
        ranks |= {"delta_left": rank, "delta_right": rank}
    return Spaces(
        {name: bases[name] for name in wanted},
        {name: ranks[name].cpu() for name in wanted},
        torch.ldexp(s.cpu().double(), scale_exponent[:, None]),
    )

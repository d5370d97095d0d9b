"""φ(i, j) for all i and j at once, from two ordered orthonormal bases."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def phi_grid_of_bases(
    u: Float[Tensor, "*batch d i"], v: Float[Tensor, "*batch d j"]
) -> Float[Tensor, "*batch i j"]:
    """φ of the first i columns of `u` and the first j of `v`, i and j counted from 1.

    One product, squared, summed cumulatively along both axes, over min(i, j) (Hu et al. 2022,
    Figures 3 and 4); clamped into [0, 1] against rounding.
    """
    sums = (u.mT @ v).square().cumsum(-1).cumsum(-2)
    i = torch.arange(1, u.shape[-1] + 1, device=sums.device)
    j = torch.arange(1, v.shape[-1] + 1, device=sums.device)
    return (sums / torch.minimum(i[:, None], j[None, :])).clamp(0, 1)

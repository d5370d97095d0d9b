"""φ from orthonormal bases, unchecked: of one pair, of all pairs of layers, for all i and j at once."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def phi_of_bases(
    u: Float[Tensor, "*#batch d i"], v: Float[Tensor, "*#batch d j"]
) -> Float[Tensor, "..."]:
    """φ from orthonormal bases: ‖uᵀv‖_F² / min(i, j), clamped into [0, 1] against rounding.

    Example:
        >>> axes, line = torch.eye(3), torch.tensor([[0.6], [0.8], [0.0]])
        >>> phi_of_bases(axes[:, :1], line), phi_of_bases(axes[:, :2], axes[:, 1:])
        (tensor(0.3600), tensor(0.5000))
    """
    total = (u.mT @ v).square().sum((-2, -1))
    return (total / min(u.shape[-1], v.shape[-1])).clamp(0, 1)


def phi_of_all_pairs(
    u: Float[Tensor, "*batch layer d i"], v: Float[Tensor, "*batch other d j"]
) -> Float[Tensor, "*batch layer other"]:
    """`phi_of_bases` of every pair of layers: the bases side by side, one matrix product.

    Example:
        >>> lines = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])[..., None]
        >>> phi_of_all_pairs(lines, lines[:2])
        tensor([[1.0000, 0.3600],
                [0.3600, 1.0000],
                [0.0000, 0.6400]])
    """
    layers, i = u.shape[-3], u.shape[-1]
    others, j = v.shape[-3], v.shape[-1]
    rows = _as_rows(u)
    product = rows @ (rows if _is_same(u, v) else _as_rows(v)).mT
    blocks = product.square().unflatten(-2, (layers, i)).unflatten(-1, (others, j))
    return (blocks.sum((-3, -1)) / min(i, j)).clamp(0, 1)


def mean_of_other_layers(
    grids: Float[Tensor, "*batch layer layer"],
) -> Float[Tensor, "*batch"]:
    """Mean off the diagonal of each grid; NaN where there is nothing off it.

    Example:
        >>> mean_of_other_layers(torch.tensor([[1.0, 0.2], [0.4, 1.0]]))
        tensor(0.3000)
    """
    off = ~torch.eye(grids.shape[-1], dtype=torch.bool, device=grids.device)
    return grids[..., off].mean(-1)


def _as_rows(
    bases: Float[Tensor, "*batch layer d i"],
) -> Float[Tensor, "*batch layer_and_i d"]:
    """A basis vector a row, which is a copy of whole vectors where they lie in one piece, as a null's do."""
    return bases.mT.flatten(-3, -2)


def _is_same(u: Tensor, v: Tensor) -> bool:
    try:
        start = u.data_ptr() == v.data_ptr()
    except RuntimeError:  # tensors of torch.func's transforms lie nowhere
        return u is v
    return start and u.shape == v.shape and u.stride() == v.stride()


def phi_grid_of_bases(
    u: Float[Tensor, "*batch d i"], v: Float[Tensor, "*batch d j"]
) -> Float[Tensor, "*batch i j"]:
    """φ of the first i columns of `u` and the first j of `v`, i and j counted from 1.

    One product, squared, summed cumulatively along both axes, over min(i, j) (Hu et al. 2022,
    Figures 3 and 4); clamped into [0, 1] against rounding.

    Example:
        >>> v = torch.tensor([[0.6, 0.0], [0.8, 0.0], [0.0, 1.0]])
        >>> phi_grid_of_bases(torch.eye(3)[:, :2], v)
        tensor([[0.3600, 0.3600],
                [1.0000, 0.5000]])
    """
    sums = (u.mT @ v).square().cumsum(-1).cumsum(-2)
    i = torch.arange(1, u.shape[-1] + 1, device=sums.device)
    j = torch.arange(1, v.shape[-1] + 1, device=sums.device)
    return (sums / torch.minimum(i[:, None], j[None, :])).clamp(0, 1)

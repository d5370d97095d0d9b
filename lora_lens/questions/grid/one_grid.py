"""φ(i, j) of one matrix in one layer, beside what unrelated subspaces give."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from ...chance.gaussian_moments import gaussian_grid
from ...core.similarity.angles import principal_angles
from ...core.similarity.phi_of_bases import phi_grid_of_bases
from ...labelled import Array
from .result import RankGrid

Kind = Literal["A", "B", "delta-left", "delta-right"]
KINDS: dict[str, tuple[str, str]] = {
    "A": ("A", "right"),
    "B": ("B", "left"),
    "delta-left": ("delta", "left"),
    "delta-right": ("delta", "right"),
}


def grid_of(layer: int, kind: str, u: Tensor, v: Tensor, full: tuple[int, int]) -> RankGrid:
    """From orthonormal bases, in the order of singular values, the leading ones of as many as `full` says."""
    matrix, side = KINDS[kind]
    d, r1 = u.shape
    r2 = v.shape[1]
    mean, sd = _gaussian(d, r1, r2)
    angles = torch.rad2deg(principal_angles(u, v, r1, r2))
    return RankGrid(
        layer=layer,
        matrix=matrix,
        side=side,
        values=phi_grid_of_bases(u, v).double().cpu().numpy(),
        gaussian_mean=mean,
        gaussian_sd=sd,
        angles=angles.double().cpu().numpy(),
        dimension=d,
        full=full,
    )


@lru_cache(maxsize=64)
def _gaussian(d: int, r1: int, r2: int) -> tuple[Array, Array]:
    found = gaussian_grid(d, r1, r2)
    for numbers in found:
        numbers.flags.writeable = False  # shared by the grids of all layers
    return found

"""What φ is by chance: in closed form, sampled, and propagated through W0⁻¹.

Two independent random factors give conversion matrices that are *not* independent uniform
subspaces: W0⁻¹ amplifies W0's small singular directions, and layers share some of them. The
propagated baseline measures that: φ between W_l⁻¹G and W_m⁻¹G′ for Gaussian G, G′.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import RankError
from .subspace import orthonormal_basis, phi_of_all_pairs, phi_of_bases


class Moments(NamedTuple):
    """Mean and standard deviation of φ under a null."""

    mean: float
    sd: float


def gaussian_baseline(d: int, i: int, j: int | None = None) -> Moments:
    """Mean and standard deviation of φ of two independent uniform subspaces of R^d, in closed form.

    ``E φ = max(i, j)/d``; ``Var φ = 2ij(d−i)(d−j) / (d²(d−1)(d+2)·min(i, j)²)``: the moments of
    ``‖UᵀV‖_F²`` for Haar-distributed frames. No sampling is needed.

    Args:
        d: Dimension of the space that the singular vectors live in.
        i: Dimension of the one subspace.
        j: Dimension of the other; `i` where it is None.

    Raises:
        RankError: i or j is below 1 or above d.

    Example:
        >>> mean, sd = gaussian_baseline(384, 8)
        >>> round(mean, 4), round(sd, 4)
        (0.0208, 0.0036)
    """
    j = i if j is None else j
    if not (1 <= i <= d and 1 <= j <= d):
        raise RankError(f"no subspaces of dimensions {i} and {j} in R^{d}; expected 1 to {d}")
    if d == 1:
        return Moments(1.0, 0.0)
    variance = 2 * i * j * (d - i) * (d - j) / (d**2 * (d - 1) * (d + 2) * min(i, j) ** 2)
    return Moments(max(i, j) / d, math.sqrt(variance))


def gaussian_samples(
    d: int, i: int, j: int | None = None, *, draws: int, generator: torch.Generator
) -> Float[Tensor, " draws"]:
    """φ of `draws` independent pairs of Gaussian matrices, d×i and d×j, as the paper samples it."""
    j = i if j is None else j
    x, y = (
        torch.randn(draws, d, k, generator=generator, dtype=torch.float64, device=generator.device)
        for k in (i, j)
    )
    return phi_of_bases(orthonormal_basis(x, i), orthonormal_basis(y, j))


def null_grids(
    u: Float[Tensor, "draw layer d i"], v: Float[Tensor, "draw layer d j"]
) -> Float[Tensor, "draw layer layer"]:
    """φ between all pairs of layers in each of many independent draws of a null.

    Off the diagonal a draw compares its own two layers, whose factors are independent. On the
    diagonal layer l is compared with itself in the *next* draw, so that both factors are
    independent there too: it says how alike one W0 makes two unrelated factors. With a single draw
    the diagonal is 1.
    """
    grids = phi_of_all_pairs(u, v)
    diagonal = phi_of_bases(u, v.roll(-1, dims=0))
    return torch.diagonal_scatter(grids, diagonal, dim1=-2, dim2=-1)


def gaussian_factors(
    draws: int, rows: int, columns: int, generator: torch.Generator
) -> Float[Tensor, "rows draws_columns"]:
    """`draws` standard Gaussian factors of shape (rows, columns), side by side as right-hand sides.

    Drawn in float32 on the CPU, so that every device sees the same numbers.
    """
    return torch.randn(rows, draws * columns, generator=generator)

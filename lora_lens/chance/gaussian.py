"""What φ of unrelated subspaces is: in closed form, and sampled.

It is the null of two factors themselves, and the wrong one for conversion matrices: see
`lora_lens.chance.draws`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..core.phi_of_bases import phi_of_bases
from ..errors import RankError
from .draws import null_grids


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


def mean_off_diagonal_sd(d: int, layers: int, i: int, j: int | None = None) -> float:
    """Standard deviation of the mean of φ off the diagonal, over independent uniform subspaces of R^d.

    φ of different pairs of layers are uncorrelated, even with a layer in common. φ of (l, m) and
    (m, l) are equal for i = j; else, with the leading i vectors among the leading j, they correlate
    by ``ρ = i(d−j) / (j(d−i))`` for i ≤ j. So it is ``sd·√((1+ρ)/2 / pairs)``; NaN for one layer.

    Args:
        d, i, j: As in `gaussian_baseline`.
        layers: How many.

    Example:
        >>> of_one, of_three = gaussian_baseline(384, 8).sd, mean_off_diagonal_sd(384, 3, 8)
        >>> round((of_one / of_three) ** 2, 6)  # three layers, three pairs
        3.0
        >>> round((gaussian_baseline(4, 1, 2).sd / mean_off_diagonal_sd(4, 2, 1, 2)) ** 2, 6)  # 2/(1 + ρ), ρ = 1/3
        1.5
    """
    j = i if j is None else j
    pairs = layers * (layers - 1) // 2
    if not pairs:
        return math.nan
    low, high = min(i, j), max(i, j)
    rho = 1.0 if low == high else low * (d - high) / (high * (d - low))
    return gaussian_baseline(d, i, j).sd * math.sqrt((1 + rho) / 2 / pairs)


def gaussian_samples(
    d: int, i: int, j: int | None = None, *, draws: int, generator: torch.Generator
) -> Float[Tensor, " draws"]:
    """φ of `draws` independent pairs of uniform subspaces of R^d, of dimensions i and j.

    Equivalent in law to φ of Gaussian d×i and d×j matrices, as the paper samples it; made from far
    fewer numbers, see `uniform_bases`.

    Args:
        d, i, j: As in `gaussian_baseline`.
        draws: How many.
        generator: Where the numbers come from.

    Returns:
        (draws,), float64, on the CPU.

    Example:
        >>> drawn = gaussian_samples(384, 8, draws=500, generator=torch.Generator().manual_seed(0))
        >>> bool(abs(drawn.mean() - gaussian_baseline(384, 8).mean) < 0.001)
        True
    """
    j = i if j is None else j
    gaussian_baseline(d, i, j)  # checks the dimensions
    bases = uniform_bases(d, 2, max(i, j), draws=draws, generator=generator)
    return phi_of_bases(bases[:, 0, :, :i], bases[:, 1, :, :j])


def gaussian_grids(
    d: int, layers: int, i: int, j: int | None = None, *, draws: int, generator: torch.Generator
) -> Float[Tensor, "draws layer layer"]:
    """φ of every two of `layers` independent uniform subspaces of R^d, `draws` times; NaN on the diagonal.

    The i-dimensional subspace of a layer lies in its j-dimensional one (for i ≤ j), as leading
    singular subspaces do.

    Args:
        d, i, j: As in `gaussian_baseline`.
        layers, draws: How many.
        generator: Where the numbers come from.

    Example:
        >>> grids = gaussian_grids(8, 3, 2, draws=500, generator=torch.Generator().manual_seed(0))
        >>> grids.shape, bool(abs(grids.nanmean() - 2 / 8) < 0.01)
        (torch.Size([500, 3, 3]), True)
        >>> bool(grids.diagonal(dim1=1, dim2=2).isnan().all())
        True
    """
    j = i if j is None else j
    bases = uniform_bases(d, layers, max(i, j), draws=draws, generator=generator)
    grids = null_grids(bases[..., :i], bases[..., :j])
    # There two draws of one layer meet, and the angles of `uniform_bases` are right within a draw alone.
    return grids.diagonal_scatter(grids.new_full(grids.shape[:2], torch.nan), dim1=-2, dim2=-1)


def uniform_bases(
    d: int, layers: int, k: int, *, draws: int, generator: torch.Generator
) -> Float[Tensor, "draws layer n k"]:
    """Orthonormal bases whose angles within a draw are those of independent uniform k-subspaces of R^d.

    φ depends on the Gram matrix of the layers' Gaussian d×k frames alone. Where they have fewer
    columns than d together, their triangular factor has the same one: standard Gaussian above its
    diagonal, ``√χ²`` with d, d−1, … degrees of freedom on it (Bartlett 1933). So n is layers·k or d,
    whichever is less. Between draws the angles mean nothing: the first layer has the same subspace in all.

    Args:
        d: Dimension of the space.
        layers, draws: How many.
        k: Dimension of each subspace.
        generator: Where the numbers come from.

    Example:
        >>> bases = uniform_bases(1000, 3, 2, draws=5, generator=torch.Generator().manual_seed(0))
        >>> bases.shape, torch.allclose(bases.mT @ bases, torch.eye(2, dtype=torch.float64))
        (torch.Size([5, 3, 6, 2]), True)
    """
    columns = layers * k
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    if columns > d:
        stacked = rng.standard_normal((draws, d, columns))
    else:
        stacked = np.triu(rng.standard_normal((draws, columns, columns)), 1)
        freedom = d - np.arange(columns)
        diagonal = np.sqrt(rng.chisquare(freedom, (draws, columns)))
        stacked[:, range(columns), range(columns)] = diagonal
    frames = torch.from_numpy(stacked).unflatten(-1, (layers, k)).transpose(-3, -2)
    return torch.linalg.qr(frames).Q

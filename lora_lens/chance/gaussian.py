"""φ of unrelated subspaces, sampled; its mean and deviation are in `lora_lens.chance.gaussian_moments`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..core.numbers.whole import check_whole
from ..core.similarity.phi_of_bases import phi_of_bases
from ..errors import LensError
from ..moved import moved_name
from ..plain_torch import in_plain_torch
from .draws import null_grids
from .gaussian_moments import gaussian_baseline


@in_plain_torch
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

    Raises:
        RankError: i or j is below 1 or above d.
        LensError: `draws` is no whole number or negative, or `generator` is none.

    Example:
        >>> drawn = gaussian_samples(384, 8, draws=500, generator=torch.Generator().manual_seed(0))
        >>> bool(abs(drawn.mean() - gaussian_baseline(384, 8).mean) < 0.001)
        True
    """
    j = i if j is None else j
    gaussian_baseline(d, i, j)  # checks the dimensions
    check_whole(draws=draws)
    if draws < 0:
        raise LensError(f"draws is {draws}; expected 0 or more")
    if not isinstance(generator, torch.Generator):
        raise LensError(
            f"generator is {generator!r:.60}; expected one of torch's: torch.Generator().manual_seed(0)"
        )
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
    drawn = torch.randint(2**62, (), generator=generator, device=generator.device)
    rng = np.random.default_rng(int(drawn))
    if columns > d:
        stacked = rng.standard_normal((draws, d, columns))
    else:
        stacked = np.triu(rng.standard_normal((draws, columns, columns)), 1)
        freedom = d - np.arange(columns)
        diagonal = np.sqrt(rng.chisquare(freedom, (draws, columns)))
        stacked[:, range(columns), range(columns)] = diagonal
    frames = torch.from_numpy(stacked).unflatten(-1, (layers, k)).transpose(-3, -2)
    return torch.linalg.qr(frames).Q


if not TYPE_CHECKING:  # which would take any misspelt name for Any

    def __getattr__(name: str) -> Any:
        """The closed form's moments, which were here."""
        return moved_name(__name__, name)

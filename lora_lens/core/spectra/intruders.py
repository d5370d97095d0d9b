"""Intruder dimensions: singular vectors of W0 + ΔW that resemble none of W0's."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def largest_cosines(along: Float[Tensor, "*batch n k"]) -> Float[Tensor, "*batch k"]:
    """Largest absolute cosine of each of the tuned matrix's left singular vectors with any of W0's: 0 to 1.

    Shuttleworth et al. 2024 (arXiv 2410.21228) call one of them an intruder dimension where this is below ε.

    Args:
        along: (..., n, k) inner products of W0's n left singular vectors with k of the tuned matrix's.

    Returns:
        (..., k).

    Example:
        >>> largest_cosines(torch.tensor([[1.0, 0.0], [0.0, -0.6]]))
        tensor([1.0000, 0.6000])
    """
    return along.abs().amax(-2).clamp(max=1)


def cosines_by_choice(
    along: Float[Tensor, "n k"], runs: Int[Tensor, " n"]
) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
    """The least and the most that `largest_cosines` are, whichever singular vectors W0 is given where its singular values are equal.

    Of m such vectors, in whose span a column has the norm c, one may have a cosine of c with it, or all the same, c/√m.

    Args:
        along: As `largest_cosines` takes them.
        runs: (n,) from 0 on, the same for vectors of equal singular values, which are neighbours.

    Example:
        >>> along, runs = torch.tensor([[0.6], [0.8], [0.0]]), torch.tensor([0, 0, 1])
        >>> [found.item() for found in cosines_by_choice(along, runs)]  # 1/√2 and 1
        [0.7071067690849304, 1.0]
    """
    sizes = runs.bincount()
    squares = along.square()
    held = squares.new_zeros(len(sizes), along.shape[-1]).index_add_(0, runs, squares).sqrt()
    spread = held / sizes[:, None].to(held).sqrt()
    return spread.amax(0).clamp(max=1), held.amax(0).clamp(max=1)


def random_directions(
    d: int, k: int, draws: int, generator: torch.Generator
) -> Float[Tensor, "draw d k"]:
    """Uniform orthonormal frames of k vectors in R^d: what singular vectors are by chance.

    QR of a Gaussian matrix with R's diagonal made positive, in float64 on the CPU.

    Args:
        d: Dimension of the space.
        k: Vectors of a frame; d at most.
        draws: How many frames.
        generator: On the CPU.

    Example:
        >>> frames = random_directions(3, 2, 100, torch.Generator().manual_seed(0))
        >>> torch.allclose(frames.mT @ frames, torch.eye(2, dtype=torch.float64))
        True
        >>> sorted(set(random_directions(1, 1, 100, torch.Generator().manual_seed(0)).ravel().tolist()))
        [-1.0, 1.0]
    """
    q, r = torch.linalg.qr(torch.randn(draws, d, k, generator=generator, dtype=torch.float64))
    return q * r.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]

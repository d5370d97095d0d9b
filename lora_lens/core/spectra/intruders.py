"""Intruder dimensions: singular vectors of W0 + ΔW that resemble none of W0's."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def largest_cosines(
    u0: Float[Tensor, "*batch d n"], u: Float[Tensor, "*batch d k"]
) -> Float[Tensor, "*batch k"]:
    """Largest absolute cosine of each column of `u` with any column of `u0`, both of unit length: 0 to 1.

    Shuttleworth et al. 2024 (arXiv 2410.21228) call column j of the tuned matrix's singular vectors an
    intruder dimension where this is below ε. One d×n by d×k product: every cosine is computed.

    Args:
        u0: (..., d, n) W0's left singular vectors.
        u: (..., d, k) the tuned matrix's.

    Returns:
        (..., k).

    Example:
        >>> largest_cosines(torch.eye(3)[:, :2], torch.tensor([[1.0, 0.0], [0.0, 0.6], [0.0, 0.8]]))
        tensor([1.0000, 0.6000])
    """
    return (u0.mT @ u).abs().amax(-2).clamp(max=1)


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

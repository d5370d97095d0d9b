"""What a mean over layers is when each layer meets another one's counterpart, over all ways to pair them."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from .gaussian_moments import Moments


def deranged_moments(phi: Float[Tensor, "layer layer"]) -> Moments:
    """Mean and deviation of the mean over layers of ``φ(l, σ(l))``, over all orders σ that leave no layer in place.

    Exactly, at the cost of L², for what σ gives two layers depends on how they overlap alone: all
    derangements that send l to m and l′ to m′ are as many as permutations of the other L − 2 layers
    that avoid so many of their own places as are neither of those four.

    Args:
        phi: Of the one's layers (rows) with the other's; at least three.

    Example:
        Three layers have two derangements, of means 0.3 and 0.1.

        >>> phi = torch.tensor([[1.0, 0.3, 0.1], [0.1, 1.0, 0.3], [0.3, 0.1, 1.0]])
        >>> mean, sd = deranged_moments(phi)
        >>> round(mean, 6), round(sd, 6)
        (0.2, 0.1)
    """
    layers = len(phi)
    off = ~torch.eye(layers, dtype=torch.bool, device=phi.device)
    mean = float(phi[off].mean())
    z = torch.where(
        off, phi.double() - mean, 0.0
    )  # so that the variance is no difference of large numbers
    rows, columns, squares = z.sum(1), z.sum(0), float(z.square().sum())
    swapped = float((z * z.mT).sum())
    chained = 2 * (float(rows @ columns) - swapped)
    every = float(z.sum()) ** 2 - float(rows @ rows) - float(columns @ columns) + squares
    total = _avoiding(layers, layers)
    share = [_avoiding(layers - 2, layers - kept) / total for kept in (2, 3, 4)]
    apart = every - chained - swapped if layers > 3 else 0.0
    of_pairs = share[0] * swapped + share[1] * chained + share[2] * apart
    variance = (squares / (layers - 1) + of_pairs) / layers**2
    return Moments(mean, math.sqrt(max(0.0, variance)))


def _avoiding(n: int, places: int) -> int:
    """Permutations of n things that leave none of the first `places` of them where it was."""
    return sum(
        (-1) ** k * math.comb(max(0, places), k) * math.factorial(n - k) for k in range(n + 1)
    )

"""The mean projector on a random subspace that W0⁻¹, or a ridge, has turned towards its favoured directions."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

_HALVINGS = 100  # of a logarithm's interval: to float64's last digits


def direction_shares(gain: Float[Tensor, "*batch k"], rank: int) -> Float[Tensor, "*batch k"]:
    """How much of each direction the subspace holds on average: the mean projector's eigenvalues.

    X = V·diag(gain)·Z with a Gaussian Z of `rank` columns spans a random subspace; its mean projector has V's columns as
    eigenvectors. Their eigenvalues are approximated by the deterministic equivalent of a random projection,
    gain²/(gain² + τ) with τ such that they sum to the rank (Dereziński, Liang and Mahoney 2020). The error falls
    as the rank grows.

    Args:
        gain: Not negative, and not zero in every place: 1/σ of W0⁻¹.
        rank: At least 1.

    Returns:
        From 0 to 1, in float64; they sum to the rank, or to the number of gains above zero if that is less.

    Example:
        >>> direction_shares(torch.ones(4), 2).tolist()
        [0.5, 0.5, 0.5, 0.5]
        >>> direction_shares(torch.tensor([1.0, 1.0, 1e-9, 1e-9]), 2).round(decimals=3).tolist()
        [1.0, 1.0, 0.0, 0.0]
    """
    size = gain.double()
    squared = (size / size.amax(-1, keepdim=True)) ** 2
    some = squared > 0
    count = some.sum(-1, keepdim=True)
    least = squared.where(some, 1).amin(-1, keepdim=True)
    spare = (count - rank).clamp(min=1)
    low, high = (least * spare / rank).log(), (squared.sum(-1, keepdim=True) / rank).log()
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = (squared / (squared + middle.exp())).sum(-1, keepdim=True) > rank
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return torch.where(count > rank, squared / (squared + low.exp()), some.double())

"""How many singular values hold how much of a matrix."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..errors import LensError

_ROUNDING = 1e-12  # of the total: what a sum of squares may lack without a further value being owed


def rank_for_energy(s: Float[Tensor, "*batch r"], share: float) -> Int[Tensor, "*batch"]:
    """Smallest k for which the top k singular values hold `share` of the energy Σs².

    By Eckart and Young no matrix of rank k comes closer: the best one leaves a relative error of
    √(1 − share) in the Frobenius norm. 0 for a zero matrix.

    Args:
        s: Singular values, descending.
        share: Above 0 and at most 1.

    Raises:
        LensError: `share` is out of range.

    Example:
        >>> import torch
        >>> rank_for_energy(torch.tensor([3.0, 1.0, 0.0]), 0.9), rank_for_energy(torch.ones(4), 0.9)
        (tensor(1), tensor(4))
    """
    if not 0 < share <= 1:
        raise LensError(f"the share of energy is {share}; expected above 0 and at most 1")
    squares = s.double().square()
    total = squares.sum(-1, keepdim=True)
    short = squares.cumsum(-1) < (share - _ROUNDING) * total
    return torch.where(total[..., 0] > 0, short.sum(-1) + 1, 0)

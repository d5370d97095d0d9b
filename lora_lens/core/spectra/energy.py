"""How many singular values hold how much of a matrix."""

from __future__ import annotations

from numbers import Real
from typing import Any

from jaxtyping import Float, Int

from ...errors import LensError
from ..numbers.either import in_float64
from ..numbers.scaled import values_of_order_one

_ROUNDING = 1e-12  # of the total: what a sum of squares may lack without a further value being owed


def check_share(share: Any) -> None:
    """Nothing, where it is a share of a matrix's energy.

    Raises:
        LensError: It is not above 0 and at most 1.

    Example:
        >>> check_share(0.9)
        >>> check_share("0.9")
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: the share of energy is '0.9'; expected above 0 and at most 1
    """
    number = isinstance(share, Real) and not isinstance(share, bool)
    if not (number and 0 < float(share) <= 1):
        raise LensError(f"the share of energy is {share!r:.60}; expected above 0 and at most 1")


def rank_for_energy(s: Float[Any, "*batch r"], share: float) -> Int[Any, "*batch"]:
    """Smallest k for which the top k singular values hold `share` of the energy Σs².

    By Eckart and Young no matrix of rank k comes closer: the best one leaves a relative error of
    √(1 − share) in the Frobenius norm. 0 for a zero matrix.

    Args:
        s: Singular values, descending: a NumPy array or a torch tensor.
        share: Above 0 and at most 1.

    Raises:
        LensError: `share` is out of range.

    Example:
        >>> import numpy as np
        >>> int(rank_for_energy(np.array([3.0, 1.0, 0.0]), 0.9)), int(rank_for_energy(np.ones(4), 0.9))
        (1, 4)
    """
    check_share(share)
    squares = values_of_order_one(in_float64(s)) ** 2
    total = squares.sum(-1)
    short = squares.cumsum(-1) < (share - _ROUNDING) * total[..., None]
    return (short.sum(-1) + 1) * (total > 0)

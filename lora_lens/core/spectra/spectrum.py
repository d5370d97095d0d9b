"""Ranks read off a spectrum: how many singular values there are, in effect."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ..numbers.either import namespace
from ..numbers.scaled import values_of_order_one


def stable_rank(s: Float[Any, "*batch r"]) -> Float[Any, "*batch"]:
    """‖·‖_F² / ‖·‖₂²: from 1 to the rank; NaN for a zero matrix.

    Args:
        s: (..., r) all singular values: a NumPy array or a torch tensor.

    Example:
        >>> float(stable_rank(np.array([2.0, 1.0, 1.0])))
        1.5
    """
    s = values_of_order_one(s)
    with np.errstate(invalid="ignore"):  # of zero by zero
        return (s * s).sum(-1) / namespace(s).amax(s, -1) ** 2


def effective_rank(s: Float[Any, "*batch r"]) -> Float[Any, "*batch"]:
    """exp of the entropy of the singular values s/Σs (Roy and Vetterli 2007): of s, not of s².

    From 1 to the rank; NaN for a zero matrix.

    Args:
        s: (..., r) all singular values: a NumPy array or a torch tensor.

    Example:
        >>> round(float(effective_rank(np.ones(5))), 6), float(effective_rank(np.array([3.0, 0.0])))
        (5.0, 1.0)
    """
    xp, s = namespace(s), values_of_order_one(s)
    with np.errstate(invalid="ignore"):  # of zero by zero
        share = s / s.sum(-1)[..., None]
    held = share > 0
    return xp.exp(-(share * xp.log(xp.where(held, share, 1.0))).sum(-1))

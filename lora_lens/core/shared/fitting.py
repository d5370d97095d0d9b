"""In which precision draws are fitted: float32 where S's condition lets it be far below any null's deviation."""

from __future__ import annotations

from typing import NamedTuple

import torch

from .whitening import Whitening

_SINGLE = 1e4  # √κ(S) up to which float32, off by √κ·6e-8 or so, will do


class FittingSpace(NamedTuple):
    """A whitening in the precision to fit draws in."""

    space: Whitening
    dtype: torch.dtype


def fitting_space(space: Whitening) -> FittingSpace:
    """In float32, or as it is where S is too badly conditioned.

    Example:
        >>> from lora_lens.core.shared.whitening import whitening
        >>> spaces = (whitening(torch.diag(torch.tensor([1.0, s], dtype=torch.float64))) for s in (1e-6, 1e-10))
        >>> [fitting_space(space).dtype for space in spaces]
        [torch.float32, torch.float64]
    """
    if space.sqrt_kappa <= _SINGLE:
        return FittingSpace(space.single(), torch.float32)
    return FittingSpace(space, torch.float64)

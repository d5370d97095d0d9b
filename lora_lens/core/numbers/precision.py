"""In which precision results are computed, and what counts as rounding in it."""

from __future__ import annotations

import torch

from .either import FLOAT32_EPS


def singular_cutoff(stored: torch.dtype, computing: torch.dtype, shape: tuple[int, int]) -> float:
    """The share of σ_max below which a singular value of W0 is only rounding.

    float32's resolution 1.2e-7 for W0 stored in, or computed with, float32 or shorter;
    ``max(out, in)·2.2e-16`` where both are float64.

    Args:
        stored: W0's in its file.
        computing: What it is factored in.
        shape: W0's, (out, in).

    Example:
        >>> singular_cutoff(torch.bfloat16, torch.float64, (768, 768)) == 2**-23
        True
        >>> singular_cutoff(torch.float64, torch.float64, (768, 3072)) == 3072 * 2**-52
        True
    """
    if stored == computing == torch.float64:
        return max(shape) * torch.finfo(torch.float64).eps
    return FLOAT32_EPS

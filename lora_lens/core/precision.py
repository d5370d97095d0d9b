"""In which precision results are computed, and what counts as rounding in it."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .either import FLOAT32_EPS

_MODEST = 30


def working(x: Tensor) -> Tensor:
    """`x` in the dtype that results are computed in: float64, or float32 where a device has no more.

    Example:
        >>> working(torch.tensor([1.5], dtype=torch.bfloat16))
        tensor([1.5000], dtype=torch.float64)
    """
    return x.to(torch.float32 if x.device.type == "mps" else torch.float64)


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


def exponents(x: Float[Tensor, "*batch m n"]) -> Int[Tensor, "*batch"]:
    """e for each matrix, 2^e just above its largest entry; 0 for all where none is far from order one.

    Far is where a fourth power leaves float32's range.

    Example:
        >>> exponents(torch.tensor([[[3e38, 1.0]], [[-5.0, 1.0]]])).tolist(), exponents(torch.tensor([[1e-30]])).item()
        ([128, 3], -99)
        >>> exponents(torch.tensor([[-5.0, 1.0]])).item()  # not far from order one
        0
    """
    # Without a copy of |x|; of one matrix at a time, for along an axis it takes five times as long.
    ends = [torch.stack(each.aminmax()) for each in x.reshape(-1, *x.shape[-2:])]
    largest = torch.stack(ends).abs().amax(-1).reshape(x.shape[:-2])
    found = torch.frexp(largest).exponent
    found = torch.where(torch.isfinite(largest) & (largest > 0), found, 0)
    return found if bool((found.abs() > _MODEST).any()) else torch.zeros_like(found)


def of_order_one(x: Float[Tensor, "*batch m n"]) -> Float[Tensor, "*batch m n"]:
    """``x·2^-e``, e from `exponents`: its subspaces, and nothing that leaves the range of its dtype.

    Exact. A batch that is nowhere near the limits is given back as it is.

    Example:
        >>> of_order_one(torch.tensor([[3e38, 1.5e38]]))
        tensor([[0.8816, 0.4408]])
    """
    e = exponents(x)[..., None, None]
    if not bool(e.any()):
        return x
    half = e // 2  # 2^-e alone may be out of range
    return torch.ldexp(torch.ldexp(x, -half), half - e)

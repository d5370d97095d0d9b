"""Matrices scaled by powers of two, so that nothing made of them leaves the range of their dtype."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int

from .either import is_torch, namespace

_MODEST = 30


def exponents(x: Float[Any, "*batch m n"]) -> Int[Any, "*batch"]:
    """e for each matrix, 2^e just above its largest entry; 0 for all where none is far from order one.

    Far is where a fourth power leaves float32's range. `x` is a NumPy array or a torch tensor.

    Example:
        >>> import torch
        >>> exponents(torch.tensor([[[3e38, 1.0]], [[-5.0, 1.0]]])).tolist(), exponents(torch.tensor([[1e-30]])).item()
        ([128, 3], -99)
        >>> exponents(torch.tensor([[-5.0, 1.0]])).item()  # not far from order one
        0
    """
    xp = namespace(x)
    largest = _largest(x)
    found = xp.frexp(largest)[1]
    found = xp.where(xp.isfinite(largest) & (largest > 0), found, 0)
    return found if bool((abs(found) > _MODEST).any()) else xp.zeros_like(found)


def of_order_one(x: Float[Any, "*batch m n"]) -> Float[Any, "*batch m n"]:
    """``x·2^-e``, e from `exponents`: its subspaces, and nothing that leaves the range of its dtype.

    Exact. A batch that is nowhere near the limits is given back as it is.

    Example:
        >>> import numpy as np
        >>> of_order_one(np.array([[1e300, 5e299]])).round(4)
        array([[0.7466, 0.3733]])
    """
    e = exponents(x)[..., None, None]
    if not bool(e.any()):
        return x
    ldexp = namespace(x).ldexp
    half = e // 2  # 2^-e alone may be out of range
    return ldexp(ldexp(x, -half), half - e)


def values_of_order_one(s: Float[Any, "*batch r"]) -> Float[Any, "*batch r"]:
    """`of_order_one` of each row, singular values of a matrix: what their squares and their sum are by is within range.

    Example:
        >>> import numpy as np
        >>> values_of_order_one(np.array([1e300, 5e299])).round(4)
        array([0.7466, 0.3733])
    """
    return of_order_one(s[..., None])[..., 0] if 0 not in s.shape else s


def norm_of_values(s: Float[Any, "*batch r"]) -> Float[Any, "*batch"]:
    """‖·‖_F of a matrix from its singular values, however large or small they are.

    Example:
        >>> import numpy as np
        >>> float(np.ldexp(norm_of_values(np.ldexp([3.0, 4.0], 900)), -900)), float(norm_of_values(np.empty(0)))
        (5.0, 0.0)
    """
    xp = namespace(s)
    unit = values_of_order_one(s)
    norm = xp.linalg.vector_norm(unit, dim=-1) if is_torch(s) else xp.sqrt((unit * unit).sum(-1))
    if unit is s:
        return norm
    e = exponents(s[..., None])
    half = e // 2
    return xp.ldexp(xp.ldexp(norm, half), e - half)


def _largest(x: Float[Any, "*batch m n"]) -> Float[Any, "*batch"]:
    """The largest |entry| of each matrix, without a copy of |x|."""
    xp = namespace(x)
    if not is_torch(x):
        return xp.maximum(x.max((-2, -1)), -x.min((-2, -1)))
    # Of one matrix at a time, for along an axis it takes five times as long.
    ends = [xp.stack(each.aminmax()) for each in x.reshape(-1, *x.shape[-2:])]
    return xp.stack(ends).abs().amax(-1).reshape(x.shape[:-2])

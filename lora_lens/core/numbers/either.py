"""NumPy arrays and torch tensors under the same few names.

Spectra of factors need neither W0 nor a GPU, and loading torch takes longer than they do: kernels
that go through here take either kind, and load nothing.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

FLOAT32_EPS = float(np.finfo(np.float32).eps)


def is_torch(x: Any) -> bool:
    """Whether `x` is a torch tensor; torch is not loaded to find out.

    Example:
        >>> import torch
        >>> is_torch(torch.eye(2)), is_torch(np.eye(2))
        (True, False)
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def namespace(x: Any) -> Any:
    """The module whose functions take `x`: ``torch``, or ``numpy``.

    Example:
        >>> import torch
        >>> namespace(torch.eye(2)).__name__, namespace(np.eye(2)).__name__
        ('torch', 'numpy')
    """
    return sys.modules["torch"] if is_torch(x) else np


def swapped(x: Float[Any, "*batch m n"]) -> Float[Any, "*batch n m"]:
    """The transposed matrices.

    Example:
        >>> swapped(np.zeros((5, 2, 3))).shape
        (5, 3, 2)
    """
    return x.swapaxes(-1, -2)


def in_float64(x: Float[Any, "*dims"]) -> Float[Any, "*dims"]:
    """`x` in the dtype that results are computed in.

    Example:
        >>> import torch
        >>> in_float64(np.float32([1.5])), in_float64(torch.tensor([1.5], dtype=torch.bfloat16))
        (array([1.5]), tensor([1.5000], dtype=torch.float64))
    """
    if not is_torch(x):
        return np.asarray(x, dtype=np.float64)
    return x.double()


def as_numpy(x: Shaped[Any, "*dims"]) -> Shaped[Any, "*dims"]:
    """`x` as NumPy's array, wherever it is.

    Example:
        >>> import torch
        >>> as_numpy(torch.tensor([1.0, 2.0], requires_grad=True))
        array([1., 2.], dtype=float32)
    """
    return x.detach().cpu().numpy() if is_torch(x) else x


def as_torch(x: Shaped[Any, "*dims"], device: Any) -> Shaped[Any, "*dims"]:
    """`x` as torch's tensor on a device.

    Example:
        >>> as_torch(np.array([1.0, 2.0]), "cpu")
        tensor([1., 2.], dtype=torch.float64)
    """
    import torch

    return torch.as_tensor(x, device=device)


def is_finite(x: Shaped[Any, "*dims"]) -> bool:
    """Whether all entries are; the sum, one pass without a mask, settles it but for an overflow.

    Example:
        >>> is_finite(np.full(3, 3e38, np.float32)), is_finite(np.array([1.0, np.inf]))
        (True, False)
    """
    wide = x.float() if x.itemsize == 1 else x
    xp = namespace(wide)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(xp.isfinite(wide.sum())) or bool(xp.isfinite(wide).all())

"""NumPy arrays and torch tensors under the same few names.

Spectra of factors need neither W0 nor a GPU, and loading torch takes longer than they do: kernels
that go through here take either kind, and load nothing.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

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
    """`x` in the dtype that results are computed in: float64, or float32 where a device has no more.

    Example:
        >>> import torch
        >>> in_float64(np.float32([1.5])), in_float64(torch.tensor([1.5], dtype=torch.bfloat16))
        (array([1.5]), tensor([1.5000], dtype=torch.float64))
    """
    if not is_torch(x):
        return np.asarray(x, dtype=np.float64)
    from .precision import working

    return working(x)


def as_numpy(x: Float[Any, "*dims"]) -> Float[Any, "*dims"]:
    """`x` as NumPy's array, wherever it is.

    Example:
        >>> import torch
        >>> as_numpy(torch.tensor([1.0, 2.0], requires_grad=True))
        array([1., 2.], dtype=float32)
    """
    return x.detach().cpu().numpy() if is_torch(x) else x


def as_torch(x: Float[Any, "*dims"], device: Any) -> Float[Any, "*dims"]:
    """`x` as torch's tensor on a device.

    Example:
        >>> as_torch(np.array([1.0, 2.0]), "cpu")
        tensor([1., 2.], dtype=torch.float64)
    """
    import torch

    return torch.as_tensor(x).to(device)


def singular_values(x: Float[Any, "*batch m n"]) -> Float[Any, "*batch k"]:
    """Singular values of each matrix, descending; k is min(m, n).

    Example:
        >>> singular_values(np.array([[0.0, 2.0, 0.0], [-3.0, 0.0, 0.0]])).round(6)
        array([3., 2.])
    """
    if is_torch(x):
        return namespace(x).linalg.svdvals(x)
    return np.linalg.svd(x, compute_uv=False)


def householder(x: Float[Any, "*batch d n"]) -> Float[Any, "*batch k n"]:
    """R of x = QR, without Q: upper triangular, its rows of no definite sign; k is min(d, n).

    Example:
        >>> abs(householder(np.array([[3.0, 3.0], [4.0, 4.0], [0.0, 2.0]]))).round(6)
        array([[5., 5.],
               [0., 2.]])
    """
    if is_torch(x):
        return namespace(x).linalg.qr(x, mode="r").R
    return np.linalg.qr(x, mode="r")


def cholesky(
    gram: Float[Any, "*batch n n"],
) -> tuple[Float[Any, "*batch n n"], Bool[Any, "*batch"]]:
    """R, upper triangular, of ``gram = RᵀR``, and where there is one; elsewhere R is the identity.

    One below the normal numbers' square roots, or with an infinite entry, counts as none: its
    entries are not what they should be.

    Args:
        gram: Symmetric; only one of its triangles is looked at.

    Example:
        >>> r, sound = cholesky(np.array([[[4.0, 2.0], [2.0, 5.0]], [[1.0, 2.0], [2.0, 1.0]]]))
        >>> r.tolist(), sound.tolist()
        ([[[2.0, 1.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]]], [True, False])
    """
    xp = namespace(gram)
    n = gram.shape[-1]
    limits = xp.finfo(gram.dtype)
    diagonal = xp.abs(gram.diagonal(0, -2, -1))
    # NaN compares false.
    sound = (xp.amin(diagonal, -1) > limits.tiny / limits.eps) & (
        xp.amax(diagonal, -1) < limits.max
    )
    eye = xp.eye(n, dtype=gram.dtype, device=gram.device) if is_torch(gram) else np.eye(n)
    safe = xp.where(sound[..., None, None], gram, eye)
    if is_torch(gram):
        lower, info = xp.linalg.cholesky_ex(safe)
        sound = sound & (info == 0)
    else:
        lower, positive = _numpys_cholesky(safe)
        sound = sound & positive
    return xp.where(sound[..., None, None], swapped(lower), eye), sound


def _numpys_cholesky(gram: Any) -> tuple[Any, Any]:
    """NumPy gives up a whole batch for one matrix that is not positive definite."""
    try:
        return np.linalg.cholesky(gram), np.ones(gram.shape[:-2], dtype=bool)
    except np.linalg.LinAlgError:
        if gram.ndim == 2:
            return gram, np.zeros((), dtype=bool)
    pairs = [_numpys_cholesky(one) for one in gram]
    return np.stack([lower for lower, _ in pairs]), np.stack([sound for _, sound in pairs])

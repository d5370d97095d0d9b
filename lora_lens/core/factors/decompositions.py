"""Singular values, R of QR and of Cholesky, of NumPy arrays and torch tensors alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from ..numbers.either import is_torch, namespace, swapped


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

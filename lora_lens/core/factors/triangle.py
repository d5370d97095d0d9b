"""A tall matrix's triangle: what is left of X = QR when Q is not needed; and its norm."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ..numbers.either import namespace, swapped
from .decompositions import cholesky, householder, singular_values

_LOST = 2.3e-10  # κ²·eps: what squaring may cost; κ up to 1e3 in float64, and nothing in float32


def triangle(x: Float[Any, "*batch d n"]) -> Float[Any, "*batch k n"]:
    """R, upper triangular, with ``RᵀR = XᵀX``: X's singular values and right singular vectors; k is min(d, n).

    Up to a condition number of 1e3 by a Cholesky factor of XᵀX, which takes a third to a fifth of the
    time that Householder's QR takes, and far less where threads wait for each other; above it, and
    below full rank, by QR. Squaring costs digits: in float64 a singular value is off by ``κ²·eps`` of
    itself, 1e-10 at most. The condition is R's own: where X's is worse than that, R's is not much better.

    Not differentiable. X is a NumPy array or a torch tensor, in the dtype to compute in.

    Example:
        >>> x = np.array([[0.0, 3.0], [3.0, 5.0], [4.0, 0.0]])
        >>> abs(triangle(x)).round(6)
        array([[5., 3.],
               [0., 5.]])
    """
    eps = float(namespace(x).finfo(x.dtype).eps)
    if x.shape[-2] < x.shape[-1] or eps > _LOST:
        return householder(x)
    with np.errstate(over="ignore", invalid="ignore"):
        r, sound = cholesky(swapped(x) @ x)
    s = singular_values(r)
    fine = sound & (eps * s[..., 0] ** 2 < _LOST * s[..., -1] ** 2)
    if bool(fine.all()):
        return r
    if not bool(fine.any()):
        return householder(x)
    r[~fine] = householder(x[~fine])
    return r


def spectral_norm(x: Float[Any, "*batch m n"]) -> Float[Any, "*batch"]:
    """‖X‖₂, from the triangle of its longer side.

    Example:
        >>> round(float(spectral_norm(np.array([[3.0, 4.0], [0.0, 0.0]]))), 6)
        5.0
    """
    tall = x if x.shape[-2] >= x.shape[-1] else swapped(x)
    return singular_values(triangle(tall))[..., 0]

"""Orthonormal bases of singular subspaces, unchecked."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float

from ..numbers.either import namespace, swapped


def orthonormal_basis(
    x: Float[Any, "*batch d n"], k: int, *, ordered: bool = False
) -> Float[Any, "*batch d k"]:
    """Basis of the span of the top k left singular vectors: QR, then the SVD of the small factor if order matters.

    `lora_lens.core.factors.leading_basis.leading_basis` is the same with its checks. At full column rank the order
    within the basis does not matter to φ, so QR alone gives it (and has a gradient where singular
    values coincide) unless `ordered`.

    Args:
        x: A NumPy array or a torch tensor, in the dtype to compute in.
        k: From 1 to the rank of each.
        ordered: Largest singular value first, also where k is all columns.

    Returns:
        Orthonormal columns, of no definite sign.

    Example:
        >>> import numpy as np
        >>> abs(orthonormal_basis(np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]]), 1).T).round()
        array([[0., 0., 1.]])
    """
    linalg = namespace(x).linalg
    rows, columns = x.shape[-2:]
    if rows < columns:
        r = linalg.qr(swapped(x))[1]
        return linalg.svd(swapped(r), full_matrices=False)[0][..., :k]
    q, r = linalg.qr(x)
    if k == columns and not ordered:
        return q
    return q @ linalg.svd(r)[0][..., :k]

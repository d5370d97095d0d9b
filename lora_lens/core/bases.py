"""Orthonormal bases of singular subspaces, unchecked."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def orthonormal_basis(
    x: Float[Tensor, "*batch d n"], k: int, *, ordered: bool = False
) -> Float[Tensor, "*batch d k"]:
    """Basis of the span of the top k left singular vectors: QR, then the SVD of the small factor if order matters.

    `lora_lens.core.checked.leading_basis` is the same with its checks. At full column rank the order
    within the basis does not matter to φ, so QR alone gives it (and has a gradient where singular
    values coincide) unless `ordered`.

    Args:
        x: In the dtype to compute in.
        k: From 1 to the rank of each.
        ordered: Largest singular value first, also where k is all columns.

    Returns:
        Orthonormal columns, of no definite sign.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]])
        >>> orthonormal_basis(x, 1).abs().round().mT
        tensor([[0., 0., 1.]])
    """
    rows, columns = x.shape[-2:]
    if rows < columns:
        return torch.linalg.svd(torch.linalg.qr(x.mT).R.mT, full_matrices=False).U[..., :k]
    q, r = torch.linalg.qr(x)
    if k == columns and not ordered:
        return q
    return q @ torch.linalg.svd(r).U[..., :k]

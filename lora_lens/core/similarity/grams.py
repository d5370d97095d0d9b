"""What r×r Gram matrices tell of tall matrices: spectra of products, and φ of column spaces.

The tall matrices may be on another device: only XᵀX and XᵀY need to leave it. Squaring costs digits:
in float64 singular values below 1e-8 of the largest are lost, which float32 factors do not hold anyway.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..factors.decompositions import singular_values
from ..factors.rank import rank_of
from ..numbers.either import FLOAT32_EPS
from .phi_of_bases import phi_of_bases


class Columns(NamedTuple):
    """The columns of X, up to a rotation of the space that they are in.

    Attributes:
        root: A matrix R with ``RᵀR = XᵀX``.
        whitening: ``X @ whitening`` is an orthonormal basis of X's column space, its largest direction
            first; columns beyond the rank are zero.
        rank: `lora_lens.core.factors.rank.numerical_rank` of X, at float32's resolution.
    """

    root: Float[Tensor, "*batch r r"]
    whitening: Float[Tensor, "*batch r r"]
    rank: Int[Tensor, "*batch"]


def columns_of(gram: Float[Tensor, "*batch r r"], rows: int) -> Columns:
    """`Columns` of X from ``gram = XᵀX``, in the dtype to compute in (float64).

    Args:
        gram: Symmetric but for rounding.
        rows: How many X has, for its numerical rank.

    Example:
        >>> x = torch.tensor([[3.0, 6.0], [4.0, 8.0]], dtype=torch.float64)
        >>> columns = columns_of(x.mT @ x, rows=2)
        >>> columns.rank, torch.allclose(columns.root.mT @ columns.root, x.mT @ x)
        (tensor(1), True)
        >>> (x @ columns.whitening).abs().round(decimals=6)
        tensor([[0.6000, 0.0000],
                [0.8000, 0.0000]], dtype=torch.float64)
    """
    values, vectors = torch.linalg.eigh((gram + gram.mT) / 2)
    s, v = values.clamp(min=0).sqrt().flip(-1), vectors.flip(-1)
    rank = rank_of(s, (rows, s.shape[-1]), FLOAT32_EPS)
    kept = torch.arange(s.shape[-1], device=s.device) < rank[..., None]
    inverse = torch.where(kept, 1 / torch.where(kept, s, 1), 0)
    return Columns(s[..., None] * v.mT, v * inverse[..., None, :], rank)


def product_values(b: Columns, a: Columns) -> Float[Tensor, "*batch r"]:
    """Singular values of B·A, descending, from B's columns and A's rows; zero beyond either's rank.

    Args:
        b: Of B's columns.
        a: Of A's rows, which are Aᵀ's columns; as many.

    Example:
        >>> b, a = (columns_of(torch.diag(torch.tensor(s)), rows=2) for s in ([4.0, 1.0], [0.0, 9.0]))
        >>> product_values(b, a).round(decimals=4)  # of diag(2, 1)·diag(0, 3)
        tensor([3., 0.])
    """
    s = singular_values(b.root @ a.root.mT)
    places = torch.arange(s.shape[-1], device=s.device)
    return torch.where(places < torch.minimum(b.rank, a.rank)[..., None], s, 0)


def phi_of_columns(
    x: Columns, y: Columns, cross: Float[Tensor, "*batch r k"]
) -> Float[Tensor, "*batch"]:
    """φ of the column spaces of X and Y, i and j their numerical ranks; NaN where one is zero.

    Args:
        x, y: Of matrices in one space.
        cross: XᵀY.

    Example:
        Two planes in R³ with an axis in common.

        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
        >>> y = torch.tensor([[0.0, 0.0], [1.0, 2.0], [3.0, 5.0]], dtype=torch.float64)
        >>> round(phi_of_columns(columns_of(x.mT @ x, 3), columns_of(y.mT @ y, 3), x.mT @ y).item(), 6)
        0.5
    """
    inner = x.whitening.mT @ cross @ y.whitening
    # In X's own basis X's is the identity. φ is of all r columns, of which there may be fewer.
    eye = torch.eye(inner.shape[-2], dtype=inner.dtype, device=inner.device).expand(
        *inner.shape[:-2], -1, -1
    )
    least = torch.minimum(x.rank, y.rank)
    total = phi_of_bases(eye, inner) * min(inner.shape[-2:])
    return torch.where(least > 0, (total / least.clamp(min=1)).clamp(max=1), torch.nan)

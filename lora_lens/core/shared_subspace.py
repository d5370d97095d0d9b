"""How much of several subspaces one shared subspace captures: the spectrum of their mean projector.

For L subspaces of R^d with orthonormal bases U_l of r columns, P̄ = (1/L) Σ U_l U_lᵀ. The k
eigenvectors of its largest eigenvalues span the k-dimensional subspace Θ that maximises the mean of
``‖ΘᵀU_l‖_F²/r`` (Ky Fan 1949), and that maximum is ``Σ_{j≤k} λ_j / r``. All of it comes from the
(L·r)×(L·r) Gram matrix SᵀS of the stacked bases S, whose eigenvalues are L times P̄'s: no d×d
matrix is formed.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from .leading import leading_eigenvectors

_ENTRIES = 1 << 21  # of the Gram matrices held at once
_TOLERANCE = (
    1e-4  # of the iteration: leaves a bias of some hundredths of what a mean over layers scatters
)
_LITTLE = 1e-5  # of the largest eigenvalue: what float32 does not tell from none


class SharedShares(NamedTuple):
    """What one shared subspace captures of each layer's.

    Attributes:
        eigenvalues: Of the mean projector, descending, each in [0, 1]; min(layer·r, d) of them, the
            others are 0. Their sum is r.
        captured: ‖ΘᵀU_l‖_F²/r by the best shared Θ of all layers; its mean is the sum of the first k
            eigenvalues over r.
        left_out: The same by the best shared Θ of all *other* layers; NaN for a single layer.
    """

    eigenvalues: Float[Tensor, "*batch n"]
    captured: Float[Tensor, "*batch layer"]
    left_out: Float[Tensor, "*batch layer"]


def shared_shares(
    bases: Float[Tensor, "*batch layer d r"], k: int, *, exact: bool = True
) -> SharedShares:
    """What the best shared subspace of k dimensions captures of each layer's, in float64 on the CPU.

    Where eigenvalues k and k + 1 are equal the best subspace is not unique: the mean captured share
    is the same for all of them, a single layer's is not.

    Args:
        bases: Orthonormal columns.
        k: Dimensions to share: 1 to min(d, layer·r), and for `left_out` to min(d, (layer−1)·r).
        exact: Decompose the Gram matrix without each layer for `left_out`. Otherwise, for draws of a null,
            the Θ of all layers is iterated in float32 until it is the others': off by far less than the
            draws scatter, and at 32 layers of rank 8 some ten times faster.
    """
    layers, d, r = bases.shape[-3:]
    batch = bases.shape[:-3]
    step = max(1, _ENTRIES // (layers * r) ** 2)
    parts = [_shares(some, k, exact) for some in bases.reshape(-1, layers, d, r).split(step)]
    eigenvalues, captured, left_out = (torch.cat(part) for part in zip(*parts, strict=True))
    return SharedShares(
        eigenvalues.reshape(*batch, -1),
        captured.reshape(*batch, layers),
        left_out.reshape(*batch, layers),
    )


def shared_basis(bases: Float[Tensor, "layer d r"], k: int) -> Float[Tensor, "d width"]:
    """The best shared Θ: orthonormal eigenvectors of the mean projector, largest eigenvalue first.

    k of them, or fewer where the layers together span fewer dimensions. Columns have no definite
    sign, and no definite direction within equal eigenvalues.
    """
    stacked = _stacked(bases)
    values, vectors = _leading(stacked.mT @ stacked, k)
    kept = values > _floor(bases) * values[:1]
    # Equal to the columns over √value, but for directions of a small one, whose rounding QR removes.
    basis, triangle = torch.linalg.qr(stacked @ vectors[:, kept])
    return basis * triangle.diagonal().sign()


def _shares(bases: Tensor, k: int, exact: bool) -> SharedShares:
    layers, d, r = bases.shape[-3:]
    stacked = _stacked(bases)
    gram = (stacked.mT @ stacked).double().cpu()
    values, vectors = _leading(gram, gram.shape[-1])
    eigenvalues = (values[..., : min(d, layers * r)] / layers).clamp(0, 1)
    # Θᵀ U_l = μ^½ v_lᵀ for the eigenvector v of SᵀS, of which v_l are the entries of layer l.
    weights = vectors[..., :k].square().unflatten(-2, (layers, r)).sum(-2)
    captured = (weights @ values[..., :k, None].clamp(min=0)).squeeze(-1) / r
    left_out = torch.full_like(captured, torch.nan)
    if layers > 1:
        start = None if exact else vectors[..., : min(2 * k, (layers - 1) * r)]
        left_out = torch.stack(
            [_left_out(gram, layer * r, r, k, _floor(bases), start) for layer in range(layers)],
            dim=-1,
        )
    return SharedShares(eigenvalues, captured.clamp(0, 1), left_out.clamp(0, 1))


def _left_out(
    gram: Tensor, first: int, r: int, k: int, floor: float, start: Tensor | None
) -> Tensor:
    """Share of the layer at `first` that the others' Θ captures, from the Gram matrix without it.

    `start` has vectors of all layers near the others' leading ones; without it all are decomposed.
    """
    own = slice(first, first + r)
    others = torch.cat([torch.arange(first), torch.arange(first + r, gram.shape[-1])])
    rows = gram[..., others, :]
    if start is None:
        values, vectors = _leading(rows[..., others], k)
    else:
        small = rows[..., others].float()
        vectors = leading_eigenvectors(
            small, k, start[..., others, :].float().mT, tolerance=_TOLERANCE
        ).mT
        values = (vectors * (small @ vectors)).sum(-2).double()
        vectors, floor = vectors.double(), max(floor, _LITTLE)
    # ΘᵀU_l = μ^-½ vᵀ SᵀU_l; a direction that the others do not span captures nothing.
    cross = (vectors.mT @ rows[..., own]).square().sum(-1)
    spanned = values > floor * values[..., :1]
    return torch.where(spanned, cross / values.where(spanned, 1), 0).sum(-1) / r


def _leading(gram: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest eigenvalues, descending, and their eigenvectors."""
    values, vectors = torch.linalg.eigh(gram)
    return values[..., -k:].flip(-1), vectors[..., -k:].flip(-1)


def _stacked(bases: Tensor) -> Tensor:
    """(…, d, layer·r): the layers' bases side by side."""
    return bases.movedim(-3, -2).flatten(-2)


def _floor(bases: Tensor) -> float:
    """The share of the largest eigenvalue below which one is rounding of the bases."""
    layers, _, r = bases.shape[-3:]
    return 10 * layers * r * torch.finfo(bases.dtype).eps

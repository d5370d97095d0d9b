"""How much of several subspaces one shared subspace captures: the spectrum of their mean projector.

For L subspaces of R^d with orthonormal bases U_l of r columns, P̄ = (1/L) Σ U_l U_lᵀ. The k
eigenvectors of its largest eigenvalues span the k-dimensional subspace Θ that maximises the mean of
``‖ΘᵀU_l‖_F²/r`` (Ky Fan 1949), and that maximum is ``Σ_{j≤k} λ_j / r``. All of it comes from the
(L·r)×(L·r) Gram matrix SᵀS of the stacked bases S, whose eigenvalues are L times P̄'s: no d×d
matrix is formed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..computing.progress import Progress, untold
from .chebyshev import block_of, decomposes, iterated
from .downdated import Downdated

_ENTRIES = 1 << 21  # of the Gram matrices held at once
_STACKED = 1 << 23  # of the bases at once
_ROWS = 1 << 20  # numbers in the rows that are iterated at once: what a core's cache holds
_TOLERANCE = (
    1e-4  # of the iteration: leaves a bias of some hundredths of what a mean over layers scatters
)
_DEGREE = 10  # of its polynomial, whose products cost less than an orthogonalisation
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
    bases: Float[Tensor, "*batch layer d r"],
    k: int,
    *,
    exact: bool = True,
    after_each: Callable[[], None] = lambda: None,
    progress: Progress = untold,
) -> SharedShares:
    """What the best shared subspace of k dimensions captures of each layer's, in float64 on the CPU.

    Where eigenvalues k and k + 1 are equal the best subspace is not unique: the mean captured share
    is the same for all of them, a single layer's is not.

    Args:
        bases: Orthonormal columns.
        k: Dimensions to share: 1 to min(d, layer·r), and for `left_out` to min(d, (layer−1)·r).
        exact: Decompose the Gram matrix without each layer for `left_out`. Otherwise, for draws of a null,
            all is in float32 and the Θ of all layers is iterated until it is the others', in the coordinates that
            all layers' eigenvectors are: off by far less than the draws scatter, and at 32 layers of rank 8
            some twenty times faster.
        after_each: Called after some draws, which are not needed any more.
        progress: Called with (draws done, draws).

    Example:
        Three layers on the first axis, one on the second.

        >>> bases = torch.eye(2)[[0, 0, 0, 1]][..., None]
        >>> shares = shared_shares(bases, 1)
        >>> shares.eigenvalues.round(decimals=6).tolist()
        [0.75, 0.25]
        >>> shares.captured.round(decimals=6).tolist(), shares.left_out.round(decimals=6).tolist()
        ([1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0])
    """
    layers, d, r = bases.shape[-3:]
    batch = bases.shape[:-3]
    step = max(1, min(_ENTRIES // (layers * r) ** 2, _STACKED // (layers * r * d)))
    parts = []
    every = bases.reshape(-1, layers, d, r)
    for start in range(0, len(every), step):
        parts.append(_shares(every[start : start + step], k, exact))
        after_each()
        progress(min(start + step, len(every)), len(every))
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

    Args:
        bases: Orthonormal columns.
        k: Most dimensions; layer·r at most.

    Example:
        >>> bases = torch.eye(2)[[0, 1, 1]][..., None]
        >>> shared_basis(bases, 1).abs().round(decimals=6).mT
        tensor([[0., 1.]])
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
    gram = (stacked.mT @ stacked).cpu()
    values, vectors = _leading(gram.double() if exact else gram.float(), min(d, layers * r))
    values = values.clamp(min=0)
    # Θᵀ U_l = μ^½ v_lᵀ for the eigenvector v of SᵀS, of which v_l are the entries of layer l.
    columns = (vectors * values.sqrt()[..., None, :]).unflatten(-2, (layers, r)).mT
    captured = columns[..., :k, :].square().sum((-2, -1)) / r
    if layers == 1:
        left_out = torch.full_like(captured, torch.nan)
    elif exact or decomposes((layers - 1) * r, k):
        every = gram.double()
        left_out = torch.stack(
            [_left_out(every, layer * r, r, k, _floor(bases)) for layer in range(layers)], dim=-1
        )
    else:
        left_out = _left_out_of_all(values, columns, k, _floor(bases))
    found = ((values / layers).clamp(0, 1), captured.clamp(0, 1), left_out.clamp(0, 1))
    return SharedShares(*(numbers.double() for numbers in found))


def _left_out(gram: Tensor, first: int, r: int, k: int, floor: float) -> Tensor:
    """Share of the layer at `first` that the others' Θ captures, from the Gram matrix without it."""
    own = slice(first, first + r)
    others = torch.cat([torch.arange(first), torch.arange(first + r, gram.shape[-1])])
    rows = gram[..., others, :]
    values, vectors = _leading(rows[..., others], k)
    # ΘᵀU_l = μ^-½ vᵀ SᵀU_l; a direction that the others do not span captures nothing.
    cross = (vectors.mT @ rows[..., own]).square().sum(-1)
    spanned = values > floor * values[..., :1]
    return torch.where(spanned, cross / values.where(spanned, 1), 0).sum(-1) / r


def _left_out_of_all(
    values: Float[Tensor, "draw n"], columns: Float[Tensor, "draw layer n r"], k: int, floor: float
) -> Float[Tensor, "draw layer"]:
    """The same of every layer: columns are the layers' bases on all layers' eigenvectors."""
    layers, n, r = columns.shape[1:]
    # As many of the leading ones as to start from: those of all layers but one are near them.
    start = torch.eye(n, dtype=values.dtype)[: min(block_of(k), (layers - 1) * r)]
    found = []
    for some, own in zip(
        values.repeat_interleave(layers, 0).split(step := max(1, _ROWS // (n * len(start)))),
        columns.flatten(0, 1).split(step),
        strict=True,
    ):
        others = Downdated(some, own)
        theta = iterated(
            others, k, start.expand(len(some), -1, -1), tolerance=_TOLERANCE, degree=_DEGREE
        )
        ritz = (others.image(theta) * theta).sum(-1)
        spanned = ritz > max(floor, _LITTLE) * ritz.amax(-1, keepdim=True)
        found.append(((theta @ own).square().sum(-1) * spanned).sum(-1) / r)
    return torch.cat(found).unflatten(0, (-1, layers))


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

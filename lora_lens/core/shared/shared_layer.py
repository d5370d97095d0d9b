"""The shared layer θ, fitted to some layers' factors, and what it predicts of another's: the paper's claim asked forwards.

Kim et al. 2024 (Eq. 5 and 6, claim 1) say that one θ yields every layer's factor, ``B_l R_l = W_l θ``. Converting
B_l to ``W_l⁻¹B_l`` and comparing there blows up whatever noise lies along W_l's small singular directions.
Here nothing is inverted: θ is fitted in the space that B_l lives in, by all layers but l, and asked how
much of B_l it predicts. With every W_l scaled to Frobenius norm 1 and Q_l an orthonormal basis of B_l,

    ``S₋ₗ = Σ_{m≠l} W_mᵀW_m``,  ``M₋ₗ = Σ_{m≠l} W_mᵀQ_mQ_mᵀW_m``,

θ₋ₗ maximises ``tr θᵀM₋ₗθ`` under ``θᵀS₋ₗθ = I``: the leading generalised eigenvectors. A relative of
generalised canonical correlation (Kettenring 1971). For A the same is asked of W_lᵀ and A_lᵀ.

All of it comes from the Gram matrix of the rows ``Q_mᵀW_m`` in S₋ₗ⁻¹, of order (layer−1)·r.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .whitening import Whitening

LACKING = 1e-6  # of the largest singular value of W_lθ, below which a dimension is none


class SharedLayer(NamedTuple):
    """θ fitted to some layers.

    Attributes:
        theta: Columns with ``θᵀSθ = I``, best first; 0 where the factors leave none. A singular S does
            not see all of θ: this one lies in the span of the fitted layers' rows, the shortest of all that act alike on them.
        values: Leading eigenvalues of (M, S), from 0 to 1, one more than there are columns where there are so many: how
            much of W_m θ_j, over the layers fitted, lies in B_m. Where the k-th equals the next, θ is not unique.
    """

    theta: Float[Tensor, "in k"]
    values: Float[Tensor, " n"]


def unit_norm(w: Float[Tensor, "*layer out in"]) -> Float[Tensor, "*layer out in"]:
    """W in float64, each layer scaled to Frobenius norm 1, so that its scale is no weight; 0 stays 0.

    Example:
        >>> unit_norm(torch.tensor([[[3.0, 4.0]], [[0.0, 0.0]]])).tolist()
        [[[0.6, 0.8]], [[0.0, 0.0]]]
    """
    w = w.double()
    norm = w.norm(dim=(-2, -1), keepdim=True)
    return w / torch.where(norm > 0, norm, 1)


def pulled_back(
    w: Float[Tensor, "*layer out in"], q: Float[Tensor, "*layer out r"]
) -> Float[Tensor, "*layer r in"]:
    """Rows ``QᵀW``: what of θ each direction of the factor is made from.

    Args:
        w: Of the layer, or of several.
        q: Orthonormal bases of the factors.

    Example:
        >>> w = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        >>> pulled_back(w, torch.tensor([[0.0], [1.0]]))
        tensor([[4., 5., 6.]])
    """
    return q.mT @ w


def fitted(space: Whitening, rows: Float[Tensor, "n in"], k: int) -> SharedLayer:
    """The shared layer of the factors whose pulled back rows are given, in the whitening of their S.

    Args:
        space: Of the S of the layers fitted.
        rows: Theirs, from `pulled_back`, one layer's below another's; in the dtype of `space`.
        k: Columns of θ.

    Example:
        With S = diag(4, 1, 1) the first row takes a quarter of what S has of its direction, the second a hundredth, and the third less.

        >>> from lora_lens.core.shared.whitening import whitening
        >>> s = torch.diag(torch.tensor([4.0, 1.0, 1.0], dtype=torch.float64))
        >>> rows = torch.tensor([1.0, 0.1, 0.01], dtype=torch.float64).diag()
        >>> fit = fitted(whitening(s), rows, 1)
        >>> fit.theta.abs().ravel().round(decimals=6).tolist(), fit.values.round(decimals=6).tolist()
        ([0.5, 0.0, 0.0], [0.25, 0.01])
    """
    white = space.whiten(rows)
    values, vectors = torch.linalg.eigh(white @ white.mT)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    kept = values[:k] > len(rows) * torch.finfo(values.dtype).eps
    scaled = vectors[:, :k] * torch.where(kept, values[:k], torch.inf).rsqrt()
    theta = torch.zeros(rows.shape[-1], k, dtype=rows.dtype, device=rows.device)
    theta[:, : scaled.shape[-1]] = space.back(scaled.mT @ white).mT
    return SharedLayer(theta, values[: k + 1].clamp(max=1))


def predicted_basis(
    w: Float[Tensor, "out in"], theta: Float[Tensor, "in k"]
) -> Float[Tensor, "out k"]:
    """Orthonormal columns that span Wθ, and columns of 0 for the dimensions that it lacks.

    A dimension is lacking where its singular value is below `LACKING` of the largest, or of 1, which no θ of unit length in S exceeds
    by far. The draws of a null, which are computed in float32, cannot tell those from none: kept here alone, they would be found.

    Example:
        >>> w = torch.tensor([[0.0, 2.0], [0.0, 0.0], [1.0, 0.0]])
        >>> theta = torch.tensor([[0.0, 0.0], [1.0, 1.0]])  # two columns, of one dimension
        >>> predicted_basis(w, theta).abs().round().mT
        tensor([[1., 0., 0.],
                [0., 0., 0.]])
    """
    u, s, _ = torch.linalg.svd(w @ theta, full_matrices=False)
    basis = torch.zeros(len(w), theta.shape[-1], dtype=w.dtype, device=w.device)
    basis[:, : len(s)] = u * (s > LACKING * s[:1].clamp(min=1))
    return basis


def predicted_share(
    predicted: Float[Tensor, "*#layer out k"], q: Float[Tensor, "*#layer out r"]
) -> Float[Tensor, "..."]:
    """Share of each factor's dimensions that the prediction holds, ‖PᵀQ‖_F²/r, from 0 to 1.

    φ(B_l, W_lθ) where θ is at most as wide as the factor. A θ fitted to other layers gives k/out on average for
    unrelated B_l.

    Args:
        predicted: From `predicted_basis`.
        q: Orthonormal columns; columns of 0 (of a smaller rank) count for nothing.

    Example:
        >>> q, first = torch.eye(3)[:, :2], torch.tensor([1.0, 0.0])
        >>> [predicted_share(q * first, factor).item() for factor in (q, q * first)]  # one of two, and of one
        [0.5, 1.0]
        >>> predicted_share(torch.tensor([[1.0], [0.0]]), torch.tensor([[0.6], [0.8]]))
        tensor(0.3600)
    """
    return ((predicted.mT @ q).square().sum((-2, -1)) / ranks(q).clamp(min=1)).clamp(0, 1)


def ranks(q: Float[Tensor, "*layer out r"]) -> Int[Tensor, "*layer"]:
    """How many columns of each basis are not 0.

    Example:
        >>> ranks(torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [1.0, 0.0]]]))
        tensor([2, 1])
    """
    return q.square().sum((-2, -1)).round().long()

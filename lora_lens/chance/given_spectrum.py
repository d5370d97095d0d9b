"""Random factors with a given spectrum, the layer's own singular values: what the leading directions of a draw need.

The whole span of W0⁻¹G has one law whatever G's singular values are. Its leading i < r directions have
not: a Gaussian's singular values are nearly equal, so W0⁻¹ alone orders them, where a trained factor
comes with an order of its own.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.factors.decompositions import singular_values
from ..core.factors.product_svd import product_singular_values
from ..core.factors.triangle import triangle
from ..core.numbers.either import in_float64
from ..core.numbers.scaled import of_order_one
from ..subspaces.conversions import Matrix, Plan


def own_spectrum(plan: Plan, layer: int, matrix: Matrix) -> Float[Tensor, " r"]:
    """Singular values of a layer's A, B or BA, the largest 1, and zeros up to the padded rank.

    BA's are ΔW's, so that its null is as free of the gauge as its φ.

    Example:
        >>> from lora_lens.adapter import ModuleFactors
        >>> a, b = torch.diag(torch.tensor([4.0, 2.0]))[None], torch.eye(2)[None]
        >>> factors = ModuleFactors("value", "*.value", (0,), ("0.value",), a, b, torch.ones(1), (2,))
        >>> plan = Plan(factors, ("A", "B"), 1, 1, "left", "stored", draws=10)
        >>> [own_spectrum(plan, 0, matrix).round(decimals=6).tolist() for matrix in ("A", "B", "BA")]
        [[1.0, 0.5], [1.0, 1.0], [1.0, 0.5]]
    """
    a, b = (
        in_float64(of_order_one(t[layer : layer + 1])) for t in (plan.factors.a, plan.factors.b)
    )
    if matrix == "BA":
        s = product_singular_values(b, a)[0]
    else:
        s = singular_values(triangle(a.mT if matrix == "A" else b))[0]
    found = s.new_zeros(max(plan.factors.ranks))
    own = min(plan.factors.ranks[layer], len(s))
    found[:own] = s[:own] / s[0]
    return found


def reshaping(
    rows: Float[Tensor, "draw r n"], spectrum: Float[Tensor, " r"], own: int
) -> Float[Tensor, "draw r r"]:
    """M such that G·M has the singular values of `spectrum` and is as uniform as the Gaussian G is.

    With G = USVᵀ it is ``V·S⁻¹·diag(spectrum)·Vᵀ``, so that ``G·M = U·diag(spectrum)·Vᵀ`` with U and V
    uniform, the one law that no rotation from either side changes. Conversions are linear:
    W0⁻¹(G·M) is (W0⁻¹G)·M, and one solve serves all spectra.

    Args:
        rows: Gᵀ, Gaussian in its first `own` rows and zero below.
        spectrum: From `own_spectrum`, or ones for orthonormal columns.
        own: The layer's rank.

    Example:
        >>> g = torch.randn(1, 5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> m = reshaping(g.mT, torch.tensor([1.0, 0.25], dtype=torch.float64), 2)
        >>> torch.linalg.svdvals(g @ m)
        tensor([[1.0000, 0.2500]], dtype=torch.float64)
    """
    g = in_float64(rows[:, :own]).mT
    _, s, vh = torch.linalg.svd(torch.linalg.qr(g, mode="r").R, full_matrices=False)
    found = vh.new_zeros(len(rows), rows.shape[1], rows.shape[1])
    found[:, :own, :own] = vh.mT @ ((spectrum[: s.shape[-1]].to(s) / s)[..., None] * vh)
    return found

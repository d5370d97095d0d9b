"""W0 of one module over its layers, and bases of its factors: what θ is fitted to, and what it predicts."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..adapter import ModuleFactors
from ..bases.weights import BaseWeights
from ..core.computing.spill import Spill
from ..core.factors.bases import orthonormal_basis
from ..core.numbers.limits import check_range
from ..core.numbers.precision import singular_cutoff
from ..updates import Convention
from .device import Where

Factor = Literal["A", "B"]


class W0AndBases(NamedTuple):
    """For B: W0 and B's bases. For A: W0ᵀ, or W0 under ``stored``, and bases of Aᵀ, so that both ask ``Q_l R_l ≈ W_l θ``."""

    w: Float[Tensor, "layer out in"]
    q: Float[Tensor, "layer out r"]


class StackedW0(NamedTuple):
    """W0 of every layer, and the share of σ_max up to which a singular value of each is only rounding of its file's."""

    w0: Float[Tensor, "layer out in"]
    cutoffs: tuple[float, ...]


def stacked_w0(
    factors: ModuleFactors, weights: BaseWeights, where: Where, spill: Spill | None = None
) -> StackedW0:
    """W0 of every layer, in float64 where the device has it; where `spill` puts it.

    Raises:
        LensError: Squares of it would leave the range of the dtype to compute in.

    Example:
        >>> import lora_lens as ll
        >>> from lora_lens.subspaces.device import select_device
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> base = ll.open_base("sentence-transformers/all-MiniLM-L6-v2")
        >>> factors = adapter.modules["value"]
        >>> w0, cutoffs = stacked_w0(factors, base, select_device("cpu", "float64"))
        >>> w0.shape, torch.equal(w0[5], base.w0(factors, 5).double()), cutoffs[5] == 2**-23
        (torch.Size([6, 384, 384]), True, True)
    """
    spill, shape = spill or Spill(), (factors.out_features, factors.in_features)
    like = torch.empty(0, dtype=where.dtype, device=where.device)
    stacked, cutoffs = spill.empty((len(factors.layers), *shape), like, where.dtype), []
    for k, path in enumerate(factors.names):
        w0 = weights.w0(factors, k)
        check_range(w0, where.dtype, f"W0 of {path}")
        stacked[k].copy_(w0)
        cutoffs.append(singular_cutoff(w0.dtype, where.dtype, shape))
        weights.release(path)
        spill.release()
    return StackedW0(stacked, tuple(cutoffs))


def w0_and_bases(
    factors: ModuleFactors,
    w0: Float[Tensor, "layer out in"],
    matrix: Factor,
    rank: int,
    convention: Convention = "consistent",
) -> W0AndBases:
    """What of one factor is asked forwards; `rank` leading directions of each layer.

    Example:
        >>> a, b = torch.tensor([[[3.0, 4.0]]]), torch.ones(1, 1, 1)
        >>> factors = ModuleFactors("value", "*.value", (0,), ("0.value",), a, b, torch.ones(1), (1,))
        >>> w, q = w0_and_bases(factors, torch.tensor([[[1.0, 2.0]]]), "A", 1)
        >>> w.shape, q.abs().ravel()  # W0ᵀ, and Aᵀ's direction
        (torch.Size([1, 2, 1]), tensor([0.6000, 0.8000], dtype=torch.float64))
    """
    factor = factors.b if matrix == "B" else factors.a.mT
    q = orthonormal_basis(factor.to(w0.device, torch.float64), rank, ordered=True)
    return W0AndBases(w0.mT if asks_transposed(matrix, convention) else w0, q)


def asks_transposed(matrix: Factor, convention: Convention) -> bool:
    """Whether it is W0ᵀ of which a factor is asked.

    Example:
        >>> [asks_transposed(factor, "consistent") for factor in ("A", "B")]
        [True, False]
        >>> asks_transposed("A", "stored")
        False
    """
    return matrix == "A" and convention == "consistent"

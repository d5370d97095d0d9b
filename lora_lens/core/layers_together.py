"""How much the layers of an adapter go together: what a test of their mean φ has to know of."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from .phi_of_bases import phi_of_all_pairs


def scatter_of_mean(u: Float[Tensor, "layer d i"], v: Float[Tensor, "layer d j"]) -> float:
    """How many times as far the mean φ of two adapters scatters as that of independent layers would.

    Of adapters that have nothing to do with each other one may be turned as a whole, by a rotation of all its layers. Then
    the covariance of φ in layers l and m goes as C_lm·D_lm, C_lm = tr P_lP_m − i²/d of the one adapter's projectors and D_lm
    of the other's, so that the mean's variance is Σ_lm C_lm D_lm where independent layers have Σ_l C_ll D_ll. 1 where the layers
    of one of them are unrelated; √L where those of both are one subspace.

    Args:
        u, v: Orthonormal columns.

    Example:
        >>> import torch
        >>> same = torch.eye(8, dtype=torch.float64)[:, :2].expand(4, 8, 2)
        >>> scatter_of_mean(same, same)
        2.0
    """
    if u.shape[-2] in (u.shape[-1], v.shape[-1]):  # φ is 1, whatever they are
        return 1.0
    both = _centred(u) * _centred(v)
    return math.sqrt(max(0.0, float(both.sum())) / float(both.diagonal().sum()))


def _centred(u: Float[Tensor, "layer d i"]) -> Float[Tensor, "layer layer"]:
    d, i = u.shape[-2:]
    return i * (phi_of_all_pairs(u, u).double() - i / d)

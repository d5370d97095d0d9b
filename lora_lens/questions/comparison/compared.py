"""The subspaces that are compared: leading singular vectors of one adapter's A, B and ΔW, layer by layer."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ...adapter import ModuleFactors
from ...bases.weights import BaseWeights
from ...core.factors.bases import orthonormal_basis
from ...core.factors.product_svd import svd_of_product
from ...core.factors.rank import coarser, tied
from ...core.factors.triangle import spectral_norm
from ...core.numbers.either import as_numpy
from ...core.numbers.scaled import of_order_one
from ...core.numbers.sides import Side
from ...errors import RankError
from ...labelled import Array
from ...subspaces.delta import check_scaling, trained_singular
from ...subspaces.device import Where
from ...subspaces.dimensions import check_not_rounding
from ...subspaces.ties import tied_factors

SIDES: dict[str, Side] = {"A": "right", "B": "left", "delta": "left"}


class Compared(NamedTuple):
    """Compared singular vectors by matrix, (layer, d, k), and in which layers it is open which they are."""

    bases: dict[str, Tensor]
    ties: dict[str, Array]


def compared(factors: ModuleFactors, k: int, where: Where, weights: BaseWeights | None) -> Compared:
    """Of A and B, and of the ΔW that they make.

    Raises:
        RankError: ΔW has fewer than `k` that are more than rounding.
    """
    check_scaling(factors)
    a, b = (where.take(of_order_one(factor)) for factor in (factors.a, factors.b))
    found = {
        "A": orthonormal_basis(a.mT, k, ordered=True),
        "B": orthonormal_basis(b, k, ordered=True),
    }
    ties = tied_factors(factors, ("A", "B"), k)
    if factors.magnitude is not None:
        return Compared(found | {"delta": _of_dense(factors, k, where, weights)}, ties)
    svd = svd_of_product(b, a)
    scale = spectral_norm(b) * spectral_norm(a)
    check_not_rounding(svd.s, k, scale, max(b.shape[-2], a.shape[-1]), f"BA of {factors.module}")
    ties["ΔW"] = as_numpy(tied(svd.s, k, coarser(factors.a, factors.b)))
    return Compared(found | {"delta": svd.u[..., :k]}, ties)


def compared_delta(factors: ModuleFactors, k: int, where: Where) -> Compared:
    """Of what was trained in full, ΔW alone."""
    return Compared({"delta": _of_dense(factors, k, where, None)}, {})


def _of_dense(factors: ModuleFactors, k: int, where: Where, weights: BaseWeights | None) -> Tensor:
    """Left singular vectors of a dense ΔW, layer by layer; DoRA's is made with W0."""
    found = []
    directions: dict[int, int] = {}
    for position, layer in enumerate(factors.layers):
        w0 = weights.w0(factors, position) if weights else None
        delta = trained_singular(factors, position, where, w0)
        directions.setdefault(len(delta.s), layer)
        found.append(delta.u[:, :k])
    if (fewest := min(directions)) < k:
        raise RankError(
            f"asked for {k} singular vectors of ΔW of {factors.module}, which has {fewest} that are more than rounding in layer "
            f"{directions[fewest]}; ask for at most {fewest}"
        )
    return torch.stack(found)

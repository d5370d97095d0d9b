"""The singular subspaces of an adapter's A, B and ΔW, with the ranks up to which they exist."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from ..core.factors.bases import orthonormal_basis
from ..core.factors.product_svd import svd_of_product
from ..core.factors.rank import (
    coarser,
    rank_of,
    rank_of_product,
    stored_eps,
    tied,
    wide_singular_values,
)
from ..core.factors.triangle import spectral_norm
from ..core.numbers.either import as_numpy, as_torch, in_float64, swapped
from ..core.numbers.scaled import exponents, of_order_one
from ..core.numbers.sides import Side
from .device import Where


class SpaceName(NamedTuple):
    """A matrix (``A``, ``B`` or ``delta``) and the side of its singular vectors."""

    matrix: str
    side: Side


# A's left and B's right singular vectors live in R^rank, which no two adapters share.
SPACES: Mapping[str, SpaceName] = {
    "A": SpaceName("A", "right"),
    "B": SpaceName("B", "left"),
    "delta_left": SpaceName("delta", "left"),
    "delta_right": SpaceName("delta", "right"),
}


class Spaces(NamedTuple):
    """Leading singular subspaces layer by layer, one basis a space.

    Attributes:
        bases: Space to (layer, d, k), NumPy's or torch's as the factors are; arbitrary in a layer where
            `ranks` is below k.
        ranks: Space to (layer,): how many singular vectors there are.
        tied: Space to (layer,): whether singular values k and k + 1 are equal, so that rounding says which vectors lead.
        s: Singular values of B·A without its scaling, descending, in float64; empty unless ΔW was wanted.
    """

    bases: Mapping[str, Float[Any, "layer d k"]]
    ranks: Mapping[str, Int[NDArray[Any], " layer"]]
    tied: Mapping[str, Bool[NDArray[Any], " layer"]]
    s: Float[NDArray[np.float64], "layer r"]


def factor_spaces(
    a: Float[Any, "layer rank in"],
    b: Float[Any, "layer out rank"],
    k: int,
    wanted: Collection[str] = tuple(SPACES),
    *,
    where: Where | None = None,
    scaling: Float[Any, " layer"] | None = None,
) -> Spaces:
    """The top-k singular subspaces of A (right), B (left) and ΔW (left, right), and how far they exist.

    Ranks are judged as `compare` judges them: A's and B's by `numerical_rank` at the resolution of the
    file's dtype, and B·A's singular values must moreover be more than rounding.

    Args:
        a, b: In the dtype of the file, both NumPy's or both torch's.
        k: How many singular vectors.
        wanted: Which of `SPACES`.
        where: Device and precision of torch's factors; by default float64, where they are.
        scaling: s, which turns no singular vector of ΔW = s·B·A, but leaves none where it is 0.

    Example:
        >>> spaces = factor_spaces(np.array([[[0.0, 2.0]]]), np.array([[[3.0], [4.0]]]), 1)
        >>> [abs(spaces.bases[name]).ravel().round(6).tolist() for name in ("delta_right", "B")]
        [[0.0, 1.0], [0.6, 0.8]]
        >>> spaces.ranks["delta_left"], spaces.s.round(6)
        (array([1]), array([[10.]]))
    """
    own = {"A": a, "B": b}
    of_own = {name: wide_singular_values(x) for name, x in own.items()}
    rank_a, rank_b = (
        as_numpy(rank_of(of_own[name], x.shape[-2:], stored_eps(x))) for name, x in own.items()
    )
    exponent = as_numpy(exponents(a)) + as_numpy(exponents(b))
    a, b = (_taken(of_order_one(x), where) for x in (a, b))
    bases: dict[str, Any] = {}
    ranks = {"A": rank_a, "B": rank_b}
    ties = {name: as_numpy(tied(of_own[name], k, x)) for name, x in own.items() if name in wanted}
    s = np.zeros((len(rank_a), 0))
    if "A" in wanted:
        bases["A"] = orthonormal_basis(swapped(a), k, ordered=True)
    if "B" in wanted:
        bases["B"] = orthonormal_basis(b, k, ordered=True)
    if any(SPACES[name].matrix == "delta" for name in wanted):
        u, values, vh = svd_of_product(b, a)
        bases |= {"delta_left": u[..., :k], "delta_right": swapped(vh)[..., :k]}
        s = as_numpy(values).astype(np.float64)
        scale = spectral_norm(b) * spectral_norm(a)
        real = as_numpy(rank_of_product(values, scale, max(b.shape[-2], a.shape[-1])))
        rank = np.minimum(np.minimum(rank_a, rank_b), real)
        rank = rank if scaling is None else np.where(as_numpy(scaling) == 0, 0, rank)
        ranks |= {"delta_left": rank, "delta_right": rank}
        ties |= dict.fromkeys(
            ("delta_left", "delta_right"), tied(s, k, coarser(own["A"], own["B"]))
        )
    return Spaces(
        {name: bases[name] for name in wanted},
        {name: ranks[name] for name in wanted},
        {name: ties[name] for name in wanted},
        np.ldexp(s, exponent[:, None]),
    )


def _taken(x: Float[Any, "*dims"], where: Where | None) -> Float[Any, "*dims"]:
    if where is None:
        return in_float64(x)
    return where.take(as_torch(x, where.device))

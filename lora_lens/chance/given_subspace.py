"""What φ would be if two subspaces had nothing in common but what both hold of one given subspace.

Θ is a fixed k-dimensional subspace of R^d: the span of a common initial A, or the mean adapter's. Each of two
subspaces keeps what it holds of Θ, and the rest of it is turned by a uniform rotation of Θ's complement.
Mean and deviation of φ under that turn are known in closed form from k×k matrices, one a subspace.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Inside(NamedTuple):
    """What n subspaces hold of Θ.

    Attributes:
        held: ΘᵀPΘ, P the subspace's projector: the identity where it holds all of Θ, 0 where nothing.
        leaning: ``held − held²``: how much of it lies neither inside Θ nor outside.
        ranks: (n,) dimensions of the subspaces.
    """

    held: Float[Tensor, "n k k"]
    leaning: Float[Tensor, "n k k"]
    ranks: Float[Tensor, " n"]

    def some(self, which: Tensor | slice) -> Inside:
        """Those of some subspaces."""
        return Inside(*(part[which] for part in self))


def inside(
    bases: Float[Tensor, "n i d"], theta: Float[Tensor, "d k"], ranks: Float[Tensor, " n"]
) -> Inside:
    """`Inside` of n subspaces.

    Args:
        bases: Orthonormal rows; rows of zeros where a subspace has fewer than i.
        theta: Orthonormal columns.
        ranks: How many rows are not zero.
    """
    met = bases @ theta
    held = met.mT @ met
    return Inside(held, held - held @ held, ranks)


class PairMoments(NamedTuple):
    """Mean and standard deviation of φ of every pair."""

    mean: Float[Tensor, "m n"]
    sd: Float[Tensor, "m n"]


def moments_given(one: Inside, other: Inside, d: int) -> PairMoments:
    """φ of every pair of m and n subspaces that share nothing beyond Θ.

    With D = d − k, t = tr held and g = tr leaning: ``E‖U₁ᵀU₂‖² = tr(M₁M₂) + (i − t₁)(j − t₂)/D``, and its variance is
    ``4·tr(G₁G₂)/D + 2·ρ₁ρ₂/((D − 1)(D + 2))`` with ``ρ = (i − t) − g − (i − t)²/D``. With k = 0 they are
    `lora_lens.gaussian_baseline`'s.

    Args:
        one, other: Of m and of n subspaces of R^d, of the same Θ.
        d: Of that space.
    """
    k = one.held.shape[-1]
    rest = d - k
    smaller = torch.minimum(one.ranks[:, None], other.ranks[None])
    mean = one.held.flatten(1) @ other.held.flatten(1).mT
    outside_1, outside_2 = (x.ranks - _trace(x.held) for x in (one, other))
    if rest < 2:  # noqa: PLR2004
        return PairMoments(
            (mean + outside_1[:, None] * outside_2) / smaller, torch.zeros_like(mean)
        )
    mean = mean + outside_1[:, None] * outside_2 / rest
    leaning = one.leaning.flatten(1) @ other.leaning.flatten(1).mT
    spread_1, spread_2 = (
        (free - _trace(x.leaning) - free**2 / rest).clamp(min=0)
        for free, x in ((outside_1, one), (outside_2, other))
    )
    variance = 4 * leaning.clamp(min=0) / rest
    variance = variance + 2 * spread_1[:, None] * spread_2 / ((rest - 1) * (rest + 2))
    return PairMoments(mean / smaller, variance.sqrt() / smaller)


def _trace(matrices: Float[Tensor, "n k k"]) -> Float[Tensor, " n"]:
    return matrices.diagonal(dim1=-2, dim2=-1).sum(-1)

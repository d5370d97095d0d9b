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


def inside(bases: Float[Tensor, "n i d"], theta: Float[Tensor, "d k"]) -> Float[Tensor, "n k k"]:
    """What n subspaces hold of Θ: M = ΘᵀPΘ, P each one's projector; the identity where that is all of Θ, 0 where nothing.

    Args:
        bases: Orthonormal rows; rows of zeros where a subspace has fewer than i.
        theta: Orthonormal columns.

    Example:
        >>> inside(torch.tensor([[[0.6, 0.0, 0.8]]]), torch.eye(3)[:, :2])[0, 0]
        tensor([0.3600, 0.0000])
    """
    met = bases @ theta
    return met.mT @ met


class PairMoments(NamedTuple):
    """Mean and standard deviation of φ of every pair."""

    mean: Float[Tensor, "m n"]
    sd: Float[Tensor, "m n"]


class Outside(NamedTuple):
    """Traces, by subspace or by pair.

    Attributes:
        held: t = tr M, of `inside`.
        leaning: g = tr G, G = M − M²: how much of it lies neither inside Θ nor outside.
        ranks: Dimensions of the subspaces.
    """

    held: Tensor
    leaning: Tensor
    ranks: Tensor


def moments_of(
    held: Float[Tensor, "m n"],
    leaning: Float[Tensor, "m n"],
    one: Outside,
    other: Outside,
    rest: int,
) -> PairMoments:
    """φ of every pair of m and n subspaces of R^d that share nothing beyond Θ, from traces.

    ``E‖U₁ᵀU₂‖² = tr(M₁M₂) + (i − t₁)(j − t₂)/D`` with D = d − k, and its variance is
    ``4·tr(G₁G₂)/D + 2·ρ₁ρ₂/((D − 1)(D + 2))`` with ``ρ = (i − t) − g − (i − t)²/D``. With k = 0 they are
    `lora_lens.gaussian_baseline`'s.

    Args:
        held, leaning: tr(M₁M₂), tr(G₁G₂).
        one, other: Of the sides, to be broadcast against each other.
        rest: D, dimensions of Θ's complement.

    Example:
        A line of R³ that leans towards a line Θ, with itself: (0.36 + 0.64·cos)² of a uniform angle.

        >>> held, leaning = torch.tensor([[0.36]]), torch.tensor([[0.36 * 0.64]])
        >>> line = Outside(held, leaning, torch.ones(1, 1))
        >>> moments_of(held**2, leaning**2, line, line, rest=2)
        PairMoments(mean=tensor([[0.3344]]), sd=tensor([[0.3566]]))
    """
    smaller = torch.minimum(one.ranks, other.ranks)
    free_1, free_2 = one.ranks - one.held, other.ranks - other.held
    rest = max(rest, 1)  # of no complement nothing is free
    mean = held + free_1 * free_2 / rest
    spread_1, spread_2 = (
        (free - x.leaning - free**2 / rest).clamp(min=0)
        for free, x in ((free_1, one), (free_2, other))
    )
    # On a line all is free or leans, and nothing spreads.
    turned = 2 * spread_1 * spread_2 / max((rest - 1) * (rest + 2), 1)
    variance = 4 * leaning.clamp(min=0) / rest + turned
    return PairMoments(mean / smaller, variance.sqrt() / smaller)


def trace(matrices: Float[Tensor, "*batch k k"]) -> Float[Tensor, "*batch"]:
    """Sums of the diagonals.

    Example:
        >>> trace(torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]))
        tensor([ 5., 13.])
    """
    return matrices.diagonal(dim1=-2, dim2=-1).sum(-1)

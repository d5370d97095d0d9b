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

    Example:
        >>> theta = torch.eye(3)[:, :2]
        >>> found = inside(torch.tensor([[[0.6, 0.0, 0.8]]]), theta, torch.ones(1))
        >>> found.held[0, 0], found.leaning[0, 0]  # 0.36, and 0.36·0.64
        (tensor([0.3600, 0.0000]), tensor([0.2304, 0.0000]))
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

    Example:
        A line that leans towards a line Θ, with Θ and with itself: 0.36, and (0.36 + 0.64·cos)² of a uniform angle.

        >>> lines = torch.tensor([[[1.0, 0.0, 0.0]], [[0.6, 0.8, 0.0]]])
        >>> both = inside(lines, torch.eye(3)[:, :1], torch.ones(2))
        >>> moments = moments_given(both.some(slice(1, 2)), both, 3)
        >>> moments.mean, moments.sd
        (tensor([[0.3600, 0.3344]]), tensor([[0.0000, 0.3566]]))
    """
    held, leaning = (
        x.flatten(1) @ y.flatten(1).mT
        for x, y in ((one.held, other.held), (one.leaning, other.leaning))
    )
    sides = (Outside(trace(x.held), trace(x.leaning), x.ranks) for x in (one, other))
    first, second = sides
    return moments_of(held, leaning, first.down(), second.across(), d - one.held.shape[-1])


class Outside(NamedTuple):
    """Traces, by subspace or by pair.

    Attributes:
        held, leaning: Of `Inside`'s matrices.
        ranks: Dimensions of the subspaces.
    """

    held: Tensor
    leaning: Tensor
    ranks: Tensor

    def down(self) -> Outside:
        """As a column."""
        return Outside(*(x[:, None] for x in self))

    def across(self) -> Outside:
        """As a row."""
        return Outside(*(x[None] for x in self))


def moments_of(
    held: Float[Tensor, "m n"],
    leaning: Float[Tensor, "m n"],
    one: Outside,
    other: Outside,
    rest: int,
) -> PairMoments:
    """`moments_given` from its traces, each of a pair or of a side.

    Args:
        held, leaning: tr(M₁M₂), tr(G₁G₂).
        one, other: Of the sides, to be broadcast against each other.
        rest: D, dimensions of Θ's complement.

    Example:
        The same line with itself as in `moments_given`.

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

"""How much of many adapters' ΔW a few directions of one side hold: fitted to them, and left out.

Every adapter counts alike: its ΔW is scaled to norm 1, so that the sum over adapters of
``ΔWᵀΔW`` (or ``ΔWΔWᵀ``) has their number as its trace. Whatever is asked of k directions comes from such
sums of two halves of the adapters: directions of the one half are asked about the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from ..factors.subspace_iteration import shared_directions

_ROUNDING = 1e-12  # of an adapter's energy: float32 has its square root of every entry, and more


@dataclass(frozen=True)
class Scatter:
    """Sums over one half of the adapters.

    Attributes:
        gram: Σ ΔWᵀΔW of the right side, Σ ΔWΔWᵀ of the left; each ΔW of norm 1.
        count: How many adapters.
        peaked: Σ over adapters of Σ_i w_i², w the shares of ΔW's energy by singular value: 1/r each for
            equal ones, 1 for rank one.
    """

    gram: Float[Tensor, "d d"]
    count: int
    peaked: float


class Held(NamedTuple):
    """Share of the energy that the first k directions hold, mean over the adapters; one number a k.

    Attributes:
        fitted: By directions of all adapters; nothing where these hold none.
        left_out: By directions of the half that an adapter is not in; of as many as both halves have.
    """

    fitted: Float[Tensor, " k"]
    left_out: Float[Tensor, " m"]


def shares_of(directions: Float[Tensor, "d k"], gram: Float[Tensor, "d d"]) -> Float[Tensor, " k"]:
    """What the first 1, 2, … k orthonormal directions hold of a sum's energy, its trace: 0 to 1.

    Example:
        >>> import torch
        >>> shares_of(torch.eye(3)[:, :2], torch.diag(torch.tensor([6.0, 3.0, 1.0])))
        tensor([0.6000, 0.9000])
    """
    return ((gram @ directions) * directions).sum(0).cumsum(0).div(gram.trace()).clamp(0, 1)


def those_that_hold(
    directions: Float[Tensor, "d k"], energies: Float[Tensor, " k"], whole: float
) -> Float[Tensor, "d m"]:
    """The first directions, up to where they hold no more than rounding of what they were made of: beyond its rank they are arbitrary.

    Args:
        directions: Orthonormal columns, best first.
        energies: What each holds.
        whole: Of which float32's rounding is a share.

    Example:
        >>> import torch
        >>> those_that_hold(torch.eye(3), torch.tensor([2.0, 1e-12, 0.0]), 2.0).shape
        torch.Size([3, 1])
    """
    return directions[:, : int((energies > _ROUNDING * whole).sum())]


def held_by_shared(one: Scatter, other: Scatter, most: int) -> Held:
    """By the best directions of all adapters, and by those of the other half.

    Args:
        one, other: The halves.
        most: Largest k.

    Example:
        Of two adapters that share nothing, one direction holds half of what it was fitted to, and none of the rest.

        >>> import torch
        >>> one, other = (Scatter(torch.diag(torch.tensor(s)), 1, 1.0) for s in ([1.0, 0.0], [0.0, 1.0]))
        >>> held_by_shared(one, other, 1)
        Held(fitted=tensor([0.5000]), left_out=tensor([0.]))

        Two of both hold all of it, but neither has two.

        >>> held_by_shared(one, other, 2)
        Held(fitted=tensor([0.5000, 1.0000]), left_out=tensor([0.]))
    """
    both = one.gram + other.gram
    fitted = shares_of(shared_directions(both, most), both)
    if float(both.trace()) <= _ROUNDING * (one.count + other.count):
        fitted = fitted[:0]
    return Held(fitted, crossed([_best(half, most) for half in (one, other)], one, other))


def _best(half: Scatter, most: int) -> Float[Tensor, "d k"]:
    found = shared_directions(half.gram, most)
    return those_that_hold(found, ((half.gram @ found) * found).sum(0), float(half.count))


def crossed(
    directions: Sequence[Float[Tensor, "d _"]], one: Scatter, other: Scatter
) -> Float[Tensor, " m"]:
    """What each half's directions hold of the other half, mean over all adapters.

    Args:
        directions: Of `one`, asked about `other`, and of `other`, asked about `one`; orthonormal columns, best first.
        one, other: The halves.

    Returns:
        Of the first 1, 2, … directions, as many as both have, from 0 to 1.

    Example:
        >>> import torch
        >>> one, other = Scatter(torch.diag(torch.tensor([3.0, 1.0])), 4, 4.0), Scatter(torch.eye(2), 2, 1.0)
        >>> crossed([torch.eye(2)[:, 1:], torch.eye(2)[:, :1]], one, other)  # (2·1/2 + 4·3/4)/6
        tensor([0.6667])
    """
    both = min(found.shape[-1] for found in directions)
    of_other = shares_of(directions[0][:, :both], other.gram)
    of_one = shares_of(directions[1][:, :both], one.gram)
    return (of_other * other.count + of_one * one.count) / (one.count + other.count)


def centred(half: Scatter, total: Float[Tensor, "_ d"]) -> Scatter:
    """The same after the adapters' mean ΔW is taken from each: what a mean adapter does not explain.

    Args:
        half: Sums.
        total: Σ ΔW of the same adapters, each of norm 1; of the left side its transpose.

    Example:
        Nothing is left of two equal adapters, and all of two opposite ones.

        >>> import torch
        >>> delta = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
        >>> two = Scatter(2 * delta.mT @ delta, 2, 2.0)
        >>> [float(centred(two, total).gram.trace()) for total in (2 * delta, 0 * delta)]
        [0.0, 2.0]
    """
    return Scatter(half.gram - total.mT @ total / half.count, half.count, half.peaked)

"""How much of many adapters' ΔW a few directions of one side hold: fitted to them, and left out.

Every adapter counts alike: its ΔW is scaled to norm 1, so that the sum over adapters of
``ΔWᵀΔW`` (or ``ΔWΔWᵀ``) has their number as its trace. Whatever is asked of k directions comes from such
sums (`scatter`) of two halves of the adapters: directions of the one half are asked about the other, and of several ways to halve them the mean is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from .scatter import Scatter

_ROUNDING = 1e-12  # of an adapter's energy: float32 has its square root of every entry, and more


class Held(NamedTuple):
    """Share of the energy that the first k directions hold, mean over the adapters; one number a k.

    Attributes:
        fitted: By directions of all adapters; nothing where these hold none.
        left_out: By directions of the half that an adapter is not in, mean over the halvings; of as many as every half has.
        deal_sd: Deviation of that mean for the choice of halvings; None where it hangs on none.
    """

    fitted: Float[Tensor, " k"]
    left_out: Float[Tensor, " m"]
    deal_sd: Float[Tensor, " m"] | None


def shares_of(directions: Float[Tensor, "d k"], some: Scatter) -> Float[Tensor, " k"]:
    """What the first 1, 2, … k orthonormal directions hold of all energy: 0 to 1.

    Example:
        >>> import torch
        >>> from lora_lens.core.many_adapters.scatter import ScatterMatrix
        >>> shares_of(torch.eye(3)[:, :2], ScatterMatrix(torch.diag(torch.tensor([6.0, 3.0, 1.0])), 10))
        tensor([0.6000, 0.9000])
    """
    return some.along(directions).cumsum(0).div(some.energy).clamp(0, 1)


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


def fitted_by_shared(whole: Scatter, most: int) -> Float[Tensor, " k"]:
    """By the best directions of the adapters themselves; nothing where there is no energy but rounding.

    Args:
        whole: All adapters.
        most: Largest k.

    Example:
        Of two adapters that share nothing, one direction holds half of what it was fitted to.

        >>> import torch
        >>> from lora_lens.core.many_adapters.scatter import ScatterMatrix
        >>> fitted_by_shared(ScatterMatrix(torch.eye(2), 2), 2)
        tensor([0.5000, 1.0000])
    """
    nothing = whole.energy <= _ROUNDING * whole.count
    return shares_of(whole.best(most), whole)[: 0 if nothing else most]


def left_out_by_shared(one: Scatter, other: Scatter, most: int) -> Float[Tensor, " m"]:
    """By the best directions of the other half; of as many as both halves have.

    Args:
        one, other: The halves.
        most: Largest k.

    Example:
        Of two adapters that share nothing each holds none of the other, and neither has two directions.

        >>> import torch
        >>> from lora_lens.core.many_adapters.scatter import ScatterMatrix
        >>> left_out_by_shared(*(ScatterMatrix(torch.diag(torch.tensor(s)), 1) for s in ([1.0, 0.0], [0.0, 1.0])), 2)
        tensor([0.])
    """
    return crossed([_best(half, most) for half in (one, other)], one, other)


def over_halvings(
    shares: Sequence[Float[Tensor, " _"]],
) -> tuple[Float[Tensor, " m"], Float[Tensor, " m"]]:
    """What is left out, mean over several ways to halve the adapters, and that mean's deviation for the choice of these.

    The deviation is that of the halvings over the root of their number: of those in which any two adapters are together as often as
    chance has it, errors of the choice are nearly independent. NaN of a single one.

    Args:
        shares: A halving each, of 1, 2, … directions; as many are told of as all have.

    Example:
        >>> import torch
        >>> over_halvings([torch.tensor([0.2, 0.5]), torch.tensor([0.4])])
        (tensor([0.3000]), tensor([0.1000]))
    """
    least = min(map(len, shares))
    each = torch.stack([one[:least] for one in shares])
    n, mean = len(each), each.mean(0)
    if n == 1:
        return mean, mean * torch.nan
    return mean, ((each - mean).square().sum(0) / (n * (n - 1))).sqrt()


def _best(half: Scatter, most: int) -> Float[Tensor, "d k"]:
    found = half.best(most)
    return those_that_hold(found, half.along(found), float(half.count))


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
        >>> from lora_lens.core.many_adapters.scatter import ScatterMatrix
        >>> one, other = ScatterMatrix(torch.diag(torch.tensor([3.0, 1.0])), 4), ScatterMatrix(torch.eye(2), 2)
        >>> crossed([torch.eye(2)[:, 1:], torch.eye(2)[:, :1]], one, other)  # (2·1/2 + 4·3/4)/6
        tensor([0.6667])
    """
    both = min(found.shape[-1] for found in directions)
    of_other = shares_of(directions[0][:, :both], other)
    of_one = shares_of(directions[1][:, :both], one)
    return (of_other * other.count + of_one * one.count) / (one.count + other.count)

"""What directions that know nothing of an adapter hold of its ΔW, in closed form and by drawing adapters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from .captured import shares_of
from .scatter import ScatterMatrix

_BLOCK = 128  # adapters drawn at once


class Chance(NamedTuple):
    """What directions that know nothing of an adapter hold of it: mean, and a bound of the deviation."""

    mean: Float[Tensor, " k"]
    sd: Float[Tensor, " k"]


@dataclass(frozen=True)
class Peaks:
    """What of the adapters' own the deviation of their mean share hangs on; copies have one share, which counts as often as they do.

    Attributes:
        count: How many adapters.
        alike: Σ m² over those that differ, of each of which there are m: `count` where there are no copies.
        peaked: Σ m²·Σ_i w_i² over them, w the shares of ΔW's energy by singular value: 1/r each for equal ones, 1 for rank one.
    """

    count: int
    alike: int
    peaked: float


def chance_of_left_out(d: int, of: Peaks, k: int, met: float = 2.0) -> Chance:
    """What the first k directions of the other half hold of unrelated adapters, whose directions are uniform: mean over these.

    The mean is k/d. Given the directions, an adapter's share has variance
    ``2·k(1 − k/d)·(Σw² − 1/d)/((d − 1)(d + 2))``. Shares of one half are independent; two of different halves are not, for each
    adapter has helped to find what the other is judged by, at most as much as if what one pair gives both shares were twice the same:
    of one halving that doubles the mean's variance. Of several, a pair meets in some alone, and its variance is multiplied by twice the part of
    them in which it does: 8/7 where that is 4 of 7. What three adapters or more give together has each of them alone in a half in no more than
    one way a halving, and adds to no other (by Hoeffding's parts of the sum, of adapters of one law and halves of one size).

    Args:
        d: Width of the side, of whose coordinates the sums may have some alone.
        of: All adapters.
        k: Most directions; d at most.
        met: By what the variance of independent shares is multiplied: 2 of one halving.

    Example:
        Of rank one in R⁴, a squared coordinate of a uniform unit vector: Beta(1/2, 3/2). Two such, asked of each other, have one share.

        >>> chance_of_left_out(4, Peaks(2, 2, 2.0), 1)
        Chance(mean=tensor([0.2500], dtype=torch.float64), sd=tensor([0.2500], dtype=torch.float64))
    """
    steps = torch.arange(1, min(k, d) + 1, dtype=torch.float64)
    spread = 2 * steps * (1 - steps / d) / max(1, (d - 1) * (d + 2))
    peaked = max(of.peaked - of.alike / d, 0.0)
    return Chance(steps / d, (met * spread * peaked).sqrt() / of.count)


def held_of_unrelated(
    d: int, weights: Sequence[Float[Tensor, " _"]], most: int, generator: torch.Generator
) -> Float[Tensor, " k"]:
    """What the best 1, 2, … directions hold of adapters of these singular values that have nothing else in common.

    Args:
        d: Width of the side.
        weights: Shares of each adapter's energy by singular value; each sums to 1.
        most: Largest k; as many as the adapters span, and d, at most.
        generator: Of their directions, each uniform.

    Example:
        Two lines in a space of many dimensions are nearly at right angles.

        >>> line = torch.ones(1, dtype=torch.float64)
        >>> held_of_unrelated(4096, [line, line], 2, torch.Generator().manual_seed(0)).round(decimals=1)
        tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    blocks = (weights[start : start + _BLOCK] for start in range(0, len(weights), _BLOCK))
    drawn = (uniform_rows(d, pad_sequence(list(some), True), generator) for some in blocks)
    if sum(map(len, weights)) < d:
        rows = torch.cat([rows[rows.any(-1)] for rows in drawn])
        gram = rows @ rows.mT
    else:
        gram = torch.zeros(d, d, dtype=torch.float64)
        for rows in drawn:
            gram += rows.mT @ rows
    whole = ScatterMatrix(gram, len(weights))
    return shares_of(whole.best(most), whole)


def uniform_rows(
    d: int, weights: Float[Tensor, "n r"], generator: torch.Generator
) -> Float[Tensor, "nr d"]:
    """ΔW's directions on one side, drawn anew for every adapter, each as long as its share of the energy is large.

    Args:
        d: Width of the side.
        weights: Shares of each adapter's energy by singular value; rows sum to 1.
        generator: Of the directions.

    Example:
        Whatever is drawn, one adapter's are at right angles.

        >>> weights = torch.tensor([[0.75, 0.25]], dtype=torch.float64)
        >>> rows = uniform_rows(3, weights, torch.Generator().manual_seed(0))
        >>> (rows @ rows.mT).round(decimals=4).abs()
        tensor([[0.7500, 0.0000],
                [0.0000, 0.2500]], dtype=torch.float64)
    """
    n, r = weights.shape
    drawn = torch.randn(n, d, r, generator=generator, dtype=torch.float64)
    frames = torch.linalg.qr(drawn.to(weights.device)).Q
    return (frames * weights.sqrt()[:, None]).mT.reshape(n * r, d)

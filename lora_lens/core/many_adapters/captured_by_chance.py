"""What directions that know nothing of an adapter hold of its ΔW, in closed form and by drawing adapters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..factors.subspace_iteration import shared_directions
from .captured import Scatter, shares_of

_BLOCK = 128  # adapters drawn at once


class Chance(NamedTuple):
    """What directions that know nothing of an adapter hold of it: mean, and a bound of the deviation."""

    mean: Float[Tensor, " k"]
    sd: Float[Tensor, " k"]


def chance_of_left_out(d: int, one: Scatter, other: Scatter, k: int) -> Chance:
    """What the first k of any directions hold of ΔW whose directions are uniform and not known to them.

    The mean is k/d. Given the directions, an adapter's share has variance
    ``2·k(1 − k/d)·(Σw² − 1/d)/((d − 1)(d + 2))``; the shares of one half are independent, and the two halves' means
    are taken as if they moved together, which bounds the deviation of their mean whatever they do.

    Args:
        d: Width of the side, of whose coordinates the halves may have some alone.
        one, other: The halves.
        k: Most directions; d at most.

    Example:
        Of rank one in R⁴, a squared coordinate of a uniform unit vector: Beta(1/2, 3/2).

        >>> half = Scatter(torch.eye(4) / 4, 1, 1.0)
        >>> chance_of_left_out(4, half, half, 1)
        Chance(mean=tensor([0.2500], dtype=torch.float64), sd=tensor([0.2500], dtype=torch.float64))
    """
    steps = torch.arange(1, min(k, d) + 1, dtype=torch.float64)
    total = one.count + other.count
    spread = 2 * steps * (1 - steps / d) / max(1, (d - 1) * (d + 2))
    sd = torch.zeros_like(steps)
    for half in (one, other):
        sd += (spread * max(half.peaked - half.count / d, 0.0)).sqrt() / total
    return Chance(steps / d, sd)


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
    return shares_of(shared_directions(gram, most), gram)


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

"""What directions that know nothing of an adapter hold of its ΔW, in closed form and by drawing adapters."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from .captured import Scatter


class Chance(NamedTuple):
    """What directions that know nothing of an adapter hold of it: mean, and a bound of the deviation."""

    mean: Float[Tensor, " k"]
    sd: Float[Tensor, " k"]


def chance_of_left_out(one: Scatter, other: Scatter, k: int) -> Chance:
    """What the first k of any directions hold of ΔW whose directions are uniform and not known to them.

    The mean is k/d. Given the directions, an adapter's share has variance
    ``2·k(1 − k/d)·(Σw² − 1/d)/((d − 1)(d + 2))``; the shares of one half are independent, and the two halves' means
    are taken as if they moved together, which bounds the deviation of their mean whatever they do.

    Args:
        one, other: The halves.
        k: Most directions; d at most.

    Example:
        Of rank one in R⁴, a squared coordinate of a uniform unit vector: Beta(1/2, 3/2).

        >>> half = Scatter(torch.eye(4) / 4, 1, 1.0)
        >>> chance_of_left_out(half, half, 1)
        Chance(mean=tensor([0.2500], dtype=torch.float64), sd=tensor([0.2500], dtype=torch.float64))
    """
    d = one.gram.shape[-1]
    steps = torch.arange(1, min(k, d) + 1, dtype=torch.float64)
    total = one.count + other.count
    spread = 2 * steps * (1 - steps / d) / max(1, (d - 1) * (d + 2))
    sd = torch.zeros_like(steps)
    for half in (one, other):
        sd += (spread * max(half.peaked - half.count / d, 0.0)).sqrt() / total
    return Chance(steps / d, sd)


def uniform_scatter(
    d: int, weights: Float[Tensor, "n r"], generator: torch.Generator
) -> Float[Tensor, "d d"]:
    """The sum for adapters of the same singular values whose directions are drawn anew, each uniform.

    Args:
        d: Width of the side.
        weights: Shares of each adapter's energy by singular value; rows sum to 1.
        generator: Of the directions.

    Example:
        Whatever is drawn, one adapter's sum has its weights as eigenvalues.

        >>> weights = torch.tensor([[0.75, 0.25]], dtype=torch.float64)
        >>> gram = uniform_scatter(3, weights, torch.Generator().manual_seed(0))
        >>> torch.linalg.eigvalsh(gram).round(decimals=4).abs()
        tensor([0.0000, 0.2500, 0.7500], dtype=torch.float64)
    """
    n, r = weights.shape
    drawn = torch.randn(n, d, r, generator=generator, dtype=torch.float64)
    frames = torch.linalg.qr(drawn.to(weights.device)).Q
    rows = (frames * weights.sqrt()[:, None]).mT.reshape(n * r, d)
    return rows.mT @ rows

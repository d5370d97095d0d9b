"""φ of two adapters' subspaces when each keeps where it lies on their W's own singular directions, and no more.

The right bar for two adapters on one base: factors that are both drawn to the leading directions of the
same W have a φ above that of unrelated subspaces with nothing learnt in common. Signs of one of the two
are drawn anew on W's singular directions (see `lora_lens.chance.flips`); what of it lies outside all of them,
where nothing tells one direction from another, is rotated there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..labelled import Array
from .baseline import Baseline
from .flips import Directions, OwnDirections, own_directions
from .gaussian import uniform_bases
from .streams import stream

_ENTRIES = 1 << 22  # numbers at once


class Pair(NamedTuple):
    """Orthonormal bases of two adapters' subspaces in one layer, both in W's output space or its input space."""

    one: Float[Tensor, "d i"]
    other: Float[Tensor, "d j"]
    outputs: bool


def flipped_nulls(
    layers: Iterable[tuple[Directions, Mapping[str, Pair]]], draws: int, seed: int
) -> dict[str, Baseline]:
    """φ of every pair under flips, its mean in closed form, layers independently; pairs of one layer by the same signs.

    Args:
        layers: W's directions and the pairs of each layer, which all have the same ones.
        draws: How many, two at least.
        seed: Of those draws.

    Example:
        The same line halfway between W's two directions: a flip turns it onto itself, or onto what is orthogonal.

        >>> from lora_lens.chance.flips import directions
        >>> line, of = torch.ones(2, 1) / 2**0.5, directions(torch.diag(torch.tensor([2.0, 1.0])))
        >>> null = flipped_nulls([(of, {"B": Pair(line, line, outputs=True)})], draws=100, seed=0)["B"]
        >>> null.mean.round(6), np.unique(null.drawn.round(6))
        (array([0.5]), array([0., 1.]))
    """
    means: dict[str, list[float]] = {}
    drawn: dict[str, list[Array]] = {}
    for number, (of, pairs) in enumerate(layers):
        for name, pair in pairs.items():
            side = of if pair.outputs else of.transposed
            mean, values = flipped_phi(side, pair, draws, stream(seed, number))
            means.setdefault(name, []).append(mean)
            drawn.setdefault(name, []).append(values.numpy())
    return {name: _baseline(np.array(means[name]), np.stack(drawn[name], -1)) for name in means}


def _baseline(mean: Array, samples: Array) -> Baseline:
    sd = samples.std(0, ddof=1)
    mean_sd = float(np.sqrt((sd**2).sum()) / len(sd))  # layers are flipped independently
    return Baseline(mean, sd, mean_sd, len(samples), samples)


def flipped_phi(
    of: Directions, pair: Pair, draws: int, generator: torch.Generator
) -> tuple[float, Float[Tensor, " draws"]]:
    """φ under flips of one layer: its mean in closed form, and draws of it, on the CPU.

    With P_g and R_g what of the two lies in each group g of n_g directions among which nothing tells one from
    another (one, where its singular value is no other's; all outside W's), the mean is
    ``Σ_g ‖P_g‖_F²‖R_g‖_F²/n_g / min(i, j)``.

    Args:
        of: W's directions, transposed where the pair is in its input space.
        pair: The two subspaces.
        draws: How many.
        generator: Of the flips and rotations.

    Example:
        W has the first axis alone, and a flip turns the other two: φ of a line with itself is (±0.36 + 0.64·cos)².

        >>> from lora_lens.chance.flips import directions
        >>> line = torch.tensor([[0.6], [0.8], [0.0]])
        >>> pair, stream = Pair(line, line, outputs=True), torch.Generator().manual_seed(0)
        >>> mean, drawn = flipped_phi(directions(torch.eye(3)[:, :1]), pair, 4000, stream)
        >>> round(mean, 4), bool(abs(drawn.mean() - mean) < 0.02)  # 0.36² + 0.64²/2
        (0.3344, True)
    """
    own, fixed = own_directions(of, pair.one), own_directions(of, pair.other)
    least = min(pair.one.shape[-1], pair.other.shape[-1])
    beyond = of.u.shape[0] - of.u.shape[1]
    outside = _outside(own, fixed, beyond, draws, generator) if beyond else None
    step = max(1, _ENTRIES // max(1, own.inside.numel()))
    values = []
    for begun in range(0, draws, step):
        product = fixed.inside.mT @ own.turned(min(step, draws - begun), generator)
        if outside is not None:
            product = product + outside[begun : begun + step].to(product)
        values.append(product.square().sum((-2, -1)).cpu())
    return _mean(own, fixed, beyond) / least, torch.cat(values) / least


def _mean(own: OwnDirections, fixed: OwnDirections, beyond: int) -> float:
    sizes = [one.inside.square().sum(-1) for one in (own, fixed)]
    total = float(sizes[0] @ sizes[1])
    for cluster in own.of.clusters:
        r, p = (size[cluster] for size in sizes)
        total += float(r.sum() * p.sum() / len(r) - r @ p)
    if beyond:
        total += float(own.outside.square().sum() * fixed.outside.square().sum()) / beyond
    return total


def _outside(
    own: OwnDirections, fixed: OwnDirections, beyond: int, draws: int, generator: torch.Generator
) -> Float[Tensor, "draws j i"]:
    """Products of what lies outside W's directions, the one rotated there uniformly: small numbers alone.

    With QR = own and PS = fixed the product is ``Sᵀ(PᵀQ')R``, and PᵀQ' that of two independent uniform frames.
    """
    r, s = (_shape_of(one.outside.cpu(), beyond) for one in (own, fixed))
    frames = uniform_bases(beyond, 2, max(len(r), len(s)), draws=draws, generator=generator)
    q, p = frames[:, 0, :, : len(r)], frames[:, 1, :, : len(s)]
    return s.mT @ (p.mT @ q) @ r


def _shape_of(rows: Float[Tensor, "d i"], beyond: int) -> Float[Tensor, "n i"]:
    """R of QR = rows, which lie in `beyond` dimensions."""
    _, values, vh = torch.linalg.svd(rows, full_matrices=False)
    return (values[:, None] * vh)[:beyond]

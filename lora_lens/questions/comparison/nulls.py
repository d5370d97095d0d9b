"""What φ of two adapters is under each null: both flipped on their W0's directions, unrelated, or in other layers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ...adapter import ModuleFactors
from ...bases.weights import BaseWeights
from ...chance.baseline import Baseline
from ...chance.derangements import deranged_moments
from ...chance.draws import mismatched_layers, shuffles
from ...chance.flipped_phi import Pair, flipped_nulls
from ...chance.flips import Directions, directions
from ...chance.gaussian import gaussian_samples
from ...chance.gaussian_moments import gaussian_baseline
from ...chance.hanging_together import PulledBack, flips_of_theta, independent
from ...chance.streams import null_generator
from ...core.computing.progress import Progress
from ...core.numbers.precision import singular_cutoff
from ...labelled import Array
from ...subspaces.device import Where
from .compared import SIDES


class Flipped(NamedTuple):
    """What φ is under flips, by matrix, each layer's rank of W0 as they took it, and of which matrices flips do not tell."""

    baselines: dict[str, Baseline]
    ranks: tuple[int, ...]
    unknown: frozenset[str]


def flipped(
    factors: ModuleFactors,
    weights: BaseWeights,
    bases: list[dict[str, Tensor]],
    where: Where,
    progress: Progress,
    *,
    draws: int,
    seed: int,
) -> Flipped:
    """Both as they lie on W0's own singular directions, with random signs there: one decomposition of W0 a layer.

    Where one θ made all layers of the one adapter, and one θ′ all of the other's, signs are drawn in θ′'s space, the same for all layers, and W0 is read and decomposed once more. Where
    both hang together so in a part, flips do not tell (`lora_lens.chance.hanging_together`).
    """
    ranks: list[int] = []
    pulled = {side: PulledBack(seed) for side in ("left", "right")}
    places = _places(factors, weights, bases, where, progress, ranks, pulled)
    baselines = flipped_nulls(places, draws, seed)
    unknown = set()
    for side, of in pulled.items():
        found, each = of.hang_together(), [matrix for matrix in bases[0] if SIDES[matrix] == side]
        for matrix, one, other in zip(each, found[::2], found[1::2], strict=True):
            if independent(one.energy, other.energy):
                continue
            if one.theta is None or other.theta is None:
                unknown.add(matrix)
                continue
            of_layers = (
                (_directions(weights, factors, k, where), q) for k, q in enumerate(bases[0][matrix])
            )
            layers = ((of if side == "left" else of.transposed, q) for of, q in of_layers)
            signs = null_generator(seed, "flipped", len(ranks))
            drawn = flips_of_theta(other, layers, draws, signs).numpy()
            i, j = (bases[k][matrix].shape[-1] for k in range(2))
            baselines[matrix] = _together(drawn * j / min(i, j) + baselines[matrix].mean)
    return Flipped(baselines, tuple(ranks), frozenset(unknown))


def _together(drawn: Array) -> Baseline:
    """Of draws (draw, layer) whose layers hang together."""
    mean_sd = float(drawn.mean(1).std(ddof=1))
    return Baseline(drawn.mean(0), drawn.std(0, ddof=1), mean_sd, len(drawn), drawn)


def _places(
    factors: ModuleFactors,
    weights: BaseWeights,
    bases: list[dict[str, Tensor]],
    where: Where,
    progress: Progress,
    ranks: list[int],
    pulled: dict[str, PulledBack],
) -> Iterator[tuple[Directions, dict[str, Pair]]]:
    """W0's directions in each layer, one at a time, with the pairs of subspaces there; how many they are goes to `ranks`, by side what layers have in common to `pulled`."""
    for k in range(len(factors.layers)):
        pairs = {
            matrix: Pair(bases[0][matrix][k], bases[1][matrix][k], outputs=side == "left")
            for matrix, side in SIDES.items()
            if matrix in bases[0]
        }
        of = _directions(weights, factors, k, where)
        ranks.append(len(of.s))
        for side, found in pulled.items():
            each = [pair for matrix, pair in pairs.items() if SIDES[matrix] == side]
            spanned = [basis for pair in each for basis in (pair.one, pair.other)]
            found.add(of if side == "left" else of.transposed, spanned)
        yield of, pairs
        progress(k + 1, len(factors.layers))


def _directions(weights: BaseWeights, factors: ModuleFactors, k: int, where: Where) -> Directions:
    """Of one layer's W0."""
    w0, shape = weights.w0(factors, k), (factors.out_features, factors.in_features)
    return directions(where.take(w0), singular_cutoff(w0.dtype, where.dtype, shape))


def gaussian(d: int, i: int, j: int, layers: int, draws: int, seed: int) -> Baseline:
    """Unrelated subspaces, in so many layers."""
    mean, sd = gaussian_baseline(d, i, j)
    mean_sd = sd / math.sqrt(layers)
    if not draws:
        return Baseline(mean, sd, mean_sd, closed=True)
    generator = torch.Generator().manual_seed(seed)
    samples = gaussian_samples(d, i, j, draws=draws * layers, generator=generator)
    drawn = samples.reshape(draws, layers).numpy()
    return Baseline(mean, sd, mean_sd, draws, drawn, closed=True)


def mismatched(pairs: Tensor, draws: int, seed: int) -> Baseline:
    """One adapter's layers against the other's, shuffled; `pairs` has φ of every two of them."""
    generator = null_generator(seed, "mismatched")
    orders = shuffles(len(pairs), draws=draws, generator=generator)
    drawn, others = mismatched_layers(pairs, orders)
    # p needs all orders, layers in place among them; the mean and its deviation say what *other* layers give.
    moments = deranged_moments(pairs)
    return Baseline(
        mean=others.mean(0).numpy(),
        sd=others.std(0).numpy(),
        mean_sd=moments.sd,
        mean_mean=moments.mean,
        draws=len(drawn),
        samples=drawn.numpy(),
        cells=others.numpy(),
        in_place=(orders == torch.arange(len(pairs))).numpy(),
    )

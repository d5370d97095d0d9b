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
from ...chance.streams import null_generator
from ...core.computing.progress import Progress
from ...core.numbers.precision import singular_cutoff
from ...subspaces.device import Where
from .compared import SIDES


class Flipped(NamedTuple):
    """What φ is under flips, by matrix, and each layer's rank of W0 as they took it."""

    baselines: dict[str, Baseline]
    ranks: tuple[int, ...]


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
    """Both as they lie on W0's own singular directions, with random signs there: one decomposition of W0 a layer."""
    ranks: list[int] = []
    places = _places(factors, weights, bases, where, progress, ranks)
    return Flipped(flipped_nulls(places, draws, seed), tuple(ranks))


def _places(
    factors: ModuleFactors,
    weights: BaseWeights,
    bases: list[dict[str, Tensor]],
    where: Where,
    progress: Progress,
    ranks: list[int],
) -> Iterator[tuple[Directions, dict[str, Pair]]]:
    """W0's directions in each layer, one at a time, with the pairs of subspaces there; how many they are goes to `ranks`."""
    shape = factors.out_features, factors.in_features
    for k in range(len(factors.layers)):
        pairs = {
            matrix: Pair(bases[0][matrix][k], bases[1][matrix][k], outputs=side == "left")
            for matrix, side in SIDES.items()
            if matrix in bases[0]
        }
        w0 = weights.w0(factors, k)
        of = directions(where.take(w0), singular_cutoff(w0.dtype, where.dtype, shape))
        ranks.append(len(of.s))
        yield of, pairs
        progress(k + 1, len(factors.layers))


def gaussian(d: int, i: int, j: int, layers: int, draws: int, seed: int) -> Baseline:
    """Unrelated subspaces, in so many layers."""
    mean, sd = gaussian_baseline(d, i, j)
    mean_sd = sd / math.sqrt(layers)
    if not draws:
        return Baseline(mean, sd, mean_sd)
    generator = torch.Generator().manual_seed(seed)
    samples = gaussian_samples(d, i, j, draws=draws * layers, generator=generator)
    return Baseline(mean, sd, mean_sd, draws, samples.reshape(draws, layers).numpy())


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

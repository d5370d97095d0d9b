"""Bases of one module's conversion matrices in all layers, and of those of random factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ..loaders.base import BaseWeights
from .conversion_bases import Plan
from .layer_similarity import Progress, _collect
from .selection import Where


class LayerBases(NamedTuple):
    """Bases by matrix.

    Attributes:
        own: (layer, d, width) of the adapter's factors, in the dtype of the computation.
        propagated: (draw, layer, d, width) of random factors through the same W0, in float32; empty
            without draws.
    """

    own: Mapping[str, Tensor]
    propagated: Mapping[str, Tensor]


def layer_bases(
    plan: Plan, weights: BaseWeights, where: Where, seed: int, progress: Progress | None
) -> LayerBases:
    """The bases that `conversion_similarity` compares, its draws among them (the same for the same seed)."""
    collected = _collect(plan, weights, where, seed, progress)
    return LayerBases(
        {matrix: torch.cat(parts) for matrix, parts in collected.bases.items()},
        {matrix: torch.cat(parts).transpose(0, 1) for matrix, parts in collected.nulls.items()},
    )

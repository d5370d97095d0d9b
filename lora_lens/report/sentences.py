"""What is seen in spectra and in φ(i, j), in sentences; the other analyses have theirs elsewhere."""

from __future__ import annotations

import math

import numpy as np

from ..results import RankGrids, Spectrum
from ..tables.layout import LABELS, number, significant


def spectrum_sentence(result: Spectrum) -> str:
    """Size and ranks of ΔW over the layers of one module. A description: nothing is tested."""
    layers = [one for one in result.layers if one.stable_rank is not None]
    if not layers:
        return "ΔW is zero in every layer: the adapter is untrained."
    largest = max(layers, key=lambda one: one.frobenius_norm)
    smallest = min(layers, key=lambda one: one.frobenius_norm)
    stable, effective = (
        _range([getattr(one, name) for one in layers])
        for name in ("stable_rank", "effective_rank_s")
    )
    ranks = _range([one.rank for one in layers], 0)
    keep = _range([one.rank_95 or 0 for one in layers], 0)
    above = sum(one.above_product_edge > 0 for one in layers)
    return (
        f"‖ΔW‖_F is from {significant(smallest.frobenius_norm)} (layer {smallest.layer}) to "
        f"{significant(largest.frobenius_norm)} (layer {largest.layer}). Of rank {ranks}, ΔW has stable "
        f"rank {stable} and effective rank (of s) {effective}; {keep} directions hold 95 % of its "
        f"energy. In {above} of {len(layers)} layers its largest singular value is above what a random "
        f"product of the same rank, size and norm would have."
    )


def _range(values: list[float], digits: int = 1) -> str:
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def grids_sentence(result: RankGrids) -> str:
    """φ of the top directions and of the whole subspaces, means over the layers, beside chance."""
    parts = []
    for matrix, side in result.kinds:
        grids = result.of(matrix, side)
        top, whole = (float(np.mean([g.values[k, k] for g in grids])) for k in (0, -1))
        chance_top, chance = (
            float(np.mean([g.gaussian_mean[k, k] for g in grids])) for k in (0, -1)
        )
        share = f"φ(1, 1) is {number(top)} (by chance {number(chance_top)})"
        angle = (
            math.nan if not len(grids[0].angles) else float(np.mean([g.angles[0] for g in grids]))
        )
        parts.append(
            f"{LABELS[matrix]} ({side}): {share}, over the whole subspaces {number(whole)} "
            f"({number(chance)}), smallest angle {angle:.0f}°"
        )
    return f"Mean over the layers. {'; '.join(parts)}."

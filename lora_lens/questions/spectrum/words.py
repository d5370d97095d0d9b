"""What is seen in the spectra of ΔW, or of DoRA's s·B·A without W0. A description: nothing is tested."""

from __future__ import annotations

import numpy as np

from ...core.numbers.either import FLOAT32_EPS
from ...core.numbers.scaled import values_of_order_one
from ...several import counted
from ...show.delta_named import symbol
from ...show.layout import significant
from ...show.wording import span
from .result import LayerSpectrum, Spectrum


def summary(result: Spectrum) -> str:
    """How many of its directions ΔW uses."""
    layers = _trained(result)
    if not layers:
        return f"{named(result)} is zero in every layer: nothing was trained there, the scaling is 0, or its factors cancel."
    ranks = _range([_directions(one) for one in layers], 0)
    keep = _range([one.rank_95 or 0 for one in layers], 0)
    stable = _range([one.stable_rank or 0 for one in layers])
    holds = "holds" if keep == "1" else "hold"
    if ranks == "1":
        return f"{named(result)} has one direction in a layer."
    return (
        f"Of the {ranks} directions that {named(result)} has in a layer, {keep} {holds} 95 % of its energy, and "
        f"its stable rank is {stable}."
    )


def _directions(one: LayerSpectrum) -> int:
    """Those that ΔW has: factors may be stored at a rank above its own."""
    values = values_of_order_one(np.array(one.singular_values))
    return int((values > values.max() * len(values) * FLOAT32_EPS).sum())


def details(result: Spectrum) -> list[str]:
    """Size and ranks of ΔW over the layers, a sentence each."""
    layers = _trained(result)
    if not layers:
        return []
    largest = max(layers, key=lambda one: one.frobenius_norm)
    smallest = min(layers, key=lambda one: one.frobenius_norm)
    ends = [f"{significant(one.frobenius_norm)} ({_where(one)})" for one in (smallest, largest)]
    norms = ends[0] if len(layers) == 1 else f"from {ends[0]} to {ends[1]}"
    effective = _range([one.effective_rank_s or 0 for one in layers])
    above = sum(one.above_product_edge > 0 for one in layers)
    return [
        f"‖{named(result)}‖_F is {norms}, the effective rank (of s) {effective}.",
        f"In {above} of {len(layers)} layers its largest singular value is above what "
        f"{random_of(result)} would have.",
    ]


def named(result: Spectrum) -> str:
    """What the numbers are of: ΔW; or s·B·A."""
    return symbol(one.matrix for one in result.layers)


def random_of(result: Spectrum) -> str:
    """What the largest singular values are held against."""
    dense = [one.matrix == "ΔW" for one in result.layers]
    of = ["a random Gaussian product of the same rank, size and norm"] if not all(dense) else []
    of += (
        [
            "a random Gaussian matrix of the same size and norm (where ΔW is dense; the largest of up to one in six is above that, too)"
        ]
        if any(dense)
        else []
    )
    return ", or ".join(of)


def intruder_sentence(result: Spectrum) -> list[str]:
    """How many intruder dimensions there are at the largest k and a middling ε, beside random ΔW's."""
    if not result.ks or not result.epsilons:
        return []
    k, epsilon = max(result.ks), min(result.epsilons, key=lambda one: abs(one - 0.5))
    trained = {(one.module, one.layer) for one in _trained(result)}
    every = result.intruders([k], [epsilon])
    rows = [row for row in every if (row["module"], row["layer"]) in trained]
    if not rows:
        return []
    count = sum(row["count"] for row in rows)
    random = [row["random_mean"] for row in rows if row["random_mean"] is not None]
    beside = f"; random ΔW with the same singular values make {sum(random):.0f}" if random else ""
    return [
        f"Of the {k} leading left singular vectors of W0 + ΔW, in {counted(len(rows), 'layer')} together "
        f"{count} are unlike all of W0's (intruder dimensions, ε = {epsilon:g}){beside}."
    ]


def _where(one: LayerSpectrum) -> str:
    return one.module if one.layer is None else f"layer {one.layer}"


def _trained(result: Spectrum) -> list[LayerSpectrum]:
    return [one for one in result.layers if one.stable_rank is not None]


def _range(values: list[float], digits: int = 1) -> str:
    return span(f"{min(values):.{digits}f}", f"{max(values):.{digits}f}")

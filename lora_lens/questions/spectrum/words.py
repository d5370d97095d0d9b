"""What is seen in the spectra of ΔW. A description: nothing is tested."""

from __future__ import annotations

from ...show.layout import significant
from .result import LayerSpectrum, Spectrum


def summary(result: Spectrum) -> str:
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
        f"‖ΔW‖_F is from {significant(smallest.frobenius_norm)} ({_where(smallest)}) to "
        f"{significant(largest.frobenius_norm)} ({_where(largest)}). Of rank {ranks}, ΔW has stable "
        f"rank {stable} and effective rank (of s) {effective}; {keep} directions hold 95 % of its "
        f"energy. In {above} of {len(layers)} layers its largest singular value is above what a random "
        f"product of the same rank, size and norm would have."
    )


def _where(one: LayerSpectrum) -> str:
    return one.module if one.layer is None else f"layer {one.layer}"


def _range(values: list[float], digits: int = 1) -> str:
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"

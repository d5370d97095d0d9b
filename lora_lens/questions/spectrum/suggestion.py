"""How small could each layer's rank have been? The least that keeps a share of ΔW's energy."""

from __future__ import annotations

from dataclasses import replace

import torch

from ...adapter import Adapter, ModuleFactors
from ...core.energy import rank_for_energy
from ...subspaces.delta import delta_singular
from ...subspaces.selection import Where, select_device
from .suggestion_result import RankSuggestion, SuggestedRank


def suggest_ranks(
    adapter: Adapter, energy: float = 0.95, *, device: str = "auto", dtype: str = "float64"
) -> RankSuggestion:
    """The smallest rank of every module path that keeps `energy` of ‖ΔW‖_F², as PEFT's patterns.

    Cutting ΔW there leaves a relative error of √(1 − energy) at most. What a new training would need
    is not known from it: it is a start for a search. A fused projection, such as GPT-2's ``c_attn``,
    counts as the one module that PEFT adapts.

    Args:
        adapter: From `load_adapter`.
        energy: Share to keep, above 0 and at most 1.
        device, dtype: As in `conversion_similarity`.

    Raises:
        LensError: `energy` is out of range.

    Example:
        >>> from lora_lens import demo_adapter, load_adapter
        >>> found = suggest_ranks(load_adapter(demo_adapter("lora")), 0.9)
        >>> next(iter(found.rank_pattern))
        'bert.encoder.layer.0.attention.self.query'
    """
    where = select_device(device, dtype)
    layers = [
        _suggest(factors, position, energy, where)
        for factors in _whole(adapter)
        for position in range(len(factors.layers))
    ]
    return RankSuggestion(energy, tuple(layers))


def _whole(adapter: Adapter) -> list[ModuleFactors]:
    """The modules, with the blocks of fused projections below each other again."""
    whole: dict[str, list[ModuleFactors]] = {}
    for factors in adapter.modules.values():
        key = "\n".join(factors.names) if factors.part else factors.pattern
        whole.setdefault(key, []).append(factors)
    return [_fused(parts) for parts in whole.values()]


def _fused(parts: list[ModuleFactors]) -> ModuleFactors:
    ordered = sorted(parts, key=lambda factors: factors.part or (0, 1))
    if len(ordered) == 1:
        return ordered[0]
    return replace(ordered[0], b=torch.cat([factors.b for factors in ordered], dim=-2), part=None)


def _suggest(factors: ModuleFactors, position: int, energy: float, where: Where) -> SuggestedRank:
    s = delta_singular(factors, position, where).s
    suggested = int(rank_for_energy(s, energy)) if len(s) else 0
    squares = s.double().square()
    return SuggestedRank(
        name=factors.names[position],
        rank=factors.ranks[position],
        suggested=suggested,
        kept=float(squares[:suggested].sum() / squares.sum()) if len(s) else None,
        scaling=float(factors.scaling[position]),
        features=factors.in_features + factors.out_features,
    )

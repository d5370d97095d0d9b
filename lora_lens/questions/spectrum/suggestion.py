"""How small could each layer's rank have been? The least that keeps a share of ΔW's energy."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...adapter import Adapter, LayerFactors
from ...core.numbers.scaled import values_of_order_one
from ...core.spectra.energy import rank_for_energy
from ...formats.loading import Model, adapter_of
from ...labelled import Array
from ...plain_torch import in_plain_torch
from ...subspaces.device import Where, asked_device
from ...subspaces.spectra import layer_values
from .suggestion_result import RankSuggestion, SuggestedRank


@in_plain_torch
def suggest_ranks(
    adapter: Adapter | str | Path | Model,
    energy: float = 0.95,
    *,
    device: str = "auto",
    dtype: str = "float64",
) -> RankSuggestion:
    """The smallest rank of every module path that keeps `energy` of ‖ΔW‖_F², as PEFT's patterns.

    Cutting ΔW there leaves a relative error of √(1 − energy) at most. What a new training would need
    is not known from it: it is a start for a search. A fused projection, such as GPT-2's ``c_attn``,
    counts as the one module that PEFT adapts. None is suggested of DoRA, whose ΔW is of full rank.

    Args:
        adapter: From `load_adapter`, or what that takes: a path, a hub id, a model in memory.
        energy: Share to keep, above 0 and at most 1.
        device: A GPU to compute on; by default the CPU, where torch is hardly ever loaded for it.
        dtype: Of no effect: spectra of ΔW are computed in float64. Another one is met with a `DeprecationWarning`.

    Raises:
        LensError: `energy` is out of range.

    Example:
        >>> from lora_lens import demo_adapter, load_adapter
        >>> found = suggest_ranks(load_adapter(demo_adapter("lora")), 0.9)
        >>> next(iter(found.rank_pattern))
        'bert.encoder.layer.0.attention.self.query'
    """
    where = asked_device(device, dtype)
    if dtype != "float64":
        warnings.warn(
            "dtype of suggest_ranks has no effect, and will be gone: spectra of ΔW are computed in float64",
            DeprecationWarning,
            stacklevel=3,  # above `in_plain_torch`
        )
    return suggested(paths(adapter_of(adapter)), energy, {}, where)


def suggested(
    asked: Mapping[str, Sequence[LayerFactors]],
    energy: float,
    known: Mapping[str, Array],
    where: Where | None,
) -> RankSuggestion:
    """`suggest_ranks` of some paths.

    Args:
        asked: Module path to its layer, or to the blocks of a fused projection.
        energy: Share to keep.
        known: Singular values of ΔW, by path, where they are known.
        where: As in `layer_values`.
    """
    layers = []
    dora = tuple(name for name, parts in asked.items() if any(one.rescaled for one in parts))
    for name, parts in asked.items():
        if name in dora:
            continue
        s = known[name] if name in known else layer_values(parts, where)
        layers.append(_suggest(parts, s, energy))
    return RankSuggestion(energy, tuple(layers), dora)


def paths(adapter: Adapter) -> dict[str, list[LayerFactors]]:
    """Every module path with its layer, or with the blocks of a fused projection in their order."""
    found: dict[str, list[LayerFactors]] = {}
    for one in adapter.each_layer():
        found.setdefault(one.name, []).append(one)
    return {
        name: sorted(parts, key=lambda one: one.part or (0, 1)) for name, parts in found.items()
    }


def _suggest(parts: Sequence[LayerFactors], s: Array, energy: float) -> SuggestedRank:
    one, squares = parts[0], values_of_order_one(s) ** 2
    rank = int(rank_for_energy(s, energy)) if len(s) else 0
    return SuggestedRank(
        name=one.name,
        rank=one.rank,
        suggested=rank,
        kept=float(squares[:rank].sum() / squares.sum()) if len(s) else None,
        scaling=one.scaling,
        features=one.in_features + sum(part.out_features for part in parts),
    )

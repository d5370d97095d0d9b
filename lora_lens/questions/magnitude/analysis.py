"""Do lengths and directions of W0's rows change together? The weight decomposition analysis of Liu et al. 2024."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import SupportsIndex

import numpy as np

from ...adapter import Adapter, ModuleFactors
from ...bases.along import said_beside
from ...bases.of_adapter import open_base_of
from ...bases.weights import BaseWeights
from ...chance.p_values import check_draws, check_seed
from ...chance.streams import layer_generator
from ...core.computing.progress import Progress, untold
from ...core.numbers.limits import check_range
from ...core.spectra.row_changes import random_row_changes, row_changes
from ...errors import ModuleLookupError, RankError
from ...formats.loading import Model, adapter_of
from ...plain_torch import in_plain_torch
from ...several import several
from ...show.wording import listed
from ...subspaces.delta import delta_singular
from ...subspaces.device import Where, select_device
from ...subspaces.selection import select_delta
from .result import FEWEST, Change, LayerChange, MagnitudeAndDirection

DRAWS, DRAWS_OF_DEAR = 200, 20
_THIN = 4  # times as wide as its rank, or wider, a ΔW counts as one of low rank
# (out + in)·k², as the two QRs of a random ΔW go, from which it is dear: a dense one's of 256², 60 ms.
_DEAR = 2**25
_MADE = "A and B are made of W0, and so is where ΔW lies, as it is of no random one: what ΔM and ΔD have in common is not tested"


@in_plain_torch
def magnitude_and_direction(
    adapter: Adapter | str | Path | Model,
    module: str | Sequence[str] | None = None,
    *,
    draws: SupportsIndex | None = None,
    seed: int = 0,
    base: BaseWeights | str | Path | None = None,
    device: str = "auto",
    dtype: str = "float64",
    progress: Progress | None = None,
) -> MagnitudeAndDirection:
    """Magnitude change ΔM and directional change ΔD of every layer, and their correlation over the layers.

    This is the weight decomposition analysis of the DoRA paper (Liu et al. 2024, section 3.2, Figure 2), with what it
    lacks beside it. ΔM is the mean over n of the distance of ‖w_n + δ_n‖ from ‖w_n‖, ΔD that of 1 − cos(w_n + δ_n, w_n), where w_n and δ_n are
    row n of W0 and of ΔW as (out, in): the vectors that the authors' code and PEFT give a magnitude. The paper's text writes W
    as d×k and calls them columns.

    Beside each stands the same of random ΔW with the same singular values, in uniform directions on both sides. The paper
    reads a positive correlation over the layers as LoRA's way of learning and a negative one as full fine-tuning's. Random
    ΔW make either by themselves, as the norms of ΔW and the rows of W0 differ from layer to layer, so each
    correlation, of a module's layers and of all modules' together, stands beside those of the draws. What differs from them says that ΔW's directions, beside W0's rows, are
    not random, and not why. Free of the gauge; not of a scaling of W0's rows.

    Args:
        adapter: From `load_adapter`, or what that takes: a path, a hub id, a model in memory. DoRA's ΔW is its true one; of
            a model that was tuned in full it is dense.
        module: Only this target module, or these; by default all in numbered layers that have low-rank factors, or, of a model
            that was tuned in full, all in numbered layers.
        draws: Random ΔW a layer; by default 200, or 20 in a module where each is dear, module by module: ΔW has a quarter of all
            directions or more there, and W0 is large (in + out times the square of the directions is 2²⁵ or more, as of a dense ΔW of
            256 rows and columns). 0 for none.
        seed: Of those draws; each layer has its own.
        base: Of W0: an open base, or a folder or hub id; by default the adapter's.
        device, dtype: As in `conversion_similarity`.
        progress: Called with (layers done, layers).

    Returns:
        A layer of ΔW = 0 is told, and is in no correlation; of fewer than three layers there is none. Rows of W0 that are
        zero are left out, and counted.

    Raises:
        ModuleLookupError: No such module, or none in numbered layers.
        BaseModelError: The base is not found or does not fit.
        RankError: W0 is all zero in a layer.
        LensError: `draws` is 1 or negative, or `seed` is negative.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> result = ll.magnitude_and_direction(adapter, "value", draws=50)
        >>> (together,) = result.together
        >>> together.layers, round(together.r, 2), round(together.mean, 2)
        (6, 0.89, 0.88)
    """
    draws = None if draws is None else check_draws(draws)
    seed = check_seed(seed)
    adapter = adapter_of(adapter, base)
    asked = {
        one.module: one for one in (select_delta(adapter, name) for name in _named(adapter, module))
    }
    weights = open_base_of(adapter, base)
    where = select_device(device, dtype)
    dear = [name for name, one in asked.items() if draws is None and _is_dear(one)]
    drawn = {
        name: DRAWS_OF_DEAR if name in dear else DRAWS if draws is None else draws for name in asked
    }
    advance, total = progress or untold, sum(len(one.layers) for one in asked.values())
    layers: list[LayerChange] = []
    for name, factors in asked.items():
        for position in range(len(factors.layers)):
            layers.append(_layer(factors, position, weights, drawn[name], seed, where))
            advance(len(layers), total)
    found = MagnitudeAndDirection(
        adapter.source, weights.source, tuple(asked), tuple(layers), tested=adapter.made_of != "w0",
        draws=max(drawn.values()), seed=seed, base_commit=weights.commit,
    )  # fmt: skip
    notes = (
        *said_beside(adapter, weights), *_fewer(dear, asked), *_notes(found),
        *([_MADE] if adapter.made_of == "w0" else []),
    )  # fmt: skip
    return replace(found, notes=tuple(dict.fromkeys(notes)))


def _named(adapter: Adapter, module: str | Sequence[str] | None) -> Sequence[str]:
    if module is not None:
        if not (asked := several(module)):
            raise ModuleLookupError("no module is named; None is all of them")
        return asked
    names = adapter.in_layers or replace(adapter, modules=adapter.dense).in_layers
    if not names:
        raise ModuleLookupError(
            f"{adapter.source} has no module in numbered layers, and this compares layers: ask `lora-lens spectrum` or `lora-lens "
            f"inspect` about it"
        )
    return names


def _is_dear(factors: ModuleFactors) -> bool:
    """Whether ΔW has so many directions of so large a W0 that most of a random one's cost is its two decompositions."""
    sizes = factors.in_features, factors.out_features
    k = min(sizes) if factors.magnitude is not None else max(factors.ranks)
    return _THIN * k >= min(sizes) and sum(sizes) * k * k >= _DEAR


def _fewer(dear: Sequence[str], asked: Collection[str]) -> Iterator[str]:
    if dear:
        others = " (and of the correlation over all modules)" if len(dear) < len(asked) else ""
        yield (
            f"ΔW of {listed(dear)} has a quarter of all directions or more, and each random one takes two decompositions of W0's size: "
            f"{DRAWS_OF_DEAR} are drawn of {'it' if len(dear) == 1 else 'each'}{others}, and --draws takes more"
        )


def _layer(
    factors: ModuleFactors, position: int, weights: BaseWeights, draws: int, seed: int, where: Where
) -> LayerChange:
    stored, name = weights.w0(factors, position), factors.names[position]
    delta = delta_singular(factors, position, where, stored)
    check_range(stored, where.dtype, f"W0 of {name}")
    w0 = where.take(stored)
    rows = int(w0.any(1).sum())
    if not rows:
        raise RankError(f"W0 of {name} is all zero, and no row of it has a direction")
    start = factors.part.start if factors.part else 0
    generator = layer_generator(seed, name, start)
    own = row_changes(w0, (delta.u * delta.s) @ delta.vh)
    if draws and len(delta.s):
        drawn = [
            each.double().cpu().numpy()
            for each in random_row_changes(w0, delta.s, draws, generator)
        ]
    else:
        drawn = [np.zeros(draws)] * 2
    magnitude, direction = (Change(float(of), by) for of, by in zip(own, drawn, strict=True))
    return LayerChange(
        factors.module, factors.layers[position], len(delta.s), rows, len(w0) - rows, magnitude, direction
    )  # fmt: skip


def _notes(found: MagnitudeAndDirection) -> Iterator[str]:
    for module in found.modules:
        of_module = [one for one in found.layers if one.module == module]
        trained = found.of(module)
        if zero := [str(one.layer) for one in of_module if not one.rank]:
            many = "s" * (len(zero) > 1)
            yield f"ΔW of {module} is zero in layer{many} {listed(zero)}, not trained there or scaled by 0: left out of the correlation"
        if empty := {one.layer: one.zero_rows for one in of_module if one.zero_rows}:
            rows = listed([f"{count} in layer {layer}" for layer, count in empty.items()])
            yield f"rows of W0 of {module} that are zero have no direction and are left out: {rows}"
        if len(trained) < FEWEST:
            yield (
                f"{module} has {len(trained)} layer{'s' * (len(trained) != 1)} with a ΔW: a correlation takes {FEWEST} at least"
            )

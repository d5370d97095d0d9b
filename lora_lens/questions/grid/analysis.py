"""How much of one matrix's top directions lies in another's, for every i and j? Hu et al., Figures 3, 4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from ...adapter import Adapter, ModuleFactors
from ...bases.along import said_beside
from ...bases.of_adapter import open_base_of
from ...bases.weights import BaseWeights
from ...chance.baseline import Baseline, Samples
from ...chance.gaussian import gaussian_samples
from ...chance.p_values import check_draws, check_seed
from ...chance.streams import null_generator
from ...core.factors.bases import orthonormal_basis
from ...core.factors.rank import numerical_rank
from ...core.numbers.whole import whole_numbers
from ...errors import LensError, ModuleLookupError
from ...formats.loading import Model, adapter_of
from ...plain_torch import in_plain_torch
from ...several import several
from ...subspaces.delta import trained_singular
from ...subspaces.device import Where, select_device
from ...subspaces.dimensions import UNTRAINED, zero_error
from ...subspaces.pairing import SAME_A, base_of_both, commit_of_all, shared_layers
from ...subspaces.selection import deltas_of, select_dense, select_module
from ...subspaces.ties import gauge_note
from .one_grid import KINDS, Kind, grid_of
from .result import RankGrid, RankGrids
from .w0_and_delta import together_notes, top_of_dense, w0_and_delta


@in_plain_torch
def rank_grids(
    one: Adapter | str | Path | Model,
    other: Adapter | str | Path | Model | None = None,
    module: str = "value",
    *,
    layers: Sequence[int] | None = None,
    matrices: Kind | Sequence[Kind] | None = None,
    top: int | None = None,
    draws: int = 1000,
    seed: int = 0,
    base: BaseWeights | str | Path | None = None,
    device: str = "auto",
    dtype: str = "float64",
) -> RankGrids:
    """φ(i, j) for every i and j between two adapters, or between W0 and ΔW of one, layer by layer.

    This is the computation of sections 7.2 and 7.3 of the LoRA paper (Hu et al. 2022, Figures 3 and 4).

    Between two adapters of any ranks or seeds, i counts the singular vectors of `one` and j those of
    `other`: A's right ones (Hu et al. 2022, Figures 3 and 4), B's left ones, ΔW's left and right. A's
    and B's are in the checkpoints' own gauge, which moves φ wherever i or j is below the rank; ΔW's
    are free of it. Adapters whose A started from one seed are alike in A before any training.

    Without `other`, i counts W0's singular vectors and j ΔW's: for i ≥ j, φ is the share of ΔW's top
    j directions that lies in W0's top i (Hu et al., section 7.3, asks the same of projections).

    Args:
        one: From `load_adapter`, or what that takes: a path, a hub id, a model in memory.
        other: Another on the same base; None compares W0 with ΔW.
        module: As in `conversion_similarity`.
        layers: Only these; by default all that both have.
        matrices: One or some of ``A``, ``B``, ``delta-left``, ``delta-right``; all by default, of W0 and ΔW
            the last two.
        top: Largest i over W0's singular vectors, and of those of a ΔW that was trained in full; by default 64 or the rank, of such a ΔW
            at most half of it.
        draws: Draws of the Gaussian null, for the p-values of φ(r1, r2); 0 for none.
        seed: Of those draws.
        base: Of W0: an open base, or a folder or hub id; by default the adapter's.
        device, dtype: As in `conversion_similarity`.

    Returns:
        A grid a matrix and layer up to both numerical ranks in that layer, or `top`, with the Gaussian mean
        max(i, j)/d and deviation, the principal angles between the whole subspaces, and the tests of
        φ between those.

    Raises:
        ModuleLookupError: No such module or layer.
        AdapterError: The adapters share no layer, or differ in width.
        RankError: A factor is zero, or `top` is above W0's rank.
        BaseModelError: The base is not found or does not fit.
        LensError: `draws` is 1 or negative, `seed` is negative, or options do not go together.

    Example:
        >>> import lora_lens as ll
        >>> one, other = (ll.load_adapter(ll.demo_adapter(name)) for name in ("lora", "condlora"))
        >>> result = ll.rank_grids(one, other, "value", layers=[0], matrices=["A"], draws=0)
        >>> result.grids[0].values.shape  # φ(i, j), i and j from 1
        (8, 8)
    """
    draws, seed = check_draws(draws), check_seed(seed)
    one = adapter_of(one, base)
    other = None if other is None else adapter_of(other, base)
    where = select_device(device, dtype)
    in_full = [select_dense(each, module) is not None for each in (one, other) if each]
    chosen = _matrices(matrices, other, in_full=any(in_full))
    one = deltas_of(one, module)
    first = select_module(one, module)
    if other is None:
        weights = open_base_of(one, base)
        wanted = _layers(layers, first.layers, first.module)
        grids, scatter, ties = w0_and_delta(
            first, wanted, chosen, weights, where, top, in_full=in_full[0]
        )
        found = _ordered(grids, chosen)
        return RankGrids(
            weights.source, one.source, first.module, "w0-delta", found, _nulls(found, draws, seed),
            (*said_beside(one, weights), *ties, *together_notes(scatter)), seed,
            base=weights.source, base_commit=weights.commit, draws=draws, scatter=scatter,
        )  # fmt: skip
    if top is not None and not any(in_full):
        raise LensError("top limits W0's singular vectors, and two adapters are compared in full")
    other = deltas_of(other, module)
    second = select_module(other, module)
    shared, notes = shared_layers(one, other, first, second)
    wanted = _layers(layers, shared, first.module)
    both = tuple(
        open_base_of(each, base) if _needs_w0(factors, chosen) else None
        for each, factors in ((one, first), (other, second))
    )
    grids = [
        _cut(layer, kind, (u, v), top, in_full, module)
        for layer in wanted
        for kind, u, v in _pairs(first, second, layer, chosen, where, both)
    ]
    found = _ordered(grids, chosen)
    return RankGrids(
        one.source,
        other.source,
        first.module,
        "adapters",
        found,
        _nulls(found, draws, seed),
        (
            *notes,
            *dict.fromkeys(n for each in both if each for n in each.notes),
            *_notes(chosen, started=not (any(in_full) or one.from_w0 or other.from_w0)),
        ),
        seed,
        base=base_of_both(one, other),
        base_commit=commit_of_all((one, other)),
        draws=draws,
    )


def _cut(
    layer: int,
    kind: str,
    bases: tuple[Tensor, Tensor],
    top: int | None,
    in_full: Sequence[bool],
    module: str,
) -> RankGrid:
    """Of two adapters, of which what was trained in full is cut as W0 is."""
    full = bases[0].shape[1], bases[1].shape[1]
    i, j = (
        top_of_dense(top, rank, f"ΔW of {module}", layer) if dense else rank
        for rank, dense in zip(full, in_full, strict=True)
    )
    return grid_of(layer, kind, bases[0][:, :i], bases[1][:, :j], full)


def _nulls(grids: Sequence[RankGrid], draws: int, seed: int) -> dict[tuple[str, str], Baseline]:
    """Of φ(r1, r2); one layer's draws are those of all its matrices, so that equal φ have equal p."""
    found = {}
    for kind in dict.fromkeys((grid.matrix, grid.side) for grid in grids):
        own = [grid for grid in grids if (grid.matrix, grid.side) == kind]
        mean, sd = (
            np.array([getattr(grid, name)[-1, -1] for grid in own])
            for name in ("gaussian_mean", "gaussian_sd")
        )
        mean_sd = float(np.sqrt((sd**2).sum()) / len(own))
        sizes = [(grid.layer, grid.dimension, *grid.shape) for grid in own]
        sampler = partial(_samples, sizes, draws, seed) if draws else None
        found[kind] = Baseline(mean, sd, mean_sd, draws or None, sampler, closed=True)
    return found


def _samples(sizes: Sequence[tuple[int, int, int, int]], draws: int, seed: int) -> Samples:
    series = [
        gaussian_samples(
            d, i, j, draws=draws, generator=null_generator(seed, "gaussian", layer)
        ).numpy()
        for layer, d, i, j in sizes
    ]
    return np.stack(series, axis=1)


def _notes(chosen: Sequence[str], *, started: bool) -> Iterator[str]:
    """With whether both began with a random A."""
    factors = [name for name in ("A", "B") if name in chosen]
    if factors:
        yield gauge_note("where i or j is below the rank", factors)
    if {"A", "delta-right"} & set(chosen) and started:
        yield (
            f"{SAME_A}, so their A's, and early on ΔW's right subspaces, are alike "
            "whatever was learnt; chance is that of independent ones"
        )


def _matrices(
    matrices: str | Sequence[str] | None, other: Adapter | None, *, in_full: bool
) -> tuple[str, ...]:
    known = ("delta-left", "delta-right") if in_full or other is None else tuple(KINDS)
    chosen = known if matrices is None else tuple(dict.fromkeys(several(matrices)))
    if not chosen or set(chosen) - set(known):
        what = "W0 and ΔW" if other is None else "two adapters"
        what = "what was trained in full, with no A and B" if in_full else what
        raise LensError(
            f"matrices are {', '.join(map(str, chosen)) or 'none'}; of {what}, expected some of {', '.join(known)}"
        )
    return chosen


def _layers(wanted: Sequence[int] | None, known: Sequence[int], module: str) -> list[int]:
    if wanted is None:
        return list(known)
    wanted = whole_numbers(wanted, "layers")
    absent = sorted(set(wanted) - set(known))
    if absent or not wanted:
        have = ", ".join(map(str, known))
        raise ModuleLookupError(
            f"no layer {', '.join(map(str, absent)) or 'was named'} of {module}; it has: {have}"
        )
    return sorted(set(wanted))


def _ordered(grids: Sequence[RankGrid], chosen: Sequence[str]) -> tuple[RankGrid, ...]:
    return tuple(g for kind in chosen for g in grids if (g.matrix, g.side) == KINDS[kind])


def _needs_w0(factors: ModuleFactors, chosen: Sequence[str]) -> bool:
    return factors.magnitude is not None and any(kind.startswith("delta") for kind in chosen)


def _pairs(
    first: ModuleFactors,
    second: ModuleFactors,
    layer: int,
    chosen: Sequence[str],
    where: Where,
    weights: Sequence[BaseWeights | None],
) -> Iterator[tuple[str, Tensor, Tensor]]:
    ours, theirs = (
        _bases(factors, factors.layers.index(layer), chosen, where, base)
        for factors, base in zip((first, second), weights, strict=True)
    )
    return ((kind, ours[kind], theirs[kind]) for kind in chosen)


def _bases(
    factors: ModuleFactors,
    position: int,
    chosen: Sequence[str],
    where: Where,
    weights: BaseWeights | None,
) -> dict[str, Tensor]:
    own = factors.ranks[position]
    stored = {"A": factors.a[position, :own].mT, "B": factors.b[position, :, :own]}
    found = {
        name: _factor_basis(factors, position, name, stored[name], where)
        for name in stored
        if name in chosen
    }
    if any(kind.startswith("delta") for kind in chosen):
        w0 = weights.w0(factors, position) if weights else None
        delta = trained_singular(factors, position, where, w0, sized=False)
        found |= {"delta-left": delta.u, "delta-right": delta.vh.mT}
    return found


def _factor_basis(
    factors: ModuleFactors, position: int, name: str, stored: Tensor, where: Where
) -> Tensor:
    rank = int(numerical_rank(stored))
    if rank == 0:
        layer = factors.layers[position]
        raise zero_error(f"{name} of {factors.module} is all zero in layer {layer}", UNTRAINED)
    return orthonormal_basis(where.take(stored), rank, ordered=True)

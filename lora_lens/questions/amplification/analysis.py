"""Does ΔW amplify directions that W0 has but does not stress? Hu et al. 2022, section 7.3, Table 7."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ...adapter import Adapter, ModuleFactors
from ...bases.along import said_beside
from ...bases.of_adapter import open_base_of
from ...bases.weights import BaseWeights
from ...core.numbers.limits import check_range
from ...core.numbers.whole import whole_or_none
from ...core.spectra.random_matrix import projected_square_moments
from ...errors import RankError
from ...formats.loading import Model, adapter_of
from ...plain_torch import in_plain_torch
from ...subspaces.delta import delta_singular, zero_delta
from ...subspaces.device import Where, select_device
from ...subspaces.dimensions import zero_said
from ...subspaces.selection import deltas_of, select_dense, select_module
from .result import Amplification, LayerAmplification


@in_plain_torch
def amplification(
    adapter: Adapter | str | Path | Model,
    module: str = "value",
    rank: int | None = None,
    *,
    base: BaseWeights | str | Path | None = None,
    device: str = "auto",
    dtype: str = "float64",
) -> Amplification:
    """The amplification factor ‖ΔW‖_F / ‖Uᵀ W0 V‖_F of every layer, and the rows of Table 7.

    This is the computation of section 7.3 of the LoRA paper (Hu et al. 2022).

    U and V are the top r singular vectors of ΔW. Beside ‖Uᵀ W0 V‖_F stands the same with W0's own
    singular vectors and with random ones, in closed form (`projected_square_moments`). A factor above
    1 says that ΔW is larger than W0 on ΔW's directions. A large one does not yet say that the directions
    are special: random ones have ‖ΔW‖_F/(r·‖W0‖_F/√(out·in)). Layers in which ΔW is zero are left out, with
    a note. Free of the gauge.

    Args:
        adapter: From `load_adapter`, or what that takes: a path, a hub id, a model in memory.
        module: As in `conversion_similarity`.
        rank: r; by default the numerical rank of ΔW in each layer, as in Table 7, and of DoRA the rank that its
            factors have in the file. Of what was trained in full it has to be said. With a smaller one
            the numerator is still the norm of all of ΔW.
        base: Of W0: an open base, or a folder or hub id; by default the adapter's.
        device, dtype: As in `conversion_similarity`.

    Raises:
        ModuleLookupError: No such module.
        RankError: `rank` is above ΔW's in a layer, or ΔW is zero in all; or none is given, and ΔW was trained in full.
        BaseModelError: The base is not found or does not fit.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> layer = ll.amplification(adapter, "value").layers[0]
        >>> layer.rank, round(layer.delta_norm / layer.w0_in_delta, 1)
        (8, 8.4)
    """
    adapter = adapter_of(adapter, base)
    rank, in_full = whole_or_none(rank, "rank"), select_dense(adapter, module) is not None
    adapter = deltas_of(adapter, module)
    factors = select_module(adapter, module)
    if rank is None and in_full:
        raise RankError(
            f"{factors.module} was trained in full, and its ΔW has all directions, in which all of W0 lies: say how many of the "
            f"leading ones (--rank, rank)"
        )
    weights = open_base_of(adapter, base)
    where = select_device(device, dtype)
    measured = [
        _layer(factors, position, rank, weights.w0(factors, position), where)
        for position in range(len(factors.layers))
    ]
    layers = tuple(layer for layer in measured if layer)
    if not layers:
        raise zero_delta(factors, 0)
    zero = [path for path, layer in zip(factors.names, measured, strict=True) if not layer]
    partly = any(layer.delta_top_norm < (1 - 1e-6) * layer.delta_norm for layer in layers)
    note = "the factor's ‖ΔW‖_F is of all of ΔW, and its top r directions hold only a part of it"
    notes = (
        *said_beside(adapter, weights),
        *([zero_said(zero)] if zero else []),
        *([note] if partly else []),
    )
    return Amplification(
        adapter.source, weights.source, factors.module, layers, notes, weights.commit
    )


def _layer(
    factors: ModuleFactors, position: int, rank: int | None, w0: Tensor, where: Where
) -> LayerAmplification | None:
    """One layer's numbers; None where ΔW is zero."""
    delta = delta_singular(factors, position, where, w0)
    if not len(delta.s):
        return None
    r = _rank(rank, len(delta.s), factors, position)
    check_range(w0, where.dtype, f"W0 of {factors.names[position]}")
    w0 = where.take(w0)
    own = torch.linalg.svdvals(w0)
    inside = float((delta.u[:, :r].mT @ w0 @ delta.vh[:r].mT).norm())
    rounding = max(w0.shape) * torch.finfo(w0.dtype).eps * float(own[0])
    mean, sd = projected_square_moments(own.cpu(), w0.shape[0], w0.shape[1], r)
    return LayerAmplification(
        layer=factors.layers[position],
        rank=r,
        delta_norm=float(delta.s.norm()),
        delta_top_norm=float(delta.s[:r].norm()),
        w0_norm=float(own.norm()),
        w0_in_delta=inside if inside > rounding else 0.0,
        w0_in_w0=float(own[:r].norm()),
        w0_in_random=mean**0.5,
        random_square_sd=sd,
    )


def _rank(rank: int | None, own: int, factors: ModuleFactors, position: int) -> int:
    if rank is None:
        # DoRA's ΔW has full rank, in which there is no direction that it leaves out.
        return own if factors.magnitude is None else min(own, factors.ranks[position])
    if not 1 <= rank <= own:
        raise RankError(
            f"asked for {rank} singular vectors of ΔW of {factors.module}, which has rank {own} in "
            f"layer {factors.layers[position]}; expected 1 to {own}"
        )
    return rank

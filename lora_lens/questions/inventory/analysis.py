"""What is in an adapter? Modules, ranks, norms and spectra of ΔW, parameters, what was left out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...adapter import Adapter, LayerFactors
from ...core.numbers.either import as_numpy
from ...core.spectra.spectrum import effective_rank, stable_rank
from ...files.names import natural
from ...files.revisions import with_revision
from ...formats.loading import Model, adapter_of
from ...plain_torch import in_plain_torch
from ...show.delta_named import product_of
from ...subspaces.spectra import check_within_float64, values_of_product
from .result import DenseSummary, Inventory, LayerSummary
from .unchanged import all_unchanged_said


@in_plain_torch
def inspect(adapter: Adapter | str | Path | Model) -> Inventory:
    """Every module of every layer: shape, scaling, and the norm and spectrum of ΔW = s·B·A.

    Of DoRA, whose ΔW is more than that, they are of s·B·A: each layer's ``matrix`` says so. Needs no base model, and torch only for files that NumPy cannot read. Free of the gauge: all numbers
    are of the product.

    Args:
        adapter: From `load_adapter`, or what that takes: a path, a hub id, a model in memory.

    Returns:
        A summary a layer of every module, and what of the file was left out.

    Raises:
        LensError: A factor's entries, or ΔW's, are out of float64's range.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> found = ll.inspect(adapter)
        >>> found.method, found.trainable_parameters, found.modules[0].rank
        ('lora', 73728, 8)
    """
    adapter = adapter_of(adapter)
    summaries = [_summarise(one) for one in adapter.each_layer()]
    return Inventory(
        adapter=adapter.source,
        method=adapter.method,
        base=with_revision(adapter.base_model, adapter.revision),
        convention=adapter.convention,
        trainable_parameters=adapter.trainable_parameters,
        modules=tuple(sorted(summaries, key=_place)),
        left_out=adapter.left_out,
        tensors=adapter.tensors,
        notes=(*adapter.notes, *all_unchanged_said(adapter)),
        base_commit=adapter.base_commit,
        dense=tuple(_in_full(adapter)),
        source=None if adapter.made_of == "w0" else adapter.made_of,
    )


def _in_full(adapter: Adapter) -> Iterator[DenseSummary]:
    for one in replace(adapter, modules=adapter.dense).each_layer():
        yield DenseSummary(one.name, one.layer, one.module, one.in_features, one.out_features)


def _place(summary: LayerSummary) -> tuple[float, list[tuple[int, int, str]]]:
    """Layer by layer; what is in none comes last."""
    return (math.inf if summary.layer is None else summary.layer, natural(summary.module))


def _summarise(one: LayerFactors) -> LayerSummary:
    values, rank = values_of_product(*one.read(), one.scaling)
    one.release()
    # A negative α is legal, and turns ΔW's sign but no singular value's.
    with np.errstate(over="ignore"):
        s = as_numpy(values) * abs(one.scaling)
    s[rank:] = 0.0  # rounding
    largest = float(s.max(initial=0.0))
    check_within_float64(s, one.scaling, one.name)
    unit = s / largest if largest else s  # whose squares are within range, however large s is
    norm = largest * float(np.sqrt((unit * unit).sum()))
    return LayerSummary(
        name=one.name,
        layer=one.layer,
        module=one.module,
        rank=one.rank,
        in_features=one.in_features,
        out_features=one.out_features,
        scaling=one.scaling,
        frobenius_norm=norm,
        stable_rank=float(stable_rank(unit)) if norm else None,
        effective_rank=float(effective_rank(unit)) if norm else None,
        singular_values=tuple(s.tolist()),
        matrix=product_of(rescaled=one.rescaled),
    )

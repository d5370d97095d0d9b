"""What is in an adapter? Modules, ranks, norms and spectra of ΔW, parameters, what was left out."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ...adapter import Adapter, ModuleFactors
from ...core.precision import working
from ...core.spectrum import effective_rank, product_singular_values, stable_rank
from .result import Inventory, LayerSummary


def inspect(adapter: Adapter) -> Inventory:
    """Every module of every layer: shape, scaling, and the norm and spectrum of ΔW = s·B·A.

    Needs no base model. Free of the gauge: all numbers are of the product.

    Args:
        adapter: From `load_adapter`.

    Returns:
        A summary a layer of every module, and what of the file was left out.

    Raises:
        LensError: A factor's entries are out of float64's range.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> found = ll.inspect(adapter)
        >>> found.method, found.trainable_parameters, found.modules[0].rank
        ('lora', 73728, 8)
    """
    summaries = [summary for factors in adapter.modules.values() for summary in _summarise(factors)]
    return Inventory(
        adapter=adapter.source,
        method=adapter.method,
        base=adapter.base_model,
        convention=adapter.convention,
        trainable_parameters=adapter.trainable_parameters,
        modules=tuple(sorted(summaries, key=_place)),
        left_out=adapter.left_out,
    )


def _place(summary: LayerSummary) -> tuple[float, str]:
    """Layer by layer; what is in none comes last."""
    return (math.inf if summary.layer is None else summary.layer, summary.module)


def _summarise(factors: ModuleFactors) -> Iterator[LayerSummary]:
    # A negative α is legal, and turns ΔW's sign but no singular value's.
    scaling = factors.scaling.abs()[:, None]
    s = product_singular_values(working(factors.b), working(factors.a)) * scaling
    stable, effective = stable_rank(s), effective_rank(s)
    norms = s.square().sum(-1).sqrt()
    for k, layer in enumerate(factors.layers):
        zero = float(norms[k]) == 0
        yield LayerSummary(
            name=factors.names[k],
            layer=layer if factors.numbered else None,
            module=factors.module,
            rank=factors.ranks[k],
            in_features=factors.in_features,
            out_features=factors.out_features,
            scaling=float(factors.scaling[k]),
            frobenius_norm=float(norms[k]),
            stable_rank=None if zero else float(stable[k]),
            effective_rank=None if zero else float(effective[k]),
            singular_values=tuple(s[k, : factors.ranks[k]].tolist()),
        )

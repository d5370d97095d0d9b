"""Whether s·B·A lies along the W0 that it is read beside: so it does where training began from a part of W0."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ..adapter import Adapter, LayerFactors
from ..errors import LensError
from .weights import BaseWeights

_ALONG = 0.5  # of ‖s·B·A‖²: in docs/results/mpnet/runs it is 0.15 at most, either way
_ROWS = 256  # of W0 at once
_PART = 0.25  # of what r directions of W0 have on average: below it a ΔW that is small lies along W0 by chance


def along_said(adapter: Adapter, weights: BaseWeights) -> tuple[str, ...]:
    """A sentence where the first and the last layer of the adapter's smallest module both lie along their W0.

    PiSSA and OLoRA take B₀·A₀ out of W0 before they train it, and what it has become still holds most of it, so that its
    inner product with W0 is about its own square. What was added to W0 has one near 0. By PiSSA's own recipe
    the adapter's configuration says neither.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> along_said(adapter, ll.open_base(adapter.base_model))
        ()
    """
    if adapter.from_w0:
        return ()
    try:
        shares = [_share(one, weights) for one in _ends(adapter)]
    except LensError:  # whoever reads this W0 is told
        return ()
    if not shares or min(shares) < _ALONG:
        return ()
    return (
        f"s·B·A lies along W0: their inner product is more than {_ALONG:g} of ‖s·B·A‖², as where PiSSA or OLoRA began with "
        f"a part of W0; it is near 0 where LoRA was added to it. If it was trained so, B·A was added to what they left of "
        f"{weights.source}, and ΔW is not s·B·A: pass that as --base, or let PEFT convert the adapter "
        f"(path_initial_model_for_weight_conversion)",
    )


def _ends(adapter: Adapter) -> Iterator[LayerFactors]:
    """The first and the last layer of the module with the smallest W0."""
    first = {name: next(adapter.each_layer([name])) for name in adapter.in_layers}
    if first:
        smallest = min(first, key=lambda name: first[name].out_features * first[name].in_features)
        *_, last = adapter.each_layer([smallest])
        yield from (first[smallest], last)


def _share(one: LayerFactors, weights: BaseWeights) -> float:
    """⟨s·B·A, W0⟩/‖s·B·A‖²; 0 where that inner product is no part of W0 to speak of."""
    rows = one.part.whole if one.part else one.out_features
    w0 = weights.weight(one.name, (rows, one.in_features))
    w0 = one.part.take(w0) if one.part else w0
    a, b = (torch.as_tensor(factor).double() for factor in one.read())
    if w0.shape != (b.shape[0], a.shape[1]):
        return 0.0
    along = square = 0.0
    for some, of_b in zip(w0.split(_ROWS), b.split(_ROWS), strict=True):
        block = some.double()
        along += one.scaling * float(((block @ a.mT) * of_b).sum())
        square += float(block.square().sum())
    weights.release(one.name)
    one.release()
    if not along > _PART * one.rank / min(w0.shape) * square:
        return 0.0
    return along / (one.scaling**2 * float((b.mT @ b * (a @ a.mT)).sum()))

"""Whether s·B·A lies along the W0 that it is read beside: so it does where training began with a part of W0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..adapter import Adapter, LayerFactors
from ..core.numbers.scaled import exponents, of_order_one
from ..errors import LensError
from .weights import BaseWeights

_ALONG = 0.5  # of ‖s·B·A‖²: in docs/results/mpnet/runs it is 0.15 at most, either way
_BEYOND = 1.5  # PiSSA's is about 1; a ΔW that is small may have any
_PART = 0.25  # of what r directions of W0 have on average, and no fewer than:
_FEWEST = 8
_ROWS = 256  # of W0 at once


def said_beside(adapter: Adapter, weights: BaseWeights) -> tuple[str, ...]:
    """What whoever asks about an adapter beside its W0 has to be told: of the base, of the adapter, and of both."""
    return (*weights.notes, *adapter.caveats, *along_said(adapter, weights))


def along_said(adapter: Adapter, weights: BaseWeights) -> tuple[str, ...]:
    """A sentence where the first and the last layer of the adapter's smallest module both lie along their W0.

    PiSSA and OLoRA take B₀·A₀ out of W0 before they train it, and what it has become still holds most of it, so that its
    inner product with W0 is about its own square. What was added to W0 usually has one near 0. By PiSSA's own recipe
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
        ends = _first_and_last(adapter)
        along = all(_ALONG < _share(one, weights) < _BEYOND for one in ends)
    except LensError:  # whoever reads this W0 is told
        return ()
    if not along or not adapter.in_layers:
        return ()
    return (
        f"s·B·A lies along W0: their inner product is more than {_ALONG:g} of ‖s·B·A‖², as where PiSSA or OLoRA began with "
        f"a part of W0; it is usually near 0 where LoRA was added to W0. If it was trained so, B·A was added to the residual model, not to "
        f"{weights.source}, and ΔW is not s·B·A: pass the residual model as --base, or let PEFT convert the adapter "
        f"(path_initial_model_for_weight_conversion)",
    )


def along_said_each(adapters: Iterable[Adapter], weights: BaseWeights) -> tuple[str, ...]:
    """`along_said` of each of several that one question is about, with whose it is."""
    return tuple(f"{of.source}: {said}" for of in adapters for said in along_said(of, weights))


def _first_and_last(adapter: Adapter) -> Iterator[LayerFactors]:
    """Of the module with the smallest W0."""
    first = {name: next(adapter.each_layer([name])) for name in adapter.in_layers}
    if first:
        smallest = min(first, key=lambda name: first[name].out_features * first[name].in_features)
        yield first[smallest]
        *_, last = adapter.each_layer([smallest])
        yield last


def _share(one: LayerFactors, weights: BaseWeights) -> float:
    """⟨s·B·A, W0⟩/‖s·B·A‖²; 0 where that inner product is no part of W0 to speak of."""
    import torch

    expected = (one.part.whole if one.part else one.out_features, one.in_features)
    w0 = weights.weight(one.name, expected)
    if tuple(w0.shape) != expected:  # which whoever reads it is told
        return 0.0
    w0 = one.part.take(w0) if one.part else w0
    a, b = (torch.as_tensor(factor).double() for factor in one.read())
    # s leaves float64's range where it is squared, and what is made of large factors does in float32.
    s = torch.tensor(one.scaling, dtype=torch.float64).ldexp(exponents(a) + exponents(b))
    a, b = of_order_one(a), of_order_one(b)
    inner = square = 0.0
    for some, of_b in zip(w0.split(_ROWS), b.split(_ROWS), strict=True):
        block = some.float()
        inner += float(((block @ a.mT.float()).double() * of_b).sum())
        square += float(block.square().sum())
    weights.release(one.name)
    one.release()
    if not float(s) * inner > _PART * max(one.rank, _FEWEST) / min(w0.shape) * square:
        return 0.0
    return inner / float((b.mT @ b * (a @ a.mT)).sum()) / float(s)

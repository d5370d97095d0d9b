"""Which module is meant, and in which of its layers: what every analysis settles first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ..adapter import Adapter, ModuleFactors
from ..arrays import Tensor
from ..bases.fused import NAMES
from ..errors import ModuleLookupError
from ..files.names import find_module
from .dimensions import zero_error


def select_module(adapter: Adapter, module: str) -> ModuleFactors:
    """The factors of the module that `module` names (see `find_module`).

    Raises:
        ModuleLookupError: There is none; or it is in no numbered layer.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> select_module(adapter, "attention.self.value").b.shape
        torch.Size([6, 384, 8])
    """
    return adapter.modules[select_name(adapter, module)]


def select_name(adapter: Adapter, module: str, *, in_layers: bool = True) -> str:
    """The name of the module that `module` names; nothing is read for it.

    Raises:
        ModuleLookupError: There is none; or it is in no numbered layer, and is to be (`in_layers`).

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> select_name(adapter, "attention.self.value")
        'value'
    """
    if not adapter.patterns and select_dense(adapter, module) is None:
        return find_module(module, adapter.dense_patterns)  # which says what there is
    try:
        name = find_module(module, adapter.patterns)
    except ModuleLookupError as error:
        if (full := select_dense(adapter, module)) is not None:
            raise ModuleLookupError(
                f"{full} was trained in full: its ΔW is dense and has no A and B, which this is about; of ΔW ask `lora-lens "
                f"spectrum`, `compare`, `matrix`, `dynamics`, `grid`, `amplification` or `magnitude`, with --module {full}"
            ) from None
        raise ModuleLookupError(f"{error}{_in_full(adapter)}{_fused(adapter)}") from None
    if in_layers and name not in adapter.in_layers:
        have = ", ".join(adapter.in_layers) or "no module that is"
        raise ModuleLookupError(
            f"{name} is in no numbered layer, and this compares layers: ask `lora-lens spectrum` or "
            f"`lora-lens inspect` about it; in numbered layers the adapter has {have}"
        )
    return name


def select_delta(adapter: Adapter, module: str) -> ModuleFactors:
    """`select_module` of what is asked about ΔW alone, which a module that was trained in full has, too, zero or not.

    Example:
        >>> from dataclasses import replace
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> tuned = replace(adapter, modules={}, dense=dict(adapter.modules))
        >>> select_delta(tuned, "value").module, select_delta(adapter, "value").module
        ('value', 'value')
    """
    return select_module(with_dense(adapter, module), module)


def with_dense(adapter: Adapter, module: str) -> Adapter:
    """With what was trained in full as its modules, where that is meant.

    Example:
        >>> from dataclasses import replace
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> tuned = replace(adapter, modules={}, dense=dict(adapter.modules))
        >>> list(with_dense(tuned, "value").modules), with_dense(adapter, "value") is adapter
        (['query', 'value'], True)
    """
    full = select_dense(adapter, module)
    return adapter if full is None else replace(adapter, modules=adapter.dense, dense={})


def deltas_of(adapter: Adapter, module: str) -> Adapter:
    """The adapter itself, or, where `module` names one that was trained in full, with that alone, in the layers where ΔW is not zero.

    What else there is to know of it, layers that were frozen, is among its caveats.

    Raises:
        RankError: ΔW is zero in all of them.

    Example:
        >>> from dataclasses import replace
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> frozen = adapter.modules["value"].b.clone()
        >>> frozen[0] = 0
        >>> tuned = replace(adapter, modules={}, dense={"value": replace(adapter.modules["value"], b=frozen)})
        >>> found = deltas_of(tuned, "value")
        >>> found.modules["value"].layers, found.caveats[-1]
        ((1, 2, 3, 4, 5), 'value was not changed in layer 0, which is left out')
    """
    full = select_dense(adapter, module)
    if full is None:
        return adapter
    name = select_name(with_dense(adapter, module), full)
    factors = adapter.dense[name]
    kept = [
        layer
        for position, layer in enumerate(factors.layers)
        if factors.a[position].any() and factors.b[position].any()
    ]
    if not kept:
        raise zero_error(
            f"ΔW of {name} of {adapter.source} is zero in every layer", "it was not changed"
        )
    zero = [str(layer) for layer in factors.layers if layer not in kept]
    return replace(
        adapter,
        modules={name: in_layers(factors, kept)},
        dense={},
        caveats=(*adapter.caveats, *([unchanged_said(name, zero)] if zero else [])),
    )


def unchanged_said(module: str, layers: Sequence[str]) -> str:
    """In which layers nothing was trained.

    Example:
        >>> unchanged_said("value", ["0", "1"])
        'value was not changed in layers 0, 1, which are left out'
    """
    several = len(layers) > 1
    return f"{module} was not changed in layer{'s' * several} {', '.join(layers)}, which {'are' if several else 'is'} left out"


def in_layers(factors: ModuleFactors, layers: Collection[int]) -> ModuleFactors:
    """A module in some of its layers.

    Example:
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> in_layers(adapter.modules["value"], {1, 4}).layers
        (1, 4)
    """
    keep = [position for position, layer in enumerate(factors.layers) if layer in layers]
    if len(keep) == len(factors.layers):  # a dense ΔW is not copied
        return factors

    def of(each: Tensor) -> Tensor:
        # One matrix for all layers stays one.
        return each[keep] if each.stride(0) else each[: len(keep)]

    return replace(
        factors,
        layers=tuple(factors.layers[k] for k in keep),
        names=tuple(factors.names[k] for k in keep),
        ranks=tuple(factors.ranks[k] for k in keep),
        a=of(factors.a),
        b=of(factors.b),
        scaling=of(factors.scaling),
        magnitude=None if factors.magnitude is None else of(factors.magnitude),
        norm_scaling=None if factors.norm_scaling is None else of(factors.norm_scaling),
    )


def select_dense(adapter: Adapter, module: str) -> str | None:
    """The name of the module trained in full that `module` means, where none with factors is meant.

    Example:
        >>> from dataclasses import replace
        >>> import lora_lens as ll
        >>> adapter = ll.load_adapter(ll.demo_adapter("lora"))
        >>> with_head = replace(adapter, dense={"head": replace(adapter.modules["value"], pattern="head")})
        >>> select_dense(with_head, "head"), select_dense(with_head, "value")
        ('head', None)
    """
    full = adapter.dense_patterns
    if not isinstance(module, str):
        return None
    if module in full:
        return module
    for patterns, meant in ((adapter.patterns, False), (full, True)):
        try:
            found = find_module(module, patterns)
        except ModuleLookupError:
            continue
        return found if meant else None
    return None


def _in_full(adapter: Adapter) -> str:
    """What else may be meant."""
    names = ", ".join(adapter.dense_patterns)
    return f"; trained in full, with a ΔW and no A and B: {names}" if names else ""


def _fused(adapter: Adapter) -> str:
    """What to do where a fused projection is whole."""
    whole = [name for name, path in adapter.patterns.items() if path.rpartition(".")[2] in NAMES]
    if not whole:
        return ""
    return (
        f"; query, key and value in {whole[0]} are told apart where the base's config.json names a layout "
        f"that is known: pass --base with it"
    )

"""The LoRA layers of a model in memory, told by what they have: neither peft nor transformers is loaded for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...bases.experts import path_of_expert
from ...bases.live import why_merged
from ...errors import AdapterError
from ...files.peft_names import plain
from ..peft.methods import METHODS
from ..peft.settings import ADALORA_EPSILON, check_lora
from .merged import layers_of_methods

# PEFT's layers whose ΔW is read, though they are trained or applied otherwise.
_READ_VARIANTS = ("ALora", "BdLora", "Dora", "MiCA", "Velora")


def is_live(thing: Any) -> bool:
    """Whether it is a model in memory, and not the place of one."""
    return callable(getattr(thing, "named_modules", None))


def unwrapped(model: Any) -> Any:
    """What PEFT's adapters are on, without what DistributedDataParallel, torch.compile and others put around it."""
    holders = (
        one for one in model.modules() if isinstance(getattr(one, "peft_config", None), Mapping)
    )
    return next(holders, model)


def base_of(model: Any) -> Any:
    """The base model that a PEFT model has put its layers into; a model that holds them itself."""
    inner = getattr(model, "get_base_model", None)
    return inner() if callable(inner) and hasattr(model, "peft_config") else model


def lora_layers(model: Any) -> dict[str, Any]:
    """Path of each layer that has LoRA factors, in the base model, to the layer.

    Raises:
        AdapterError: There is none.
    """
    found = _with_factors(model)
    if not found:
        raise _without(model, "LoRA")
    return found


def adapted_layers(model: Any) -> dict[str, Any]:
    """The same, and the layers of PEFT's other methods that are read.

    Raises:
        AdapterError: There is none.
    """
    found = _with_factors(model) | layers_of_methods(base_of(model), configurations(model))
    if not found:
        raise _without(model, f"LoRA, {', '.join(one.title for one in METHODS.values())}")
    return found


def _with_factors(model: Any) -> dict[str, Any]:
    return {
        plain(path): layer
        for path, layer in base_of(model).named_modules()
        if all(hasattr(layer, name) for name in ("lora_A", "lora_B", "scaling", "get_base_layer"))
    }


def _without(model: Any, expected: str) -> AdapterError:
    kinds = sorted({str(getattr(one, "peft_type", "?")) for one in configurations(model).values()})
    what = f"an adapter of type {', '.join(kinds)}" if kinds else "no adapter"
    return AdapterError(
        f"the model, a {type(model).__name__}, has {what} and no LoRA layer; expected a PEFT model with {expected}, "
        f"or one of lora_lens.training.condlora"
    )


def configurations(model: Any) -> Mapping[str, Any]:
    """Name of each adapter to its configuration."""
    found = getattr(unwrapped(model), "peft_config", None)
    return found if isinstance(found, Mapping) else {}


def adapters_on(layer: Any) -> list[str]:
    """Names of the adapters that have factors on a layer, an embedding's too, or parts of another method."""
    if is_lora(layer):
        return [*layer.lora_A, *getattr(layer, "lora_embedding_A", ())]
    held: list[Any] = [getattr(layer, name, None) for name in layer.adapter_layer_names]
    return list(dict.fromkeys(name for one in held if hasattr(one, "keys") for name in one))


def is_lora(layer: Any) -> bool:
    """Whether it has LoRA's factors, AdaLoRA's or CondLoRA's."""
    return hasattr(layer, "lora_A")


def scales_of(path: str, layer: Any, name: str) -> dict[str, float]:
    """Path of each update that an adapter makes in a layer to the s that it has.

    A stack of experts has one for all, and AdaLoRA divides by the rank that it began with besides.
    """
    if not is_lora(layer):
        return {}
    s = float(layer.scaling[name])
    if hasattr(layer, "ranknum"):
        s /= float(layer.ranknum[name]) + ADALORA_EPSILON
    module, parameter = path.replace(".base_layer", ""), getattr(layer, "parameter_name", None)
    own = module if parameter in (None, "weight") else f"{module}.{parameter}"
    experts = range(getattr(layer, "num_experts", 1) if parameter else 0)
    return {own: s} | {path_of_expert(own, k): s for k in experts}


def chosen_adapter(layers: Mapping[str, Any], asked: str | None) -> str:
    """The adapter asked for, or the active one.

    Raises:
        AdapterError: There is none of that name, or several are active.
    """
    known = dict.fromkeys(name for layer in layers.values() for name in adapters_on(layer))
    active = dict.fromkeys(
        name
        for layer in layers.values()
        for name in layer.active_adapters
        if name in adapters_on(layer)
    )
    have = ", ".join(map(repr, known)) or "none on any layer"
    if asked is not None:
        if asked not in known:
            raise AdapterError(f"the model has no LoRA adapter {asked!r}; it has {have}")
        return asked
    if len(active) != 1:
        which = ", ".join(map(repr, active)) or "none"
        raise AdapterError(
            f"of the model's adapters ({have}) {which} {'is' if not active else 'are'} active, and the "
            f"numbers are of one: name it, or make it the active one by set_adapter()"
        )
    return next(iter(active))


def check_live(model: Any, layers: Mapping[str, Any], name: str) -> None:
    """Refuse an adapter whose update is not s·B·A over the W0 that the model holds.

    Raises:
        AdapterError: It is DoRA or the like, or something is merged.
    """
    config = configurations(model).get(name)
    lora = all(map(is_lora, layers.values()))
    if lora and config is not None and hasattr(config, "to_dict"):
        check_lora(config.to_dict(), f"the model's adapter {name!r}")
    for path, layer in layers.items():
        if name in getattr(layer, "lora_variant", ()):
            kind = type(layer.lora_variant[name]).__name__
            if kind.startswith(_READ_VARIANTS):
                continue
            raise AdapterError(f"{path} is PEFT's {kind}, whose update is not s·B·A")
        if why := why_merged(path, layer):
            raise AdapterError(why)

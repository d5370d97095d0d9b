"""Layers of PEFT's other methods in a model in memory: what the merge of each would add to W0, of a copy of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ...arrays import Tensor
from ...errors import AdapterError
from ...files.peft_names import plain
from ..adapter_files import Live
from ..peft.methods import METHODS


def layers_of_methods(inner: Any, configured: Mapping[str, Any]) -> dict[str, Any]:
    """Path of each layer in a base model that a method of PEFT's is on that can be merged, to PEFT's layer; none of LoRA alone.

    Args:
        inner: The base model, with PEFT's layers in it.
        configured: Name of each adapter to its configuration.
    """
    if {_named(config) for config in configured.values()} <= {"LORA", "ADALORA"}:
        return {}
    return {
        plain(path): layer
        for path, layer in inner.named_modules()
        if callable(getattr(layer, "merge", None)) and hasattr(layer, "adapter_layer_names")
    }


def live_of(layers: Mapping[str, Any], config: Any, name: str) -> Live:
    """What an adapter adds to these layers; each ΔW is made when it is asked for.

    Raises:
        AdapterError: It is of no method that is read, or on an embedding.
    """
    method = METHODS.get(_named(config))
    if method is None:
        raise AdapterError(
            f"the model's adapter {name!r} is of type {_named(config)}, whose ΔW is not read; lora-lens reads "
            f"{', '.join(one.title for one in METHODS.values())}, and LoRA"
        )
    for path, layer in layers.items():
        if type(layer.get_base_layer()).__name__ == "Embedding":
            raise AdapterError(f"{path} is an embedding with {method.title}, which is not read")
    trained = {
        id(parameter): parameter.numel()
        for layer in layers.values()
        for parameter in _parameters(layer, name)
    }
    # Of several methods on one layer PEFT puts the layer of one around that of the other.
    own = {path.replace(".base_layer", ""): layer for path, layer in layers.items()}
    return Live(
        {path: partial(_added, layer, path, name) for path, layer in own.items()},
        sum(trained.values()),
    )


def _named(config: Any) -> str:
    kind = getattr(config, "peft_type", "")
    return str(getattr(kind, "value", kind)).upper()


def _parameters(layer: Any, name: str) -> Iterator[Any]:
    """Of one adapter in a layer; what layers share is each one's."""
    for attribute in layer.adapter_layer_names:
        held: Any = getattr(layer, attribute, None)
        own = held[name] if hasattr(held, "keys") and name in held else None
        if hasattr(own, "numel"):
            yield own
        elif own is not None:
            yield from own.parameters()


def _added(layer: Any, path: str, name: str) -> Tensor:
    """ΔW as (out, in), in float64; the model is left as it is."""
    import torch

    if not layer.get_base_layer().weight.is_floating_point():
        raise AdapterError(
            f"W0 of {path} is quantised, and PEFT's merge would round ΔW to it; save the adapter, and read its folder "
            f"with --base"
        )
    with torch.no_grad():
        own: Any = copy.deepcopy(layer).cpu().double()
        weight = own.get_base_layer().weight
        before = weight.detach().clone()
        own.merge(adapter_names=[name])
        delta = own.get_base_layer().weight.detach() - before
    turned = type(own.get_base_layer()).__name__ == "Conv1D"
    return delta.T if turned else delta.flatten(1)

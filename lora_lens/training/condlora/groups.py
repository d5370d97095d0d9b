"""Which layers share a θ."""

from __future__ import annotations

from peft import PeftModel
from peft.tuners.lora import LoraLayer

from ...errors import AdapterError
from ...files.names import short_names, split_layer


def target_groups(model: PeftModel, adapter_name: str) -> dict[str, dict[str, LoraLayer]]:
    """Target module → its LoRA layers by path, in layer order; the layers that share one θ.

    A group is one path pattern, so that in an encoder-decoder model the encoder's self-attention,
    the decoder's and its cross-attention have a θ each. Groups bear the shortest unambiguous tail of
    their pattern, or the whole pattern where two stacks hold the same path.

    Raises:
        AdapterError: A targeted module is in no numbered layer.
    """
    found = {
        path: layer
        for path, layer in model.get_base_model().named_modules()
        if isinstance(layer, LoraLayer) and adapter_name in layer.lora_A
    }
    split = {path: split_layer(path) for path in found}
    unnumbered = [path for path, parts in split.items() if parts is None]
    if unnumbered:
        raise AdapterError(f"CondLoRA shares θ over layers; {unnumbered[0]} is in no layer")
    patterns = [parts[0] for parts in split.values() if parts]
    names = short_names(patterns)
    groups: dict[str, dict[str, LoraLayer]] = {}
    for path, pattern in zip(found, patterns, strict=True):
        groups.setdefault(names[pattern], {})[path] = found[path]
    return groups

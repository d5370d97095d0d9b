"""AdaLoRA's factors as a model in memory has them now: PEFT saves them cut by what the last allocation left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...files.peft_names import plain

_LETTERS = ("lora_A", "lora_B", "lora_E")


def with_regrown(
    tensors: Mapping[str, Any], layers: Mapping[str, Any], name: str
) -> Mapping[str, Any]:
    """An adapter's tensors as PEFT saves them, with the entries that it has cut and the optimizer has moved since.

    Between two allocations those are a part of the model's ΔW again; after the last one they stay at 0.

    Args:
        tensors: By their names.
        layers: Path of each layer to PEFT's.
        name: Of the adapter.
    """
    found = dict(tensors)
    for key, saved in tensors.items():
        path, _, letter = plain(key).removesuffix(".weight").rpartition(".")
        layer: Any = layers.get(path)
        if letter not in _LETTERS or not hasattr(layer, "lora_E"):
            continue
        own = getattr(layer, letter)[name].detach()
        kept = layer.lora_E[name].detach().flatten() != 0
        if saved.shape != own.shape and kept.any():
            found[key] = own[:, kept] if letter == "lora_B" else own[kept]
    return found

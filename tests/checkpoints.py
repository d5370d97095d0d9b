"""Checkpoint folders made for tests: random numbers in the layouts that real tools write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor


@dataclass
class BertLike:
    """A BERT of three layers: widths, names, and the tensors once written."""

    layers: int = 3
    width: int = 24
    rank: int = 4
    modules: tuple[str, ...] = ("query", "value")
    model_type: str = "bert"
    base: dict[str, Tensor] = field(default_factory=dict)
    adapter: dict[str, Tensor] = field(default_factory=dict)

    def path(self, layer: int, module: str) -> str:
        return f"encoder.layer.{layer}.attention.self.{module}"


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def write_base(folder: Path, shape: BertLike, tensors: Mapping[str, Tensor] | None = None) -> Path:
    """A bare model's folder: names without the head's prefix."""
    folder.mkdir(parents=True, exist_ok=True)
    if tensors is None:
        tensors = {
            f"{shape.path(layer, module)}.weight": random(
                shape.width, shape.width, seed=100 * layer + k
            )
            for layer in range(shape.layers)
            for k, module in enumerate(("query", "key", "value"))
        }
    shape.base = dict(tensors)
    save_file(shape.base, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": shape.model_type}))
    return folder


def write_lora(
    folder: Path,
    shape: BertLike,
    *,
    base: str | None = None,
    config: Mapping[str, Any] | None = None,
    extra: Mapping[str, Tensor] | None = None,
    ranks: Mapping[str, int] | None = None,
    seed: int = 7,
    prefix: str = "bert.",
    binary: bool = False,
) -> Path:
    """A PEFT LoRA checkpoint as ``save_pretrained`` writes it for a model with a head."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for layer in range(shape.layers):
        for k, module in enumerate(shape.modules):
            rank = (ranks or {}).get(f"{layer}.{module}", shape.rank)
            name = f"base_model.model.{prefix}{shape.path(layer, module)}"
            number = 1000 * seed + 10 * layer + k
            tensors[f"{name}.lora_A.weight"] = random(rank, shape.width, seed=number)
            tensors[f"{name}.lora_B.weight"] = random(shape.width, rank, seed=number + 500)
    shape.adapter = tensors | dict(extra or {})
    write_tensors(folder, shape.adapter, binary=binary)
    write_config(folder, base=base, r=shape.rank, **dict(config or {}))
    return folder


def write_tensors(folder: Path, tensors: Mapping[str, Tensor], *, binary: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if binary:
        torch.save(dict(tensors), folder / "adapter_model.bin")
    else:
        save_file(dict(tensors), folder / "adapter_model.safetensors")


def write_config(folder: Path, *, base: str | None, **settings: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": base, "lora_alpha": 8} | settings
    (folder / "adapter_config.json").write_text(json.dumps(config))

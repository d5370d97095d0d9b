"""Adapters whose layers lie alike, as where one matrix serves all."""

from pathlib import Path

import torch
from checkpoints import BertLike, random, write_lora
from torch import Tensor

import lora_lens as ll


def alike_layers(layers: int, d: int, r: int, common: float, generator: torch.Generator) -> Tensor:
    """Subspaces with as much of one common part, of which each layer has noise of its own."""
    part = torch.randn(d, r, generator=generator, dtype=torch.float64)
    own = torch.randn(layers, d, r, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(common**0.5 * part + (1 - common) ** 0.5 * own).Q


def one_a(folder: Path, seed: int) -> ll.Adapter:
    """Random B, and one random A in all layers, as VeRA has it."""
    shape = BertLike(layers=6, modules=("value",))
    a = {
        f"base_model.model.bert.{shape.path(layer, 'value')}.lora_A.weight": random(
            4, 24, seed=seed
        )
        for layer in range(shape.layers)
    }
    return ll.load_adapter(write_lora(folder, shape, seed=seed, extra=a))

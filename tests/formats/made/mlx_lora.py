"""Adapters in MLX-LM's layout, with ΔW as its ``LoRALinear.fuse`` computes it, and of DoRA as its ``DoRALinear.fuse`` did."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from checkpoints import random
from real_adapters import kept
from safetensors.torch import save_file
from torch import Tensor


def written(folder: Path) -> Mapping[str, Tensor]:
    tensors, found, scale = {}, {}, 20.0
    for layer in (2, 3):
        for module, rows in (("q_proj", 16), ("v_proj", 4)):
            path = f"model.layers.{layer}.self_attn.{module}"
            a, b = random(16, 3, seed=layer), random(3, rows, seed=10 + layer)
            tensors |= {f"{path}.lora_a": a, f"{path}.lora_b": b}
            found[path] = (scale * b.double().T) @ a.double().T
    tensors["model.embed_tokens.lora_a"] = random(11, 3, seed=30)
    tensors["model.embed_tokens.lora_b"] = random(3, 16, seed=31)
    tensors["model.layers.3.mlp.experts.lora_a"] = random(4, 3, 16, seed=32)
    tensors["model.layers.3.mlp.experts.lora_b"] = random(4, 8, 3, seed=33)
    (folder / "adapter").mkdir()
    save_file(tensors, folder / "adapter" / "adapters.safetensors")
    config = {
        "fine_tune_type": "lora", "num_layers": 2, "model": "some/model",
        "lora_parameters": {"rank": 3, "dropout": 0.0, "scale": scale},
    }  # fmt: skip
    (folder / "adapter" / "adapter_config.json").write_text(json.dumps(config))
    (folder / "base").mkdir()
    return {path: delta.to(torch.float64) for path, delta in found.items()}


CASES: Mapping[str, Callable[[Path], Mapping[str, Tensor]]] = {
    "safetensors": written,
    "DoRA of MLX-LM's own": partial(kept, "mlx"),
}

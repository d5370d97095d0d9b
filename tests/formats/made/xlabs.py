"""Adapters in the layout of XLabs' x-flux, with ΔW as its processors add it to Flux's projections.

The library is no package; its ``DoubleStreamBlockLoraProcessor`` and ``SingleStreamBlockLoraProcessor`` say
which projection each layer's output is added to.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from checkpoints import random
from safetensors.torch import save_file
from torch import Tensor

WIDTH = 4
ADDED = {
    "double_blocks": {
        "qkv_lora1": ("img_attn.qkv", 3, 1), "proj_lora1": ("img_attn.proj", 1, 1),
        "qkv_lora2": ("txt_attn.qkv", 3, 1), "proj_lora2": ("txt_attn.proj", 1, 1),
    },
    "single_blocks": {"qkv_lora": ("linear1.qkv", 3, 1), "proj_lora": ("linear2", 1, 5)},
}  # fmt: skip


def written(folder: Path) -> Mapping[str, Tensor]:
    tensors, found = {}, {}
    for kind, modules in ADDED.items():
        for block in range(2):
            for k, (name, (module, rows, columns)) in enumerate(modules.items()):
                layer = torch.nn.Sequential(
                    torch.nn.Linear(columns * WIDTH, 2, bias=False),
                    torch.nn.Linear(2, rows * WIDTH, bias=False),
                )
                layer[0].weight.data = random(2, columns * WIDTH, seed=10 * block + k)
                layer[1].weight.data = random(rows * WIDTH, 2, seed=100 + 10 * block + k)
                layer.double()
                with torch.no_grad():
                    delta = layer(torch.eye(columns * WIDTH, dtype=torch.float64)).T
                path = f"{kind}.{block}"
                found[f"transformer.{path}.{module}"] = delta
                for part, linear in zip(("down", "up"), layer, strict=True):
                    tensors[f"{path}.processor.{name}.{part}.weight"] = linear.weight.data.float()
    tensors["double_blocks.0.processor.ip_adapter_double_stream_k_proj.weight"] = random(
        2, 2, seed=9
    )
    (folder / "adapter").mkdir()
    (folder / "base").mkdir()
    save_file(tensors, folder / "adapter" / "lora.safetensors")
    return found


CASES: Mapping[str, Callable[[Path], Mapping[str, Tensor]]] = {"safetensors": written}

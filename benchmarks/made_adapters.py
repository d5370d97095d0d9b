"""Adapters by the thousand, made of random numbers in the layout that PEFT writes, MiniLM-shaped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

WIDTH, LAYERS, RANK = 384, 6, 8
MODULES = ("query", "value")
_FAMILIES, _SHARE = 4, 0.3


def make_adapters(
    folder: Path, count: int, *, width: int = WIDTH, layers: int = LAYERS, rank: int = RANK
) -> None:
    """`count` adapters in folders of their own below `folder`.

    Each family has one A to start from and one B; an adapter's A is its family's start and a little more, its
    B is a share of its family's and the rest its own, in energy.
    """
    family_rng = np.random.default_rng(0)
    shape = (_FAMILIES, layers, len(MODULES), rank, width)
    starts = family_rng.uniform(-1, 1, shape).astype(np.float32) / np.sqrt(width / 3)
    shared = family_rng.standard_normal(shape).astype(np.float32)
    config = {
        "peft_type": "LORA", "base_model_name_or_path": None, "r": rank, "lora_alpha": 2 * rank,
    }  # fmt: skip
    for k in range(count):
        rng = np.random.default_rng([0, k])
        family = k % _FAMILIES
        tensors = {}
        moved = rng.standard_normal((2, *shape[1:])).astype(np.float32)
        a = starts[family] + 0.3 / np.sqrt(width) * moved[0]
        b = 0.02 * (np.sqrt(_SHARE) * shared[family] + np.sqrt(1 - _SHARE) * moved[1])
        for layer in range(layers):
            for m, module in enumerate(MODULES):
                name = f"base_model.model.encoder.layer.{layer}.attention.self.{module}"
                tensors[f"{name}.lora_A.weight"] = np.ascontiguousarray(a[layer, m])
                tensors[f"{name}.lora_B.weight"] = np.ascontiguousarray(b[layer, m].T)
        path = folder / f"adapter-{k:05d}"
        path.mkdir(parents=True, exist_ok=True)
        save_file(tensors, path / "adapter_model.safetensors")
        (path / "adapter_config.json").write_text(json.dumps(config))

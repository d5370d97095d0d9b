"""Adapters by the dozen, small enough that a survey of them takes a moment."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

WIDTH, RANK, LAYERS, MODULES = 24, 3, 2, ("query", "value")
Factors = Callable[[int, int, str], tuple[np.ndarray, np.ndarray]]


def path_of(layer: int, module: str) -> str:
    return f"encoder.layer.{layer}.attention.self.{module}"


def write_adapter(
    folder: Path,
    factors: Factors | None = None,
    *,
    seed: int = 0,
    prefix: str = "",
    modules: Sequence[str] = MODULES,
    rank: int = RANK,
    width: int = WIDTH,
    dtype: type = np.float32,
    base: str | None = None,
) -> Path:
    """A LoRA adapter of two layers; by default of random numbers."""
    rng = np.random.default_rng([99, seed])
    tensors = {}
    for layer in range(LAYERS):
        for module in modules:
            if factors is None:
                a, b = rng.standard_normal((rank, width)), rng.standard_normal((width, rank))
            else:
                a, b = factors(seed, layer, module)
            name = f"base_model.model.{prefix}{path_of(layer, module)}"
            tensors[f"{name}.lora_A.weight"] = np.ascontiguousarray(a, dtype)
            tensors[f"{name}.lora_B.weight"] = np.ascontiguousarray(b, dtype)
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": 2 * rank,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def places(out: Path) -> dict[str, bytes]:
    """The places' files: name to bytes."""
    return {path.name: path.read_bytes() for path in sorted((out / "places").glob("*"))}


def everything(out: Path) -> dict[str, bytes]:
    """All files of a survey: name to bytes."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }

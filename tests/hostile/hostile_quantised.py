"""Whole adapters with bases in fewer bits, as bitsandbytes, compressed-tensors and llama.cpp write them.

The files are written without these libraries, which read them where they are installed.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from checkpoints import random, write_config, write_tensors
from safetensors.torch import save_file
from torch import Tensor

LAYERS, WIDTH = 2, 32
PATH = "model.layers.{}.self_attn.q_proj"


def _llama(folder: Path, of_layer: Callable[[int], Mapping[str, Tensor]], **settings: Any) -> None:
    """An adapter, and a base whose weights `of_layer` makes, by the ends of their names."""
    _adapter(folder)
    (folder / "base").mkdir()
    tensors = {
        f"{PATH.format(layer)}.{end}": one
        for layer in range(LAYERS)
        for end, one in of_layer(layer).items()
    }
    save_file(tensors, folder / "base" / "model.safetensors")
    config = {"model_type": "llama"} | settings
    (folder / "base" / "config.json").write_text(json.dumps(config))


def _adapter(folder: Path) -> None:
    tensors = {}
    for layer in range(LAYERS):
        path = f"base_model.model.{PATH.format(layer)}"
        tensors[f"{path}.lora_A.weight"] = random(2, WIDTH, seed=layer)
        tensors[f"{path}.lora_B.weight"] = random(WIDTH, 2, seed=9 + layer)
    write_tensors(folder / "adapter", tensors)
    write_config(folder / "adapter", base=None, r=2)


def _codes(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def _four_bits(layer: int, *, nested: bool) -> Mapping[str, Tensor]:
    size = WIDTH * WIDTH
    said = {"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [WIDTH, WIDTH]}
    parts = {
        "weight": _codes(size // 2, 1, seed=layer),
        "weight.quant_map": torch.linspace(-1, 1, 16),
        "weight.absmax": random(size // 64, seed=layer).abs(),
    }
    if nested:
        said |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.5}
        parts |= {
            "weight.absmax": _codes(size // 64, seed=layer + 5), "weight.nested_absmax": torch.ones(1),
            "weight.nested_quant_map": torch.linspace(-1, 1, 256),
        }  # fmt: skip
    state = torch.tensor(list(json.dumps(said).encode()), dtype=torch.uint8)
    return parts | {"weight.quant_state.bitsandbytes__nf4": state}


def _eight_bits(layer: int) -> Mapping[str, Tensor]:
    codes = _codes(WIDTH, WIDTH, seed=layer).to(torch.int8)
    return {
        "weight": codes,
        "SCB": random(WIDTH, seed=layer).abs(),
        "weight_format": torch.tensor(0, dtype=torch.uint8),
    }


def _packed(layer: int, *, groups: int | None) -> Mapping[str, Tensor]:
    """Eight numbers of four bits in one of 32."""
    codes = _codes(WIDTH, WIDTH // 2, seed=layer).view(torch.int32)
    columns = WIDTH // groups if groups else 1
    parts = {
        "weight_packed": codes,
        "weight_scale": random(WIDTH, columns, seed=layer).abs(),
        "weight_shape": torch.tensor([WIDTH, WIDTH]),
    }
    if groups:
        parts["weight_zero_point"] = torch.zeros(WIDTH // 8, columns, dtype=torch.int32)
    return parts


def _compressed(kind: str, **weights: Any) -> Mapping[str, Any]:
    group = {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int"} | weights}
    said = {"quant_method": "compressed-tensors", "format": kind, "config_groups": {"a": group}}
    return {"quantization_config": said}


def _one_scale(layer: int) -> Mapping[str, Tensor]:
    stored = random(WIDTH, WIDTH, seed=layer).to(torch.float8_e4m3fn)
    return {"weight": stored, "weight_scale": torch.tensor([0.25])}


def _gguf(folder: Path) -> None:
    import gguf
    import numpy as np

    _adapter(folder)
    (folder / "base").mkdir()
    writer = gguf.GGUFWriter(folder / "base" / "model.gguf", "llama")
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_name("a small one")
    writer.add_array("tokens", ["a", "b"])
    kinds = (gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.F16)
    for layer, kind in zip(range(LAYERS), kinds, strict=True):
        for seed, (name, rows) in enumerate((("attn_q", WIDTH), ("attn_k", WIDTH // 2))):
            numbers = np.asarray(random(rows, WIDTH, seed=10 * layer + seed))
            stored = gguf.quants.quantize(numbers, kind)
            writer.add_tensor(f"blk.{layer}.{name}.weight", stored, raw_dtype=kind)
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantised() -> Iterator[tuple[str, Callable[[Path], Any]]]:
    """Name, and what writes it."""
    yield "4 bits", lambda folder: _llama(folder, lambda k: _four_bits(k, nested=False))
    yield "4 bits, twice", lambda folder: _llama(folder, lambda k: _four_bits(k, nested=True))
    yield "8 bits", lambda folder: _llama(folder, _eight_bits)
    channel = _compressed("pack-quantized", symmetric=True, strategy="channel")
    yield "packed", lambda folder: _llama(folder, lambda k: _packed(k, groups=None), **channel)
    group = _compressed("pack-quantized", symmetric=False, strategy="group", group_size=16)
    yield (
        "packed in groups",
        lambda folder: _llama(folder, lambda k: _packed(k, groups=16), **group),
    )
    floats = _compressed("float-quantized", num_bits=8, type="float", strategy="tensor")
    yield "floats of 8 bits, one scale", lambda folder: _llama(folder, _one_scale, **floats)
    if importlib.util.find_spec("gguf"):
        yield "gguf", _gguf

"""llama.cpp's LoRA as ``convert_lora_to_gguf.py`` lays it out, written by the library ``gguf``; ΔW by hand in transformers' rows."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import random
from safetensors.torch import save_file
from torch import Tensor

gguf = pytest.importorskip("gguf")
HEADS, GROUPS, SIZE, HIDDEN, INNER, RANK, ALPHA = 4, 2, 8, 32, 64, 32, 24.0
# llama.cpp's names, transformers', and (out, in).
MODULES = {
    "attn_q": ("self_attn.q_proj", HEADS * SIZE, HIDDEN), "attn_k": ("self_attn.k_proj", GROUPS * SIZE, HIDDEN),
    "attn_v": ("self_attn.v_proj", GROUPS * SIZE, HIDDEN), "attn_output": ("self_attn.o_proj", HIDDEN, HEADS * SIZE),
    "ffn_gate": ("mlp.gate_proj", INNER, HIDDEN), "ffn_down": ("mlp.down_proj", HIDDEN, INNER),
}  # fmt: skip


def pairs(rows: Tensor, heads: int) -> Tensor:
    """Rows as llama.cpp turns them: of each head the first of either half, the second of either, and so on."""
    half = len(rows) // heads // 2
    order = [
        head * 2 * half + which * half + place
        for head in range(heads)
        for place in range(half)
        for which in (0, 1)
    ]
    return rows[order]


def write(
    path: Path, architecture: str, tensors: Mapping[str, Tensor], kind: str = "F32", **header: Any
) -> None:
    """A file of tensors and words."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, architecture)
    for key, said in header.items():
        name = key.replace("__", ".")
        {"str": writer.add_string, "int": writer.add_uint32, "float": writer.add_float32}[
            type(said).__name__
        ](name, said)
    of = getattr(gguf.GGMLQuantizationType, kind)
    for name, tensor in tensors.items():
        numbers = np.ascontiguousarray(tensor.numpy())
        writer.add_tensor(name, gguf.quants.quantize(numbers, of), raw_dtype=of)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


ADAPTER = {"general__type": "adapter", "adapter__type": "lora", "adapter__lora__alpha": ALPHA}


def kept(numbers: Tensor, kind: str) -> Tensor:
    """What the library's own type leaves of them."""
    of = getattr(gguf.GGMLQuantizationType, kind)
    return torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(numbers.numpy(), of), of))


def make(folder: Path, architecture: str, kind: str) -> Mapping[str, Tensor]:
    tensors, found = {}, {}
    for layer in range(2):
        for seed, (own, (module, rows, columns)) in enumerate(MODULES.items()):
            a = kept(random(RANK, columns, seed=40 * layer + seed), kind)
            b = kept(random(rows, RANK, seed=20 + 40 * layer + seed), kind)
            found[f"model.layers.{layer}.{module}"] = ALPHA / RANK * b.double() @ a.double()
            if architecture == "llama" and own in ("attn_q", "attn_k"):
                b = pairs(b, HEADS if own == "attn_q" else GROUPS)
            name = f"blk.{layer}.{own}.weight"
            tensors |= {f"{name}.lora_a": a, f"{name}.lora_b": b}
    write(folder / "adapter" / "lora.gguf", architecture, tensors, kind, **ADAPTER)
    (folder / "base").mkdir()
    sizes = {"num_attention_heads": HEADS, "num_key_value_heads": GROUPS, "hidden_size": HIDDEN}
    config = {"model_type": architecture, **sizes}
    (folder / "base" / "config.json").write_text(json.dumps(config))
    w0 = {f"{path}.weight": random(*delta.shape, seed=5) for path, delta in found.items()}
    save_file(w0, folder / "base" / "model.safetensors")
    return found


CASES: Mapping[str, Callable[[Path], Mapping[str, Tensor]]] = {
    f"{architecture}, {kind}": partial(make, architecture=architecture, kind=kind)
    for architecture in ("qwen2", "llama")
    for kind in ("F32", "F16", "Q8_0")
}

"""Whole adapters with their bases, small, of every format: what the harness changes and breaks."""

from __future__ import annotations

import importlib.util
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_lora, write_tensors
from hostile_quantised import quantised
from real_adapters import kept
from safetensors.torch import save_file
from torch import Tensor

MADE = Path(__file__).parents[1] / "formats" / "made"
LARGEST = 400_000  # bytes of a seed's files
SHAPE = BertLike(layers=2, width=8, rank=2)


@dataclass(frozen=True)
class Seed:
    """Files by path, ``adapter/…`` and ``base/…``, with their content; and how often it is the base that is changed."""

    name: str
    files: Mapping[str, bytes]
    of_base: float = 0.25

    def of(self, part: str) -> dict[str, bytes]:
        return {path: found for path, found in self.files.items() if path.startswith(part + "/")}


def seeds(*, libraries: bool) -> list[Seed]:
    """Of every format; with those that the formats' own libraries make, if asked for."""
    return [seed for seed in _all(libraries) if sum(map(len, seed.files.values())) <= LARGEST]


def _all(libraries: bool) -> Iterator[Seed]:
    for name, make in _BY_HAND.items():
        yield _made(name, make)
    for name, make in quantised():
        yield replace(_made(f"a base of {name}", make), of_base=0.7)
    for file in sorted(MADE.glob("*.py")):
        if libraries or "importorskip" not in file.read_text():
            for case, make in _cases(file).items():
                yield _made(f"{file.stem}: {case}", make)


def _cases(file: Path) -> Mapping[str, Callable[[Path], Any]]:
    spec = importlib.util.spec_from_file_location(f"hostile_{file.stem}", file)
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except pytest.skip.Exception:
        return {}
    return module.CASES


def _made(name: str, make: Callable[[Path], Any]) -> Seed:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make(Path(folder))
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(Path(folder).rglob("*"))
            if path.is_file()
            and path.suffix in (".safetensors", ".bin", ".json", ".pt", ".lora", ".yaml", ".gguf")
        }
    return Seed(name, files)


def _lora(folder: Path, **settings: Any) -> dict[str, Tensor]:
    write_base(folder / "base", SHAPE)
    write_lora(folder / "adapter", SHAPE, config=settings)
    return SHAPE.adapter


def _binary(folder: Path, *, new: bool) -> None:
    tensors = _lora(folder)
    (folder / "adapter" / "adapter_model.safetensors").unlink()
    path = folder / "adapter" / "adapter_model.bin"
    torch.save(tensors, path, _use_new_zipfile_serialization=new)
    (folder / "base" / "model.safetensors").unlink()
    torch.save(
        SHAPE.base, folder / "base" / "pytorch_model.bin", _use_new_zipfile_serialization=new
    )


def _shards(folder: Path) -> None:
    """Adapter and base, each in two files with an index."""
    found = {"adapter": _lora(folder), "base": SHAPE.base}
    for part, stem in (("adapter", "adapter_model"), ("base", "model")):
        (folder / part / f"{stem}.safetensors").unlink()
        names = sorted(found[part])
        where = {}
        for k, half in enumerate((names[::2], names[1::2])):
            file = f"{stem}-0000{k}-of-00002.safetensors"
            save_file({name: found[part][name].contiguous() for name in half}, folder / part / file)
            where |= dict.fromkeys(half, file)
        index = folder / part / f"{stem}.safetensors.index.json"
        index.write_text(json.dumps({"metadata": {}, "weight_map": where}))


def _adalora(folder: Path) -> None:
    write_base(folder / "base", SHAPE)
    tensors = {}
    for layer in range(2):
        path = f"base_model.model.bert.{SHAPE.path(layer, 'query')}.lora"
        tensors |= {
            f"{path}_A": random(2, 8, seed=layer), f"{path}_B": random(8, 2, seed=9 + layer),
            f"{path}_E": random(2, 1, seed=20 + layer),
        }  # fmt: skip
    write_tensors(folder / "adapter", tensors)
    write_config(folder / "adapter", base=None, peft_type="ADALORA", init_r=2)


def _condlora(folder: Path, *, adaptive: bool) -> None:
    write_base(folder / "base", SHAPE)
    tensors = {f"query.theta_{k}": random(8, 2, seed=ord(k)) for k in "AB"}
    paths = [f"bert.{SHAPE.path(layer, 'query')}" for layer in range(2)]
    if adaptive:
        tensors |= {f"{path}.lambda": random(2, 1, seed=k) for k, path in enumerate(paths)}
    write_tensors(folder / "adapter", tensors)
    write_config(
        folder / "adapter", base=None, peft_type="CONDADALORA" if adaptive else "CONDLORA", r=2,
        convention="consistent", condlora_modules={"query": paths},
    )  # fmt: skip


def _fused(folder: Path) -> None:
    """GPT-2's Conv1D and a fused projection, by the base's configuration."""
    tensors, base = {}, {}
    for layer in range(2):
        path = f"transformer.h.{layer}.attn.c_attn"
        tensors[f"base_model.model.{path}.lora_A.weight"] = random(2, 4, seed=layer)
        tensors[f"base_model.model.{path}.lora_B.weight"] = random(12, 2, seed=9 + layer)
        base[f"h.{layer}.attn.c_attn.weight"] = random(4, 12, seed=20 + layer)
        base[f"h.{layer}.attn.c_attn.bias"] = random(12, seed=30 + layer)
    write_tensors(folder / "adapter", tensors)
    write_config(folder / "adapter", base=None, r=2, fan_in_fan_out=True)
    (folder / "base").mkdir()
    save_file(base, folder / "base" / "model.safetensors")
    settings = {"model_type": "gpt2", "n_head": 2, "n_embd": 4}
    (folder / "base" / "config.json").write_text(json.dumps(settings))


def _grouped(folder: Path) -> None:
    """Falcon's fused projection: two heads of queries, and one of keys and of values for both."""
    tensors, base = {}, {}
    for layer in range(2):
        path = f"transformer.h.{layer}.self_attention.query_key_value"
        tensors[f"base_model.model.{path}.lora_A.weight"] = random(2, 4, seed=layer)
        tensors[f"base_model.model.{path}.lora_B.weight"] = random(8, 2, seed=9 + layer)
        base[f"{path}.weight"] = random(8, 4, seed=20 + layer)
    write_tensors(folder / "adapter", tensors)
    write_config(folder / "adapter", base=None, r=2)
    (folder / "base").mkdir()
    save_file(base, folder / "base" / "model.safetensors")
    settings = {"model_type": "falcon", "num_attention_heads": 2, "multi_query": True}
    (folder / "base" / "config.json").write_text(json.dumps(settings))


_UNET = "down_blocks.{}.attentions.0.transformer_blocks.0.attn1.to_q"


def _pipeline(folder: Path, *, flat: bool) -> None:
    """An image model's adapter with the pipeline that it is of."""
    (folder / "base" / "unet").mkdir(parents=True)
    (folder / "adapter").mkdir()
    tensors, base = {}, {}
    for k in range(2):
        path = _UNET.format(k)
        name = f"lora_unet_{path.replace('.', '_')}" if flat else f"unet.{path}"
        down, up = ("lora_down", "lora_up") if flat else ("lora_A", "lora_B")
        tensors |= {
            f"{name}.{down}.weight": random(2, 6, seed=k),
            f"{name}.{up}.weight": random(6, 2, seed=9 + k),
        }
        if flat:
            tensors[f"{name}.alpha"] = torch.tensor(1.0)
        base[f"{path}.weight"] = random(6, 6, seed=20 + k)
    base["conv_in.weight"] = random(6, 4, 3, 3, seed=30)
    settings = {
        "unet.r": 2,
        "unet.lora_alpha": 4,
        "unet.rank_pattern": {},
        "unet.alpha_pattern": {},
    }
    header = {"ss_network_dim": "2"} if flat else {"lora_adapter_metadata": json.dumps(settings)}
    file = "style.safetensors" if flat else "pytorch_lora_weights.safetensors"
    save_file(tensors, folder / "adapter" / file, header)
    save_file(base, folder / "base" / "unet" / "diffusion_pytorch_model.safetensors")
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30.0"}
    (folder / "base" / "model_index.json").write_text(json.dumps(index))


def _originals(folder: Path) -> None:
    """An image model's adapter by its own code's names, on diffusers' of the same: split, renamed, halves turned."""
    (folder / "base" / "transformer").mkdir(parents=True)
    (folder / "adapter").mkdir()
    tensors, base = {}, {}
    for layer in range(2):
        name = f"diffusion_model.double_blocks.{layer}.img_attn.qkv"
        tensors[f"{name}.lora_A.weight"] = random(2, 4, seed=layer)
        tensors[f"{name}.lora_B.weight"] = random(12, 2, seed=9 + layer)
        for k, letter in enumerate("qkv"):
            path = f"transformer_blocks.{layer}.attn.to_{letter}.weight"
            base[path] = random(4, 4, seed=20 + 3 * layer + k)
    last = "diffusion_model.final_layer.adaLN_modulation.1"
    tensors[f"{last}.lora_A.weight"] = random(2, 4, seed=50)
    tensors[f"{last}.lora_B.weight"] = random(8, 2, seed=51)
    base["norm_out.linear.weight"] = random(8, 4, seed=52)
    save_file(tensors, folder / "adapter" / "pytorch_lora_weights.safetensors")
    save_file(base, folder / "base" / "transformer" / "diffusion_pytorch_model.safetensors")
    (folder / "base" / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))


def _litgpt(folder: Path) -> None:
    """LitGPT's own files, and Hugging Face's base of those."""
    kept("litgpt", folder)
    base = {}
    for layer in range(2):
        for k, (name, rows) in enumerate(
            (("q_proj", 8), ("k_proj", 4), ("v_proj", 4), ("o_proj", 8))
        ):
            path = f"model.layers.{layer}.self_attn.{name}.weight"
            base[path] = random(rows, 8, seed=10 * layer + k)
    save_file(base, folder / "base" / "model.safetensors")
    (folder / "base" / "config.json").write_text(json.dumps({"model_type": "llama"}))


def _eighths(folder: Path) -> None:
    """A base in floats of 8 bits, with a scale a block."""
    _lora(folder)
    tensors = {}
    for name, tensor in SHAPE.base.items():
        tensors[name] = tensor.to(torch.float8_e4m3fn) if tensor.ndim == 2 else tensor
        if tensor.ndim == 2:
            tensors[f"{name}_scale_inv"] = random(2, 2, seed=len(name)).abs()
    save_file(tensors, folder / "base" / "model.safetensors")
    file = folder / "base" / "config.json"
    said = {"quant_method": "fp8", "weight_block_size": [4, 4]}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"quantization_config": said}))


_BY_HAND: Mapping[str, Callable[[Path], Any]] = {
    "lora": _lora,
    "lora with patterns": lambda folder: _lora(
        folder, rank_pattern={r".*\.0\.attention\.self\.query": 2}, alpha_pattern={"query": 4}
    ),
    "lora, a zip": lambda folder: _binary(folder, new=True),
    "lora, pickles in a row": lambda folder: _binary(folder, new=False),
    "lora, shards": _shards,
    "adalora": _adalora,
    "condlora": lambda folder: _condlora(folder, adaptive=False),
    "condadalora": lambda folder: _condlora(folder, adaptive=True),
    "conv1d": _fused,
    "grouped queries": _grouped,
    "flattened names": lambda folder: _pipeline(folder, flat=True),
    "dotted names": lambda folder: _pipeline(folder, flat=False),
    "original names": _originals,
    "litgpt, with its base": _litgpt,
    "a base in 8 bits": _eighths,
}

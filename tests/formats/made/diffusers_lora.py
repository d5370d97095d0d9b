"""Adapters in the layouts that diffusers and ComfyUI have written, with ΔW by einsum over the layouts' indices.

Checked once against diffusers' own loading of the same names.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from checkpoints import random
from safetensors.torch import save_file
from torch import Tensor

Deltas = Mapping[str, Tensor]


def write(
    folder: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str] | None = None
) -> None:
    (folder / "adapter").mkdir()
    (folder / "base").mkdir()
    file = folder / "adapter" / "pytorch_lora_weights.safetensors"
    save_file(dict(tensors), file, dict(header or {}) or None)


def pair(
    path: str, down: str, up: str, *, rank: int = 2, width: int = 6, seed: int = 0
) -> tuple[dict[str, Tensor], Tensor]:
    a, b = random(rank, width, seed=seed), random(width, rank, seed=seed + 1)
    delta = torch.einsum("or,ri->oi", b.double(), a.double())
    return {f"{path}.{down}": a, f"{path}.{up}": b}, delta


def header(folder: Path) -> Deltas:
    """PEFT's names; ranks and α by patterns in the header; a text encoder without settings; a convolution."""
    tensors: dict[str, Tensor] = {}
    found: dict[str, Tensor] = {}
    for k, (path, rank, s) in enumerate((
        ("unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q", 4, 2.0),
        ("unet.down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q", 2, 1.5),
        ("text_encoder.text_model.encoder.layers.3.self_attn.q_proj", 3, 1.0),
    )):  # fmt: skip
        made, delta = pair(path, "lora_A.weight", "lora_B.weight", rank=rank, seed=10 * k)
        tensors |= made
        found[path] = s * delta
    a, b = random(4, 3, 3, 3, seed=70), random(5, 4, 1, 1, seed=71)
    path = "unet.down_blocks.0.resnets.0.conv1"
    tensors |= {f"{path}.lora_A.weight": a, f"{path}.lora_B.weight": b}
    whole = torch.einsum("or,rihw->oihw", b[:, :, 0, 0].double(), a.double())
    found[path] = 2 * whole.reshape(5, 27)
    tensors["unet.conv_in.bias"] = random(4, seed=80)
    settings = {
        "unet.r": 4, "unet.lora_alpha": 8, "unet.use_rslora": False, "unet.use_dora": False,
        "unet.rank_pattern": {"down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q": 2},
        "unet.alpha_pattern": {"down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q": 3},
        "unet.init_lora_weights": True, "unet.peft_type": "LORA",
    }  # fmt: skip
    write(folder, tensors, {"format": "pt", "lora_adapter_metadata": json.dumps(settings)})
    return found


def spellings(folder: Path) -> Deltas:
    """Every older spelling; α of one alone, and a part that is none."""
    unet = "unet.up_blocks.1.attentions.{}.transformer_blocks.0.attn2"
    text = "text_encoder{}.text_model.encoder.layers.0.self_attn"
    places = (
        (unet.format(0), "to_k.lora.down.weight", "to_k.lora.up.weight", "to_k"),
        (unet.format(1), "processor.to_k_lora.down.weight", "processor.to_k_lora.up.weight", "to_k"),
        (unet.format(1), "processor.to_out_lora.down.weight", "processor.to_out_lora.up.weight", "to_out.0"),
        (
            text.format(""), "k_proj.lora_linear_layer.down.weight", "k_proj.lora_linear_layer.up.weight",
            "k_proj",
        ),
        (unet.format(2), "processor.add_k_proj_lora.down.weight", "processor.add_k_proj_lora.up.weight", "add_k_proj"),
        (text.format("_2"), "to_v_lora.down.weight", "to_v_lora.up.weight", "v_proj"),
        (text.format("_2"), "to_out_lora.down.weight", "to_out_lora.up.weight", "out_proj"),
    )  # fmt: skip
    tensors: dict[str, Tensor] = {}
    found: dict[str, Tensor] = {}
    for k, (path, down, up, module) in enumerate(places):
        made, delta = pair(path, down, up, seed=10 * k)
        tensors |= made
        found[f"{path}.{module}"] = delta
    tensors[f"{unet.format(1)}.processor.to_out_lora.alpha"] = torch.tensor(3.0)
    found[f"{unet.format(1)}.to_out.0"] *= 3 / 2
    tensors[f"{unet.format(1)}.processor.to_out_lora.other.weight"] = random(2, 2, seed=90)
    write(folder, tensors)
    return found


def comfy(folder: Path) -> Deltas:
    """ComfyUI's prefix with either letters, α of some, and a LoKr."""
    tensors: dict[str, Tensor] = {}
    found: dict[str, Tensor] = {}
    for k, (block, down, up, alpha) in enumerate((
        (0, "lora_A.weight", "lora_B.weight", None),
        (1, "lora_down.weight", "lora_up.weight", 5.0),
    )):  # fmt: skip
        path = f"diffusion_model.double_blocks.{block}.img_attn.qkv"
        made, delta = pair(path, down, up, seed=10 * k)
        tensors |= made
        found[path] = delta * (1 if alpha is None else alpha / 2)
        if alpha is not None:
            tensors[f"{path}.alpha"] = torch.tensor(alpha)
    path = "diffusion_model.double_blocks.2.img_attn.qkv"
    w1, w2 = random(2, 3, seed=30), random(3, 2, seed=31)
    tensors |= {f"{path}.lokr_w1": w1, f"{path}.lokr_w2": w2}
    blocks = torch.einsum("mn,pq->mpnq", w1.double(), w2.double())
    found[path] = blocks.reshape(6, 6)
    write(folder, tensors)
    return found


def of_one_model(folder: Path) -> Deltas:
    """A model's own ``save_lora_adapter``: no prefix, neither in the names nor in the header."""
    path = "transformer_blocks.0.attn.to_q"
    tensors, delta = pair(path, "lora_A.weight", "lora_B.weight")
    settings = {"r": 2, "lora_alpha": 6, "peft_type": "LORA"}
    write(folder, tensors, {"format": "pt", "lora_adapter_metadata": json.dumps(settings)})
    return {path: 3 * delta}


def dora(folder: Path) -> Deltas:
    """PEFT's DoRA of a U-Net's linear layer and convolution, row by row."""
    tensors: dict[str, Tensor] = {}
    found: dict[str, Tensor] = {}
    base: dict[str, Tensor] = {}
    sizes = {"mid_block.attentions.0.to_q": (5, 6), "mid_block.resnets.0.conv1": (5, 4, 3, 2)}
    for k, (path, size) in enumerate(sizes.items()):
        a, b = (
            random(2, *size[1:], seed=10 * k),
            random(5, 2, *(1 for _ in size[2:]), seed=10 * k + 1),
        )
        w0, m = random(*size, seed=10 * k + 2), random(5, seed=10 * k + 3).abs()
        name = f"unet.{path}"
        tensors |= {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b}
        tensors[f"{name}.lora_magnitude_vector"] = m if len(size) == 2 else m.reshape(1, 5, 1, 1)
        base[f"{path}.weight"] = w0
        rows = []
        for row in range(5):
            v = w0[row].double().flatten()
            for r in range(2):
                v = v + 1.5 * float(b[row, r].sum()) * a[r].double().flatten()
            rows.append(float(m[row]) / v.square().sum().sqrt() * v - w0[row].double().flatten())
        found[name] = torch.stack(rows)
    settings = {"unet.r": 2, "unet.lora_alpha": 3, "unet.use_dora": True, "unet.peft_type": "LORA"}
    write(folder, tensors, {"format": "pt", "lora_adapter_metadata": json.dumps(settings)})
    (folder / "base" / "unet").mkdir()
    save_file(base, folder / "base" / "unet" / "diffusion_pytorch_model.safetensors")
    (folder / "base" / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    return found


CASES: Mapping[str, Callable[[Path], Deltas]] = {
    "header": header,
    "spellings": spellings,
    "comfy": comfy,
    "of one model": of_one_model,
    "dora": dora,
}

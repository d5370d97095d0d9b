"""Adapters in kohya's and LyCORIS's layouts, with ΔW by loops over the entries that define it.

Checked once against LyCORIS's own modules and sd-scripts' merge of a convolution; what rescales W0 + s·B·A is made by
LyCORIS itself (``tests/real_adapters.py``).
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from checkpoints import random
from real_adapters import kept
from safetensors.torch import save_file
from torch import Tensor

Deltas = Mapping[str, Tensor]
ATTENTION = "down_blocks_{}_attentions_0_transformer_blocks_0_attn1_to_{}"
PATH = "unet.down_blocks.{}.attentions.0.transformer_blocks.0.attn1.to_{}"
HEADER = {
    "ss_network_dim": "2", "ss_network_alpha": "1", "ss_base_model_version": "sd_v1",
    "ss_network_args": json.dumps({"conv_dim": "2"}), "ss_network_module": "networks.lora",
}  # fmt: skip


def write(folder: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str] = HEADER) -> None:
    (folder / "adapter").mkdir()
    (folder / "base").mkdir()
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    save_file(tensors, folder / "adapter" / "style-v1.safetensors", dict(header))


def convolved(down: Tensor, up: Tensor, mid: Tensor | None = None) -> Tensor:
    """ΔW, (out, in·height·width), by the convolutions themselves: what comes out of each unit input."""
    channels = down.shape[1]
    height, width = (down if mid is None else mid).shape[2:]
    found = torch.zeros(len(up), channels, height, width, dtype=torch.float64)
    for i in range(channels):
        for y in range(height):
            for x in range(width):
                pixel = torch.zeros(1, channels, height, width, dtype=torch.float64)
                pixel[0, i, y, x] = 1
                inner = torch.conv2d(pixel, down.double())
                if mid is not None:
                    inner = torch.conv2d(inner, mid.double())
                found[:, i, y, x] = torch.conv2d(inner, up.double())[0, :, 0, 0]
    return found.reshape(len(up), -1)


def rslora(folder: Path) -> Deltas:
    """blissful-tuner's, whose flag beside all modules makes s α/√rank, of two ranks."""
    tensors: dict[str, Tensor] = {"use_rslora_flag": torch.tensor(1.0)}
    found: dict[str, Tensor] = {}
    for k, (role, rank) in enumerate((("q", 2), ("v", 4))):
        name = f"lora_unet_{ATTENTION.format(0, role)}"
        down, up = random(rank, 6, seed=90 + k), random(6, rank, seed=95 + k)
        tensors |= {
            f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(3.0),
        }  # fmt: skip
        found[PATH.format(0, role)] = 3 / rank**0.5 * up.double() @ down.double()
    write(folder, tensors)
    return found


def locon(folder: Path) -> Deltas:
    """Attention of two widths, a resnet's 3×3 and 1×1, a text encoder; what is left out."""
    tensors: dict[str, Tensor] = {}
    found: dict[str, Tensor] = {}
    for block, width in ((0, 6), (1, 8)):
        for k, role in enumerate("qv"):
            name = f"lora_unet_{ATTENTION.format(block, role)}"
            down, up = (
                random(2, width, seed=10 * block + k),
                random(width, 2, seed=50 + 10 * block + k),
            )
            tensors |= {
                f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up,
                f"{name}.alpha": torch.tensor(1.0 + k),
            }  # fmt: skip
            found[PATH.format(block, role)] = (1 + k) / 2 * up.double() @ down.double()
    for k, (flat, path, size) in enumerate((
        ("down_blocks_0_resnets_0_conv1", "down_blocks.0.resnets.0.conv1", 3),
        ("up_blocks_3_resnets_2_conv_shortcut", "up_blocks.3.resnets.2.conv_shortcut", 1),
    )):  # fmt: skip
        name = f"lora_unet_{flat}"
        down, up = random(2, 5, size, size, seed=70 + k), random(4, 2, 1, 1, seed=80 + k)
        tensors |= {
            f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up,
            f"{name}.alpha": torch.tensor([4.0]),
        }  # fmt: skip
        found[f"unet.{path}"] = 2 * convolved(down, up)
    name = "lora_unet_mid_block_resnets_0_conv2"
    down, mid, up = (
        random(3, 5, 1, 1, seed=90),
        random(3, 3, 3, 2, seed=91),
        random(4, 3, 1, 1, seed=92),
    )
    tensors |= {
        f"{name}.lora_down.weight": down, f"{name}.lora_mid.weight": mid, f"{name}.lora_up.weight": up,
        f"{name}.alpha": torch.tensor(3.0),
    }  # fmt: skip
    found["unet.mid_block.resnets.0.conv2"] = convolved(down, up, mid)
    for layer in (0, 11):
        name = f"lora_te_text_model_encoder_layers_{layer}_self_attn_out_proj"
        down, up = random(2, 6, seed=100 + layer), random(6, 2, seed=200 + layer)
        tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}  # no α: s is 1
        path = f"text_encoder.text_model.encoder.layers.{layer}.self_attn.out_proj"
        found[path] = up.double() @ down.double()
    tensors |= {
        "lora_unet_conv_in.diff_b": random(4, seed=1), "lora_unet_conv_in.diff": random(4, 4, seed=2),
        "lora_unet_conv_norm_out.w_norm": random(4, seed=3), "lora_unet_conv_out.alpha": torch.ones(()),
        "bundle_emb.word.string_to_param.*": random(2, 6, seed=4),
    }  # fmt: skip
    write(folder, tensors)
    return found


def lycoris(folder: Path) -> Deltas:
    """LoHa and LoKr of linear layers and convolutions, plain and with a core, whole and factored."""
    tensors: dict[str, Tensor] = {}
    found: dict[str, Tensor] = {}

    def add(flat: str, path: str, alpha: float, delta: Tensor, parts: Mapping[str, Tensor]) -> None:
        tensors.update({f"lora_unet_{flat}.{part}": tensor for part, tensor in parts.items()})
        tensors[f"lora_unet_{flat}.alpha"] = torch.tensor(alpha)
        found[f"unet.{path}"] = delta

    w = {k: random(*s, seed=k) for k, s in enumerate(((9, 2), (2, 10), (9, 2), (2, 10)))}
    delta = torch.zeros(9, 10, dtype=torch.float64)
    for i in range(9):
        for j in range(10):
            one = sum(float(w[0][i, p]) * float(w[1][p, j]) for p in range(2))
            other = sum(float(w[2][i, p]) * float(w[3][p, j]) for p in range(2))
            delta[i, j] = 0.5 * one * other
    names = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    parts: dict[str, Any] = dict(zip(names, w.values(), strict=True))
    add("input_blocks_1_1_proj_in", "input_blocks.1.1.proj_in", 1.0, delta, parts)

    core = [random(3, 3, 2, 2, seed=20 + k) for k in range(2)]
    w = {k: random(*s, seed=30 + k) for k, s in enumerate(((3, 4), (3, 5), (3, 4), (3, 5)))}
    both = [
        convolved(w[2 * k + 1][:, :, None, None], w[2 * k].T[:, :, None, None], core[k])
        for k in range(2)
    ]
    parts = dict(zip(names, w.values(), strict=True)) | {"hada_t1": core[0], "hada_t2": core[1]}
    add(
        "input_blocks_1_0_in_layers_2",
        "input_blocks.1.0.in_layers.2",
        6.0,
        2 * both[0] * both[1],
        parts,
    )

    w1, w2 = random(2, 3, seed=40), random(4, 2, seed=41)
    add(
        "double_blocks_0_img_attn_qkv", "double_blocks.0.img_attn.qkv", 77.0, torch.kron(w1, w2).double(),
        {"lokr_w1": w1, "lokr_w2": w2},
    )  # fmt: skip

    w1, a, b = random(2, 3, seed=42), random(6, 2, seed=43), random(2, 5, seed=44)
    delta = torch.zeros(12, 15, dtype=torch.float64)
    second = a.double() @ b.double()
    for i in range(12):
        for j in range(15):
            delta[i, j] = 0.25 * float(w1[i // 6, j // 5]) * second[i % 6, j % 5]
    add(
        "double_blocks_1_img_attn_qkv", "double_blocks.1.img_attn.qkv", 0.5, delta,
        {"lokr_w1": w1, "lokr_w2_a": a, "lokr_w2_b": b},
    )  # fmt: skip

    a1, b1 = random(2, 2, seed=45), random(2, 3, seed=46)
    a, b, core2 = random(2, 4, seed=47), random(2, 5, seed=48), random(2, 2, 3, 3, seed=49)
    second = convolved(b[:, :, None, None], a.T[:, :, None, None], core2).reshape(4, 5, 3, 3)
    first = a1.double() @ b1.double()
    whole = torch.zeros(8, 15, 3, 3, dtype=torch.float64)
    for i in range(8):
        for j in range(15):
            whole[i, j] = first[i // 4, j // 5] * second[i % 4, j % 5]
    add(
        "output_blocks_2_0_out_layers_3", "output_blocks.2.0.out_layers.3", 2.0, whole.reshape(8, -1),
        {"lokr_w1_a": a1, "lokr_w1_b": b1, "lokr_w2_a": a, "lokr_w2_b": b, "lokr_t2": core2},
    )  # fmt: skip
    write(folder, tensors)
    return found


def sdxl(folder: Path) -> Deltas:
    """bfloat16, two text encoders, the original U-Net's names, a block of several transformer blocks."""
    tensors: dict[str, Tensor] = {}
    found: dict[str, Tensor] = {}
    places = [
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1", "text_encoder.text_model.encoder.layers.0.mlp.fc1"),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", "text_encoder_2.text_model.encoder.layers.0.mlp.fc1"),
        *(
            (
                f"lora_unet_{block}_transformer_blocks_{k}_attn2_to_out_0",
                f"unet.{block.replace('blocks_', 'blocks.').replace('_1', '.1')}.transformer_blocks.{k}.attn2.to_out.0",
            )
            for block, depth in (("input_blocks_4_1", 2), ("input_blocks_7_1", 3), ("middle_block_1", 3))
            for k in range(depth)
        ),
    ]  # fmt: skip
    for k, (flat, path) in enumerate(places):
        width = 4 if "input_blocks_4" in flat else 6
        down, up = random(2, width, seed=k).bfloat16(), random(width, 2, seed=99 + k).bfloat16()
        tensors |= {
            f"{flat}.lora_down.weight": down, f"{flat}.lora_up.weight": up,
            f"{flat}.alpha": torch.tensor(1.0, dtype=torch.bfloat16),
        }  # fmt: skip
        found[path] = 0.5 * up.double() @ down.double()
    write(folder, tensors, {})
    return found


CASES: Mapping[str, Callable[[Path], Deltas]] = {
    "locon": locon,
    "rsLoRA by a flag": rslora,
    "lycoris": lycoris,
    "sdxl": sdxl,
    "DoRA of LyCORIS's own": partial(kept, "lycoris"),
}

"""Folders with tensors in more than one file: which is the adapter's, and what its headers say."""

import json
from pathlib import Path

import pytest
import torch
from checkpoints import random, write_config, write_tensors
from safetensors.torch import save_file

from lora_lens import load_adapter
from lora_lens.errors import FileFormatError

PATH = "base_model.model.layers.0.q_proj"
UNET = "unet.down_blocks.{}.attentions.0.transformer_blocks.0.attn1.to_q"


def test_another_formats_file_is_not_read_for_a_bin(tmp_path: Path) -> None:
    """PEFT's own names come first, whatever their ending."""
    for binary, value in ((True, 1.0), (False, 2.0)):
        a, b = torch.full((4, 16), value), torch.ones(16, 4)
        tensors = {f"{PATH}.lora_A.weight": a, f"{PATH}.lora_B.weight": b}
        if binary:
            write_tensors(tmp_path, tensors, binary=True)
        else:
            save_file(tensors, tmp_path / "lora.safetensors")
    write_config(tmp_path, base=None, peft_type="LORA", r=4, lora_alpha=4)
    assert float(load_adapter(tmp_path).modules["q_proj"].a[0, 0, 0]) == 1.0


def in_shards(folder: Path, alphas: tuple[int, int]) -> Path:
    """One of diffusers' files in two parts, each with a header."""
    files = {}
    for k, alpha in enumerate(alphas):
        path = UNET.format(k)
        part = {
            f"{path}.lora_A.weight": random(4, 16, seed=k),
            f"{path}.lora_B.weight": random(16, 4, seed=2 + k),
        }
        said = {"lora_adapter_metadata": json.dumps({"unet.r": 4, "unet.lora_alpha": alpha})}
        name = f"pytorch_lora_weights-0000{k + 1}-of-00002.safetensors"
        save_file(part, folder / name, said)
        files |= dict.fromkeys(part, name)
    index = folder / "pytorch_lora_weights.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": files}))
    return folder


def test_the_scale_in_the_header_of_parts_is_read(tmp_path: Path) -> None:
    found = load_adapter(in_shards(tmp_path, (16, 16)))
    assert found.modules["to_q"].scaling.tolist() == [4.0, 4.0]


def test_parts_whose_headers_say_different_scales_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="lora_adapter_metadata of .*00002-of.* is another"):
        load_adapter(in_shards(tmp_path, (16, 8)))

"""A PeftModel that was made of a PeftModel, as a script that is run twice in one session leaves it."""

from pathlib import Path

import torch
from checkpoints import random, write_config
from safetensors.torch import save_file

from lora_lens import load_adapter

PATH = "base_model.model.h.{}.attn"  # as the outer PEFT has it


def test_modules_have_the_paths_that_peft_s_patterns_meet(tmp_path: Path) -> None:
    tensors = {}
    for layer in (0, 1):
        path = f"base_model.model.{PATH.format(layer)}"
        tensors[f"{path}.lora_A.weight"] = random(2, 8, seed=layer)
        tensors[f"{path}.lora_B.weight"] = torch.ones(8, 2)
    write_config(tmp_path, base=None, r=2, lora_alpha=2, alpha_pattern={f"^{PATH.format(1)}": 6})
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    layers = list(load_adapter(tmp_path).each_layer())
    assert [one.name for one in layers] == [PATH.format(0), PATH.format(1)]
    assert [one.scaling for one in layers] == [1, 3]

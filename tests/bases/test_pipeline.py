"""W0 of image adapters in a diffusers pipeline: by its parts' folders, variants, shards, convolutions too."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import random
from safetensors.torch import save_file

from lora_lens import load_adapter, open_base, spectrum
from lora_lens.errors import BaseModelError

TO_Q = "down_blocks.0.attentions.{}.transformer_blocks.0.attn1.to_q"
ENCODER = "text_model.encoder.layers.0.self_attn.q_proj"


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A folder of a U-Net in a variant, in shards, and two text encoders of the same names."""
    folder = tmp_path / "pipeline"
    for part in ("unet", "text_encoder", "text_encoder_2"):
        (folder / part).mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    shards = {
        "diffusion_pytorch_model-00001-of-00002.fp16.safetensors": {
            f"{TO_Q.format(k)}.weight": random(6, 6, seed=k).half() for k in (0, 1)
        },
        "diffusion_pytorch_model-00002-of-00002.fp16.safetensors": {
            "conv_in.weight": random(6, 4, 3, 3, seed=2).half()
        },
    }
    for name, tensors in shards.items():
        save_file(tensors, folder / "unet" / name)
    where = {tensor: name for name, tensors in shards.items() for tensor in tensors}
    index = folder / "unet" / "diffusion_pytorch_model.safetensors.index.fp16.json"
    index.write_text(json.dumps({"weight_map": where}))
    for k, part in enumerate(("text_encoder", "text_encoder_2")):
        save_file(
            {f"{ENCODER}.weight": random(6, 6, seed=10 + k)}, folder / part / "model.safetensors"
        )
        (folder / part / "config.json").write_text(json.dumps({"model_type": "clip_text_model"}))
    return folder


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    tensors = {}
    places = [f"lora_unet_{TO_Q.format(k).replace('.', '_')}" for k in (0, 1)]
    places += [f"lora_{te}_{ENCODER.replace('.', '_')}" for te in ("te1", "te2")]
    for k, name in enumerate(places):
        tensors[f"{name}.lora_down.weight"] = random(2, 6, seed=20 + k)
        tensors[f"{name}.lora_up.weight"] = random(6, 2, seed=30 + k)
    tensors["lora_unet_conv_in.lora_down.weight"] = random(2, 4, 3, 3, seed=40)
    tensors["lora_unet_conv_in.lora_up.weight"] = random(6, 2, 1, 1, seed=41)
    save_file(tensors, tmp_path / "lora.safetensors")
    return tmp_path / "lora.safetensors"


def test_every_module_finds_its_own_w0(pipeline: Path, lora: Path) -> None:
    adapter, base = load_adapter(lora, pipeline), open_base(str(pipeline))
    expected = {
        f"unet.{TO_Q.format(0)}": random(6, 6, seed=0).half(),
        f"unet.{TO_Q.format(1)}": random(6, 6, seed=1).half(),
        f"text_encoder.{ENCODER}": random(6, 6, seed=10),
        f"text_encoder_2.{ENCODER}": random(6, 6, seed=11),
        "unet.conv_in": random(6, 4, 3, 3, seed=2).half().reshape(6, 36),
    }
    found = {
        path: base.w0(factors, k)
        for factors in adapter.modules.values()
        for k, path in enumerate(factors.names)
    }
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[path], w0) for path, w0 in expected.items())


def test_spectra_stand_beside_w0(pipeline: Path, lora: Path) -> None:
    result = spectrum(load_adapter(lora, pipeline), draws=0)
    assert all(one.beside_w0 is not None for one in result.layers)
    assert len(result.layers) == 5


def test_a_part_alone_is_a_base_too(pipeline: Path, lora: Path) -> None:
    (pipeline / "unet" / "config.json").write_text(json.dumps({"_diffusers_version": "0.30.0"}))
    base = open_base(str(pipeline / "unet"))
    w0 = base.weight(f"unet.{TO_Q.format(1)}")
    np.testing.assert_array_equal(w0, random(6, 6, seed=1).half())
    with pytest.raises(BaseModelError, match="no weight of text_encoder"):
        base.weight(f"text_encoder.{ENCODER}")


def test_paths_of_other_names_are_not_found(pipeline: Path) -> None:
    with pytest.raises(BaseModelError, match=r"no weight of unet\.input_blocks\.9.*--rename"):
        open_base(str(pipeline)).weight("unet.input_blocks.9.1.transformer_blocks.0.attn1.to_q")

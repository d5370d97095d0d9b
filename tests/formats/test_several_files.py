"""Folders with tensors in more than one file: which is the adapter's, and what its headers say."""

import json
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_tensors
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lora_lens import load_adapter, open_base
from lora_lens.errors import FileFormatError

NAME = "encoder.layer.0.attention.self.query.weight"
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


@pytest.mark.parametrize("key", ["DCP_SHARDING_INFO", "modelspec.hash_sha256", "format"])
def test_what_else_parts_say_may_differ(tmp_path: Path, key: str) -> None:
    """As PyTorch's writer of distributed checkpoints has it."""
    folder = in_shards(tmp_path, (16, 16))
    for k, file in enumerate(sorted(folder.glob("*.safetensors"))):
        with safe_open(file, "pt") as opened:
            header = dict(opened.metadata())
        save_file(load_file(file), file, header | {key: str(k)})
    assert load_adapter(folder).modules["to_q"].scaling.tolist() == [4.0, 4.0]


@pytest.mark.parametrize(
    ("usual", "other"),
    [
        ("pytorch_model.bin", "model.pt"),
        ("pytorch_model.safetensors", "model.bin"),
        ("model.safetensors", "pytorch_model.safetensors"),
    ],
)
def test_a_trainers_own_file_is_not_read_for_a_models(
    tmp_path: Path, usual: str, other: str
) -> None:
    """Endings go before stems: transformers never looks for model.pt or model.bin."""
    base, tuned = (write_base(tmp_path / name, BertLike()) for name in ("base", "tuned"))
    for folder in (base, tuned):
        weights = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        write(folder / other, {name: 50 * one for name, one in weights.items()})
        changed = weights | {NAME: weights[NAME] + (folder == tuned) * 0.01}
        write(folder / usual, changed)
    found = load_adapter(tuned, base)
    delta = found.dense["query"]
    assert float((delta.b[0] @ delta.a[0]).abs().max()) == pytest.approx(0.01, rel=1e-4)
    named = load_adapter(tuned / other, base)  # which is read where it is named
    delta = named.dense["query"]
    assert float((delta.b[0] @ delta.a[0]).abs().max()) > 1


def write(file: Path, tensors: dict[str, torch.Tensor]) -> None:
    if file.suffix == ".safetensors":
        save_file({name: one.contiguous() for name, one in tensors.items()}, file)
    else:
        torch.save(tensors, file)


def test_of_a_pipelines_part_diffusers_own_name_comes_first(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "model_index.json").write_text("{}")
    for name, value in (("diffusion_pytorch_model", 1.0), ("model", 2.0)):
        save_file(
            {"x.weight": torch.full((2, 2), value)}, tmp_path / "unet" / f"{name}.safetensors"
        )
    assert float(open_base(tmp_path).tensors.get("unet.x.weight")[0, 0]) == 1.0

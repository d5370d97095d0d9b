"""DoRA of kohya's files, LyCORIS, diffusers and MLX-LM; ΔW itself is compared in `test_contract.py`."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from made_formats import cases_of
from safetensors.torch import load_file, save_file

import lora_lens as ll
from lora_lens.errors import AdapterError, LensError

LYCORIS = "DoRA of LyCORIS's own"


def changed(file: Path, change: Any, header: dict[str, str] | None = None) -> None:
    tensors = {name: change(name, tensor) for name, tensor in load_file(file).items()}
    kept = {name: tensor.contiguous() for name, tensor in tensors.items() if tensor is not None}
    save_file(kept, file, header)


@pytest.fixture
def lycoris(tmp_path: Path) -> Path:
    cases_of("kohya")[LYCORIS](tmp_path)
    return tmp_path


def test_both_axes_are_told_by_the_shape_though_w0_is_square(lycoris: Path) -> None:
    adapter = ll.load_adapter(lycoris / "adapter", lycoris / "base")
    columns = {
        path: factors.by_column for factors in adapter.modules.values() for path in factors.names
    }
    assert columns["unet.mid_block.attentions.0.proj_out"] is False
    assert columns["unet.down_blocks.0.attentions.0.proj_out"] is True
    assert set(columns.values()) == {True, False}
    assert any("before every row" in said for said in adapter.caveats)
    assert any("before every channel" in said for said in adapter.caveats)


def test_a_question_of_delta_takes_the_true_one_and_needs_w0(lycoris: Path) -> None:
    adapter = ll.load_adapter(lycoris / "adapter", lycoris / "base")
    found = ll.spectrum(adapter, base=str(lycoris / "base"), draws=0)
    expected = load_file(Path(__file__).parent / "real" / "lycoris" / "delta.safetensors")
    for one in found.layers:
        assert one.beside_w0 is not None
        norm = one.beside_w0.relative_frobenius_norm * one.beside_w0.w0_frobenius_norm
        assert norm == pytest.approx(float(expected[one.name].norm()), rel=1e-5)


def test_a_module_of_which_some_layers_are_rescaled_is_refused(tmp_path: Path) -> None:
    tensors = {}
    for layer in (0, 1):
        name = f"lora_te_text_model_encoder_layers_{layer}_mlp_fc1"
        tensors |= {
            f"{name}.lora_down.weight": torch.ones(2, 6),
            f"{name}.lora_up.weight": torch.ones(5, 2),
        }
    tensors["lora_te_text_model_encoder_layers_1_mlp_fc1.dora_scale"] = torch.ones(5, 1)
    save_file(tensors, tmp_path / "style.safetensors")
    with pytest.raises(AdapterError, match="rescales some layers of .*fc1 otherwise than others"):
        ll.load_adapter(tmp_path)
    tensors["lora_te_text_model_encoder_layers_0_mlp_fc1.dora_scale"] = torch.ones(1, 6)
    save_file(tensors, tmp_path / "style.safetensors")
    with pytest.raises(AdapterError, match="rescales some layers of .*fc1 otherwise than others"):
        ll.load_adapter(tmp_path)


def test_diffusers_header_and_norms_have_to_agree(tmp_path: Path) -> None:
    cases_of("diffusers_lora")["dora"](tmp_path)
    adapter = ll.load_adapter(tmp_path / "adapter")
    assert (adapter.method, adapter.title) == ("dora", "DoRA")
    file = tmp_path / "adapter" / "pytorch_lora_weights.safetensors"
    settings = {"unet.r": 2, "unet.lora_alpha": 3, "unet.use_dora": True}
    header = {"lora_adapter_metadata": json.dumps(settings)}
    changed(file, lambda n, t: None if "to_q.lora_mag" in n else t, header)
    with pytest.raises(AdapterError, match="says use_dora in its header, but unet.mid_block"):
        ll.load_adapter(tmp_path / "adapter")


def test_mlx_lora_with_norms_is_refused_and_dora_is_not_exported(tmp_path: Path) -> None:
    cases_of("mlx_lora")["DoRA of MLX-LM's own"](tmp_path)
    with pytest.raises(LensError, match="is DoRA, whose ΔW no two factors make"):
        ll.export_lora(tmp_path / "adapter", tmp_path / "out")
    file = tmp_path / "adapter" / "adapter_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"fine_tune_type": "lora"}))
    with pytest.raises(AdapterError, match="is DoRA's, though fine_tune_type is 'lora'"):
        ll.load_adapter(tmp_path / "adapter")


def test_a_channel_of_zeros_cannot_be_rescaled(lycoris: Path) -> None:
    file = lycoris / "adapter" / "style.safetensors"
    changed(file, lambda n, t: torch.zeros_like(t) if "lora_up" in n else t)
    base = lycoris / "base" / "unet" / "diffusion_pytorch_model.safetensors"
    changed(base, lambda _, t: t * (torch.arange(t.shape[1]) > 0) if t.ndim == 2 else t)
    with pytest.raises(AdapterError, match="an input channel of W0 . s·B·A of .* is zero"):
        ll.amplification(ll.load_adapter(lycoris / "adapter", lycoris / "base"), _module(lycoris))


def _module(folder: Path) -> str:
    adapter = ll.load_adapter(folder / "adapter", folder / "base")
    return next(
        name
        for name, factors in adapter.modules.items()
        if "unet.down_blocks.0.attentions.0.proj_in" in factors.names
    )

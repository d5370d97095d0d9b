"""DoRA of kohya's files, LyCORIS, diffusers, MLX-LM, torchtune and AdapterHub; ΔW itself is compared in `test_contract.py`."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import random
from made_formats import cases_of, deltas
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


def test_layers_that_are_rescaled_and_others_are_modules_of_their_own(tmp_path: Path) -> None:
    tensors, base, expected = {}, {}, {}
    for layer in range(4):
        path = f"text_model.encoder.layers.{layer}.mlp.fc1"
        name = f"lora_te_{path.replace('.', '_')}"
        down, up, w0 = (
            random(2, 6, seed=layer),
            random(5, 2, seed=9 + layer),
            random(5, 6, seed=layer),
        )
        tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
        v = w0.double().numpy() + up.double().numpy() @ down.double().numpy()
        if layer == 1:
            m = 1 + random(5, 1, seed=20).abs()
            v = [
                [m[i, 0].item() * x / sum(y * y for y in row) ** 0.5 for x in row]
                for i, row in enumerate(v)
            ]
            tensors[f"{name}.dora_scale"] = m
        if layer == 3:
            m = 1 + random(1, 6, seed=21).abs()
            v = [
                [m[0, j].item() * row[j] / sum(y[j] ** 2 for y in v) ** 0.5 for j in range(6)]
                for row in v
            ]
            tensors[f"{name}.dora_scale"] = m
        base[f"{path}.weight"] = w0
        expected[f"text_encoder.{path}"] = torch.tensor(v) - w0.double()
    save_file(tensors, tmp_path / "style.safetensors")
    (tmp_path / "base" / "text_encoder").mkdir(parents=True)
    save_file(base, tmp_path / "base" / "text_encoder" / "model.safetensors")
    (tmp_path / "base" / "model_index.json").write_text(
        '{"_class_name": "StableDiffusionPipeline"}'
    )
    adapter = ll.load_adapter(tmp_path / "style.safetensors", tmp_path / "base")
    layers = {name: factors.layers for name, factors in adapter.modules.items()}
    assert layers == {"fc1@lora": (0, 2), "fc1@dora": (1,), "fc1@dora-of-6-columns": (3,)}
    assert adapter.title == "DoRA"
    found = deltas(adapter)
    assert found.keys() == expected.keys()
    for path, delta in expected.items():
        assert torch.linalg.norm(found[path] - delta) < 1e-12 * torch.linalg.norm(delta)
    result = ll.spectrum(adapter, base=str(tmp_path / "base"), draws=0)
    assert {one.name for one in result.layers} == set(expected)


def test_torchtunes_norms_have_factors(tmp_path: Path) -> None:
    cases_of("torchtune")["DoRA"](tmp_path)
    file = tmp_path / "adapter" / "adapter_model.pt"
    assert ll.load_adapter(file).method == "dora"
    tensors = {
        name: one for name, one in torch.load(file).items() if "1.attn.v_proj.lora" not in name
    }
    torch.save(tensors, file)
    with pytest.raises(AdapterError, match=r"v_proj.magnitude of .* has no factors beside it"):
        ll.load_adapter(file)


def test_adapterhubs_norms_are_of_the_v_that_it_trains(tmp_path: Path) -> None:
    cases_of("adapterhub")["DoRA whose s is not 1"](tmp_path)
    adapter = ll.load_adapter(tmp_path / "adapter", tmp_path / "base")
    assert any("leaves s out" in note for note in adapter.notes)
    assert adapter.modules["query"].norm_scaling.tolist() == [1.0, 1.0]
    file = tmp_path / "adapter" / "pytorch_adapter.bin"
    whole = torch.load(file)
    torch.save(
        {
            name: one
            for name, one in whole.items()
            if "1.attention.self.query.loras.mine.m" not in name
        },
        file,
    )
    with pytest.raises(AdapterError, match=r"says use_dora, but .*layer\.1\..*query has no m"):
        ll.load_adapter(tmp_path / "adapter")
    torch.save(whole, file)
    config = tmp_path / "adapter" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_type": "gpt2"}))
    with pytest.raises(AdapterError, match="is DoRA of GPT-2's .*, whose W0 lies turned"):
        ll.load_adapter(tmp_path / "adapter")


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


def converted(folder: Path, module: str, **config: object) -> dict[str, torch.Tensor]:
    """As torchtune converts DoRA to PEFT's names, whose configuration says no more than this; ΔW row by row."""
    tensors, base, expected = {}, {}, {}
    for layer in range(2):
        path = f"model.layers.{layer}.self_attn.{module}"
        a, b, w0, m = (
            random(2, 6, seed=layer), random(5, 2, seed=9 + layer), random(5, 6, seed=20 + layer),
            1 + random(5, seed=30 + layer).abs(),
        )  # fmt: skip
        kept = {"lora_A.weight": a, "lora_B.weight": b, "lora_magnitude_vector": m}
        tensors |= {f"base_model.model.{path}.{part}": one for part, one in kept.items()}
        base[f"{path}.weight"] = w0
        v = w0.double() + 2.5 * b.double() @ a.double()
        rows = [scale * row / row.norm() for scale, row in zip(m.double(), v, strict=True)]
        expected[path] = torch.stack(rows) - w0.double()
    for name, one in (("adapter/adapter_model", tensors), ("base/model", base)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_file(one, folder / f"{name}.safetensors")
    said = {"peft_type": "LORA", "r": 2, "lora_alpha": 5, "target_modules": [module]} | config
    (folder / "adapter" / "adapter_config.json").write_text(json.dumps(said))
    (folder / "base" / "config.json").write_text('{"model_type": "llama"}')
    return expected


@pytest.mark.parametrize("module", ["v_proj", "o_proj", "down_proj"])
def test_torchtunes_conversion_is_told_by_its_norms(tmp_path: Path, module: str) -> None:
    expected = converted(tmp_path, module)
    adapter = ll.load_adapter(tmp_path / "adapter", tmp_path / "base")
    assert (adapter.method, adapter.left_out) == ("dora", {})
    assert any("does not say use_dora" in note for note in adapter.notes)
    found = deltas(adapter)
    assert found.keys() == expected.keys()
    for path, delta in expected.items():
        assert torch.linalg.norm(found[path] - delta) < 1e-12 * torch.linalg.norm(delta)


@pytest.mark.parametrize(("module", "config"), [
    ("q_proj", {}), ("k_proj", {}), ("v_proj", {"use_dora": False}),
])  # fmt: skip
def test_norms_whose_rows_may_have_moved_are_refused(
    tmp_path: Path, module: str, config: dict[str, object]
) -> None:
    converted(tmp_path, module, **config)
    with pytest.raises(
        AdapterError,
        match=r"is DoRA's, though .* set it there if PEFT trained it; .*adapter_model\.pt",
    ):
        ll.load_adapter(tmp_path / "adapter")


def test_norms_of_some_modules_alone_are_refused(tmp_path: Path) -> None:
    converted(tmp_path, "v_proj")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    changed(file, lambda n, t: None if "1.self_attn.v_proj.lora_mag" in n else t)
    with pytest.raises(AdapterError, match=r"has DoRA's norms, but .*1\.self_attn.v_proj has no"):
        ll.load_adapter(tmp_path / "adapter")

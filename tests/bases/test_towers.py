"""Layers of a tower: of its own alone, whatever else the base holds that is called so."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lora_lens import Adapter, load_adapter, renaming
from lora_lens.bases.names import BaseNames
from lora_lens.bases.of_adapter import open_base_of
from lora_lens.errors import BaseModelError

peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")
VISION = {
    "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 8,
    "patch_size": 4,
}  # fmt: skip
TEXT = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 40,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 32,
}  # fmt: skip
NAME = "layers.0.self_attn.q_proj"


def adapter_of(folder: Path, model: Any) -> Adapter:
    tuned = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["q_proj"]))
    tuned.save_pretrained(folder / "lora")
    return load_adapter(folder / "lora", folder / "base")


def of_a_tower(folder: Path, name: str, *, width: int, tower: str) -> tuple[Adapter, Any]:
    """The adapter of one of the two towers, which PEFT was given without the other, and the tower."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(
        text_config=TEXT, vision_config=VISION | {"hidden_size": width}
    )
    getattr(transformers, f"{name}Model")(config).save_pretrained(folder / "base")
    model = getattr(transformers, f"{name}{tower}Model").from_pretrained(folder / "base")
    return adapter_of(folder, model), model


def check_w0(adapter: Adapter, model: Any) -> None:
    factors, base = adapter.modules["q_proj"], open_base_of(adapter)
    for k, path in enumerate(factors.names):
        layer = model.get_submodule(path)
        assert torch.equal(base.w0(factors, k), getattr(layer, "base_layer", layer).weight)
        base.release(path)


def without_its_class(folder: Path) -> Adapter:
    """As where PEFT was told a task."""
    file = folder / "lora" / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"auto_mapping": None}))
    return load_adapter(folder / "lora", folder / "base")


@pytest.mark.parametrize("tower", ["Text", "Vision"])
@pytest.mark.parametrize("name", ["CLIP", "Siglip"])
def test_a_tower_by_itself_is_told_by_its_class_or_its_width(
    tmp_path: Path, name: str, tower: str
) -> None:
    for width in (16, 24):
        adapter, model = of_a_tower(tmp_path, name, width=width, tower=tower)
        check_w0(adapter, model)
    check_w0(without_its_class(tmp_path), model)


def test_one_of_which_neither_tells_has_to_be_named(tmp_path: Path) -> None:
    _, model = of_a_tower(tmp_path, "CLIP", width=16, tower="Text")
    adapter = without_its_class(tmp_path)
    if adapter.modules["q_proj"].names[0].startswith("text_model"):  # before transformers 5
        return
    with pytest.raises(BaseModelError, match=r"could be any of text_model.*by --rename OLD=NEW"):
        check_w0(adapter, model)
    with renaming({"^": "text_model."}):
        check_w0(adapter, model)


def test_a_tower_of_another_width_is_not_replaced_by_the_other(tmp_path: Path) -> None:
    """Which is as wide as it was, in another base."""
    of_a_tower(tmp_path, "CLIP", width=24, tower="Text")
    save = load_file(tmp_path / "lora" / "adapter_model.safetensors")
    wider = {name: torch.ones(24, 2) if "lora_B" in name else torch.ones(2, 24) for name in save}
    save_file(wider, tmp_path / "lora" / "adapter_model.safetensors")
    adapter = load_adapter(tmp_path / "lora", tmp_path / "base")
    with pytest.raises(BaseModelError, match="this is not its base model"):
        open_base_of(adapter).w0(adapter.modules["q_proj"], 0)


def test_width_does_not_choose_a_tower_in_another_base(tmp_path: Path) -> None:
    """Whose vision is as wide as the adapter's text: CLIP-B's as CLIP-L's."""
    of_a_tower(tmp_path / "own", "CLIP", width=24, tower="Text")
    wide = {"text_config": TEXT | {"hidden_size": 8}, "vision_config": VISION | {"hidden_size": 16}}
    other = transformers.CLIPModel(transformers.CLIPConfig(**wide))
    other.save_pretrained(tmp_path / "other")
    adapter = without_its_class(tmp_path / "own")
    if adapter.modules["q_proj"].names[0].startswith("text_model"):  # before transformers 5
        return
    assert open_base_of(adapter).w0(adapter.modules["q_proj"], 0).shape == (16, 16)
    with pytest.raises(BaseModelError, match=r"could be any of text_model.*by --rename OLD=NEW"):
        open_base_of(adapter, tmp_path / "other").w0(adapter.modules["q_proj"], 0)


def test_its_own_base_is_its_own_however_it_is_spelt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_a_tower(tmp_path, "CLIP", width=24, tower="Text")
    adapter = without_its_class(tmp_path)
    monkeypatch.chdir(tmp_path)
    for spelt in ("base", "./base", f"{tmp_path}/base/", tmp_path / "lora" / ".." / "base"):
        assert open_base_of(adapter, spelt).w0(adapter.modules["q_proj"], 0).shape == (16, 16)


def test_a_predictor_of_several_tokens_has_no_layer_of_the_models(tmp_path: Path) -> None:
    """Whose layers are numbered from 0 again."""
    torch.manual_seed(0)
    sizes = TEXT | {"num_key_value_heads": 1, "head_dim": 8}
    model = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**sizes))
    model.save_pretrained(tmp_path / "base")
    file = tmp_path / "base" / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(file).items()}
    save_file(tensors | {f"mtp.{NAME}.weight": torch.ones(16, 16)}, file, {"format": "pt"})
    adapter = adapter_of(tmp_path, transformers.AutoModel.from_pretrained(tmp_path / "base"))
    w0 = open_base_of(adapter).w0(adapter.modules["q_proj"], 0)
    assert torch.equal(w0, tensors[f"model.{NAME}.weight"])
    assert open_base_of(adapter).weight(f"mtp.{NAME}").eq(1).all()
    model.save_pretrained(tmp_path / "base")
    with pytest.raises(BaseModelError, match=f"mtp.{NAME}"):
        open_base_of(adapter).weight(f"mtp.{NAME}")


@pytest.mark.parametrize("tower", ["audio_tower", "model.audio_tower", "speech_encoder", "talker"])
def test_a_layer_of_what_hears_or_speaks_is_none_of_a_text_model(tower: str) -> None:
    text = {"model_type": "qwen2", "vocab_size": 40}
    for config in (text, {}):
        assert BaseNames([f"{NAME}.weight"], config).find(f"{tower}.{NAME}") == []
    names = [f"{tower}.{NAME}.weight", f"language_model.{NAME}.weight"]
    assert BaseNames(names, text).find(f"model.{tower}.{NAME}") == [names[0]]
    whisper = {"model_type": "whisper", "vocab_size": 40, "num_mel_bins": 80}
    assert BaseNames([f"{NAME}.weight"], whisper).find(f"{tower}.{NAME}") == [f"{NAME}.weight"]


def test_an_architecture_that_is_called_after_sounds_is_no_tower() -> None:
    config = transformers.ASTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    settings = json.loads(config.to_json_string(use_diff=False))
    names = BaseNames(["encoder.layer.0.output.dense.weight"], settings)
    for config_of in (names, BaseNames(["encoder.layer.0.output.dense.weight"], {})):
        path = "audio_spectrogram_transformer.encoder.layer.0.output.dense"
        assert config_of.find(path) == ["encoder.layer.0.output.dense.weight"]

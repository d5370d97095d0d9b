"""A PeftModel that was made of a PeftModel, as a script that is run twice in one session leaves it."""

import warnings
from pathlib import Path

import pytest
import torch
from checkpoints import random, write_config
from made_formats import made_by
from safetensors.torch import save_file

from lora_lens import load_adapter
from lora_lens.errors import AdapterError

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


def test_a_layer_that_the_inner_one_alone_adapted_is_left_out(tmp_path: Path) -> None:
    """Its factors are saved with the outer one's, whose α is not its own: ΔW was four times too large."""
    peft = pytest.importorskip("peft")
    model = made_by("peft_lora").bert()
    inner = peft.get_peft_model(
        model, peft.LoraConfig(r=2, lora_alpha=6, target_modules=["query", "pooler.dense"])
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT says that it is one already
        outer = peft.get_peft_model(
            inner, peft.LoraConfig(r=2, lora_alpha=24, target_modules=["query"])
        )
        for name, parameter in outer.named_parameters():
            if ".lora_B." in name:
                torch.nn.init.normal_(parameter)
        outer.save_pretrained(tmp_path)
    adapter = load_adapter(tmp_path)
    assert list(adapter.modules) == ["query"]
    assert {float(s) for s in adapter.modules["query"].scaling} == {12}
    said = {why for name, why in adapter.left_out.items() if "pooler" in name}
    assert len(said) == 1
    assert "the α of that one is in no file" in said.pop()


def written(folder: Path, *holders: str) -> Path:
    tensors = {}
    for k, holder in enumerate(holders):
        path = f"{holder}base_model.model.h.{k}.attn"
        tensors[f"{path}.lora_A.default.weight"] = random(2, 8, seed=k)
        tensors[f"{path}.lora_B.default.weight"] = torch.ones(8, 2)
    write_config(folder, base=None, r=2, lora_alpha=2)
    torch.save({"state_dict": tensors}, folder / "last.ckpt")
    return folder / "last.ckpt"


@pytest.mark.parametrize(
    ("holders", "said"),
    [
        (("llm.", "visual_encoder."), "llm and visual_encoder"),
        (("model.", "ema_model."), "ema_model and model"),
        (("", "module.teacher."), "module.teacher and no name of its own"),
    ],
)
def test_two_models_side_by_side_have_not_one_alpha(
    tmp_path: Path, holders: tuple[str, str], said: str
) -> None:
    """One configuration beside them said the α of both: of xtuner's LLaVA, a policy and its critic, a model and its average."""
    with pytest.raises(
        AdapterError, match=f"holds several PEFT models, under {said}; expected one"
    ):
        load_adapter(written(tmp_path, *holders))


@pytest.mark.parametrize("holders", [
    ("llm.", "llm."), ("model.", "model._orig_mod."), ("", "base_model.model.llm."), ("base_model.model.llm.", "base_model.model.vision."),
])  # fmt: skip
def test_one_model_is_one_whatever_holds_it(tmp_path: Path, holders: tuple[str, str]) -> None:
    """Wrapped in parts, or the outer of PeftModels within it, whose configuration it is."""
    adapter = load_adapter(written(tmp_path, *holders))
    assert len(list(adapter.each_layer())) == 2

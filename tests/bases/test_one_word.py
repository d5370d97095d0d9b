"""Modules whose path is one word, or one after a prefix: never another head's of the base, and found without the prefix."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lora_lens import Adapter, load_adapter, open_base
from lora_lens.bases.names import BaseNames
from lora_lens.bases.of_adapter import open_base_of
from lora_lens.errors import BaseModelError

peft = pytest.importorskip("peft", minversion="0.18")
transformers = pytest.importorskip("transformers")
ALBERT = {
    "vocab_size": 40, "embedding_size": 8, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 24, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
LLAMA = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 19,
    "num_key_value_heads": 1, "pad_token_id": 0,
}  # fmt: skip
GPT2 = {
    "n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 19, "n_positions": 8, "bos_token_id": 0, "eos_token_id": 1,
}  # fmt: skip


def config(name: str, sizes: dict[str, Any]) -> Any:
    return getattr(transformers, f"{name}Config")(**sizes)


def tuned(folder: Path, model: Any, **settings: Any) -> Adapter:
    """An adapter of the base beside it, what it trains in full changed a little."""
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=2, init_lora_weights=False, **settings))
    for name, parameter in adapted.named_parameters():
        if "modules_to_save" in name:
            parameter.data += 0.1 * torch.randn_like(parameter)
    adapted.save_pretrained(folder / "lora", save_embedding_layers=False)
    return load_adapter(folder / "lora", folder / "base")


def without_prefix(folder: Path, prefix: str) -> None:
    """As the hub's GPT-2 is: saved from the model without a head."""
    file = folder / "model.safetensors"
    tensors = {name.removeprefix(prefix): one.clone() for name, one in load_file(file).items()}
    save_file(tensors, file, metadata={"format": "pt"})


def albert_with_a_new_head(folder: Path) -> Any:
    """Over a base whose head of sentences' order is a `classifier` too."""
    torch.manual_seed(0)
    transformers.AlbertForPreTraining(config("Albert", ALBERT)).save_pretrained(folder / "base")
    return transformers.AlbertForSequenceClassification.from_pretrained(folder / "base")


def test_a_new_head_is_not_another_head_of_the_base(tmp_path: Path) -> None:
    model = albert_with_a_new_head(tmp_path)
    adapter = tuned(tmp_path, model, target_modules=["query"], modules_to_save=["classifier"])
    assert not adapter.dense
    assert any("new: not in the base" in why for why in adapter.left_out.values())


def test_nor_has_a_lora_of_it_the_other_heads_w0(tmp_path: Path) -> None:
    model = albert_with_a_new_head(tmp_path)
    adapter = tuned(tmp_path, model, target_modules=["query", "classifier"])
    with pytest.raises(BaseModelError, match="no weight of classifier"):
        open_base(tmp_path / "base").w0(adapter.modules["classifier"], 0)


def test_a_table_of_a_base_without_the_prefix_has_its_w0(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(config("GPT2", GPT2))
    model.save_pretrained(tmp_path / "base")
    without_prefix(tmp_path / "base", "transformer.")
    expected = model.transformer.wte.weight.detach().clone().T
    adapter = tuned(tmp_path, model, target_modules=["c_attn", "wte"], fan_in_fan_out=True)
    assert torch.equal(open_base_of(adapter).w0(adapter.modules["wte"], 0), expected)


@pytest.mark.parametrize(
    ("bare", "whole", "sizes", "module"),
    [
        ("LlamaModel", "LlamaForSequenceClassification", LLAMA, "embed_tokens"),
        ("AlbertModel", "AlbertForSequenceClassification", ALBERT, "pooler"),
        ("GPT2Model", "GPT2ForSequenceClassification", GPT2, "wpe"),
    ],
)
def test_what_was_trained_in_full_of_a_base_without_a_head_is_its_difference(
    tmp_path: Path, bare: str, whole: str, sizes: dict[str, Any], module: str
) -> None:
    torch.manual_seed(0)
    base = getattr(transformers, bare)(config(bare.removesuffix("Model"), sizes))
    base.save_pretrained(tmp_path / "base")
    model = getattr(transformers, whole).from_pretrained(tmp_path / "base")
    w0 = base.get_submodule(module).weight.detach()
    adapter = tuned(
        tmp_path, model, target_modules=["q_proj", "query", "c_attn"], modules_to_save=[module],
        fan_in_fan_out=bare == "GPT2Model",
    )  # fmt: skip
    saved = load_file(tmp_path / "lora" / "adapter_model.safetensors")
    (name,) = (one for one in saved if one.endswith(f"{module}.weight"))
    factors = adapter.dense[module]
    torch.testing.assert_close(factors.b[0] @ factors.a[0], saved[name] - w0)


def test_a_prefix_is_the_bases_own() -> None:
    assert BaseNames(["head.weight"], {"model_type": "vit"}).find("vit.head") == ["head.weight"]
    assert BaseNames(["head.weight"], {"model_type": "bert"}).find("deit.head") == []
    assert BaseNames(["wte.weight"], {"model_type": "gpt2"}).find("vit.wte") == []
    assert BaseNames(["wte.weight"], {}).find("mpnet.wte") == ["wte.weight"]

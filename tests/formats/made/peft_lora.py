"""LoRA adapters made by PEFT, with PEFT's own ΔW."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

Deltas = Mapping[str, Tensor]


def bert() -> torch.nn.Module:
    config = transformers.BertConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, vocab_size=30
    )  # fmt: skip
    return transformers.BertForSequenceClassification(config)


def gpt2() -> torch.nn.Module:
    config = transformers.GPT2Config(n_embd=12, n_layer=2, n_head=2, vocab_size=11, n_positions=8)
    return transformers.GPT2LMHeadModel(config)


def llama() -> torch.nn.Module:
    config = transformers.LlamaConfig(
        hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=11, tie_word_embeddings=False,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


def swin() -> torch.nn.Module:
    config = transformers.SwinConfig(
        image_size=32, patch_size=2, embed_dim=8, depths=[2, 2], num_heads=[2, 4], window_size=4
    )
    return transformers.SwinModel(config)


def wrapped(model: torch.nn.Module, config: Any) -> Any:
    """The model with an adapter that looks trained."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's, of Conv1D and of tied weights
        tuned = peft.get_peft_model(model, config)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in tuned.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator).to(parameter.dtype)
    return tuned


def deltas(tuned: Any, adapter: str = "default") -> dict[str, Tensor]:
    """PEFT's ΔW of every linear layer, as (out, in)."""
    found = {}
    for name, layer in tuned.get_base_model().named_modules():
        if not hasattr(layer, "get_delta_weight") or adapter in layer.lora_embedding_A:
            continue
        delta = layer.get_delta_weight(adapter).detach().double()
        found[name] = delta.T if getattr(layer, "fan_in_fan_out", False) else delta
    return found


def saved(
    make: Callable[[], torch.nn.Module],
    *,
    half: bool = False,
    binary: bool = False,
    **settings: Any,
) -> Callable[[Path], Deltas]:
    """A case: what PEFT writes for such a model and settings."""

    def case(folder: Path) -> Deltas:
        torch.manual_seed(0)
        model = make()
        model.save_pretrained(folder / "base")
        tuned = wrapped(model, peft.LoraConfig(**{"r": 3, "lora_alpha": 6} | settings))
        if half:
            for name, parameter in tuned.named_parameters():
                if "lora_" in name:
                    parameter.data = parameter.data.bfloat16().float()
        expected = deltas(tuned)
        if half:
            tuned = tuned.bfloat16()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tuned.save_pretrained(folder / "adapter", safe_serialization=not binary)
        return expected

    return case


ATTENTION = ["query", "value"]
CASES: Mapping[str, Callable[[Path], Deltas]] = {
    "bert": saved(bert, target_modules=ATTENTION, task_type="SEQ_CLS"),
    "rslora and patterns": saved(
        bert,
        target_modules=[*ATTENTION, "pooler.dense"],
        use_rslora=True,
        bias="lora_only",
        rank_pattern={"layer.1.attention.self.value": 2},
        alpha_pattern={"query": 16, r"pooler\.dense": -4},
    ),
    "biases and an embedding": saved(
        bert,
        target_modules=["key", "word_embeddings"],
        lora_bias=False,
        bias="all",
        modules_to_save=["classifier"],
    ),
    "biases of factors": saved(bert, target_modules=["dense"], lora_bias=True),
    "conv1d": saved(gpt2, target_modules=["c_attn", "c_fc", "c_proj"], fan_in_fan_out=True),
    "grouped queries and a head": saved(llama, target_modules=["q_proj", "v_proj", "lm_head"]),
    "half precision": saved(llama, target_modules="all-linear", half=True),
    "widths that differ": saved(swin, target_modules=["q_proj", "query", "fc1", "reduction"]),
    "bin": saved(bert, target_modules=ATTENTION, binary=True),
}

"""Random models of every architecture that CondLoRA must fit, made without a network."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from peft import PeftModel
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from lora_lens.training.condlora import CondLoraConfig, get_condlora_model, target_groups

CONVENTIONS = ("consistent", "stored")


def bert() -> nn.Module:
    torch.manual_seed(0)
    # Weights of the size that trained models have; with 0.02 the adapter would hardly show.
    config = BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=48, initializer_range=0.2, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return _with_biases(BertForSequenceClassification(config))


def gpt2() -> nn.Module:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=50, n_embd=32, n_layer=2, n_head=4, n_positions=16, initializer_range=0.2,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return _with_biases(GPT2LMHeadModel(config))


def llama() -> nn.Module:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, initializer_range=0.2,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def t5() -> nn.Module:
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=50, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, dropout_rate=0.0,
        decoder_start_token_id=0,
    )  # fmt: skip
    return T5ForConditionalGeneration(config)


def _with_biases(model: nn.Module) -> nn.Module:
    """New models have zero biases, under which a forgotten bias would not show."""
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.3)
    return model


@dataclass(frozen=True)
class Kind:
    make: Callable[[], nn.Module]
    task: str
    targets: tuple[str, ...]
    square: tuple[str, ...]
    settings: dict[str, object] = field(default_factory=dict)

    def wrapped(self, convention: str = "consistent", **settings: object) -> PeftModel:
        """The model with an adapter whose θ is not zero, in eval mode."""
        targets = self.targets if convention == "consistent" else self.square
        config = {
            "task_type": self.task, "r": 4, "lora_alpha": 8, "target_modules": list(targets),
            "convention": convention,
        } | self.settings | settings  # fmt: skip
        return trained_looking(get_condlora_model(self.make(), CondLoraConfig(**config)))

    def inputs(self) -> dict[str, torch.Tensor]:
        ids = torch.arange(20).reshape(2, 10)
        labels = torch.tensor([0, 1]) if self.task == "SEQ_CLS" else ids
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}

    def logits(self, model: nn.Module) -> torch.Tensor:
        with torch.no_grad():
            return model(**self.inputs()).logits

    def loss(self, model: nn.Module) -> torch.Tensor:
        return model(**self.inputs()).loss


KINDS = {
    "bert": Kind(bert, "SEQ_CLS", ("query", "value", "intermediate.dense"), ("query", "value")),
    "gpt2": Kind(gpt2, "CAUSAL_LM", ("c_attn", "c_fc"), ("attn.c_proj",), {"fan_in_fan_out": True}),
    "llama": Kind(
        llama,
        "CAUSAL_LM",
        ("q_proj", "k_proj", "v_proj", "gate_proj", "down_proj"),
        ("q_proj", "o_proj"),
    ),
    "t5": Kind(t5, "SEQ_2_SEQ_LM", ("q", "v", "wo"), ("q", "v")),
}


def trained_looking(model: PeftModel) -> PeftModel:
    """θ_B starts at zero; give both θ numbers, as training would."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "theta" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model.eval()


def thetas(model: PeftModel, adapter: str = "default") -> dict[str, nn.Parameter]:
    return {
        f"{name}.{factor}": getattr(next(iter(layers.values())), f"lora_{factor}")[adapter].theta
        for name, layers in target_groups(model, adapter).items()
        for factor in "AB"
    }


def plain_weights(
    model: PeftModel, plain: nn.Module, convention: str, adapter: str = "default"
) -> dict[str, torch.Tensor]:
    """Second route: W0 + s·B·A by the paper's equations and nothing else, differentiable in θ."""
    weights = dict(plain.named_parameters())
    theta = thetas(model, adapter)
    changed = {}
    for name, layers in target_groups(model, adapter).items():
        for path, layer in layers.items():
            stored = weights[f"{path}.weight"]
            w0 = stored.T if "Conv1D" in str(layer.base_layer) else stored
            theta_a, theta_b = theta[f"{name}.A"], theta[f"{name}.B"]
            a = theta_a.T @ w0 if convention == "consistent" else (w0 @ theta_a).T
            weight = w0 + layer.scaling[adapter] * (w0 @ theta_b) @ a
            changed[f"{path}.weight"] = weight.T if stored is not w0 else weight
    return changed

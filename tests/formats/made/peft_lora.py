"""LoRA adapters made by PEFT, of every option that changes ΔW, with PEFT's own ΔW."""

import copy
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from second_routes import transformers_before
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


class Convolutions(torch.nn.Module):
    """A convolution of each kind, one of two groups, and a layer of one pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Conv1d(4, 6, 3)
        self.two = torch.nn.Conv2d(4, 6, (3, 2), bias=False)
        self.pixel = torch.nn.Conv2d(6, 4, 1)
        self.three = torch.nn.Conv3d(2, 4, 2)
        self.grouped = torch.nn.Conv2d(4, 6, 3, groups=2)
        self.linear = torch.nn.Linear(4, 4)

    def save_pretrained(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        weights = {name: tensor.clone() for name, tensor in self.state_dict().items()}
        save_file(weights, folder / "model.safetensors")
        (folder / "config.json").write_text('{"model_type": "of-my-own"}')


class Attention(torch.nn.Module):
    """torch's own, whose three projections are one parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = torch.nn.MultiheadAttention(8, 2)

    def save_pretrained(self, folder: Path) -> None:
        Convolutions.save_pretrained(self, folder)  # type: ignore[arg-type]


def mixtral() -> torch.nn.Module:
    config = transformers.MixtralConfig(
        hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=11, num_local_experts=3, num_experts_per_tok=2,
    )  # fmt: skip
    return transformers.MixtralForCausalLM(config)


def gpt_oss() -> torch.nn.Module:
    config = transformers.GptOssConfig(
        hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4, head_dim=4,
        num_key_value_heads=2, vocab_size=11, num_local_experts=3, num_experts_per_tok=2, pad_token_id=0,
    )  # fmt: skip
    return transformers.GptOssForCausalLM(config)


def qwen3_moe() -> torch.nn.Module:
    config = transformers.Qwen3MoeConfig(
        hidden_size=16, intermediate_size=20, moe_intermediate_size=12, num_hidden_layers=2, num_attention_heads=4,
        head_dim=8, num_key_value_heads=2, vocab_size=11, num_experts=3, num_experts_per_tok=2,
    )  # fmt: skip
    return transformers.Qwen3MoeForCausalLM(config)


def minimax_m2() -> torch.nn.Module:
    config = transformers.MiniMaxM2Config(
        hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4, head_dim=4,
        num_key_value_heads=2, vocab_size=11, num_local_experts=3, num_experts_per_tok=2,
    )  # fmt: skip
    return transformers.MiniMaxM2ForCausalLM(config)


def granite_moe() -> torch.nn.Module:
    config = transformers.GraniteMoeConfig(
        hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=11, num_local_experts=3, num_experts_per_tok=2,
    )  # fmt: skip
    return transformers.GraniteMoeForCausalLM(config)


def aria() -> torch.nn.Module:
    config = transformers.AriaTextConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=4, pad_token_id=0,
        num_key_value_heads=2, vocab_size=11, moe_num_experts=3, moe_topk=2, moe_num_shared_experts=1,
    )  # fmt: skip
    return transformers.AriaTextForCausalLM(config)


def nemotron() -> torch.nn.Module:
    config = transformers.NemotronHConfig(
        hidden_size=16, intermediate_size=20, moe_intermediate_size=12, moe_shared_expert_intermediate_size=12,
        layers_block_type=["moe", "attention", "moe"], num_attention_heads=4, num_key_value_heads=2, head_dim=4,
        vocab_size=11, n_routed_experts=3, num_experts_per_tok=2, mamba_num_heads=4, mamba_head_dim=4,
        ssm_state_size=4, n_groups=1,
    )  # fmt: skip
    return transformers.NemotronHForCausalLM(config)


def llama4() -> torch.nn.Module:
    config = transformers.Llama4TextConfig(
        hidden_size=16, intermediate_size=16, intermediate_size_mlp=24, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=4, vocab_size=11, num_local_experts=3, pad_token_id=0,
        interleave_moe_layer_step=1,
    )  # fmt: skip
    return transformers.Llama4ForCausalLM(config)


def deltas(tuned: Any, adapter: str = "default") -> dict[str, Tensor]:
    """PEFT's ΔW of every layer, as (out, in): of a stack, expert by expert."""
    found = {}
    for path, layer in tuned.get_base_model().named_modules():
        if not hasattr(layer, "get_delta_weight"):
            continue
        name = path.replace(".base_layer", "")
        inner = layer.get_base_layer()
        if getattr(inner, "groups", 1) > 1:
            continue
        delta = delta_of(layer, adapter).detach().double()
        if hasattr(layer, "parameter_name"):
            found |= stacked(name, layer.parameter_name, delta, turned=is_turned(inner))
        elif isinstance(inner, torch.nn.Embedding) or getattr(layer, "fan_in_fan_out", False):
            found[name] = delta.T
        else:
            found[name] = delta.flatten(1)
    return found


def delta_of(layer: Any, adapter: str) -> Tensor:
    """PEFT's ΔW, whose variant knows better than the layer where there are blocks."""
    variant = getattr(layer, "lora_variant", {}).get(adapter)
    if hasattr(variant, "_get_bdlora_delta_weight"):
        delta: Tensor = variant._get_bdlora_delta_weight(layer, adapter)
        return delta
    return layer.get_delta_weight(adapter)  # type: ignore[no-any-return]


def rescaled(tuned: Any) -> dict[str, Tensor]:
    """DoRA's ΔW of every layer: what PEFT's merge makes of W0, in float64, less W0."""
    found = {}
    for path, layer in copy.deepcopy(tuned).double().get_base_model().named_modules():
        if hasattr(layer, "lora_magnitude_vector"):
            inner = layer.get_base_layer()
            before = inner.weight.detach().clone()
            layer.merge()
            delta = inner.weight.detach() - before
            table = isinstance(inner, torch.nn.Embedding)
            found[path] = delta.T if table or type(inner).__name__ == "Conv1D" else delta.flatten(1)
    return found


def is_turned(module: Any) -> bool:
    return bool(getattr(module, "is_transposed", False)) or "Llama4" in type(module).__name__


def stacked(module: str, name: str, delta: Tensor, *, turned: bool) -> dict[str, Tensor]:
    if delta.ndim == 2:
        return {module if name == "weight" else f"{module}.{name}": delta}
    return {
        f"{module}.{k}.{name}": one.T if turned else one for k, one in enumerate(delta)
    }  # fmt: skip


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
        expected = rescaled(tuned) if settings.get("use_dora") else deltas(tuned)
        if half:
            tuned = tuned.bfloat16()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tuned.save_pretrained(folder / "adapter", safe_serialization=not binary)
        return expected

    return case


ATTENTION = ["query", "value"]
OLD: Mapping[str, Callable[[Path], Deltas]] = {
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
# What PEFT has had since, or reads otherwise since.
RECENT: Mapping[str, Callable[[Path], Deltas]] = {
    "an embedding, rslora": saved(
        bert,
        target_modules=["word_embeddings", "value"],
        use_rslora=True,
        rank_pattern={"word_embeddings": 5},
    ),
    "trained tokens": saved(
        bert, target_modules=["query"], trainable_token_indices={"word_embeddings": [0, 3]}
    ),
    "left out by name": saved(
        bert,
        target_modules="all-linear",
        exclude_modules=["query", "dense"],
        layers_to_transform=None,
    ),
    "convolutions": saved(
        Convolutions,
        target_modules=["one", "two", "pixel", "three", "grouped", "linear"],
        r=4,
        lora_bias=False,
    ),
    "biases of convolutions": saved(Convolutions, target_modules=["one", "pixel"], lora_bias=True),
    "a stack of experts": saved(
        mixtral, target_modules=["q_proj"], target_parameters=["mlp.experts.down_proj"]
    ),
    "two stacks": saved(
        mixtral,
        target_modules=["q_proj", "v_proj"],
        target_parameters=["mlp.experts.down_proj", "mlp.experts.gate_up_proj", "gate.weight"],
        rank_pattern={"experts.gate_up_proj": 2},
        alpha_pattern={"experts.down_proj": 10},
        use_rslora=True,
    ),
    "stacks by their names alone": saved(
        mixtral, target_modules=["q_proj"], target_parameters=["gate_up_proj", "down_proj"]
    ),
    "stacks that lie turned": saved(
        gpt_oss,
        target_modules=[],
        target_parameters=["experts.gate_up_proj", "experts.down_proj"],
    ),
    "stacks that PEFT names where their layers are asked for": saved(
        qwen3_moe, target_modules=["q_proj", "gate_proj", "up_proj", "down_proj"]
    ),
    "stacks, a router and all linear layers": saved(
        minimax_m2, target_modules="all-linear", use_rslora=True
    ),
    "stacks of files of other names": saved(
        granite_moe,
        target_modules=["q_proj"],
        target_parameters=["experts.gate_up_proj", "experts.down_proj"],
    ),
    "stacks of files of other names that lie turned": saved(
        aria,
        target_modules=["q_proj"],
        target_parameters=["experts.gate_up_proj", "experts.down_proj"],
    ),
    "stacks without a gate": saved(
        nemotron,
        target_modules=["q_proj"],
        target_parameters=["experts.up_proj", "experts.down_proj"],
    ),
    "stacks that lie turned, of which the class does not say it": saved(
        llama4,
        target_modules=["q_proj"],
        target_parameters=["experts.gate_up_proj", "experts.down_proj"],
    ),
    "one such stack, whose shape does not tell": saved(
        llama4, target_modules=["q_proj"], target_parameters=["experts.down_proj"]
    ),
    "replicated layers": saved(
        llama, target_modules=["q_proj", "down_proj"], layer_replication=[[0, 2], [0, 1], [1, 2]]
    ),
    "activated": saved(
        llama, target_modules=["q_proj"], alora_invocation_tokens=[1, 2], task_type="CAUSAL_LM"
    ),
    "orthogonal": saved(bert, target_modules=["query"], init_lora_weights="orthogonal", r=4),
    "mica": saved(bert, target_modules=["query"], init_lora_weights="mica"),
    "velora": saved(
        llama, target_modules=["q_proj"], velora_config={"num_groups": 2, "scale": 1.0}
    ),
    "attention of torch": saved(Attention, target_modules=["attn"]),
    "blocks on the diagonal": saved(
        llama,
        target_modules=["q_proj", "o_proj", "up_proj"],
        r=4,
        use_bdlora={
            "target_modules_bd_a": ["o_proj"],
            "target_modules_bd_b": ["q_"],
            "nblocks": 2,
            "match_strict": False,
        },
    ),
    "blocks that words of whole paths choose": saved(
        llama,
        target_modules=["q_proj", "o_proj", "down_proj"],
        r=4,
        use_bdlora={
            "target_modules_bd_a": ["layers.0.mlp"],
            "target_modules_bd_b": ["self_attn"],
            "nblocks": 2,
            "match_strict": False,
        },
    ),
    "dora": saved(bert, target_modules=["query", "value"], use_dora=True, use_rslora=True),
    "dora, conv1d": saved(
        gpt2, target_modules=["c_attn", "c_fc"], use_dora=True, fan_in_fan_out=True
    ),
    "dora, an embedding": saved(bert, target_modules=["word_embeddings", "key"], use_dora=True),
    "dora, convolutions": saved(
        Convolutions, target_modules=["one", "two", "pixel", "three", "linear"], use_dora=True
    ),
}
VERSION = tuple(map(int, peft.__version__.split(".")[:2]))
if transformers_before(
    5, 15
):  # models that older ones have not, or whose experts they hold in modules
    for _name in (
        "without a gate",
        "of files of other names",
        "of files of other names that lie turned",
    ):
        del RECENT[f"stacks {_name}"]
CASES = {**OLD, **RECENT} if VERSION >= (0, 21) else OLD

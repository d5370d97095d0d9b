"""Rows of fused projections, against what the model's own forward does when one row's output moves."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_tensors
from second_routes import transformers_before
from torch import Tensor

from lora_lens import load_adapter, open_base
from lora_lens.bases.fused import parts
from lora_lens.errors import BaseModelError, ModuleLookupError
from lora_lens.subspaces.selection import select_module

peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

TEXT = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "vocab_size": 19, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "max_position_embeddings": 32,
}  # fmt: skip
IMAGE = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "image_size": 8, "patch_size": 4,
}  # fmt: skip
QWEN = {
    "depth": 2, "embed_dim": 16, "hidden_size": 16, "num_heads": 4, "patch_size": 4,
    "intermediate_size": 24, "out_hidden_size": 16,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A model, the name of its fused projection, and of what the attention's result goes into."""

    model: str
    config: str
    settings: dict[str, Any]
    fused: str
    result: str
    vision: bool = False


def text(model: str, fused: str, result: str, **settings: Any) -> Case:
    return Case(
        model,
        f"{model.removesuffix('ForCausalLM').removesuffix('Model')}Config",
        TEXT | settings,
        fused,
        result,
    )


FALCON = {"num_kv_heads": 2, "alibi": False, "bias": False}
CASES = {
    "gpt_neox": text("GPTNeoXForCausalLM", "query_key_value", "dense"),
    "gpt_neox_japanese": text("GPTNeoXJapaneseForCausalLM", "query_key_value", "dense"),
    "bloom": text("BloomForCausalLM", "query_key_value", "dense", n_layer=2, n_head=4),
    "persimmon": text("PersimmonForCausalLM", "query_key_value", "dense"),
    "falcon_7b": text("FalconForCausalLM", "query_key_value", "dense", multi_query=True, **FALCON),
    "falcon_40b": text("FalconForCausalLM", "query_key_value", "dense", new_decoder_architecture=True, **FALCON),
    "falcon_rw": text("FalconForCausalLM", "query_key_value", "dense", multi_query=False, **FALCON | {"num_kv_heads": 4}),
    "modernbert": text("ModernBertModel", "Wqkv", "attn.Wo"),
    "mpt": text("MptForCausalLM", "Wqkv", "out_proj", d_model=16, n_heads=4, n_layers=2),
    "dbrx": text(
        "DbrxForCausalLM", "Wqkv", "out_proj", d_model=16, n_heads=4, n_layers=2,
        attn_config={"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 1e6},
        ffn_config={"ffn_hidden_size": 24, "moe_num_experts": 2, "moe_top_k": 1},
    ),
    "phi3": text("Phi3ForCausalLM", "qkv_proj", "o_proj", num_key_value_heads=2),
    "phi3_mha": text("Phi3ForCausalLM", "qkv_proj", "o_proj"),
    "codegen": text("CodeGenForCausalLM", "qkv_proj", "out_proj", n_embd=16, n_layer=2, n_head=4, n_positions=32, rotary_dim=2),
    "gpt_bigcode": text("GPTBigCodeForCausalLM", "c_attn", "attn.c_proj", n_embd=16, n_layer=2, n_head=4, n_positions=32, multi_query=True),
    "gpt_bigcode_mha": text("GPTBigCodeForCausalLM", "c_attn", "attn.c_proj", n_embd=16, n_layer=2, n_head=4, n_positions=32, multi_query=False),
    "gpt2": text("GPT2LMHeadModel", "c_attn", "attn.c_proj", n_embd=16, n_layer=2, n_head=4, n_positions=32),
    "blip": Case("BlipVisionModel", "BlipVisionConfig", IMAGE, "qkv", "projection", vision=True),
    "blip_2": Case("Blip2VisionModel", "Blip2VisionConfig", IMAGE, "qkv", "projection", vision=True),
    "instructblip": Case("InstructBlipVisionModel", "InstructBlipVisionConfig", IMAGE, "qkv", "projection", vision=True),
    "qwen2_vl": Case("qwen2_vl.modeling_qwen2_vl.Qwen2VisionTransformerPretrainedModel", "qwen2_vl.configuration_qwen2_vl.Qwen2VLVisionConfig", QWEN, "qkv", "attn.proj", vision=True),
    "qwen2_5_vl": Case("qwen2_5_vl.modeling_qwen2_5_vl.Qwen2_5_VisionTransformerPretrainedModel", "qwen2_5_vl.configuration_qwen2_5_vl.Qwen2_5_VLVisionConfig", QWEN, "qkv", "attn.proj", vision=True),
}  # fmt: skip
CASES["gpt2"] = Case(**{**vars(CASES["gpt2"]), "config": "GPT2Config"})


def class_of(name: str) -> Any:
    """A class of the library, or of one of its modules."""
    module, _, last = name.rpartition(".")
    return getattr(import_module(f"transformers.models.{module}") if module else transformers, last)


def build(case: Case) -> Any:
    torch.manual_seed(0)
    config = class_of(case.config)(**case.settings, attn_implementation="eager")
    model = class_of(case.model)(config).double().eval()
    for parameter in model.parameters():  # so that no head's attention is nearly uniform
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def forward(model: Any, case: Case) -> None:
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        if case.settings is QWEN:
            patches = torch.randn(16, 96, generator=generator, dtype=torch.float64)
            model(patches, grid_thw=torch.tensor([[1, 4, 4]]))
        elif case.vision:
            model(torch.randn(1, 3, 8, 8, generator=generator, dtype=torch.float64))
        else:
            model(input_ids=torch.tensor([[3, 5, 7]]))


def roles(model: Any, case: Case) -> dict[str, list[int]]:
    """Rows of the first fused projection by what they do to the results of other tokens.

    A token's query is its own affair; its value adds to the others' results, in proportion; its key
    changes how much they attend, which is not in proportion.
    """
    fused = next(m for n, m in model.named_modules() if n.endswith(f".{case.fused}"))
    result = next(m for n, m in model.named_modules() if n.endswith(f".{case.result}"))
    moved: list[tuple[int, float]] = []
    seen: list[Tensor] = []

    def move(_: Any, __: Any, out: Tensor) -> Tensor:
        out = out.clone()
        for row, by in moved:
            out[..., 0, row] += by
        return out

    hooks = [
        fused.register_forward_hook(move),
        result.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone())),
    ]

    def others(*by: tuple[int, float]) -> Tensor:
        moved[:] = by
        seen.clear()
        forward(model, case)
        return seen[0].reshape(-1, seen[0].shape[-1])[1:]

    still = others()
    found: dict[str, list[int]] = {"query": [], "key": [], "value": []}
    weight = fused.weight
    for row in range(weight.shape[0] if isinstance(fused, torch.nn.Linear) else weight.shape[1]):
        once, twice = others((row, 1.0)) - still, others((row, 2.0)) - still
        if once.abs().max() < 1e-12:
            found["query"].append(row)
        elif torch.allclose(twice, 2 * once, atol=1e-12):
            found["value"].append(row)
        else:
            found["key"].append(row)
    for hook in hooks:
        hook.remove()
    return found


# Releases from which on the library itself computes them in float64 and with as few heads.
RUNS_FROM = {"mpt": (5, 4), "dbrx": (5, 15)}


@pytest.mark.parametrize("name", CASES)
def test_rows_are_those_that_act_as_the_role(name: str, tmp_path: Path) -> None:
    if transformers_before(*RUNS_FROM.get(name, (0,))):
        pytest.skip("this transformers does not compute it")
    case = CASES[name]
    model = build(case)
    expected = roles(model, case)
    assert all(expected.values()), "the model does not tell its roles apart"
    model.save_pretrained(tmp_path / "base")
    settings = peft.LoraConfig(
        r=2,
        target_modules=[case.fused],
        init_lora_weights=False,
        fan_in_fan_out=name == "gpt2",
    )
    tuned = peft.get_peft_model(model, settings)
    tuned.save_pretrained(tmp_path / "lora")
    adapter = load_adapter(tmp_path / "lora", tmp_path / "base")
    weights = open_base(str(tmp_path / "base"), fan_in_fan_out=adapter.fan_in_fan_out)
    assert set(adapter.modules) == {"query", "key", "value"}
    layers = [m for n, m in tuned.named_modules() if n.endswith(f".{case.fused}")]
    for role, rows in expected.items():
        factors = select_module(adapter, role)
        assert factors.layers == (0, 1)
        for k, layer in enumerate(layers):
            w0 = layer.base_layer.weight
            w0 = w0 if isinstance(layer.base_layer, torch.nn.Linear) else w0.T
            assert torch.equal(weights.w0(factors, k), w0[rows]), role
            assert torch.equal(factors.b[k], layer.lora_B["default"].weight[rows])
            assert torch.equal(factors.a[k], layer.lora_A["default"].weight)
    for one in adapter.each_layer():
        rows = expected[one.module]
        _, b = one.read()
        assert one.out_features == len(rows)
        expect = layers[one.layer or 0].lora_B["default"].weight[rows]
        assert torch.equal(torch.as_tensor(b), expect)


def lora(folder: Path, name: str, rows: int, columns: int = 16) -> None:
    """An adapter of one fused projection in two layers."""
    tensors = {}
    for k in range(2):
        path = f"base_model.model.model.layers.{k}.self_attn.{name}"
        tensors[f"{path}.lora_A.weight"] = random(2, columns, seed=k)
        tensors[f"{path}.lora_B.weight"] = random(rows, 2, seed=10 + k)
    write_tensors(folder, tensors)
    write_config(folder, base=None, r=2)


PHI3 = {"model_type": "phi3", "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_size": 16}


@pytest.mark.parametrize(
    ("config", "rows"),
    [
        ({"model_type": "unheard-of", "num_attention_heads": 4}, 48),
        ({"model_type": "phi3", "num_attention_heads": 4}, 32),
        (PHI3, 48),
        ({"model_type": "two", "a": PHI3, "b": PHI3 | {"model_type": "codegen"}}, 40),
        (PHI3 | {"num_attention_heads": "4"}, 32),
        (PHI3 | {"num_key_value_heads": None}, 32),
        (None, 32),
    ],
)
def test_where_the_layout_is_not_known_the_module_is_whole_and_listed(
    tmp_path: Path, config: dict[str, Any] | None, rows: int
) -> None:
    lora(tmp_path / "lora", "qkv_proj", rows)
    write_base(tmp_path / "base", BertLike(), {"x": random(1, seed=1)})
    (tmp_path / "base" / "config.json").unlink()
    if config is not None:
        (tmp_path / "base" / "config.json").write_text(json.dumps(config))
    adapter = load_adapter(tmp_path / "lora", tmp_path / "base")
    assert list(adapter.modules) == ["qkv_proj"]
    with pytest.raises(ModuleLookupError, match=r"it has: qkv_proj; .* pass --base"):
        select_module(adapter, "value")


def test_a_text_model_in_another_is_found_by_its_own_configuration(tmp_path: Path) -> None:
    lora(tmp_path / "lora", "qkv_proj", 32)
    write_base(tmp_path / "base", BertLike(), {"x": random(1, seed=1)})
    config = {"model_type": "llava", "text_config": PHI3, "vision_config": {"model_type": "clip"}}
    (tmp_path / "base" / "config.json").write_text(json.dumps(config))
    adapter = load_adapter(tmp_path / "lora", tmp_path / "base")
    assert set(adapter.modules) == {"query", "key", "value"}
    assert adapter.modules["value"].out_features == 8


def test_a_base_of_other_rows_is_not_the_adapters(tmp_path: Path) -> None:
    lora(tmp_path / "lora", "qkv_proj", 32)
    name = "model.layers.0.self_attn.qkv_proj.weight"
    write_base(tmp_path / "base", BertLike(), {name: random(40, 16, seed=1)})
    (tmp_path / "base" / "config.json").write_text(json.dumps(PHI3))
    adapter = load_adapter(tmp_path / "lora", tmp_path / "base")
    with pytest.raises(BaseModelError, match="40x16, but the adapter was trained on 32x16"):
        open_base(str(tmp_path / "base")).w0(adapter.modules["value"], 0)


def test_cross_attention_of_gpt2_has_no_query() -> None:
    cut: Callable[..., Any] = parts
    found = cut("c_attn", 32, 16, {"model_type": "gpt2"})
    assert {role: (part.start, part.stop) for role, part in found.items()} == {
        "key": (0, 16), "value": (16, 32),
    }  # fmt: skip
    assert cut("c_attn", 40, 16, {"model_type": "gpt2"}) == {}


def test_neither_names_nor_layouts_import_the_library(tmp_path: Path) -> None:
    lora(tmp_path / "lora", "qkv_proj", 32)
    names = {f"layers.{k}.self_attn.qkv_proj.weight": random(32, 16, seed=k) for k in range(2)}
    write_base(tmp_path / "base", BertLike(), names)
    config = {"model_type": "qwen2_vl", "text_config": PHI3}
    (tmp_path / "base" / "config.json").write_text(json.dumps(config))
    code = (
        "import sys, lora_lens as ll\n"
        "adapter, base = (f'{sys.argv[1]}/{name}' for name in ('lora', 'base'))\n"
        "adapter = ll.load_adapter(adapter, base)\n"
        "print(tuple(ll.open_base(base).w0(adapter.modules['value'], 1).shape))\n"
        "print(sorted({'transformers', 'peft'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "(8, 16)\n[]\n"

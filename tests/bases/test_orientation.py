"""Whether a W0 is stored (in, out): real models of several architectures in one, against PEFT's own merge."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_tensors
from second_routes import in_transformers_5
from torch import Tensor

from lora_lens import load_adapter, open_base
from lora_lens.bases.configuration import BaseConfiguration, configuration_of
from lora_lens.bases.of_adapter import open_base_of
from lora_lens.bases.orientation import CONV1D_MODULES, by_architecture
from lora_lens.errors import BaseModelError

SIZES = {"n_layer": 2, "n_embd": 16, "n_head": 2, "vocab_size": 16, "n_positions": 8}
BERT = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
    "vocab_size": 11, "max_position_embeddings": 8,
}  # fmt: skip


def gpt2() -> torch.nn.Module:
    """With a vocabulary as large as it is wide, so that ``lm_head`` is square too."""
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(**SIZES, n_inner=16, tie_word_embeddings=False)
    return transformers.GPT2LMHeadModel(config)


def imagegpt() -> torch.nn.Module:
    transformers = pytest.importorskip("transformers")
    return transformers.ImageGPTForCausalImageModeling(transformers.ImageGPTConfig(**SIZES))


def openai_gpt() -> torch.nn.Module:
    transformers = pytest.importorskip("transformers")
    return transformers.OpenAIGPTLMHeadModel(transformers.OpenAIGPTConfig(**SIZES))


def decision() -> torch.nn.Module:
    transformers = pytest.importorskip("transformers")
    config = transformers.DecisionTransformerConfig(
        hidden_size=16, n_layer=2, n_head=2, state_dim=3, act_dim=2, max_ep_len=8
    )
    return transformers.DecisionTransformerModel(config)


def bigcode() -> torch.nn.Module:
    """GPT-2's names, and all of them Linear."""
    transformers = pytest.importorskip("transformers")
    return transformers.GPTBigCodeForCausalLM(
        transformers.GPTBigCodeConfig(**SIZES, n_inner=16, multi_query=False)
    )


def vit_gpt2() -> torch.nn.Module:
    transformers = pytest.importorskip("transformers")
    vit = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        image_size=8, patch_size=4,
    )  # fmt: skip
    both = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        vit, transformers.GPT2Config(**SIZES, add_cross_attention=True, is_decoder=True)
    )
    return transformers.VisionEncoderDecoderModel(both)


def bert2gpt2() -> torch.nn.Module:
    transformers = pytest.importorskip("transformers")
    both = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(
        transformers.BertConfig(**BERT),
        transformers.GPT2Config(**SIZES, add_cross_attention=True, is_decoder=True),
    )
    return transformers.EncoderDecoderModel(both)


GPT2 = ("c_attn", "c_proj", "c_fc")
MODELS = [
    (gpt2, (*GPT2, "lm_head")),
    (imagegpt, GPT2),
    (openai_gpt, GPT2),
    (decision, GPT2),
    (bigcode, GPT2),
    (vit_gpt2, (*GPT2, "q_attn", "pooler.dense")),
    (bert2gpt2, (*GPT2, "q_attn", "query", "intermediate.dense")),
]


def written(
    folder: Path, model: Callable[[], torch.nn.Module], targets: Sequence[str]
) -> dict[str, Tensor]:
    """A base and its adapter as the libraries save them; by path, PEFT's merged weights as (out, in)."""
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    plain = model()
    plain.save_pretrained(folder / "base")
    tuned = peft.get_peft_model(
        plain, peft.LoraConfig(r=2, lora_alpha=6, target_modules=list(targets))
    )
    layers = {
        name.removeprefix("base_model.model."): module
        for name, module in tuned.named_modules()
        if hasattr(module, "lora_A")
    }
    for layer in layers.values():
        for factor in (layer.lora_A, layer.lora_B):
            torch.nn.init.normal_(factor["default"].weight, std=0.5)
    tuned.save_pretrained(folder / "lora")
    tuned.merge_adapter()
    return {
        path: layer.base_layer.weight.detach().T
        if type(layer.base_layer).__name__ == "Conv1D"
        else layer.base_layer.weight.detach()
        for path, layer in layers.items()
    }


def compare(folder: Path, merged: dict[str, Tensor]) -> None:
    """W0 + s·B·A of every module of every layer, in blocks where a projection is fused, is PEFT's."""
    adapter = load_adapter(folder / "lora", folder / "base")
    base = open_base_of(adapter)
    seen: dict[str, int] = {}
    for factors in adapter.modules.values():
        for k, path in enumerate(factors.names):
            whole = merged[path]
            expected = factors.part.take(whole) if factors.part else whole
            found = base.w0(factors, k) + factors.scaling[k].float() * factors.b[k] @ factors.a[k]
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5, msg=path)
            seen[path] = seen.get(path, 0) + factors.out_features
    assert seen == {path: weight.shape[0] for path, weight in merged.items()}


@pytest.mark.filterwarnings("ignore:fan_in_fan_out", "ignore:Setting `save_embedding_layers`")
@pytest.mark.parametrize(("model", "targets"), MODELS, ids=[m[0].__name__ for m in MODELS])
def test_w0_and_ba_make_pefts_merged_weight(
    tmp_path: Path, model: Callable[[], torch.nn.Module], targets: Sequence[str]
) -> None:
    """Whatever the adapter says of all its modules; and without a configuration, by the other weights."""
    merged = written(tmp_path, model, targets)
    compare(tmp_path, merged)
    file = tmp_path / "lora" / "adapter_config.json"
    saved = file.read_text()
    for claimed in (True, False, None):
        file.write_text(json.dumps(json.loads(saved) | {"fan_in_fan_out": claimed}))
        compare(tmp_path, merged)
    file.write_text(saved)
    (tmp_path / "base" / "config.json").unlink()
    compare(tmp_path, merged)


@in_transformers_5
def test_the_table_names_every_model_of_transformers_with_a_conv1d() -> None:
    transformers = pytest.importorskip("transformers")
    models = Path(transformers.__file__).parent / "models"
    word = re.compile(r"self\.(\w+) = Conv1D\(")
    found: dict[str, set[str]] = {}
    for file in models.glob("*/modeling_*.py"):
        text = file.read_text(encoding="utf-8")
        if re.search(r"import .*\bConv1D\b", text):
            found[file.parent.name] = set(word.findall(text))
    folders = {"openai-gpt": "openai", "clvp_decoder": "clvp"}
    assert found == {folders.get(one, one): set(CONV1D_MODULES[one]) for one in CONV1D_MODULES}


def base(folder: Path, tensors: dict[str, Tensor], config: dict[str, object] | None = None) -> str:
    write_base(folder, BertLike(), tensors)
    file = folder / "config.json"
    file.write_text(json.dumps(config)) if config else file.unlink()
    return str(folder)


SQUARE, FUSED = "h.0.attn.c_proj", "h.0.attn.c_attn"


@pytest.mark.parametrize(
    "config",
    [
        None,
        {"architectures": ["X"]},
        {"model_type": "jais", "auto_map": {"AutoModel": "x.X"}},
        {"model_type": "jais"},
    ],
)
def test_a_square_matrix_of_which_nothing_tells_is_refused(
    tmp_path: Path, config: dict[str, object] | None
) -> None:
    """A code of its own may be anything, whatever it calls itself."""
    folder = base(tmp_path, {f"{SQUARE}.weight": random(4, 4, seed=1)}, config)
    with pytest.raises(BaseModelError, match="4x4, and nothing tells .*config.json with") as caught:
        open_base(folder).weight(SQUARE)
    assert "\n" not in str(caught.value)


def test_what_an_adapter_says_of_a_base_that_does_not_explain_it_is_refused(tmp_path: Path) -> None:
    square, path = random(4, 4, seed=1), "encoder.layer.0.attention.self.value"
    folder = base(tmp_path / "plain", {f"{path}.weight": square})
    assert torch.equal(open_base(folder).weight(path), square)
    with pytest.raises(BaseModelError, match="nothing tells"):
        open_base(folder, fan_in_fan_out=True).weight(path)
    known = base(tmp_path / "bert", {f"{path}.weight": square}, {"model_type": "bert"})
    assert torch.equal(open_base(known, fan_in_fan_out=True).weight(path), square)


@pytest.mark.parametrize("turned", [True, False])
def test_a_type_that_is_not_known_tells_nothing_of_what_gpt2_has(
    tmp_path: Path, turned: bool
) -> None:
    square, fused = random(4, 4, seed=1), random(12, 4, seed=2)
    tensors = {f"{SQUARE}.weight": square, f"{FUSED}.weight": fused}
    stored = {name: one.T.contiguous() if turned else one for name, one in tensors.items()}
    weights = open_base(base(tmp_path / "own", stored, {"model_type": "jais"}))
    assert torch.equal(weights.weight(SQUARE), square)
    assert torch.equal(weights.weight(FUSED, (12, 4)), fused)
    alone = {f"{SQUARE}.weight": square}
    wanted = r"gpt2 where it is \(in, out\), else llama\), which jais does not tell"
    with pytest.raises(BaseModelError, match=wanted):
        open_base(base(tmp_path / "alone", alone, {"model_type": "jais"})).weight(SQUARE)
    told = open_base(base(tmp_path / "told", alone, {"model_type": "gpt2" if turned else "llama"}))
    assert torch.equal(told.weight(SQUARE), square.T if turned else square)


@pytest.mark.parametrize("fused", [(4, 12), (12, 4), (4, 8), (8, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_the_fused_projection_of_a_layer_tells_of_the_square_one(
    tmp_path: Path, fused: tuple[int, int], bias: bool
) -> None:
    square, rows = random(4, 4, seed=1), max(fused)
    tensors = {f"{SQUARE}.weight": square, f"{FUSED}.weight": random(*fused, seed=2)}
    tensors |= {f"{FUSED}.bias": random(rows, seed=3)} if bias else {}
    weights = open_base(base(tmp_path, tensors))
    assert torch.equal(weights.weight(SQUARE), square.T if fused[0] == 4 else square)
    assert weights.weight(FUSED).shape == (rows, 4)


def test_weights_of_one_layer_that_disagree_are_refused(tmp_path: Path) -> None:
    tensors = {
        f"{SQUARE}.weight": random(4, 4, seed=1),
        f"{FUSED}.weight": random(4, 12, seed=2),
        "h.0.mlp.c_fc.weight": random(16, 4, seed=3),
        "h.0.mlp.c_fc.bias": random(16, seed=4),
    }
    with pytest.raises(BaseModelError, match="nothing tells"):
        open_base(base(tmp_path, tensors)).weight(SQUARE)


@pytest.mark.parametrize(
    ("model_type", "fused", "said"),
    [
        ("gpt2", (12, 4), r"\(in, out\) by the model_type .* \(out, in\) by the other"),
        ("gpt_bigcode", (4, 12), r"\(out, in\) by the model_type .* \(in, out\) by the other"),
    ],
)
def test_a_configuration_that_the_weights_contradict_is_refused(
    tmp_path: Path, model_type: str, fused: tuple[int, int], said: str
) -> None:
    """As of GPT-2 saved by a library that has every projection as (out, in)."""
    tensors = {f"{SQUARE}.weight": random(4, 4, seed=1), f"{FUSED}.weight": random(*fused, seed=2)}
    tensors[f"{FUSED}.bias"] = random(12, seed=3)
    weights = open_base(base(tmp_path, tensors, {"model_type": model_type}))
    assert weights.weight(FUSED).shape == (12, 4)
    with pytest.raises(BaseModelError, match=said):
        weights.weight(SQUARE)


def test_a_linear_of_the_other_shape_is_of_another_model(tmp_path: Path) -> None:
    path, config = "encoder.layer.0.output.dense", {"model_type": "bert"}
    weights = open_base(base(tmp_path, {f"{path}.weight": random(4, 6, seed=1)}, config))
    assert weights.weight(path, (6, 4)).shape == (4, 6)  # `w0` then refuses it


def test_a_shard_that_is_not_here_is_no_witness(tmp_path: Path) -> None:
    folder = base(tmp_path, {f"{SQUARE}.weight": random(4, 4, seed=1)}, {"model_type": "gpt2"})
    index = {f"{SQUARE}.weight": "model.safetensors", f"{FUSED}.weight": "elsewhere.safetensors"}
    (tmp_path / "model.safetensors").rename(tmp_path / "one.safetensors")
    index[f"{SQUARE}.weight"] = "one.safetensors"
    file = tmp_path / "model.safetensors.index.json"
    file.write_text(json.dumps({"weight_map": index}))
    assert torch.equal(open_base(folder).weight(SQUARE), random(4, 4, seed=1).T)


def test_the_factors_tell_of_a_matrix_that_is_not_square(tmp_path: Path) -> None:
    w0, path = random(4, 6, seed=1), "blocks.0.mixer"
    weights = open_base(base(tmp_path, {f"{path}.weight": w0}), fan_in_fan_out=True)
    assert torch.equal(weights.weight(path, (6, 4)), w0.T)
    assert torch.equal(weights.weight(path, (4, 6)), w0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("decoder.transformer.h.0.attn.c_proj.weight", True),
        ("decoder.lm_head.weight", False),
        ("encoder.encoder.layer.0.attention.self.query.weight", False),
        ("model.decoder.h.0.mlp.c_fc.weight", True),
        ("enc_to_dec_proj.weight", False),
        ("h.0.attn.c_proj.weight", None),  # which of the two it is of is not said
    ],
)
def test_the_part_that_a_weight_is_in_decides(name: str, expected: bool | None) -> None:
    config = {
        "model_type": "encoder-decoder",
        "encoder": {"model_type": "bert"},
        "decoder": {"model_type": "gpt2"},
    }
    assert by_architecture(name, configuration_of(config)) is expected


def test_parts_are_found_by_what_models_call_them() -> None:
    llava = configuration_of(
        {
            "model_type": "llava",
            "text_config": {"model_type": "gpt2"},
            "vision_config": {"model_type": "clip_vision_model"},
            "quantization_config": {"bits": 4},
        }
    )
    assert set(llava.parts) == {"text_config", "vision_config"}
    for name, part in (
        ("language_model.transformer.h.0.attn.c_proj.weight", "gpt2"),
        ("model.language_model.h.0.attn.c_proj.weight", "gpt2"),
        ("vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight", "clip_vision_model"),
        ("model.visual.blocks.0.attn.qkv.weight", "clip_vision_model"),
    ):
        assert [one.model_type for one in llava.of(name)] == [part]
    assert by_architecture("language_model.h.0.attn.c_proj.weight", llava) is True
    assert by_architecture("c_proj.weight", BaseConfiguration()) is None


def adapter_of_c_attn(folder: Path, base: Path, claimed: bool) -> Path:
    name = "base_model.model.transformer.h.0.attn.c_attn"
    factors = {"lora_A": random(2, 4, seed=1), "lora_B": random(12, 2, seed=2)}
    write_tensors(folder, {f"{name}.{one}.weight": factor for one, factor in factors.items()})
    write_config(folder, base=str(base), r=2, fan_in_fan_out=claimed)
    return folder


@pytest.mark.parametrize("claimed", [True, False])
@pytest.mark.parametrize(
    ("model_type", "stored", "names"),
    [("gpt2", (4, 12), ["key", "query", "value"]), ("gpt_bigcode", (12, 4), ["c_attn"])],
)
def test_the_base_says_whether_c_attn_is_in_blocks(
    tmp_path: Path, model_type: str, stored: tuple[int, int], names: list[str], claimed: bool
) -> None:
    lora = adapter_of_c_attn(tmp_path / "lora", tmp_path / "base", claimed)
    assert len(load_adapter(lora).modules) == (3 if claimed else 1)  # no base is here yet
    base(
        tmp_path / "base",
        {f"{FUSED}.weight": random(*stored, seed=3)},
        {"model_type": model_type},
    )
    adapter = load_adapter(lora)
    assert sorted(adapter.modules) == names
    blocks = [open_base_of(adapter).w0(adapter.modules[name], 0) for name in names]
    assert all(block.shape == (12 // len(names), 4) for block in blocks)


def test_what_is_no_matrix_is_one_line(tmp_path: Path) -> None:
    write_base(tmp_path, BertLike(), {"h.0.attn.c_attn.weight": torch.ones(12)})
    with pytest.raises(BaseModelError, match=r"has the shape \[12\], expected a matrix"):
        open_base(str(tmp_path)).is_conv1d("h.0.attn.c_attn")

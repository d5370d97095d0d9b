"""W0 of models that transformers 5 calls otherwise in memory than in files, against the model's own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from checkpoints import BertLike, random, write_base, write_lora
from safetensors.torch import load_file, save_file
from second_routes import in_transformers_5, transformers_before, with_newer_tables
from typer.testing import CliRunner

from lora_lens import load_adapter, open_base, renaming
from lora_lens.bases.names import BaseNames
from lora_lens.bases.newest import newest, rules_of
from lora_lens.bases.pieces import Piece
from lora_lens.bases.renames import FAMILIES
from lora_lens.cli import app
from lora_lens.errors import BaseModelError

peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

SIZES = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
    "vocab_size": 19, "pad_token_id": 0,
}  # fmt: skip
TEXT = SIZES | {"num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": 32}
IMAGE = SIZES | {"image_size": 8, "patch_size": 4}
ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}


def config(name: str, **settings: Any) -> Any:
    return getattr(transformers, f"{name}Config")(**settings)


def composite(name: str, text: str, vision: str, **settings: Any) -> Any:
    """A model of two towers, of which each has the sizes above."""
    return config(
        name,
        text_config=TEXT | {"model_type": text},
        vision_config=IMAGE | {"model_type": vision, "projection_dim": 16},
        **settings,
    )


def qwen(name: str) -> Any:
    vision = {
        "depth": 2, "embed_dim": 16, "hidden_size": 16, "num_heads": 2, "patch_size": 4,
        "intermediate_size": 24, "out_hidden_size": 16,
    }  # fmt: skip
    return config(name, text_config=TEXT | {"rope_parameters": ROPE}, vision_config=vision)


def swin() -> Any:
    return config(
        "Swin", image_size=16, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[2, 2],
        window_size=2,
    )  # fmt: skip


def segformer() -> Any:
    return config(
        "Segformer", num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 16],
        patch_sizes=[3, 3], strides=[2, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2],
        decoder_hidden_size=16,
    )  # fmt: skip


# Class to its configuration.
MODELS: dict[str, Callable[[], Any]] = {
    "ViTForImageClassification": lambda: config("ViT", **IMAGE),
    "DeiTForImageClassification": lambda: config("DeiT", **IMAGE),
    "BeitForImageClassification": lambda: config("Beit", **IMAGE),
    "ViTMAEForPreTraining": lambda: config(
        "ViTMAE", decoder_hidden_size=16, decoder_num_attention_heads=2, decoder_num_hidden_layers=2,
        decoder_intermediate_size=24, **IMAGE,
    ),
    "ViTMSNForImageClassification": lambda: config("ViTMSN", **IMAGE),
    "IJepaForImageClassification": lambda: config("IJepa", **IMAGE),
    "Dinov2ForImageClassification": lambda: config("Dinov2", **IMAGE),
    "Dinov2WithRegistersForImageClassification": lambda: config("Dinov2WithRegisters", **IMAGE),
    "DINOv3ViTModel": lambda: config("DINOv3ViT", **IMAGE),
    "SwinForImageClassification": swin,
    "SegformerForSemanticSegmentation": segformer,
    "LlavaForConditionalGeneration": lambda: composite("Llava", "llama", "clip_vision_model"),
    "LlavaNextForConditionalGeneration": lambda: composite(
        "LlavaNext", "llama", "clip_vision_model"
    ),
    "VipLlavaForConditionalGeneration": lambda: composite("VipLlava", "llama", "clip_vision_model"),
    "PaliGemmaForConditionalGeneration": lambda: composite(
        "PaliGemma", "gemma", "siglip_vision_model", projection_dim=16, hidden_size=16
    ),
    "Gemma3ForConditionalGeneration": lambda: composite("Gemma3", "gemma3_text", "siglip_vision_model"),
    "Mistral3ForConditionalGeneration": lambda: composite("Mistral3", "mistral", "pixtral"),
    "Qwen2VLForConditionalGeneration": lambda: qwen("Qwen2VL"),
    "Qwen2_5_VLForConditionalGeneration": lambda: qwen("Qwen2_5_VL"),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Any]]:
    """A model's folder, its adapter of every linear layer in it, and the tuned model."""
    known: dict[str, tuple[Path, Any]] = {}

    def of(name: str) -> tuple[Path, Any]:
        if name not in known:
            torch.manual_seed(0)
            folder = tmp_path_factory.mktemp(name)
            model = getattr(transformers, name)(MODELS[name]()).float()
            model.save_pretrained(folder / "base")
            settings = peft.LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
            tuned = peft.get_peft_model(model, settings)
            tuned.save_pretrained(folder / "lora")
            known[name] = folder, tuned
        return known[name]

    return of


def linear(tuned: Any) -> Iterator[tuple[str, Any]]:
    """Path and layer of what the adapter tunes."""
    for path, module in tuned.base_model.model.named_modules():
        if hasattr(module, "lora_A") and isinstance(module.base_layer, torch.nn.Linear):
            yield path, module


@pytest.mark.parametrize("name", MODELS)
@in_transformers_5
def test_w0_and_factors_are_the_models_own(
    name: str, made: Callable[[str], tuple[Path, Any]]
) -> None:
    folder, tuned = made(name)
    adapter = load_adapter(folder / "lora", folder / "base")
    weights = open_base(str(folder / "base"))
    own = dict(linear(tuned))
    found = set()
    for factors in adapter.modules.values():
        if factors.part is not None:
            continue
        for k, path in enumerate(factors.names):
            layer = own[path]
            assert torch.equal(weights.w0(factors, k), layer.base_layer.weight), path
            assert torch.equal(factors.a[k], layer.lora_A["default"].weight)
            assert torch.equal(factors.b[k], layer.lora_B["default"].weight)
            found.add(path)
    assert len(found) > 2
    stored = load_file(folder / "base" / "model.safetensors").keys()
    renamed = {path for path in own if f"{path}.weight" not in stored}
    if not renamed and transformers_before(5, 15):
        pytest.skip("this transformers keeps the file's names in memory")
    assert renamed, "nothing is renamed in this model: the case tests nothing"


@pytest.mark.parametrize("name", MODELS)
@in_transformers_5
def test_the_other_way_round(
    name: str, made: Callable[[str], tuple[Path, Any]], tmp_path: Path
) -> None:
    """Names of old in the adapter, those of memory in the base's file."""
    folder, tuned = made(name)
    memory = {
        path.replace(".base_layer", ""): tensor.contiguous().clone()
        for path, tensor in tuned.base_model.model.state_dict().items()
        if "lora_" not in path
    }
    save_file(memory, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "base" / "config.json").read_text())
    new, old = open_base(str(tmp_path)), open_base(str(folder / "base"))
    paths = [path for path, _ in linear(tuned)]
    olds = [old.find(path)[0][0].name.removesuffix(".weight") for path in paths]
    assert len(set(olds)) == len(paths)
    for path, before in zip(paths, olds, strict=True):
        assert torch.equal(new.weight(before), memory[f"{path}.weight"])
        assert new.find(path) == [(Piece(f"{path}.weight"),)]


@in_transformers_5
def test_rules_leave_the_newest_names_alone(made: Callable[[str], tuple[Path, Any]]) -> None:
    for name in MODELS:
        folder, tuned = made(name)
        types = BaseNames((), json.loads((folder / "base" / "config.json").read_text()))._rules
        for path, _ in linear(tuned):
            once = newest(f"{path}.weight", types)
            assert newest(once, types) == once


@with_newer_tables
def test_every_rule_is_used_by_a_family_and_every_type_is_a_librarys() -> None:
    known = set(transformers.models.auto.configuration_auto.CONFIG_MAPPING_NAMES)
    for family in FAMILIES:
        assert rules_of(family.models.split())
        assert known & set(family.models.split())


def test_names_are_not_mixed_where_the_configuration_names_no_such_model(tmp_path: Path) -> None:
    names = {"encoder.layer.0.attention.attention.value.weight": random(4, 4, seed=1)}
    path = "vit.layers.0.attention.v_proj"
    write_base(tmp_path / "vit", BertLike(model_type="vit"), names)
    assert open_base(str(tmp_path / "vit")).weight(path).shape == (4, 4)
    write_base(tmp_path / "bert", BertLike(), names)
    with pytest.raises(BaseModelError, match="no weight of vit"):
        open_base(str(tmp_path / "bert")).weight(path)


def test_two_that_differ_are_both_named_and_two_that_are_equal_are_one(tmp_path: Path) -> None:
    one = "vit.encoder.layer.0.attention.attention.value.weight"
    two = "deit.encoder.layer.0.attention.attention.value.weight"
    same = random(4, 4, seed=1)
    path = "layers.0.attention.v_proj"
    write_base(tmp_path / "same", BertLike(model_type="vit"), {one: same, two: same.clone()})
    assert torch.equal(open_base(str(tmp_path / "same")).weight(path), same)
    write_base(tmp_path / "two", BertLike(model_type="vit"), {one: same, two: random(4, 4, seed=2)})
    with pytest.raises(BaseModelError, match=rf"{two}, {one}"):
        open_base(str(tmp_path / "two")).weight(path)


def test_a_towers_layer_is_never_the_texts(tmp_path: Path) -> None:
    """What is left of a tower's path without its prefixes is a path of the text model."""
    text, tower = random(4, 4, seed=1), random(4, 4, seed=2)
    names = {
        "encoder.layers.0.self_attn.q_proj.weight": text,
        "encoder.vision_tower.vision_model.encoder.layers.0.self_attn.q_proj.weight": tower,
    }
    write_base(tmp_path, BertLike(model_type="t5gemma2"), names)
    weights = open_base(str(tmp_path))
    path = "encoder.vision_tower.encoder.layers.0.self_attn.q_proj"
    assert torch.equal(weights.weight(path), tower)
    assert torch.equal(weights.weight("encoder.text_model.layers.0.self_attn.q_proj"), text)


@pytest.mark.parametrize(
    ("model_type", "path", "stored"),
    [
        (
            "qwen2_moe",
            "model.layers.0.mlp.experts.3.up_proj",
            "model.layers.0.mlp.experts.gate_up_proj",
        ),
        ("nomic_bert", "layers.0.self_attn.v_proj", "encoder.layers.0.attn.Wqkv.weight"),
        ("radio", "encoder.layer.0.attention.q_proj", "radio_model.model.blocks.0.attn.qkv.weight"),
        ("molmo2_text", "layers.0.self_attn.k_proj", "layers.0.self_attn.att_proj.weight"),
        ("gte", "gte.layers.0.mlp.up_proj", "gte.encoder.layer.0.mlp.up_gate_proj.weight"),
        (
            "lara_mini",
            "model.layers.0.linear_attn.in_proj_z",
            "model.layers.0.linear_attn.in_proj.weight",
        ),
    ],
)
def test_what_is_joined_or_stacked_in_files_is_refused_by_name(
    tmp_path: Path, model_type: str, path: str, stored: str
) -> None:
    other = stored.replace(".0.", ".1.", 1)
    write_base(
        tmp_path,
        BertLike(model_type=model_type),
        {other: random(12, 4, seed=1), stored: random(12, 4, seed=2)},
    )
    with pytest.raises(BaseModelError, match=f"may be joined or stacked in {stored}"):
        open_base(str(tmp_path)).weight(path)


@pytest.mark.parametrize(
    ("path", "stored"),
    [
        ("layers.0.self_attn.q_proj", "layers.0.mamba.in_proj.weight"),
        ("layers.0.mlp.shared_expert.gate_proj", "layers.0.mlp.experts.gate_up_proj"),
    ],
)
def test_what_holds_others_is_not_said_to_hold_it(tmp_path: Path, path: str, stored: str) -> None:
    write_base(tmp_path, BertLike(), {stored: random(12, 4, seed=1)})
    with pytest.raises(BaseModelError, match="no weight of") as caught:
        open_base(str(tmp_path)).weight(path)
    assert "joined" not in str(caught.value)


def test_an_expert_of_older_names_is_in_the_stack(tmp_path: Path) -> None:
    stacks = {
        f"model.layers.{k}.mlp.experts.down_proj": torch.randn(4, 6, 6, generator=torch.Generator())
        for k in range(2)
    }
    write_base(tmp_path, BertLike(model_type="mixtral"), stacks)
    path = "model.layers.1.block_sparse_moe.experts.3.w2"
    expected = stacks["model.layers.1.mlp.experts.down_proj"][3]
    assert torch.equal(open_base(str(tmp_path)).weight(path), expected)


@pytest.mark.parametrize(
    ("model_type", "stored"),
    [
        ("gemma3", "language_model.model.layers.0.self_attn.q_proj.weight"),
        ("gemma3", "model.language_model.layers.0.self_attn.q_proj.weight"),
        ("qwen2_vl", "model.layers.0.self_attn.q_proj.weight"),
        ("qwen2_vl", "model.language_model.layers.0.self_attn.q_proj.weight"),
        ("qwen3_5_text", "model.language_model.layers.0.self_attn.q_proj.weight"),
    ],
)
def test_an_adapter_of_the_text_model_alone(tmp_path: Path, model_type: str, stored: str) -> None:
    tower = "vision_tower.vision_model.encoder.layers.0.self_attn.q_proj.weight"
    names = {stored: random(4, 4, seed=1), tower: random(4, 4, seed=2)}
    write_base(tmp_path, BertLike(model_type=model_type), names)
    weights = open_base(str(tmp_path))
    for path in (
        "model.layers.0.self_attn.q_proj",
        "model.language_model.layers.0.self_attn.q_proj",
    ):
        assert torch.equal(weights.weight(path), names[stored])


QUERY = "layers.0.self_attn.q_proj"


@pytest.mark.parametrize(
    ("path", "name", "settings", "is_it"),
    [
        ("model.vision_tower", "", {"model_type": "llama", "vocab_size": 9}, False),
        ("model.language_model", "", {"model_type": "llama", "vocab_size": 9}, True),
        ("text_model.encoder", "encoder.", {"model_type": "siglip_vision_model", "image_size": 8}, False),
        ("vision_model.encoder", "encoder.", {"model_type": "siglip_vision_model", "image_size": 8}, True),
        ("vision_model.encoder", "encoder.", {"model_type": "siglip_text_model", "vocab_size": 9}, False),
        ("audio_tower", "", {"model_type": "whisper", "vocab_size": 9, "num_mel_bins": 8}, True),
        ("audio_tower", "", {"model_type": "qwen2", "vocab_size": 9}, False),
        ("vision_tower.vision_encoder.encoder", "", {}, False),
        ("vision_tower.vision_model.encoder", "vision_model.encoder.", {}, True),
        ("model.language_model", "", {}, True),
    ],
)  # fmt: skip
def test_one_tower_is_not_read_as_the_other(
    path: str, name: str, settings: dict[str, Any], is_it: bool
) -> None:
    stored = f"{name}{QUERY}.weight"
    found = BaseNames([stored], settings).find(f"{path}.{QUERY}")
    assert found == ([stored] if is_it else [])


@pytest.fixture
def otherwise(tmp_path: Path) -> tuple[Path, Path]:
    """An adapter of BERT's names, and its base with names of its own; the same base beside it."""
    shape = BertLike()
    write_lora(tmp_path / "lora", shape)
    write_base(tmp_path / "plain", shape)
    own = {
        name.replace("encoder.layer.", "trunk.").replace("self.value", "self.to_v"): tensor
        for name, tensor in load_file(tmp_path / "plain" / "model.safetensors").items()
    }
    write_base(tmp_path / "own", shape, own)
    return tmp_path / "lora", tmp_path / "own"


RENAMED = {r"^bert\.encoder\.layer\.": "trunk.", r"self\.value$": "self.to_v"}


def test_a_bases_own_names_are_said(otherwise: tuple[Path, Path]) -> None:
    lora, own = otherwise
    adapter = load_adapter(lora, own)
    with pytest.raises(BaseModelError, match="no weight of bert"):
        open_base(str(own)).w0(adapter.modules["value"], 1)
    with renaming(RENAMED):
        base = open_base(str(own))
    plain = open_base(str(own.parent / "plain"))
    found, expected = (one.w0(adapter.modules["value"], 1) for one in (base, plain))
    assert torch.equal(found, expected)
    with pytest.raises(BaseModelError, match="no weight"):
        open_base(str(own)).w0(adapter.modules["value"], 1)


@pytest.mark.parametrize(
    ("old", "new"), [("(", ""), ("a", r"\1"), ("*", "b"), ("a" + "(" * 500, "b")]
)
def test_what_is_no_renaming_is_refused(old: str, new: str) -> None:
    with pytest.raises(BaseModelError, match="is no renaming"), renaming({old: new}):
        pass


def test_every_command_that_reads_w0_takes_it(otherwise: tuple[Path, Path]) -> None:
    lora, own = (str(path) for path in otherwise)
    said = [f"--rename={old}={new}" for old, new in RENAMED.items()]
    run = CliRunner()
    base = ["--base", own, "--json"]
    for command in (
        ["spectrum", "--w0"],
        ["amplification", "-m", "value"],
        ["similarity", "--draws", "2"],
    ):
        assert run.invoke(app, [command[0], lora, *command[1:], *base]).exit_code == 1
        done = run.invoke(app, [command[0], lora, *command[1:], *base, *said])
        assert done.exit_code == 0, done.output
    assert run.invoke(app, ["spectrum", lora, *base, "--rename", "x"]).exit_code == 2
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, one in commands.items():
        options = {flag for parameter in one.params for flag in parameter.opts}
        own = (
            "train",
            "search",
            "evaluate",
            "demo",
            "serve",
        )
        reads = "--base" in options and name not in own
        assert ("--rename" in options) == reads, name

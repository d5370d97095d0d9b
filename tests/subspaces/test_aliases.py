"""What people call a projection finds the one that is there, or lists what there is."""

import json
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_tensors

from lora_lens import load_adapter, open_base
from lora_lens.bases.fused import parts
from lora_lens.errors import ModuleLookupError
from lora_lens.files.names import ROLES, find_module, names_apart, same_job, short_names
from lora_lens.subspaces.selection import select_name
from lora_lens.subspaces.untrained import untrained_factors

# Pattern of one layer, as models have them, to the role.
PATHS = {
    "deberta.encoder.layer.0.attention.self.value_proj": "value",
    "bert.encoder.layer.0.attention.self.value": "value",
    "distilbert.transformer.layer.0.attention.v_lin": "value",
    "encoder.block.0.layer.0.SelfAttention.v": "value",
    "model.layers.0.self_attn.v_proj": "value",
    "layers.0.attention.wv": "value",
    "transformer_blocks.0.attn1.to_v": "value",
    "transformer_blocks.0.attn1.to_q": "query",
    "layers.0.attention.wq": "query",
    "deberta.encoder.layer.0.attention.self.key_proj": "key",
    "layers.0.attention.wk": "key",
    "transformer_blocks.0.attn1.to_out.0": "output",
    "bert.encoder.layer.0.attention.output.dense": "output",
    "model.layers.0.self_attn.o_proj": "output",
    "model.decoder.layers.0.self_attn.out_proj": "output",
    "distilbert.transformer.layer.0.attention.out_lin": "output",
    "encoder.block.0.layer.0.SelfAttention.o": "output",
    "gpt_neox.layers.0.attention.dense": "output",
    "transformer.h.0.self_attention.dense": "output",
    "transformer.h.0.attn.c_proj": "output",
    "layers.0.attention.wo": "output",
    "model.layers.0.attn.Wo": "output",
}
OTHERS = (
    "bert.encoder.layer.0.output.dense",
    "bert.encoder.layer.0.intermediate.dense",
    "encoder.block.0.layer.1.DenseReluDense.wo",
    "transformer.h.0.mlp.c_proj",
    "model.layers.0.mlp.Wo",
)


def adapter_of(folder: Path, *paths: str, rows: int = 8) -> Path:
    tensors = {}
    for k, path in enumerate(paths):
        tensors[f"base_model.model.{path}.lora_A.weight"] = random(2, 8, seed=k)
        tensors[f"base_model.model.{path}.lora_B.weight"] = random(rows, 2, seed=k + 10)
    write_tensors(folder, tensors)
    write_config(folder, base=None, r=2)
    return folder


@pytest.mark.parametrize("path", PATHS)
def test_a_role_finds_its_module_and_no_other(path: str, tmp_path: Path) -> None:
    adapter = load_adapter(adapter_of(tmp_path, path, *OTHERS))
    role = PATHS[path]
    name = select_name(adapter, role)
    assert adapter.patterns[name] == path.replace(".0.", ".*.", 1)
    for same in same_job(role):
        assert same in adapter.patterns or select_name(adapter, same) == name
    for other in ROLES.keys() - {role}:
        with pytest.raises(ModuleLookupError, match=f"no module '{other}'"):
            select_name(adapter, other)


@pytest.mark.parametrize(
    "paths",
    [
        ("decoder.block.0.layer.0.SelfAttention.v", "decoder.block.0.layer.1.EncDecAttention.v"),
        ("model.decoder.layers.0.self_attn.v_proj", "model.decoder.layers.0.encoder_attn.v_proj"),
        ("model.language_model.layers.0.self_attn.v_proj", "model.vision_tower.blocks.0.attn.to_v"),
        ("encoder.layer.0.attention.self.value_proj", "decoder.layers.0.self_attn.v_proj"),
    ],
)
def test_two_that_could_be_meant_are_listed(paths: tuple[str, str], tmp_path: Path) -> None:
    adapter = load_adapter(adapter_of(tmp_path, *paths))
    with pytest.raises(ModuleLookupError, match="is ambiguous") as error:
        select_name(adapter, "value")
    for name in adapter.modules:
        assert name in str(error.value)
        assert f"{name} is {name}" not in str(error.value)
        assert select_name(adapter, name) == name


QWEN = {
    "model_type": "qwen2_vl",
    "vision_config": {"model_type": "qwen2_vl", "embed_dim": 8, "num_heads": 2},
}


@pytest.mark.parametrize(
    ("paths", "config", "names"),
    [
        # The one of the vision tower is a part of a fused projection.
        (("visual.blocks.{}.attn.qkv", "model.layers.{}.self_attn.v_proj"), QWEN, ("attn.value", "v_proj")),
        (("vision.encoder.layer.{}.attention.value", "lm.layers.{}.self_attn.v_proj"), {}, ("attention.value", "v_proj")),
        # Either tower may be the one that has the name as it was typed.
        (("lm.layers.{}.attention.self.value", "vision.layers.{}.attn.to_v"), {}, ("self.value", "attn.to_v")),
    ],
)  # fmt: skip
def test_what_two_towers_have_is_never_taken_from_one_in_silence(
    paths: tuple[str, str], config: dict[str, object], names: tuple[str, str], tmp_path: Path
) -> None:
    every = [path.format(k) for path in paths for k in range(2)]
    tensors = {}
    for k, path in enumerate(every):
        rows = 24 if path.endswith("qkv") else 8
        tensors[f"base_model.model.{path}.lora_A.weight"] = random(2, 8, seed=k)
        tensors[f"base_model.model.{path}.lora_B.weight"] = random(rows, 2, seed=k + 10)
    write_tensors(tmp_path / "lora", tensors)
    base = {"x.weight": random(2, 2, seed=0)}
    write_base(tmp_path / "base", BertLike(), base)
    if config:
        (tmp_path / "base" / "config.json").write_text(json.dumps(config))
    write_config(tmp_path / "lora", base=str(tmp_path / "base"), r=2)
    adapter = load_adapter(tmp_path / "lora")
    with pytest.raises(ModuleLookupError, match="'value' is ambiguous") as error:
        select_name(adapter, "value")
    for name, path in zip(names, paths, strict=True):
        pattern = path.format("*").replace("qkv", "value")
        assert f"{name} is {pattern}" in str(error.value)
        assert select_name(adapter, name) == name
        assert select_name(adapter, pattern) == name
        assert adapter.modules[name].layers == (0, 1)
        assert adapter.modules[name].out_features == 8
    # What the text model's is called in its file is no other's name.
    if "v_proj" in names:
        assert select_name(adapter, "v_proj") == "v_proj"


def test_a_seeing_towers_own_name_is_not_the_texts() -> None:
    """Of SigLIP beside Phi-3: the text model's is a part of its ``qkv_proj``."""
    names = names_apart(["vision.layers.*.attn.v_proj", "model.layers.*.self_attn.value"])
    assert list(names.values()) == ["attn.v_proj", "self_attn.value"]
    known = {name: pattern for pattern, name in names.items()}
    for typed in ("v_proj", "value"):
        with pytest.raises(ModuleLookupError, match=r"attn\.v_proj, self_attn\.value"):
            find_module(typed, known)


def test_in_one_tower_names_stay_short() -> None:
    one = ["layers.*.attn.value", "layers.*.cross.to_v"]
    assert names_apart(one) == short_names(one)


def test_parts_of_several_widths_are_listed(tmp_path: Path) -> None:
    paths = [f"swin.encoder.layers.{k}.blocks.0.attention.self.value" for k in range(2)]
    tensors = {}
    for k, path in enumerate(paths):
        tensors[f"base_model.model.{path}.lora_A.weight"] = random(2, 8 * (k + 1), seed=k)
        tensors[f"base_model.model.{path}.lora_B.weight"] = random(8 * (k + 1), 2, seed=k + 10)
    write_tensors(tmp_path, tensors)
    write_config(tmp_path, base=None, r=2)
    with pytest.raises(ModuleLookupError, match=r"could be value@layers-0, value@layers-1"):
        select_name(load_adapter(tmp_path), "v_proj")


def test_no_tail_has_two_roles() -> None:
    tails = [tail for role in ROLES.values() for tail in role]
    assert len(tails) == len(set(tails))
    assert set(ROLES) - {"output"} <= set(tails)


def test_a_base_alone_is_cut_too(tmp_path: Path) -> None:
    names = [f"h.{k}.attn.c_attn.weight" for k in range(2)]
    base = {name: random(8, 24, seed=k) for k, name in enumerate(names)}
    write_base(tmp_path, BertLike(model_type="gpt2"), base)
    weights = open_base(str(tmp_path))
    generator = torch.Generator().manual_seed(0)
    factors = untrained_factors(weights, "value", 2, generator=generator)
    assert factors.out_features == 8
    assert factors.part == parts("c_attn", 24, 8, weights.configuration.settings)["value"]
    assert torch.equal(weights.w0(factors, 1), base[names[1]].T[16:])
    whole = untrained_factors(weights, "c_attn", 2, generator=generator)
    assert (whole.part, whole.out_features) == (None, 24)


def test_a_base_alone_whose_layers_differ_has_no_untrained_factors(tmp_path: Path) -> None:
    shape = BertLike()
    base = {f"{shape.path(k, 'value')}.weight": random(8, 8 + k, seed=k) for k in range(2)}
    write_base(tmp_path, shape, base)
    with pytest.raises(ModuleLookupError, match="is 8x8, 8x9 in different layers; expected one"):
        untrained_factors(open_base(str(tmp_path)), "value", 2, generator=torch.Generator())

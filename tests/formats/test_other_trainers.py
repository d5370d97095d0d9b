"""loralib's, LitGPT's and torchtune's files: W0 where they put it, and what they do not say is asked for."""

import json
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, random, write_lora
from real_adapters import kept
from safetensors.torch import save_file
from torch import Tensor

from lora_lens import conversion_similarity, load_adapter, open_base
from lora_lens.errors import AdapterError


def written(
    folder: Path, tensors: dict[str, Tensor], name: str = "lora.pt", **config: object
) -> Path:
    folder.mkdir(exist_ok=True)
    torch.save(tensors, folder / name)
    if config:
        (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def pair(path: str, rows: int = 6, rank: int = 2, trained: int = 1) -> dict[str, Tensor]:
    return {
        f"{path}.lora_A": random(rank * trained, 6, seed=1),
        f"{path}.lora_B": random(rows * trained, rank, seed=2),
    }


def test_each_role_of_a_merged_linear_has_its_own_a(tmp_path: Path) -> None:
    kept("loralib", tmp_path)
    file = torch.load(tmp_path / "adapter" / "lora.pt")
    adapter = load_adapter(tmp_path / "adapter")
    assert {"query", "value", "c_proj", "c_attn.query", "qkv.key"} & set(adapter.modules) >= {
        "c_proj"
    }
    parts = {name: one for name, one in adapter.modules.items() if one.names[0] == "h.0.c_attn"}
    assert sorted(name.rpartition(".")[2] for name in parts) == ["query", "value"]
    for name, factors in parts.items():
        first = 0 if name.endswith("query") else 1
        whole_a, whole_b = file["h.1.c_attn.lora_A"], file["h.1.c_attn.lora_B"]
        assert torch.equal(factors.a[1], whole_a[2 * first : 2 * first + 2])
        assert torch.equal(factors.b[1], whole_b[4 * first : 4 * first + 4])
        assert factors.ranks == (2, 2)


def test_a_start_that_is_not_zero_is_seen_beside_the_file(tmp_path: Path) -> None:
    """As RWKV-PEFT trains PiSSA: the checkpoint has loralib's names, and nothing in it says so."""
    path = "blocks.0.att.key"
    written(tmp_path, pair(path), "rwkv-0.pth", lora_alpha=4)
    assert set(load_adapter(tmp_path / "rwkv-0.pth").modules) == {"key"}
    written(tmp_path, pair(path), "init_pissa.pth")
    with pytest.raises(AdapterError, match=r"init_pissa\.pth beside it.*PiSSA.*merge it there"):
        load_adapter(tmp_path / "rwkv-0.pth")


def test_w0_of_a_role_is_its_rows(tmp_path: Path) -> None:
    kept("litgpt fused", tmp_path)
    w0 = {f"transformer.h.{k}.attn.qkv.weight": random(24, 8, seed=k) for k in range(2)}
    torch.save({"model": w0}, tmp_path / "lit_model.pth")
    adapter = load_adapter(tmp_path / "adapter")
    assert (adapter.base_model, set(adapter.modules) >= {"query", "value"}) == (
        "EleutherAI/pythia-14m", True,
    )  # fmt: skip
    base = open_base(str(tmp_path / "lit_model.pth"))
    found = base.w0(adapter.modules["value"], 1)
    assert torch.equal(found, random(24, 8, seed=1)[16:])
    result = conversion_similarity(adapter, "query", base=base, i=2, j=2, draws=0)
    assert result.layers == (0, 1)


def test_a_llamas_roles_are_in_its_own_files(tmp_path: Path) -> None:
    kept("litgpt", tmp_path)
    adapter = load_adapter(tmp_path / "adapter")
    assert set(adapter.modules) == {
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head",
    }  # fmt: skip
    w0 = {f"model.layers.{k}.self_attn.k_proj.weight": random(4, 8, seed=k) for k in range(2)}
    save_file(w0, tmp_path / "base" / "model.safetensors")
    (tmp_path / "base" / "config.json").write_text(json.dumps({"model_type": "llama"}))
    found = open_base(str(tmp_path / "base")).w0(adapter.modules["k_proj"], 1)
    assert torch.equal(found, w0["model.layers.1.self_attn.k_proj.weight"])


@pytest.mark.parametrize(("name", "expert", "gate"), [
    ("Qwen3-30B-A3B", "mlp.experts.2.down_proj", "mlp.gate"),
    ("Mixtral-8x7B-v0.1", "block_sparse_moe.experts.2.w2", "block_sparse_moe.gate"),
])  # fmt: skip
def test_experts_are_called_as_in_the_model_that_was_converted(
    tmp_path: Path, name: str, expert: str, gate: str
) -> None:
    mlp = "transformer.h.0.mlp"
    tensors = pair(f"{mlp}.experts.2.proj") | pair(f"{mlp}.gate")
    written(tmp_path, {"model": tensors}, "lit_model.pth.lora")
    (tmp_path / "hyperparameters.yaml").write_text("lora_r: 2\nlora_alpha: 4\n")
    sizes = "n_head: 2\nn_query_groups: 2\nhead_size: 3\nmlp_class_name: LLaMAMoE\n"
    (tmp_path / "model_config.yaml").write_text(f"name: {name}\n{sizes}")
    found = {path for one in load_adapter(tmp_path).modules.values() for path in one.names}
    assert found == {f"model.layers.0.{expert}", f"model.layers.0.{gate}"}


@pytest.mark.parametrize(("name", "own"), [
    ("Llama-3-8B", "model.layers.0.self_attn.q_proj"), ("Phi-3-mini-4k-instruct", "transformer.h.0.attn.qkv"),
])  # fmt: skip
def test_modules_are_renamed_where_the_converted_model_has_the_roles_apart(
    tmp_path: Path, name: str, own: str
) -> None:
    """Phi-3's MLP is of LitGPT's Llama's class, and its query, key and value are one matrix."""
    written(tmp_path, {"model": pair("transformer.h.0.attn.qkv")}, "lit_model.pth.lora")
    said = "lora_r: 2\nlora_alpha: 4\nlora_query: true\n"
    (tmp_path / "hyperparameters.yaml").write_text(said)
    sizes = "n_head: 2\nn_query_groups: 2\nhead_size: 3\nmlp_class_name: LLaMAMLP\n"
    (tmp_path / "model_config.yaml").write_text(f"name: {name}\n{sizes}hf_config: {{name: {name}}}")
    adapter = load_adapter(tmp_path)
    assert [path for one in adapter.modules.values() for path in one.names] == [own]
    renamed = any("called as in the model that LitGPT converted" in note for note in adapter.notes)
    assert renamed is ("Llama" in name)
    assert adapter.base_model is None  # of no organisation is no hub id


def named_as_before(name: str, folder: Path) -> Path:
    """What LitGPT of today wrote, by the names of before 0.5.5."""
    folder.mkdir(exist_ok=True)
    kept(name, folder)
    file = folder / "adapter" / "lit_model.pth.lora"
    tensors = torch.load(file)["model"]
    old = {name.replace("attn.qkv", "attn.attn"): one for name, one in tensors.items()}
    torch.save({"model": old}, file)
    return file.parent


def test_group_by_group_as_litgpt_wrote_before(tmp_path: Path) -> None:
    """``attn.attn`` has each group's queries, its key and its value in turn."""
    folder = named_as_before("litgpt fused", tmp_path)
    w0 = {"transformer.h.0.attn.attn.weight": torch.arange(24.0)[:, None].repeat(1, 8)}
    w0["transformer.h.1.attn.attn.weight"] = w0["transformer.h.0.attn.attn.weight"].clone()
    torch.save({"model": w0}, tmp_path / "lit_model.pth")
    base = open_base(str(tmp_path / "lit_model.pth"))
    value = load_adapter(folder).modules["value"]
    rows = [float(row) for head in range(4) for row in (6 * head + 4, 6 * head + 5)]
    assert base.w0(value, 0)[:, 0].tolist() == rows


def test_rows_that_litgpt_added_in_turn_to_a_w0_of_groups_are_no_roles(tmp_path: Path) -> None:
    """Before 0.5.5, where all three roles were trained, and only there: a query's row may have key's factors."""
    kept("litgpt", tmp_path)
    adapter = load_adapter(named_as_before("litgpt", tmp_path / "before"))
    assert set(adapter.modules) == {"o_proj", "gate_proj", "up_proj", "down_proj", "lm_head"}
    left_out = {name: why for name, why in adapter.left_out.items() if "before 0.5.5" in why}
    assert left_out.keys() == {
        f"transformer.h.{k}.attn.attn.lora_{factor}" for k in range(2) for factor in "AB"
    }
    two_roles = load_adapter(named_as_before("litgpt fused", tmp_path / "two roles"))
    assert {"query", "value"} <= two_roles.modules.keys()


@pytest.mark.parametrize(("lacks", "said"), [
    ("hyperparameters.yaml", r"no hyperparameters\.yaml"), ("model_config.yaml", r"no model_config\.yaml"),
])  # fmt: skip
def test_litgpts_files_beside_it_are_needed(tmp_path: Path, lacks: str, said: str) -> None:
    kept("litgpt", tmp_path)
    (tmp_path / "adapter" / lacks).unlink()
    with pytest.raises(AdapterError, match=said):
        load_adapter(tmp_path / "adapter")


@pytest.mark.parametrize(("name", "text", "said"), [
    ("hyperparameters.yaml", "lora_r: [", "not readable YAML"), ("hyperparameters.yaml", "- 1", "holds a list"),
    ("hyperparameters.yaml", "lora_r: 3\nlora_alpha: 1\nlora_query: true", "has rank 2, and .* lora_r 3"),
    ("hyperparameters.yaml", "lora_r: 2\nlora_alpha: 1\nlora_query: true", "configuration is of another"),
    ("hyperparameters.yaml", "lora_r: 2\nlora_query: true\nlora_key: true\nlora_value: true", "lora_alpha"),
    ("model_config.yaml", "n_head: 4", "expected whole numbers"),
    ("model_config.yaml", "{n_head: 4, n_query_groups: 3, head_size: 2}", "4 heads of 3 groups"),
    ("model_config.yaml", "{n_head: 8, n_query_groups: 2, head_size: 2, mlp_class_name: LLaMAMLP}", "expected 6"),
])  # fmt: skip
def test_litgpts_files_of_another_adapter(tmp_path: Path, name: str, text: str, said: str) -> None:
    kept("litgpt", tmp_path)
    (tmp_path / "adapter" / name).write_text(text)
    with pytest.raises(AdapterError, match=said):
        load_adapter(tmp_path / "adapter")


def test_loralib_says_no_alpha(tmp_path: Path) -> None:
    folder = written(tmp_path / "lora", pair("h.0.fc"))
    for path in (folder, folder / "lora.pt"):
        with pytest.raises(AdapterError, match=r'do not say α.*\{"lora_alpha": …\}'):
            load_adapter(path)
    written(folder, pair("h.0.fc"), lora_alpha=5)
    assert load_adapter(folder).modules["fc"].scaling.tolist() == [2.5]
    written(folder, pair("h.0.fc"), lora_alpha=5, r=3)
    with pytest.raises(AdapterError, match="has rank 2, but adapter_config.json says 3"):
        load_adapter(folder)


def test_a_convolution_of_loralibs_is_scaled_by_r_and_not_by_its_rows(tmp_path: Path) -> None:
    """``Conv2d(4, 6, 3, r=2, lora_alpha=6)``: A is (2·3, 4·3), B (6·3, 2·3), and s is 6/2."""
    tensors = {
        "conv.lora_A": random(6, 12, seed=1), "conv.lora_B": random(18, 6, seed=2),
        "fc.lora_A": random(2, 12, seed=3), "fc.lora_B": random(18, 2, seed=4),
    }  # fmt: skip
    folder = written(tmp_path / "lora", tensors, lora_alpha=6)
    with pytest.raises(AdapterError, match=r"conv may be a convolution, .*r·kernel rows.*\"r\": …"):
        load_adapter(folder)
    adapter = load_adapter(written(folder, tensors, lora_alpha=6, r=2))
    assert {name: one.scaling.item() for name, one in adapter.modules.items()} == {
        "conv": 3,
        "fc": 3,
    }
    assert any("out·kernel × in·kernel" in note for note in adapter.notes)


def test_opendeltas_module_is_the_one_that_its_lora_is_beside(tmp_path: Path) -> None:
    path = "encoder.block.0.layer.0.SelfAttention.q"
    tensors = pair(f"{path}.lora")
    adapter = load_adapter(written(tmp_path / "lora", tensors, lora_alpha=4))
    assert adapter.modules["q"].names == (path,)


def test_minloras_module_is_the_one_whose_weight_it_is_in(tmp_path: Path) -> None:
    path = "h.0.attn.q_proj"
    folder = written(tmp_path / "lora", pair(f"{path}.parametrizations.weight.0"), lora_alpha=4)
    assert load_adapter(folder).modules["q_proj"].names == (path,)


def test_rows_that_could_be_a_convolutions_are_said(tmp_path: Path) -> None:
    other = {"down.lora_A": random(6, 12, seed=1), "down.lora_B": random(18, 6, seed=2)}
    adapter = load_adapter(written(tmp_path / "lora", other, lora_alpha=6))
    assert adapter.modules["down"].scaling.tolist() == [1]
    assert any("say r in adapter_config.json" in note for note in adapter.notes)
    plain = {"down.lora_A": random(6, 11, seed=1), "down.lora_B": random(18, 6, seed=2)}
    adapter = load_adapter(written(tmp_path / "plain", plain, lora_alpha=6))
    assert not any("say r in adapter_config.json" in note for note in adapter.notes)


def test_rows_that_are_not_as_many_of_each_block_are_refused(tmp_path: Path) -> None:
    tensors = {"fc.lora_A": random(4, 6, seed=1), "fc.lora_B": random(13, 2, seed=2)}
    written(tmp_path, tensors, lora_alpha=5, enable_lora=[True, False, True])
    with pytest.raises(AdapterError, match="B of 13x2, expected 4 and 12x2 of query, value"):
        load_adapter(tmp_path)


@pytest.mark.parametrize(
    "enabled", [None, [True], [True, True, True], "yes", {"fc": [True, False]}]
)
def test_which_blocks_of_a_merged_linear_are_not_guessed(tmp_path: Path, enabled: object) -> None:
    folder = written(
        tmp_path / "lora", pair("h.0.fc", trained=2), lora_alpha=5, enable_lora=enabled
    )
    with pytest.raises(AdapterError, match=r"MergedLinear of 2 trained blocks.*enable_lora"):
        load_adapter(folder)
    written(folder, pair("h.0.fc", trained=2), lora_alpha=5, enable_lora=[False, True, True])
    adapter = load_adapter(folder)
    assert set(adapter.modules) == {"key", "value"}
    part = adapter.modules["value"].part
    assert part is not None
    assert (part.start, part.stop, part.whole) == (12, 18, 18)


def test_one_block_of_a_merged_linear_is_told_by_its_name(tmp_path: Path) -> None:
    named = {"fc": [False, False, True]}
    folder = written(tmp_path / "lora", pair("h.0.fc"), lora_alpha=5, enable_lora=named)
    assert load_adapter(folder).modules["value"].part is not None


def test_torchtune_without_what_says_alpha(tmp_path: Path) -> None:
    path = "layers.0.attn.q_proj"
    tensors = {
        f"{path}.lora_a.weight": random(2, 6, seed=1),
        f"{path}.lora_b.weight": random(6, 2, seed=2),
    }
    folder = written(tmp_path / "tune", tensors, "adapter_model.pt")
    with pytest.raises(AdapterError, match="nothing beside it says α"):
        load_adapter(folder)
    adapter = load_adapter(written(folder, tensors, "adapter_model.pt", lora_alpha=3))
    assert adapter.modules["q_proj"].scaling.tolist() == [1.5]
    assert any("which is Meta's" in note for note in adapter.notes)


@pytest.mark.parametrize(
    ("end", "file", "config", "said"),
    [
        ("lora_A", "lora.pt", {"lora_alpha": 0}, "α is 0 in adapter_config.json"),
        ("lora_a.weight", "adapter_model.pt", {"lora_alpha": 0}, "α is 0 in adapter_config.json"),
        (
            "loras.one.lora_A",
            "pytorch_adapter.bin",
            {"config": {"architecture": "lora", "r": 2, "alpha": 0}},
            "α is 0 in adapter_config.json",
        ),
        (
            "lora_a",
            "adapters.pt",
            {"fine_tune_type": "lora", "lora_parameters": {"scale": 0}},
            "the scale is 0 in lora_parameters of adapter_config.json",
        ),
    ],
    ids=["loralib", "torchtune", "AdapterHub", "MLX-LM"],
)
def test_an_alpha_of_0_is_said_of_every_trainers_files(
    tmp_path: Path, end: str, file: str, config: dict[str, object], said: str
) -> None:
    name = f"layers.0.attn.q_proj.{end}"
    other = name.replace("lora_A", "lora_B").replace("lora_a", "lora_b")
    sizes = ((6, 2), (2, 6)) if file == "adapters.pt" else ((2, 6), (6, 2))
    tensors = {one: random(*size, seed=1) for one, size in zip((name, other), sizes, strict=True)}
    adapter = load_adapter(written(tmp_path, tensors, file, **config))
    assert adapter.modules["q_proj"].scaling.tolist() == [0]
    (caveat,) = adapter.caveats
    assert caveat.startswith(f"{said} for 1 of 1 matrices, and so is their s·B·A: ")


def test_an_alpha_of_0_of_litgpts_settings_and_of_a_header_is_said_where_it_stands(
    tmp_path: Path,
) -> None:
    kept("litgpt", tmp_path)
    settings = tmp_path / "adapter" / "hyperparameters.yaml"
    lines = settings.read_text().splitlines()
    lines = ["lora_alpha: 0" if one.startswith("lora_alpha:") else one for one in lines]
    settings.write_text("\n".join(lines))
    (caveat,) = load_adapter(settings.parent).caveats
    assert caveat.startswith("lora_alpha is 0 in hyperparameters.yaml for ")
    path = "transformer.transformer_blocks.0.attn.to_q"
    ends = {"A": random(2, 6, seed=1), "B": random(6, 2, seed=2)}
    header = {"transformer.r": 2, "transformer.lora_alpha": 0}
    save_file(
        {f"{path}.lora_{end}.weight": tensor for end, tensor in ends.items()},
        tmp_path / "a.safetensors",
        {"lora_adapter_metadata": json.dumps(header)},
    )
    (caveat,) = load_adapter(tmp_path / "a.safetensors").caveats
    assert caveat.startswith("α is 0 in the file's header for 1 of 1 matrices")


def test_torchtunes_stacked_experts_were_not_trained_in_full(tmp_path: Path) -> None:
    path, experts = "layers.0.attn.q_proj", "layers.0.mlp.experts.lora_gate_{}"
    tensors = {
        f"{path}.lora_a.weight": random(2, 6, seed=1),
        f"{path}.lora_b.weight": random(6, 2, seed=2),
        experts.format("a"): random(3, 6, 2, seed=3),
        experts.format("b"): random(3, 2, 8, seed=4),
        "norm.scale": random(6, seed=5),
    }
    adapter = load_adapter(written(tmp_path, tensors, "adapter_model.pt", r=2, lora_alpha=3))
    assert adapter.left_out == dict.fromkeys(
        map(experts.format, "ab"), "factor of stacked experts, not of a linear layer"
    ) | {"norm.scale": "trained in full, or W0 itself, no low-rank factor"}


def test_torchtunes_epochs_in_one_folder_are_told_apart(tmp_path: Path) -> None:
    """As it saved them before 0.5, beside the configuration that is asked for."""
    path = "layers.0.attn.q_proj"
    for epoch in range(2):
        tensors = {
            f"{path}.lora_a.weight": random(2, 6, seed=1),
            f"{path}.lora_b.weight": random(6, 2, seed=2 + epoch),
        }
        written(tmp_path, tensors, f"adapter_{epoch}.pt", r=2, lora_alpha=3)
        if epoch == 0:
            assert torch.equal(load_adapter(tmp_path).modules["q_proj"].b[0], random(6, 2, seed=2))
    with pytest.raises(AdapterError, match=r"adapter_0\.pt, adapter_1\.pt …, of an epoch each"):
        load_adapter(tmp_path)
    for epoch in range(2):
        adapter = load_adapter(tmp_path / f"adapter_{epoch}.pt")
        assert torch.equal(adapter.modules["q_proj"].b[0], random(6, 2, seed=2 + epoch))


@pytest.mark.parametrize(("config", "model_type", "moved"), [
    ({"base_model_name_or_path": "Qwen/Qwen2.5-0.5B"}, None, True), ({}, "qwen3", True), ({}, "llama", False),
    ({}, None, False), ({"base_model_name_or_path": "Qwen/Qwen3-4B", "bias": "none"}, None, False),
    ({"base_model_name_or_path": "qwen-or-llama/Llama-3-8B"}, None, False), ({"base_model_name_or_path": "my-qwen"}, "llama", False),
])  # fmt: skip
def test_rows_that_torchtunes_conversion_moves_are_said(
    tmp_path: Path, config: dict[str, str], model_type: str | None, moved: bool
) -> None:
    """Of Qwen, whose rows were in Hugging Face's order before; PEFT's own configurations say more settings."""
    path = "base_model.model.model.layers.0.self_attn.{}"
    for module, own in (("q_proj", moved), ("v_proj", False)):
        tensors = {
            f"{path.format(module)}.lora_A.weight": random(2, 8, seed=1),
            f"{path.format(module)}.lora_B.weight": random(8, 2, seed=2),
        }
        folder = tmp_path / module
        said = {"r": 2, "lora_alpha": 4, "target_modules": [module], "peft_type": "LORA"}
        written(folder, tensors, "adapter_model.bin", **said, **config)
        if model_type:
            (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        caveats = load_adapter(folder).caveats
        assert [one for one in caveats if "if torchtune made this file" in one] == list(caveats)
        assert len(caveats) == own


def test_pefts_file_beside_torchtunes_is_the_one_that_is_read(tmp_path: Path) -> None:
    kept("torchtune", tmp_path)
    folder = tmp_path / "adapter"
    path = "base_model.model.model.layers.0.self_attn.q_proj"
    save_file(
        {
            f"{path}.lora_A.weight": random(2, 8, seed=1),
            f"{path}.lora_B.weight": random(8, 2, seed=2),
        },
        folder / "adapter_model.safetensors",
    )
    config = json.loads((folder / "adapter_config.json").read_text()) | {"peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    assert load_adapter(folder).modules["q_proj"].names == ("model.layers.0.self_attn.q_proj",)
    torchtunes = load_adapter(folder / "adapter_model.pt")
    assert "layers.0.attn.q_proj" in torchtunes.modules["q_proj"].names


@pytest.mark.parametrize(("settings", "said"), [
    ({"use_gating": True}, "a gate"), ({"use_dora": True}, "DoRA"), ({"vera_d": 0.1}, "VeRA"),
    ({"composition_mode": "scale"}, r"\(IA\)³"), ({"architecture": "prefix_tuning"}, "architecture 'prefix_tuning'"),
    ({"architecture": None}, "no LoRA's settings"),
    ({"attn_matrices": ["q"]}, "configuration is of another"), ({"r": 3}, "rank"), ({"alpha": None}, "lora_alpha"),
])  # fmt: skip
def test_adapterhubs_that_would_be_misread_are_refused(
    tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    kept("adapterhub gpt2", tmp_path)
    file = tmp_path / "adapter" / "adapter_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"config": config["config"] | settings}))
    with pytest.raises(AdapterError, match=said):
        load_adapter(tmp_path / "adapter")


def test_nemos_are_told(tmp_path: Path) -> None:
    path = "module.decoder.layers.0.self_attention.linear_qkv.adapter"
    tensors = {
        f"{path}.linear_in.weight": random(2, 6, seed=1),
        f"{path}.linear_out.weight": random(6, 2, seed=2),
    }
    save_file(tensors, tmp_path / "nemo.safetensors")
    with pytest.raises(AdapterError, match=r"NeMo's.*llm\.peft\.export_lora"):
        load_adapter(tmp_path / "nemo.safetensors")


# What trainers that save by PEFT put beside its files.
BESIDE = {
    "Unsloth": ["tokenizer.json", "special_tokens_map.json", "chat_template.jinja"],
    "LLaMA-Factory": [
        "training_args.bin", "trainer_state.json", "all_results.json", "training_loss.png", "value_head.safetensors",
        "checkpoint-10/adapter_model.safetensors", "checkpoint-10/adapter_config.json",
        "checkpoint-10/optimizer.pt", "runs/events.out",
    ],
    "Axolotl": [
        "config.json", "optimizer.pt", "scheduler.pt", "rng_state.pth", "latest", "debug.log",
        "global_step10/mp_rank_00_model_states.pt", "zero_to_fp32.py",
    ],
}  # fmt: skip


@pytest.mark.parametrize("trainer", BESIDE)
def test_what_trainers_put_beside_pefts_files(tmp_path: Path, trainer: str) -> None:
    more = {"unsloth_version": "2025.9.1", "unsloth_fixed": True, "modules_to_save": ["classifier"]}
    extra = {"base_model.model.classifier.weight": random(2, 24, seed=3)}
    write_lora(tmp_path / "lora", BertLike(), extra=extra, config=more)
    for name in BESIDE[trainer]:
        file = tmp_path / "lora" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"{}")
    adapter = load_adapter(tmp_path / "lora")
    assert set(adapter.modules) == {"query", "value"}
    assert list(adapter.left_out.values()) == [
        "trained in full (modules_to_save); its ΔW needs the base"
    ]

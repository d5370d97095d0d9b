"""PEFT's ``target_parameters`` of single layers: ΔW lies as W0 does, as PEFT adds it, or is none."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from made_formats import deltas, made_by

from lora_lens import load_adapter
from lora_lens.bases.of_adapter import open_base_of
from lora_lens.errors import AdapterError, BaseModelError

peft = pytest.importorskip("peft", minversion="0.19")
transformers = pytest.importorskip("transformers")


def tuned(
    folder: Path, model: Any, *parameters: str, modules: tuple[str, ...] = (), **options: Any
) -> Any:
    """A model in memory with an adapter of these parameters, and the files of both."""
    model.save_pretrained(folder / "base")
    config = peft.LoraConfig(
        r=2, lora_alpha=6, target_modules=list(modules), target_parameters=list(parameters),
        init_lora_weights=False, **options,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's, where no module is named
        adapted = peft.get_peft_model(model, config)
    adapted.save_pretrained(folder / "lora")
    return adapted


@pytest.mark.parametrize("version", ["0.18.1", "0.21.2", None])
def test_a_stack_in_memory_is_the_peft_in_uses(tmp_path: Path, version: str | None) -> None:
    """Which keeps the version of the PEFT that saved what it loads; as wide within as without, so that no shape tells."""
    lora = made_by("peft_lora")
    plain = lora.mixtral()
    config = plain.config
    config.intermediate_size = config.hidden_size
    model = tuned(tmp_path, type(plain)(config), "mlp.experts.down_proj")
    model.peft_config["default"].peft_version = version
    found, expected = deltas(load_adapter(model)), lora.deltas(model)
    assert found.keys() == expected.keys()
    for path, delta in found.items():
        torch.testing.assert_close(delta, expected[path], rtol=1e-5, atol=1e-6)


CONV1D = ["attn.c_proj.weight", "c_attn.weight", "c_fc.weight"]


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("parameter", CONV1D)
def test_a_conv1ds_update_lies_as_its_w0_does(tmp_path: Path, parameter: str, live: bool) -> None:
    torch.manual_seed(0)
    model = tuned(tmp_path, made_by("peft_lora").gpt2(), parameter)
    adapter = load_adapter(model) if live else load_adapter(tmp_path / "lora", tmp_path / "base")
    found = deltas(adapter)
    assert len(found) == 2
    for path, delta in found.items():
        layer = model.get_base_model().get_submodule(path)
        expected = layer.get_delta_weight("default").detach().double().T
        torch.testing.assert_close(delta, expected, rtol=1e-5, atol=1e-6)
    for factors in adapter.modules.values():
        layer = model.get_base_model().get_submodule(factors.names[0])
        w0 = layer.get_param().detach().T
        w0 = factors.part.take(w0) if factors.part else w0
        assert torch.equal(open_base_of(adapter).w0(factors, 0), w0)


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("stack", ["gate_up_proj", "down_proj"])
@pytest.mark.parametrize("said", [True, False])
def test_one_stack_has_its_sides_by_the_hidden_states(
    tmp_path: Path, said: bool, stack: str, live: bool
) -> None:
    """transformers 4's GPT-OSS does not say that it lies (in, out), so that A has the output's side there."""
    torch.manual_seed(0)
    plain = made_by("peft_lora").gpt_oss()
    for layer in plain.model.layers:
        assert layer.mlp.experts.is_transposed
        layer.mlp.experts.is_transposed = said
    model = tuned(tmp_path, plain, f"experts.{stack}")
    adapter = load_adapter(model) if live else load_adapter(tmp_path / "lora", tmp_path / "base")
    found = deltas(adapter)
    assert len(found) == 6
    weights = open_base_of(adapter)
    for factors in adapter.modules.values():
        for k, path in enumerate(factors.names):
            module, expert, _ = path.rsplit(".", 2)
            layer = model.get_base_model().get_submodule(module)
            expected = layer.get_delta_weight("default").detach()[int(expert)].double().T
            torch.testing.assert_close(found[path], expected, rtol=1e-5, atol=1e-6)
            assert torch.equal(weights.w0(factors, k), layer.get_param()[int(expert)].T)


def test_of_a_conv1d_whose_base_is_not_here_it_is_asked_for(tmp_path: Path) -> None:
    tuned(tmp_path, made_by("peft_lora").gpt2(), CONV1D[0])
    (tmp_path / "base").rename(tmp_path / "elsewhere")
    with pytest.raises(AdapterError, match=r"c_proj\.weight by target_parameters.*pass --base"):
        load_adapter(tmp_path / "lora")
    assert load_adapter(tmp_path / "lora", tmp_path / "elsewhere").modules


def test_a_matrix_is_no_stack_of_experts(tmp_path: Path) -> None:
    tuned(tmp_path, made_by("peft_lora").llama(), "q_proj.weight", modules=("v_proj",))
    adapter = load_adapter(tmp_path / "lora", tmp_path / "base")
    assert sorted(adapter.modules) == ["q_proj", "v_proj"]
    assert not any("expert" in note for note in adapter.notes)


def test_the_output_channels_of_a_convolution_are_no_layers(tmp_path: Path) -> None:
    config = transformers.WhisperConfig(
        d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=24, decoder_ffn_dim=24, vocab_size=40, num_mel_bins=8, max_source_positions=20,
        max_target_positions=20, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config)
    adapted = tuned(tmp_path, model, "conv1.weight", modules=("q_proj",))
    for adapter in (load_adapter(tmp_path / "lora", tmp_path / "base"), load_adapter(adapted)):
        assert all("q_proj" in name for name in adapter.modules)
        assert len(adapter.left_out) == 2
        assert all("each output channel" in why for why in adapter.left_out.values())


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("parameter", ["mlp.w1", "w1"])
def test_a_matrix_that_is_no_modules_weight_has_its_w0(
    tmp_path: Path, parameter: str, live: bool
) -> None:
    """DBRX's, of all experts below each other."""
    config = transformers.DbrxConfig(
        d_model=16, n_heads=4, n_layers=2, max_seq_len=32, vocab_size=40, pad_token_id=0,
        attn_config={"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 8.0},
        ffn_config={"ffn_hidden_size": 24, "moe_num_experts": 2, "moe_top_k": 1},
    )  # fmt: skip
    model = tuned(tmp_path, transformers.DbrxForCausalLM(config), parameter, modules=("out_proj",))
    adapter = load_adapter(model) if live else load_adapter(tmp_path / "lora", tmp_path / "base")
    factors = adapter.modules["w1"]
    layer = model.get_base_model().get_submodule(factors.names[1].removesuffix(".w1"))
    torch.testing.assert_close(
        deltas(adapter)[factors.names[1]], layer.get_delta_weight("default").detach().double()
    )
    assert torch.equal(open_base_of(adapter).w0(factors, 1), layer.get_param().detach())


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize(
    ("options", "unmatched"),
    [
        ({"alpha_pattern": {"gate_proj.weight": 32}}, None),
        ({"alpha_pattern": {"gate_proj": 32}}, "matches gate_proj of alpha_pattern"),
        ({"rank_pattern": {"gate_proj.weight": 1}}, None),
        ({"rank_pattern": {"gate_proj.weight": 4}}, None),
    ],
)
def test_patterns_meet_a_weight_by_its_whole_name(
    tmp_path: Path, options: dict[str, Any], unmatched: str | None, live: bool
) -> None:
    model = tuned(tmp_path, made_by("peft_lora").llama(), "mlp.gate_proj.weight", **options)
    adapter = load_adapter(model) if live else load_adapter(tmp_path / "lora", tmp_path / "base")
    found = deltas(adapter)
    assert len(found) == 2
    for path, delta in found.items():
        layer = model.get_base_model().get_submodule(path)
        expected = layer.get_delta_weight("default").detach().double()
        torch.testing.assert_close(delta, expected, rtol=1e-5, atol=1e-6)
    notes = [note for note in adapter.notes if "no module of the file" in note]
    assert len(notes) == (unmatched is not None)
    assert unmatched is None or unmatched in notes[0]


def jetmoe() -> Any:
    config = transformers.JetMoeConfig(
        hidden_size=16, num_hidden_layers=2, num_key_value_heads=2, kv_channels=4,
        intermediate_size=12, vocab_size=11, num_local_experts=3, num_experts_per_tok=2, pad_token_id=0,
    )  # fmt: skip
    return transformers.JetMoeForCausalLM(config)


@pytest.mark.parametrize("live", [False, True])
def test_a_weight_that_is_a_stack_has_the_rank_of_its_whole_name(
    tmp_path: Path, live: bool
) -> None:
    pattern = {"mlp.input_linear.weight": 3}
    model = tuned(tmp_path, jetmoe(), "mlp.input_linear.weight", rank_pattern=pattern)
    adapter = load_adapter(model) if live else load_adapter(tmp_path / "lora", tmp_path / "base")
    found = deltas(adapter)
    assert len(found) == 6
    for layer in range(2):
        path = f"model.layers.{layer}.mlp"
        stack = model.get_base_model().get_submodule(f"{path}.input_linear")
        expected = stack.get_delta_weight("default").detach().double()
        for k, one in enumerate(expected):
            delta = found[f"{path}.{k}.input_linear"]
            torch.testing.assert_close(delta, one, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("live", [False, True])
def test_w0_of_an_expert_is_a_slice_of_a_modules_weight(tmp_path: Path, live: bool) -> None:
    names = ("input_linear", "output_linear")
    model = tuned(tmp_path, jetmoe(), *(f"{name}.weight" for name in names))
    adapter = load_adapter(model) if live else load_adapter(tmp_path / "lora", tmp_path / "base")
    weights, seen = open_base_of(adapter), 0
    for factors in adapter.modules.values():
        for k, path in enumerate(factors.names):
            module, number, name = path.rsplit(".", 2)
            stack = model.get_base_model().get_submodule(f"{module}.{name}")
            assert torch.equal(weights.w0(factors, k), stack.get_param().detach()[int(number)])
            weights.release(path)
            seen += 1
    assert seen == 2 * 2 * (3 + 3)  # of the layers' experts and of their attention's


@pytest.mark.parametrize("live", [False, True])
def test_a_table_is_not_turned_where_its_weight_is_asked_for(tmp_path: Path, live: bool) -> None:
    model = tuned(tmp_path, made_by("peft_lora").llama(), "embed_tokens.weight")
    adapter = load_adapter(model) if live else load_adapter(tmp_path / "lora", tmp_path / "base")
    factors = adapter.modules["embed_tokens"]
    layer = model.get_base_model().get_submodule("model.embed_tokens")
    assert torch.equal(open_base_of(adapter).w0(factors, 0), layer.get_param().detach())


def test_a_layer_in_memory_without_a_weight_has_no_w0(tmp_path: Path) -> None:
    model = tuned(tmp_path, made_by("peft_lora").mixtral(), "experts.down_proj")
    with pytest.raises(BaseModelError, match=r"layers\.0\.mlp\.experts .* has no weight"):
        open_base_of(load_adapter(model)).weight("model.layers.0.mlp.experts")

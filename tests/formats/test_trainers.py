"""What trainers do to PEFT's files: read as what it is, or refused with what it is and what to do."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, random, write_config, write_lora, write_tensors
from safetensors.torch import load_file
from torch import Tensor

from lora_lens import load_adapter
from lora_lens.errors import AdapterError

PATH = "base_model.model.bert.encoder.layer.{}.attention.self.{}"


def alphas(
    shape: BertLike, alpha: float, modules: tuple[str, ...] = ("query", "value")
) -> dict[str, Tensor]:
    return {
        f"{PATH.format(layer, module)}.alpha": torch.tensor(alpha)
        for layer in range(shape.layers)
        for module in modules
    }  # fmt: skip


def test_tensors_of_alpha_set_the_scale(tmp_path: Path) -> None:
    shape = BertLike()
    write_lora(tmp_path / "lora", shape, extra=alphas(shape, 2.0, ("value",)))
    adapter = load_adapter(tmp_path / "lora")
    assert adapter.modules["value"].scaling.tolist() == [0.5] * 3
    assert adapter.modules["query"].scaling.tolist() == [2] * 3
    assert not adapter.left_out
    assert adapter.trainable_parameters == 6 * 2 * 4 * 24
    write_config(tmp_path / "lora", base=None, r=4, use_rslora=True)
    assert load_adapter(tmp_path / "lora").modules["value"].scaling.tolist() == [1.0] * 3


def test_a_file_whose_alphas_are_in_it_needs_no_configuration(tmp_path: Path) -> None:
    shape = BertLike()
    write_lora(tmp_path / "lora", shape, extra=alphas(shape, 2.0))
    file = (tmp_path / "lora" / "adapter_model.safetensors").rename(tmp_path / "alone.safetensors")
    adapter = load_adapter(file)
    assert (adapter.source, adapter.base_model) == (str(file), None)
    assert adapter.modules["value"].scaling.tolist() == [0.5] * 3


def test_an_alpha_without_factors_is_left_out_and_a_bad_one_refused(tmp_path: Path) -> None:
    shape = BertLike()
    write_lora(tmp_path / "lora", shape, extra={"base_model.model.x.alpha": torch.ones(())})
    assert load_adapter(tmp_path / "lora").left_out == {
        "base_model.model.x.alpha": "α of a module that has no factors here"
    }
    for bad, said in ((torch.ones(2), "expected one number"), (torch.tensor(math.nan), "finite")):
        name = f"{PATH.format(0, 'value')}.alpha"
        write_lora(tmp_path / "bad", shape, extra={name: bad})
        with pytest.raises(AdapterError, match=said):
            load_adapter(tmp_path / "bad")


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name.replace("encoder.", "encoder._fsdp_wrapped_module."),
        lambda name: name.replace("base_model.model.", "base_model.model._orig_mod."),
        lambda name: name.replace(".attention", "._checkpoint_wrapped_module.attention"),
        lambda name: f"_orig_mod.{name}",
        lambda name: name.replace("encoder.", "encoder._orig_module."),
        lambda name: f"module.{name}",
        lambda name: f"module._orig_mod.{name}",
    ],
)
def test_wrappers_are_no_part_of_a_name(tmp_path: Path, rename: Callable[[str], str]) -> None:
    shape = BertLike()
    write_lora(
        tmp_path / "plain",
        shape,
        config={"rank_pattern": {"bert.encoder.layer.1.attention.self.value": 4}},
    )
    tensors = load_file(tmp_path / "plain" / "adapter_model.safetensors")
    extra = {"base_model.model.classifier.weight": random(2, 24, seed=1)}
    write_tensors(tmp_path / "wrapped", {rename(name): t for name, t in (tensors | extra).items()})
    write_config(
        tmp_path / "wrapped", base=None, r=4, rank_pattern={"layer.1.attention.self.value": 4}
    )
    plain, wrapped = (
        load_adapter(tmp_path / name).modules["value"] for name in ("plain", "wrapped")
    )
    assert wrapped.names == plain.names
    assert torch.equal(wrapped.a, plain.a)


def test_two_tensors_of_one_plain_name_are_refused(tmp_path: Path) -> None:
    shape = BertLike()
    name = f"{PATH.format(0, 'value')}.lora_A.weight"
    write_lora(tmp_path / "lora", shape, extra={f"_orig_mod.{name}": random(4, 24, seed=1)})
    with pytest.raises(AdapterError, match="are the same factor"):
        load_adapter(tmp_path / "lora")


@pytest.mark.parametrize("peft_type", ["LORA", "ADALORA"])
def test_empty_tensors_of_zero_3_say_what_to_do(tmp_path: Path, peft_type: str) -> None:
    shape = BertLike()
    write_lora(tmp_path / "lora", shape)
    empty = dict.fromkeys(shape.adapter, torch.empty(0))
    if peft_type == "ADALORA":
        empty = {f"{PATH.format(0, 'value')}.lora_{letter}": torch.empty(0) for letter in "ABE"}
        write_config(tmp_path / "lora", base=None, peft_type=peft_type)
    write_tensors(tmp_path / "lora", {name: t.clone() for name, t in empty.items()})
    with pytest.raises(AdapterError, match=r"is empty.*ZeRO-3.*zero_to_fp32\.py"):
        load_adapter(tmp_path / "lora")


@pytest.mark.parametrize(
    ("e", "settings", "message"),
    [
        (torch.ones(1, 1), {}, r"shape \(1, 1\), expected \(4, 1\) as of .*lora_A"),
        (torch.ones(4, 1), {"lora_alpha": float("nan")}, "lora_alpha nan and init_r 12, expected numbers"),
        (torch.ones(4, 1), {"init_r": -1}, "lora_alpha 8 and init_r -1, expected numbers"),
    ],
)  # fmt: skip
def test_what_adalora_would_be_scaled_wrongly_by(
    tmp_path: Path, e: torch.Tensor, settings: dict[str, object], message: str
) -> None:
    sides = {"A": random(4, 24, seed=1), "B": random(24, 4, seed=2), "E": e}
    tensors = {f"{PATH.format(0, 'value')}.lora_{letter}": one for letter, one in sides.items()}
    write_tensors(tmp_path / "lora", tensors)
    write_config(
        tmp_path / "lora", base=None, **({"peft_type": "ADALORA", "lora_alpha": 8} | settings)
    )
    with pytest.raises(AdapterError, match=message):
        load_adapter(tmp_path / "lora")


def test_several_adapters_in_one_file_are_refused(tmp_path: Path) -> None:
    shape = BertLike()
    write_lora(tmp_path / "lora", shape)
    tensors = {
        name.replace(".weight", f".{adapter}.weight"): t.clone()
        for name, t in shape.adapter.items()
        for adapter in ("one", "two")
    }
    write_tensors(tmp_path / "lora", tensors)
    with pytest.raises(AdapterError, match="holds several adapters, named one, two; expected one"):
        load_adapter(tmp_path / "lora")
    write_tensors(
        tmp_path / "lora", {n: t for n, t in tensors.items() if ".one." in n} | shape.adapter
    )
    with pytest.raises(AdapterError, match="holds several adapters, named nothing, one"):
        load_adapter(tmp_path / "lora")


@pytest.mark.parametrize("key", ["use_rslora", "use_dora", "fan_in_fan_out"])
def test_a_word_is_no_switch(tmp_path: Path, key: str) -> None:
    """PEFT takes any word for true, "false" too."""
    write_lora(tmp_path / "lora", BertLike(), config={key: "false"})
    with pytest.raises(AdapterError, match=rf"{key} of .* is 'false', expected true or false"):
        load_adapter(tmp_path / "lora")


def test_a_later_condlora_is_refused(tmp_path: Path) -> None:
    write_tensors(
        tmp_path, {"value.theta_A": random(8, 2, seed=1), "value.theta_B": random(8, 2, seed=2)}
    )
    write_config(tmp_path, base=None, peft_type="CONDLORA", r=2, condlora_version=2)
    with pytest.raises(AdapterError, match=r"condlora_version 2, and this lora-lens reads 1"):
        load_adapter(tmp_path)


def gpart(folder: Path, **config: object) -> dict[str, Tensor]:
    theta = {letter: random(4, 24, seed=k) for k, letter in enumerate("AB")}
    tensors = {
        f"{PATH.format(layer, 'value')}.cond_lora_{letter}.weight": theta[letter].clone()
        for layer in range(2)
        for letter in "AB"
    }
    write_tensors(folder, tensors)
    write_config(folder, base="nowhere/at-all", peft_type="CONDLORA", r=4, **config)
    return tensors


def test_gparts_condlora_that_would_be_misread_is_refused(tmp_path: Path) -> None:
    gpart(tmp_path / "x", use_x="type1")
    gpart(tmp_path / "conv1d", fan_in_fan_out=True)
    tensors = gpart(tmp_path / "apart")
    tensors[f"{PATH.format(1, 'value')}.cond_lora_A.weight"] += 1
    write_tensors(tmp_path / "apart", tensors)
    for name, said in (("x", "use_x"), ("conv1d", "Conv1D"), ("apart", "differ, though")):
        with pytest.raises(AdapterError, match=said):
            load_adapter(tmp_path / name)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"fine_tune_type": "dora"}, r"'dora', but .*q_proj has no .*q_proj\.m"),
        ({"fine_tune_type": "full"}, "fine_tune_type 'full'"),
        ({"lora_parameters": {}}, "the scale in lora_parameters"),
        ({"lora_parameters": None}, "the scale in lora_parameters"),
    ],
)
def test_mlx_adapters_that_would_be_misread_are_refused(
    tmp_path: Path, config: dict[str, object], said: str
) -> None:
    name = "model.layers.0.self_attn.q_proj"
    write_tensors(
        tmp_path, {f"{name}.lora_a": random(8, 2, seed=1), f"{name}.lora_b": random(2, 8, seed=2)}
    )
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / "adapters.safetensors")
    said_before = {"fine_tune_type": "lora", "lora_parameters": {"scale": 20.0}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(said_before))
    assert load_adapter(tmp_path).modules["q_proj"].scaling.tolist() == [20.0]
    (tmp_path / "adapter_config.json").write_text(json.dumps(said_before | config))
    with pytest.raises(AdapterError, match=said):
        load_adapter(tmp_path)


def mlx(folder: Path, tensors: dict[str, Tensor], config: dict[str, object]) -> Path:
    write_tensors(folder, tensors)
    (folder / "adapter_model.safetensors").rename(folder / "adapters.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def test_mlxs_files_of_2024_say_dora_and_may_have_meant_alpha(tmp_path: Path) -> None:
    name = "model.layers.0.self_attn.q_proj"
    pair = {f"{name}.lora_a": random(8, 2, seed=1), f"{name}.lora_b": random(2, 8, seed=2)}
    said = {"lora_layers": 16, "lora_parameters": {"rank": 2, "alpha": 16, "dropout": 0.0, "scale": 10.0}}  # fmt: skip
    adapter = load_adapter(mlx(tmp_path / "lora", pair, said))
    assert adapter.modules["q_proj"].scaling.tolist() == [10.0]
    (note,) = adapter.notes
    assert "alpha 16 beside scale 10" in note
    assert "put scale 80 into adapter_config.json" in note
    later = said | {"fine_tune_type": "lora"}
    assert not load_adapter(mlx(tmp_path / "later", pair, later)).notes
    dora = pair | {f"{name}.m": random(8, seed=3).abs()}
    assert load_adapter(mlx(tmp_path / "dora", dora, said | {"use_dora": True})).method == "dora"


def test_mlx_vlms_w0_that_was_quantised_is_said(tmp_path: Path) -> None:
    name = "language_model.model.layers.0.self_attn.q_proj"
    pair = {f"{name}.lora_a": random(8, 2, seed=1), f"{name}.lora_b": random(2, 8, seed=2)}
    said = {"fine_tune_type": "lora", "lora_parameters": {"rank": 2, "dropout": 0.0, "scale": 2.0}}
    bits = {"bits": 4, "group_size": 32, "mode": "affine"}
    for key, count in ((name, 1), ("language_model.lm_head", 0)):
        config = said | {"base_quantization": {key: bits}}
        adapter = load_adapter(mlx(tmp_path / key, pair, config))
        assert (
            sum("W0 was quantised when MLX-VLM trained" in one for one in adapter.caveats) == count
        )


def test_what_mlx_trained_in_full_is_told(tmp_path: Path) -> None:
    tensors = {"language_model.lm_head.weight": random(11, 8, seed=1)}
    with pytest.raises(AdapterError, match=r"whole weights, which MLX trained in full .*mergekit"):
        load_adapter(mlx(tmp_path, tensors, {"fine_tune_type": "full"}))


def test_mlxs_factors_of_another_rank_than_was_said_are_refused(tmp_path: Path) -> None:
    """A and B as PEFT has them, of a square layer, would fit each other turned over."""
    name = "model.layers.0.self_attn.q_proj"
    turned = {f"{name}.lora_a": random(2, 8, seed=1), f"{name}.lora_b": random(8, 2, seed=2)}
    said = {"fine_tune_type": "lora", "lora_parameters": {"rank": 2, "scale": 1.0}}
    with pytest.raises(AdapterError, match=r"is of rank 8 as MLX-LM has it.*says 2.*turned over"):
        load_adapter(mlx(tmp_path, turned, said))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["lora_unet_down_blocks_0.lora_down.weight"],
            "no partner, the factor up of unet.down_blocks",
        ),
        (
            ["diffusion_model.blocks.0.attn.to_q.lora_A.weight"],
            "no module has one: ai-toolkit's network type fullrank",
        ),
        (["down.0.lora_down.weight"], "kohya's or LyCORIS's, of modules .* none of lora_unet, "),
        (["lora_other_fc.hada_w1_a"], "kohya's or LyCORIS's, of modules .* rename them"),
        (["lycoris_fc.diff", "lycoris_fc.diff_b"], "whole changes of weights .* extract a LoRA"),
        (["lycoris_fc.a1.weight", "lycoris_fc.b2.weight"], "GLoRA or IA³, whose ΔW is made of W0"),
        (["lycoris_fc.oft_blocks", "lycoris_fc.rescale"], "LyCORIS's OFT"),
        (["lycoris_fc.lambda_layer", "lycoris_fc.q_layer.weight"], "T-LoRA, whose first factors"),
        (
            ["unet.down_blocks.0.attn1.processor.to_q_lora.up.weight"],
            "has no partner, the factor down of unet",
        ),
        (["lora_controlnet", "input_blocks.1.0.emb_layers.1.up"], "a Control-LoRA.*there is no ΔW"),
        (["lllite_unet_input_blocks_4_1.down.0.weight"], "ControlNet-LLLite.*there is no ΔW"),
        (["x.processor.to_k_custom_diffusion.weight"], "Custom Diffusion, no factors"),
        (["lora_unet_double_blocks_0_img_attn_qkv.lora_down.0.weight"], "split_dims"),
        (["transformer_blocks.0.qkv_proj.lora_down"], "Nunchaku's.* it was converted from"),
        (["text_encoder_9.x.lora.up.weight"], "diffusers', of modules"),
        (["layers.0.attention.lora_wq_l1.weight", "layers.0.attention.wq.bias"], "LLaMA-Adapter's"),
        (["module.q.lora_module.in_proj", "module.q.module.weight"], "lora-pytorch's"),
        (["transformer.h.0.attn.lora_module.in_proj.weight"], "lora-pytorch's"),
        (["layer_0.q_proj.w_lora_A", "layer_0.q_proj.w_lora_B"], "CLIP-LoRA's, whose s is α/√r"),
        (["attention.dense.matrix_A.0", "attention.dense.matrix_B.0"], "SwissArmyTransformer's"),
        (["layers.0.attn.q_proj.w_lora_a", "layers.0.attn.q_proj.w_lora_b"], r"Qwix's \(Tunix's\)"),
        (["enc.0.q.adapter_down_proj.weight", "enc.0.q.adapter_up_proj.weight"], "SpeechBrain's"),
        (["x.lora_A.weight", "x.lora_B.weight"], "has no adapter_config.json beside it"),
        (["weight"], "no adapter_config.json, and weight"),
    ],
)
def test_a_file_of_another_kind_says_whose_it_may_be(
    tmp_path: Path, names: list[str], said: str
) -> None:
    write_tensors(tmp_path, {name: random(4, 4, seed=1) for name in names})
    with pytest.raises(AdapterError, match=said):
        load_adapter(tmp_path / "adapter_model.safetensors")


def test_what_mlx_stacks_or_fuses_is_left_out_by_its_name(tmp_path: Path) -> None:
    """Experts as MLX-LM had them before October 2025, A of all in one matrix; a pair a part, of its LoRAFusedLinear."""
    path = "model.layers.0"
    tensors = {
        f"{path}.self_attn.q_proj.lora_a": random(8, 2, seed=1), f"{path}.self_attn.q_proj.lora_b": random(2, 6, seed=2),
        f"{path}.mlp.up_proj.lora_a": random(6, 8, seed=3), f"{path}.mlp.up_proj.lora_b": random(3, 5, 2, seed=4),
        f"{path}.attn.qkv_proj.lora_a.0": random(8, 2, seed=5), f"{path}.attn.qkv_proj.lora_b.0": random(2, 6, seed=6),
    }  # fmt: skip
    said = {"fine_tune_type": "lora", "lora_parameters": {"rank": 2, "scale": 20.0}}
    adapter = load_adapter(mlx(tmp_path, tensors, said))
    assert list(adapter.modules) == ["q_proj"]
    whys = {name.removeprefix(path): why for name, why in adapter.left_out.items()}
    stacked, part = (
        "factor of stacked experts, not of a linear layer",
        "factor of one part of a fused projection",
    )
    assert whys == {
        ".mlp.up_proj.lora_a": stacked, ".mlp.up_proj.lora_b": stacked,
        ".attn.qkv_proj.lora_a.0": part, ".attn.qkv_proj.lora_b.0": part,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["embed_in", "wpe", "token_embeddings"])
def test_mlxs_tables_are_left_out_whatever_their_names(tmp_path: Path, name: str) -> None:
    query = "model.layers.0.attn.q_proj"
    tensors = {
        f"model.{name}.lora_a": random(40, 2, seed=1), f"model.{name}.lora_b": random(2, 8, seed=2),
        f"{query}.lora_a": random(8, 2, seed=3), f"{query}.lora_b": random(2, 8, seed=4),
    }  # fmt: skip
    said = {"fine_tune_type": "lora", "lora_parameters": {"rank": 2, "scale": 20.0}}
    adapter = load_adapter(mlx(tmp_path, tensors, said))
    assert list(adapter.modules) == ["q_proj"]
    assert set(adapter.left_out.values()) == {
        "factor of an embedding, whose W0 is a table of tokens"
    }

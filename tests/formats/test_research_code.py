"""Files that research code writes beside PEFT's: ΔW by hand where s is known, else a refusal that says what they are."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import random
from made_formats import deltas
from safetensors.torch import save_file
from torch import Tensor

import lora_lens as ll
from lora_lens.errors import AdapterError

MOSHI = ["transformer.layers.0.self_attn.in_projs.0", "transformer.layers.1.gating.linear_in"]
DETR = [
    "transformer.encoder.layers.0.linear1",
    "transformer.decoder.layers.1.multihead_attn.out_proj",
    "transformer.blocks.0.attn.Wqkv",
    "transformer.layers.0.self_attn.q_proj",
    "transformer.layers.0.cross_attention.in_projs.0",
]
TORCH = ["transformer.layers.0.self_attn.out_proj", "transformer.layers.0.linear1"]
OPENCLIP = ["transformer.resblocks.0.mlp.c_fc", "transformer.resblocks.1.mlp.c_fc"]


def write(folder: Path, tensors: dict[str, Tensor], **beside: dict[str, object]) -> Path:
    save_file(tensors, folder / "lora.safetensors")
    for name, said in beside.items():
        (folder / f"{name}.json").write_text(json.dumps(said))
    return folder


def factors(paths: list[str]) -> dict[str, Tensor]:
    return {
        f"{path}.lora_{letter}.weight": random(*shape, seed=seed)
        for seed, path in enumerate(paths)
        for letter, shape in (("A", (2, 5)), ("B", (6, 2)))
    }


@pytest.mark.parametrize("paths", [MOSHI, OPENCLIP, TORCH, DETR])
def test_names_that_begin_as_diffusers_need_an_alpha_where_they_are_none_of_its(
    tmp_path: Path, paths: list[str]
) -> None:
    tensors = factors(paths)
    write(tmp_path, tensors)
    with pytest.raises(AdapterError, match=r"has no adapter_config\.json beside it"):
        ll.load_adapter(tmp_path)
    write(tmp_path, tensors, adapter_config={"peft_type": "LORA", "r": 2, "lora_alpha": 6})
    found = deltas(ll.load_adapter(tmp_path))
    assert found.keys() == set(paths)
    for path in paths:
        a, b = (tensors[f"{path}.lora_{letter}.weight"].double().numpy() for letter in "AB")
        np.testing.assert_allclose(found[path].double().numpy(), 3 * b @ a, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("config", {"lora_rank": 2, "lora_scaling": 2.5}, "config.json says lora_scaling 2.5, which is s"),
        ("params", {"lora": {"rank": 2, "scaling": 3.0}}, "params.json says scaling 3.0, which is s itself"),
        ("relora_config", {"r": 2, "lora_alpha": 32}, "says r 2 and lora_alpha 32, .*since it last merged"),
        ("lora_train_meta", {"r": 2, "lora_alpha": 32}, "lora_train_meta.json says r 2 and lora_alpha 32"),
        ("config", {"hidden_size": 5}, r'"lora_alpha": …\}$'),
    ],
)  # fmt: skip
def test_a_scale_that_its_trainer_wrote_elsewhere_is_told(
    tmp_path: Path, name: str, said: dict[str, object], expected: str
) -> None:
    write(tmp_path, factors(MOSHI), **{name: said})
    with pytest.raises(AdapterError, match=expected):
        ll.load_adapter(tmp_path / "lora.safetensors")


@pytest.mark.parametrize(("alpha", "said"), [(16, 0), (8, 1)])
def test_an_alpha_that_verl_trained_with_is_not_passed_over(
    tmp_path: Path, alpha: int, said: int
) -> None:
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 16}
    write(
        tmp_path,
        factors(MOSHI),
        adapter_config=config,
        lora_train_meta={"r": 2, "lora_alpha": alpha},
    )
    caveats = ll.load_adapter(tmp_path / "lora.safetensors").caveats
    assert [
        "lora_alpha 16, by which s is made, and lora_train_meta.json" in one for one in caveats
    ] == [True] * said


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("text_encoder.encoder.layer.0.attention.self.query", "s would be 1"),
        ("transformer.blocks.0.attn.proj", "s would be 1"),
        ("transformer.resblocks.0.mlp.c_fc", "says lora_alpha and no peft_type"),
        ("visual.transformer.resblocks.0.mlp.c_fc", "says lora_alpha and no peft_type"),
        ("blocks.0.attn.proj", "says lora_alpha and no peft_type"),
    ],
)
def test_an_alpha_beside_names_of_an_image_model_is_not_passed_over(
    tmp_path: Path, path: str, said: str
) -> None:
    write(tmp_path, factors([path]), adapter_config={"r": 2, "lora_alpha": 32})
    with pytest.raises(AdapterError, match=f'{said}.*"peft_type": "LORA"'):
        ll.load_adapter(tmp_path)


def test_an_alpha_beside_kohyas_names_is_not_passed_over(tmp_path: Path) -> None:
    name = "lora_unet_mid_block_attentions_0_proj_in"
    tensors = {
        f"{name}.lora_down.weight": random(2, 5, seed=1),
        f"{name}.lora_up.weight": random(6, 2, seed=2),
    }
    write(tmp_path, tensors, adapter_config={"r": 2, "lora_alpha": 32})
    with pytest.raises(AdapterError, match=r"s would be 1: write it as a tensor \.alpha"):
        ll.load_adapter(tmp_path)
    write(tmp_path, tensors | {f"{name}.alpha": torch.tensor(6.0)})
    (s,) = ll.load_adapter(tmp_path).modules["proj_in"].scaling
    assert float(s) == 3


@pytest.mark.parametrize("router", ["router.weight", "gate.weight", "moe_gate.weight", "router.router.weight"])  # fmt: skip
@pytest.mark.parametrize("ending", [".weight", ""])
def test_a_router_within_a_layer_is_a_part_of_its_update(
    tmp_path: Path, router: str, ending: str
) -> None:
    tensors = {name.removesuffix(".weight") + ending: one for name, one in factors(["h.0.fc"]).items()}  # fmt: skip
    config: dict[str, object] = {"lora_alpha": 4, "r": 2}
    kind: dict[str, object] = {"peft_type": "LORA"} if ending else {}
    write(tmp_path, tensors, adapter_config=config | kind)
    assert list(ll.load_adapter(tmp_path).modules) == ["fc"]
    write(tmp_path, tensors | {f"h.0.fc.{router}": random(1, 5, seed=9)})
    with pytest.raises(AdapterError, match="beside the factors of h.0.fc, a part of its update"):
        ll.load_adapter(tmp_path)


def test_a_router_beside_a_layer_is_left_out(tmp_path: Path) -> None:
    """A mixture's own, of a block whose experts have factors."""
    tensors = factors(["h.0.mlp.fc"]) | {"h.0.mlp.gate.weight": random(1, 5, seed=9)}
    write(tmp_path, tensors, adapter_config={"peft_type": "LORA", "r": 2, "lora_alpha": 4})
    assert list(ll.load_adapter(tmp_path).left_out) == ["h.0.mlp.gate.weight"]


@pytest.mark.parametrize("peft_type", ["LORA", "MMOELORAS"])
@pytest.mark.parametrize(
    "names",
    [
        ["lora_A.weight", "lora_B0.weight", "lora_B1.weight", "lora_route.weight"],  # HydraLoRA
        ["lora_A0.weight", "lora_A1.weight", "lora_B0.weight", "lora_B1.weight"],  # LoRAMoE
        ["lora_A_0.weight", "lora_B_0.weight", "router.router.weight"],  # MoLA
        ["lora_A.loraA.0.mlp.weight", "lora_B.loraB.0.mlp.weight", "lora_gate.GateL.weight"],  # MOELoRA
        ["lora_A.default.loraA.0.mlp.weight", "lora_B.default.loraB.0.mlp.weight"],
    ],
)  # fmt: skip
def test_a_mixture_of_experts_has_no_delta_of_its_own(
    tmp_path: Path, peft_type: str, names: list[str]
) -> None:
    tensors = {f"base_model.model.h.0.fc.{name}": random(2, 2, seed=1) for name in names}
    write(tmp_path, tensors, adapter_config={"peft_type": peft_type, "r": 2, "lora_alpha": 4})
    with pytest.raises(AdapterError, match="of a mixture of experts .*has no ΔW of its own"):
        ll.load_adapter(tmp_path)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["w_a_000", "w_b_000", "fc_5in_3out"], "LoRA-ViT's or SAMed's, .*which do not say s"),
        (["h.0.fc.lora.A", "h.0.fc.lora.B"], "written from scratch, whose file says neither s nor"),
        (["h.0.fc.lora.W_a", "h.0.fc.lora.W_b"], "written from scratch"),
    ],
)
def test_other_code_is_told_by_its_names(tmp_path: Path, names: list[str], said: str) -> None:
    write(tmp_path, {name: random(2, 2, seed=1) for name in names})
    with pytest.raises(AdapterError, match=said):
        ll.load_adapter(tmp_path)

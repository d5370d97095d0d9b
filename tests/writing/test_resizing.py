"""A lower rank: against dense SVDs, PEFT's own layers, and every adapter that the formats' tests make."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import fails, run
from made_formats import cases_of, deltas
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import lora_lens as ll
from lora_lens.errors import AdapterError, LensError

FORMATS = ("peft_lora", "kohya", "diffusers_lora")
CASES = [(name, case) for name in FORMATS for case in cases_of(name)]
# Experts, DoRA, a factor of diagonal blocks, and a convolution of groups, which is left out; of what LyCORIS makes nothing is two matrices.
REFUSED = {
    "peft_lora": {case for case in cases_of("peft_lora") if "stack" in case or "dora" in case}
    | {"convolutions", "blocks on the diagonal"},
    "kohya": {"lycoris", "DoRA of LyCORIS's own"},
    "diffusers_lora": {"dora"},
}


def nearest(delta: Tensor, rank: int) -> Tensor:
    """By the dense SVD."""
    u, s, vh = np.linalg.svd(delta.double().numpy(), full_matrices=False)
    return torch.from_numpy((u[:, :rank] * s[:rank]) @ vh[:rank])


def is_close(found: Tensor, expected: Tensor, of: Tensor, tolerance: float = 1e-6) -> bool:
    return bool((found - expected).norm() <= tolerance * of.norm())


def precision(folder: Path) -> float:
    """What the coarsest dtype among the factors rounds to."""
    (file,) = folder.glob("*.safetensors")
    floats = [x.dtype for x in load_file(file).values() if x.is_floating_point() and x.ndim > 1]
    return 4 * max(torch.finfo(dtype).eps for dtype in floats)


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}, {case}" for name, case in CASES])
def test_every_adapter_is_cut_to_its_nearest_or_refused(
    tmp_path: Path, name: str, case: str
) -> None:
    """All that the formats' own tests make; what is refused says why, and leaves nothing."""
    cases_of(name)[case](tmp_path)
    read = deltas(ll.load_adapter(tmp_path / "adapter", tmp_path / "base"))
    if case in REFUSED[name]:
        with pytest.raises(
            AdapterError, match="full rank|two matrices of the file|left out|its base"
        ):
            ll.resize(tmp_path / "adapter", tmp_path / "out", rank=1)
        assert not (tmp_path / "out").exists()
        return
    told = ll.resize(tmp_path / "adapter", tmp_path / "out", rank=1)
    after = deltas(ll.load_adapter(tmp_path / "out", tmp_path / "base"))
    ranks = {one.name: one.kept_rank for one in told.modules}
    assert set(after) == set(read)
    assert set(ranks.values()) == {1}
    tolerance = precision(tmp_path / "out")
    for path, delta in read.items():
        expected = nearest(delta, ranks[path]) if path in ranks else delta
        assert is_close(after[path], expected, delta, tolerance), path
    for one in told.modules:
        error = (after[one.name] - read[one.name]).norm().item()
        assert one.error == pytest.approx(error, rel=1e-6, abs=1e-9 * one.norm)
        assert one.norm == pytest.approx(read[one.name].norm().item(), rel=1e-9)


class Net(nn.Module):
    """Two linear layers, a convolution and an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 12)
        self.first, self.second = nn.Linear(12, 20), nn.Linear(20, 9)
        self.conv = nn.Conv2d(3, 7, (3, 2))
        self.head = nn.Linear(9, 2)


TARGETS = ["table", "first", "second", "conv"]


def trained(folder: Path, **settings: Any) -> dict[str, Tensor]:
    """PEFT's adapter on it with random factors; its own ΔW of each."""
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    config = peft.LoraConfig(target_modules=TARGETS, modules_to_save=["head"], **settings)
    model = peft.get_peft_model(Net(), config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter.data)
    model.save_pretrained(folder)
    return of_peft(model)


def of_peft(model: Any) -> dict[str, Tensor]:
    return {
        name: getattr(model.base_model.model, name).get_delta_weight("default").detach().double()
        for name in TARGETS
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"r": 6, "lora_alpha": 3},
        {"r": 6, "lora_alpha": 4, "use_rslora": True, "rank_pattern": {"second": 3}, "alpha_pattern": {"conv": 9}},
    ],
    ids=["plain", "rslora, patterns"],
)  # fmt: skip
@pytest.mark.parametrize("asked", [{"rank": 2}, {"energy": 0.7}, {"energy": 0.9, "rank": 4}])
def test_peft_loads_what_is_written(
    tmp_path: Path, settings: dict[str, Any], asked: dict[str, Any]
) -> None:
    """Through ``PeftModel.from_pretrained``: patterns, scales, a convolution, an embedding, the head."""
    peft = pytest.importorskip("peft")
    before = trained(tmp_path / "adapter", **settings)
    told = ll.resize(tmp_path / "adapter", tmp_path / "out", **asked)
    after = of_peft(peft.PeftModel.from_pretrained(Net(), tmp_path / "out"))
    for one in told.modules:
        was, has = (found[one.name].flatten(1) for found in (before, after))
        assert is_close(has, nearest(was, one.kept_rank), was), one.name
        s = np.linalg.svd(was.numpy(), compute_uv=False)
        if energy := asked.get("energy"):
            enough = [k for k in range(1, 7) if (s[:k] ** 2).sum() >= energy * (s**2).sum()]
            assert one.kept_rank == min(enough[0], asked.get("rank", 6))
        else:
            assert one.kept_rank == 2
        assert one.kept == pytest.approx((s[: one.kept_rank] ** 2).sum() / (s**2).sum(), abs=1e-6)
    here, there = (
        load_file(tmp_path / name / "adapter_model.safetensors") for name in ("adapter", "out")
    )
    heads = [name for name in here if ".head." in name]
    assert heads
    assert all(torch.equal(here[name], there[name]) for name in heads)
    assert set(here) == set(there)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_dtype_stays_and_its_rounding_is_in_the_error(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    trained(tmp_path / "adapter", r=6, lora_alpha=6)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({name: tensor.to(dtype) for name, tensor in load_file(file).items()}, file)
    told = ll.resize(tmp_path / "adapter", tmp_path / "out", rank=5)
    written = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in written.values()} == {dtype}
    before, after = (deltas(ll.load_adapter(tmp_path / name)) for name in ("adapter", "out"))
    for one in told.modules:
        exact = (before[one.name] - nearest(before[one.name], 5)).norm().item()
        assert one.error == pytest.approx(
            (before[one.name] - after[one.name]).norm().item(), rel=1e-6
        )
        assert one.error > exact * (1 + 1e-9)


def test_a_module_that_is_zero_can_be_trained_on(tmp_path: Path) -> None:
    trained(tmp_path / "adapter", r=6, lora_alpha=6)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    tensors = load_file(file)
    tensors["base_model.model.first.lora_B.weight"].zero_()
    save_file(tensors, file)
    told = {
        one.name: one
        for one in ll.resize(tmp_path / "adapter", tmp_path / "out", energy=0.5).modules
    }
    assert (told["first"].kept_rank, told["first"].error, told["first"].kept) == (1, 0.0, 1.0)
    written = load_file(tmp_path / "out" / "adapter_model.safetensors")
    a = written["base_model.model.first.lora_A.weight"]
    assert torch.equal(a, tensors["base_model.model.first.lora_A.weight"][:1])
    assert not written["base_model.model.first.lora_B.weight"].any()


def test_kohyas_alpha_and_header_follow_the_rank(tmp_path: Path) -> None:
    cases_of("kohya")["locon"](tmp_path)
    told = ll.resize(tmp_path / "adapter", tmp_path / "out", rank=1)
    file = tmp_path / "out" / "style-v1.safetensors"
    with safe_open(file, "pt") as opened:
        header = opened.metadata()
    assert header["ss_network_dim"] == "1"
    assert header["ss_base_model_version"] == "sd_v1"
    before = load_file(tmp_path / "adapter" / "style-v1.safetensors")
    after = load_file(file)
    assert set(before) == set(after)
    changed = [
        name
        for name in before
        if before[name].shape != after[name].shape or not torch.equal(before[name], after[name])
    ]
    alphas = [name for name in changed if name.endswith(".alpha")]
    assert 1 < len(alphas) <= len(told.modules)
    for name in alphas:
        assert after[name].item() == pytest.approx(before[name].item() / 2)
        assert after[name].shape == before[name].shape
    (note,) = [one for one in told.notes if "stay as they were" in one]
    assert "mid_block.resnets.0.conv2" in note
    down = [n for n in before if n.endswith("resnets_0_conv1.lora_down.weight")]
    assert after[down[0]].shape == (1, *before[down[0]].shape[1:])


def test_settings_in_a_header_follow_the_rank(tmp_path: Path) -> None:
    cases_of("diffusers_lora")["header"](tmp_path)
    ll.resize(tmp_path / "adapter", tmp_path / "out", rank=3)
    with safe_open(tmp_path / "out" / "pytorch_lora_weights.safetensors", "pt") as opened:
        said = json.loads(opened.metadata()["lora_adapter_metadata"])
    path = "down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q"
    assert (said["unet.r"], said["unet.lora_alpha"]) == (3, 6)
    assert (said["unet.rank_pattern"], said["unet.alpha_pattern"]) == ({path: 2}, {path: 3})


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    lora = ll.demo_adapter("lora")
    for asked, words in (
        ({}, "neither rank nor energy"), ({"rank": 0}, "rank is 0"), ({"rank": True}, "rank is True"),
        ({"rank": 2.5}, "rank is 2.5"), ({"energy": 1.5}, "share of energy is 1.5"),
        ({"energy": math.nan}, "share of energy"), ({"rank": 8}, "ranks up to 8.*none would be lower with rank 8"),
        ({"energy": 1, "rank": 9}, "rank 9 and 1 of the energy"),
    ):  # fmt: skip
        with pytest.raises(LensError, match=words):
            ll.resize(lora, tmp_path / "out", **asked)
        assert not (tmp_path / "out").exists()
    with pytest.raises(AdapterError, match="CondLoRA.*lora-lens export"):
        ll.resize(ll.demo_adapter("condlora"), tmp_path / "out", rank=2)
    with pytest.raises(AdapterError, match="save a model in memory first"):
        ll.resize(nn.Linear(2, 2), tmp_path / "out", rank=2)  # type: ignore[arg-type]
    ll.resize(ll.load_adapter(lora), tmp_path / "out", rank=2)
    with pytest.raises(AdapterError, match="already holds an adapter"):
        ll.resize(lora, tmp_path / "out", rank=2)


def test_the_command(tmp_path: Path) -> None:
    lora = ll.demo_adapter("lora")
    told = run("resize", lora, "--rank", 4, "--out", tmp_path / "out")
    assert told.exit_code == 0
    assert "12 of 12 modules from rank 8 to 4, 73,728 numbers to 36,864" in told.stdout
    assert json.loads((tmp_path / "out" / "adapter_config.json").read_text())["r"] == 4
    found = json.loads(
        run("resize", lora, "--energy", 0.9, "-o", tmp_path / "less", "--json").stdout
    )
    kept = [one["kept"] for one in found["modules"]]
    assert min(kept) >= 0.9 - 1e-6
    assert found["parameters"]["after"] == sum(
        one["kept_rank"] * one["features"] for one in found["modules"]
    )
    fails(run("resize", lora, "-o", tmp_path / "no"), "neither rank nor energy")

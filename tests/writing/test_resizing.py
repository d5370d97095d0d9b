"""A lower rank: against dense SVDs, PEFT's own layers, and every adapter that the formats' tests make."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_lora
from commands import fails, run
from made_formats import cases_of, deltas
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import lora_lens as ll
from lora_lens.errors import AdapterError, LensError
from lora_lens.writing.scales import NewRank, header_settings

FORMATS = ("peft_lora", "kohya", "diffusers_lora")
CASES = [(name, case) for name in FORMATS for case in cases_of(name)]
# Experts, DoRA, a factor of diagonal blocks, and a convolution of groups, which is left out; of what LyCORIS makes nothing is two matrices.
REFUSED = {
    "peft_lora": {case for case in cases_of("peft_lora") if "stack" in case or "dora" in case}
    | {"convolutions", "blocks on the diagonal", "blocks that words of whole paths choose"},
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


def test_rslora_by_a_flag_is_cut_above_rank_1_too(tmp_path: Path) -> None:
    """There α/√k is not α/k: one module is cut from 4, and one stays at 2."""
    cases_of("kohya")["rsLoRA by a flag"](tmp_path)
    read = deltas(ll.load_adapter(tmp_path / "adapter"))
    ll.resize(tmp_path / "adapter", tmp_path / "out", rank=2)
    after = deltas(ll.load_adapter(tmp_path / "out"))
    assert all(is_close(after[path], nearest(delta, 2), delta) for path, delta in read.items())


def test_layers_of_rank_0_stay_as_they_are(tmp_path: Path) -> None:
    """As mergekit-extract-lora writes them."""
    name = "bert.encoder.layer.1.attention.self.key"
    extra = {
        f"base_model.model.{name}.lora_A.weight": torch.ones(0, 24),
        f"base_model.model.{name}.lora_B.weight": torch.ones(24, 0),
    }
    config = {"rank_pattern": {name: 0}, "alpha_pattern": {name: 0}}
    write_lora(tmp_path / "lora", BertLike(), extra=extra, config=config)
    ll.resize(tmp_path / "lora", tmp_path / "out", rank=2)
    found = ll.load_adapter(tmp_path / "out")
    assert {rank for module in found.modules.values() for rank in module.ranks} == {2}
    assert set(found.left_out) == set(extra)
    written = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (written["r"], written["rank_pattern"], written["alpha_pattern"]) == (
        2,
        {name: 0},
        {name: 0},
    )


def test_a_layer_that_would_keep_its_rank_is_refused(tmp_path: Path) -> None:
    """A convolution of groups is left out, and the configuration says one rank of all."""
    extra = {
        "base_model.model.conv.lora_A.weight": torch.ones(4, 2, 3, 3),
        "base_model.model.conv.lora_B.weight": torch.ones(6, 2, 1, 1),
    }
    write_lora(tmp_path / "lora", BertLike(), extra=extra)
    with pytest.raises(AdapterError, match=r"conv\.lora_A.* left out .*would keep its rank"):
        ll.resize(tmp_path / "lora", tmp_path / "out", rank=2)


class Net(nn.Module):
    """Two linear layers, a convolution and an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 12)
        self.first, self.second = nn.Linear(12, 20), nn.Linear(20, 9)
        self.conv = nn.Conv2d(3, 7, (3, 2))
        self.head = nn.Linear(9, 2)


TARGETS = ["table", "first", "second", "conv"]


def saved(net: nn.Module, folder: Path, **settings: Any) -> Any:
    """PEFT's adapter on a model, its factors random, and in the folder."""
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    model = peft.get_peft_model(net, peft.LoraConfig(**settings))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter.data)
    model.save_pretrained(folder)
    return model


def trained(folder: Path, **settings: Any) -> dict[str, Tensor]:
    """PEFT's adapter on it with random factors; its own ΔW of each."""
    return of_peft(
        saved(Net(), folder, target_modules=TARGETS, modules_to_save=["head"], **settings)
    )


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
    tensors = load_file(file)  # what was loaded lies in the file that has been written over
    told = {
        one.name: one
        for one in ll.resize(tmp_path / "adapter", tmp_path / "out", energy=0.5).modules
    }
    assert (told["first"].kept_rank, told["first"].error, told["first"].kept) == (1, 0.0, 1.0)
    written = load_file(tmp_path / "out" / "adapter_model.safetensors")
    a = written["base_model.model.first.lora_A.weight"]
    assert torch.equal(a, tensors["base_model.model.first.lora_A.weight"][:1])
    assert not written["base_model.model.first.lora_B.weight"].any()


def test_kohyas_header_follows_the_rank_and_alpha_stays(tmp_path: Path) -> None:
    """B and A take what α/rank has not: diffusers finds no α of an attention layer that differs from the others'."""
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
    assert len(changed) == 2 * len(told.modules)
    assert not [name for name in changed if name.endswith(".alpha")]
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


class Attention(nn.Module):
    """Torch's, which PEFT wraps whole, and a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.attn, self.o = nn.MultiheadAttention(12, 3), nn.Linear(12, 8)


def attention(folder: Path, **settings: Any) -> dict[str, Tensor]:
    """PEFT's adapter on it; ΔW of each by its own factors and scales."""
    settings = {"r": 6, "lora_alpha": 5, "target_modules": ["attn", "o"], **settings}
    return of_attention(saved(Attention(), folder, **settings))


def of_attention(model: Any) -> dict[str, Tensor]:
    attn, o = (getattr(model.base_model.model, name) for name in ("attn", "o"))
    layers = {"attn": attn, "attn.out_proj": attn.base_layer.out_proj, "o": o}
    return {
        name: (one.lora_B["default"].weight @ one.lora_A["default"].weight).detach().double()
        * one.scaling["default"]
        for name, one in layers.items()
    }


@pytest.mark.parametrize(
    "asked", [{"rank": 2}, {"energy": 0.8}, {"energy": 0.95}, {"energy": 0.6, "rank": 3}]
)
@pytest.mark.parametrize(
    "settings",
    [{}, {"rank_pattern": {"attn": 5}, "alpha_pattern": {"attn": 9}}],
    ids=["plain", "patterns"],
)
def test_the_two_pairs_of_an_attention_have_one_rank(
    tmp_path: Path, asked: dict[str, Any], settings: dict[str, Any]
) -> None:
    """PEFT builds both by the attention's own entry, and loads no file in which they differ."""
    peft = pytest.importorskip("peft")
    before = attention(tmp_path / "adapter", **settings)
    told = ll.resize(tmp_path / "adapter", tmp_path / "out", **asked)
    after = of_attention(peft.PeftModel.from_pretrained(Attention(), tmp_path / "out"))
    ranks = {one.name: one.kept_rank for one in told.modules}
    assert ranks["attn"] == ranks["attn.out_proj"]
    for one in told.modules:
        was = before[one.name]
        assert one.norm == pytest.approx(was.norm().item(), rel=1e-6)
        assert is_close(after[one.name], nearest(was, one.kept_rank), was), one.name
        assert one.kept >= asked.get("energy", 0) - 1e-6 or one.kept_rank == asked.get("rank")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int64])
def test_an_alpha_that_its_dtype_cannot_hold_is_written_in_float32(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    """4/6 · 2 is 4/3, which float16 rounds by 2e-4 and int64 to 1; where it is whole the dtype stays."""
    trained(tmp_path / "adapter", r=6, lora_alpha=4)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    alpha = "base_model.model.first.alpha"
    save_file(load_file(file) | {alpha: torch.tensor(4).to(dtype)}, file)
    delta = deltas(ll.load_adapter(tmp_path / "adapter"))["first"]
    for k, kind in ((2, torch.float32), (3, dtype)):
        told = ll.resize(tmp_path / "adapter", tmp_path / f"{k}", rank=k)
        after = deltas(ll.load_adapter(tmp_path / f"{k}"))["first"]
        assert is_close(after, nearest(delta, k), delta)
        (one,) = [one for one in told.modules if one.name == "first"]
        assert one.error == pytest.approx((after - delta).norm().item(), rel=1e-5)
        assert load_file(tmp_path / f"{k}" / file.name)[alpha].dtype == kind


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_alphas_of_an_image_model_that_are_alike_stay_alike(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    """Whatever ranks the modules get, and whatever α is written as."""
    torch.manual_seed(0)
    tensors = {}
    for name, size in (("q", 1.0), ("k", 0.1)):
        start = f"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_{name}"
        tensors[f"{start}.alpha"] = torch.tensor(5).to(dtype)
        tensors[f"{start}.lora_down.weight"] = torch.eye(4, 12) + 0.01 * torch.randn(4, 12)
        tensors[f"{start}.lora_up.weight"] = torch.eye(9, 4) * torch.tensor([1.0, size, size, size])
    save_file(tensors, tmp_path / "style.safetensors")
    told = ll.resize(tmp_path / "style.safetensors", tmp_path / "out", energy=0.9)
    assert sorted(one.kept_rank for one in told.modules) == [1, 4]
    written = load_file(tmp_path / "out" / "style.safetensors")
    alphas = [written[name] for name in tensors if name.endswith(".alpha")]
    assert [(alpha.dtype, alpha.item()) for alpha in alphas] == [(dtype, 5)] * 2
    before, after = (
        deltas(ll.load_adapter(path)) for path in (tmp_path / "style.safetensors", tmp_path / "out")
    )
    for one in told.modules:
        was = before[one.name]
        assert is_close(after[one.name], nearest(was, one.kept_rank), was)
        assert one.error == pytest.approx(
            (after[one.name] - was).norm().item(), rel=1e-5, abs=1e-9 * one.norm
        )


def test_what_scales_a_bias_of_b_stays(tmp_path: Path) -> None:
    """The bias is copied, and a loader multiplies it by α/rank."""
    torch.manual_seed(0)
    tensors = {
        f"unet.mid_block.to_q.{name}": tensor
        for name, tensor in (
            ("lora_A.weight", torch.randn(4, 12)), ("lora_B.weight", torch.randn(9, 4)),
            ("lora_B.bias", torch.randn(9)), ("alpha", torch.tensor(2.0)),
        )
    }  # fmt: skip
    save_file(tensors, tmp_path / "x.safetensors")
    ll.resize(tmp_path / "x.safetensors", tmp_path / "out", rank=2)
    written = load_file(tmp_path / "out" / "x.safetensors")
    assert torch.equal(
        written["unet.mid_block.to_q.lora_B.bias"], tensors["unet.mid_block.to_q.lora_B.bias"]
    )
    assert written["unet.mid_block.to_q.alpha"].item() == 1
    before, after = (
        deltas(ll.load_adapter(path))["unet.mid_block.to_q"]
        for path in (tmp_path / "x.safetensors", tmp_path / "out")
    )
    assert is_close(after, nearest(before, 2), before)


def test_what_lies_beside_the_weights_of_a_bin_is_told(tmp_path: Path) -> None:
    trained(tmp_path / "adapter", r=6, lora_alpha=6)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    torch.save({**load_file(file), "optimizer": {"m": torch.ones(2)}}, file.with_suffix(".bin"))
    file.unlink()
    told = ll.resize(tmp_path / "adapter", tmp_path / "out", rank=2)
    (note,) = told.notes
    assert note.startswith("not copied")
    assert "optimizer" in note


def test_numpys_numbers_are_numbers(tmp_path: Path) -> None:
    trained(tmp_path / "adapter", r=6, lora_alpha=6)
    told = ll.resize(tmp_path / "adapter", tmp_path / "out", np.int64(2), np.float64(0.9))  # type: ignore[arg-type]
    assert json.loads((tmp_path / "out" / "adapter_config.json").read_text())["r"] == 2
    json.dumps(told.to_dict())


def test_what_the_weights_began_with_is_not_said_any_more(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """PEFT warns of ``eva_config`` and others beside another start."""
    peft = pytest.importorskip("peft")
    trained(tmp_path / "adapter", r=6, lora_alpha=6)
    file = tmp_path / "adapter" / "adapter_config.json"
    more = {
        "init_lora_weights": "eva",
        "eva_config": {"rho": 2.0},
        "corda_config": {"corda_method": "kpm"},
        "lora_ga_config": {"direction": "ArB2r"},
        "loftq_config": {"loftq_bits": 4},
    }
    file.write_text(json.dumps(json.loads(file.read_text()) | more))
    ll.resize(tmp_path / "adapter", tmp_path / "out", rank=2)
    recwarn.clear()
    peft.LoraConfig.from_pretrained(tmp_path / "out")
    assert not [str(one.message) for one in recwarn if "_config" in str(one.message)]


def test_what_a_header_says_besides(tmp_path: Path) -> None:
    """Arguments of ranks and sums of the old bytes go, others stay; so do parts of a pipeline without ranks."""
    said = {
        "ss_network_args": json.dumps({"conv_dim": "8", "conv_alpha": "4", "dropout": "0.1"}),
        "modelspec.hash_sha256": "0xab", "modelspec.title": "it",
    }  # fmt: skip
    found = header_settings(said, {"q": NewRank(2, 0.5)})
    assert found == {"ss_network_args": '{"dropout": "0.1"}', "modelspec.title": "it"}
    assert header_settings({"ss_network_args": "no JSON"}, {}) == {"ss_network_args": "no JSON"}
    both = {"ss_network_dim": "8", "ss_network_alpha": "4"}
    mixed = {"q": NewRank(2, 0.5), "k": NewRank(3, 0.5)}
    assert set(header_settings(both, mixed).values()) == {"Dynamic"}  # sd-scripts' own word
    cases_of("diffusers_lora")["header"](tmp_path)
    (file,) = (tmp_path / "adapter").glob("*.safetensors")
    with safe_open(file, "pt") as opened:
        header = opened.metadata()
    more = json.loads(header["lora_adapter_metadata"]) | {"vae.note": "mine"}
    save_file(load_file(file), file, {"lora_adapter_metadata": json.dumps(more)})
    ll.resize(tmp_path / "adapter", tmp_path / "out", rank=1)
    with safe_open(tmp_path / "out" / file.name, "pt") as opened:
        assert json.loads(opened.metadata()["lora_adapter_metadata"])["vae.note"] == "mine"


def test_ranks_that_differ_and_no_alpha_are_told(tmp_path: Path) -> None:
    """Diffusers before 0.40 takes another s for some of them then."""
    torch.manual_seed(0)
    tensors = {}
    for path, size in (
        ("unet.mid_block.to_q", 1.0),
        ("unet.mid_block.to_k", 0.0),
        ("text_encoder.q", 0.0),
    ):
        tensors[f"{path}.lora_A.weight"] = torch.eye(4, 12) + 0.1 * torch.randn(4, 12)
        tensors[f"{path}.lora_B.weight"] = torch.eye(9, 4) * torch.tensor([1.0, size, size, size])
    file = tmp_path / "x.safetensors"
    for header, noted in ((None, True), ({"unet.r": 4, "unet.lora_alpha": 4}, False)):
        save_file(tensors, file, header and {"lora_adapter_metadata": json.dumps(header)})
        told = ll.resize(file, tmp_path / f"{noted}", energy=0.9)
        assert len({one.kept_rank for one in told.modules}) > 1
        notes = [one for one in told.notes if "says no α" in one]
        assert [("modules of unet differ" in one) for one in notes] == [True] * noted
    assert not ll.resize(file, tmp_path / "alike", rank=1).notes


def test_a_file_in_parts_is_one_that_is_read_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    parts = tmp_path / "parts"
    parts.mkdir()
    names = [f"unet.mid_block.to_q.lora_{letter}.weight" for letter in "AB"]
    files = [f"pytorch_lora_weights-0000{k}-of-00002.safetensors" for k in (1, 2)]
    for name, file, tensor in zip(
        names, files, (torch.randn(4, 12), torch.randn(9, 4)), strict=True
    ):
        save_file({name: tensor}, parts / file)
    index = {"weight_map": dict(zip(names, files, strict=True))}
    (parts / "pytorch_lora_weights.safetensors.index.json").write_text(json.dumps(index))
    ll.resize(parts, tmp_path / "out", rank=2)
    assert [one.name for one in (tmp_path / "out").iterdir()] == [
        "pytorch_lora_weights.safetensors"
    ]
    assert set(deltas(ll.load_adapter(tmp_path / "out"))) == set(deltas(ll.load_adapter(parts)))


@pytest.mark.parametrize("by", [1e100, 1e-100])
def test_numbers_without_a_square_are_refused(tmp_path: Path, by: float) -> None:
    """Float64's own, which no SVD takes."""
    trained(tmp_path / "adapter", r=6, lora_alpha=6)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({name: by * tensor.double() for name, tensor in load_file(file).items()}, file)
    with pytest.raises(AdapterError, match="whose square float64 has room for"):
        ll.resize(tmp_path / "adapter", tmp_path / "out", rank=2)
    assert not (tmp_path / "out").exists()


def test_factors_that_their_dtype_cannot_hold_once_balanced_are_refused(tmp_path: Path) -> None:
    """Float16 ends at 65,504; √s of what these multiply to does not."""
    trained(tmp_path / "adapter", r=6, lora_alpha=6)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    largest = {
        name: torch.full_like(tensor, 6e4, dtype=torch.float16) if "lora_" in name else tensor
        for name, tensor in load_file(file).items()
    }
    save_file(largest, file)
    with pytest.raises(AdapterError, match=r"beyond torch\.float16 once it is balanced"):
        ll.resize(tmp_path / "adapter", tmp_path / "out", rank=2)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    lora = ll.demo_adapter("lora")
    for asked, words in (
        ({}, "neither rank nor energy"), ({"rank": 0}, "rank is 0"), ({"rank": True}, "rank is True"),
        ({"rank": 2.5}, "rank is 2.5"), ({"energy": 1.5}, "share of energy is 1.5"),
        ({"energy": math.nan}, "share of energy"), ({"energy": True}, "share of energy is True"), ({"rank": 8}, "ranks up to 8.*none would be lower with rank 8"),
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


@pytest.mark.parametrize(
    ("module", "again"),
    [
        ("resizing", lambda out: ll.resize(ll.demo_adapter("lora"), out, rank=2)),
        ("export", lambda out: ll.export_lora(ll.demo_adapter("condlora"), out)),
    ],
)
def test_an_adapter_that_came_meanwhile_stays(
    module: str, again: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of the same command, started twice."""
    written = import_module(f"lora_lens.writing.{module}")
    save = written.save_tensors

    def slowly(*given: Any) -> None:
        save(*given)
        (tmp_path / "adapter_config.json").write_text("another's")

    monkeypatch.setattr(written, "save_tensors", slowly)
    with pytest.raises(AdapterError, match="already holds an adapter"):
        again(tmp_path)
    assert (tmp_path / "adapter_config.json").read_text() == "another's"
    assert [path.name for path in tmp_path.iterdir()] == ["adapter_config.json"]


def test_a_flag_of_all_modules_that_would_change_one_that_stays_is_refused(tmp_path: Path) -> None:
    """rsLoRA's flag is not written, and a LoHa beside would have s = α/rank for α/√rank."""
    tensors = {}
    for name, kind in (("q", "lora"), ("k", "loha")):
        path = f"lora_unet_blocks_0_self_attn_{name}"
        tensors[f"{path}.alpha"] = torch.tensor(4.0)
        if kind == "lora":
            tensors[f"{path}.lora_down.weight"] = random(4, 16, seed=1)
            tensors[f"{path}.lora_up.weight"] = random(16, 4, seed=2)
            continue
        for k, (factor, shape) in enumerate((("a", (16, 4)), ("b", (4, 16))) * 2):
            tensors[f"{path}.hada_w{k // 2 + 1}_{factor}"] = random(*shape, seed=3 + k)
    file = tmp_path / "mixed.safetensors"
    save_file(tensors | {"use_rslora_flag": torch.tensor(1.0)}, file)
    with pytest.raises(AdapterError, match=r"use_rslora_flag .*self_attn_k.* another s"):
        ll.resize(file, tmp_path / "out", rank=2)
    save_file(tensors, file)
    before = ll.load_adapter(file).modules["k"].scaling
    ll.resize(file, tmp_path / "out", rank=2)
    assert ll.load_adapter(tmp_path / "out" / file.name).modules["k"].scaling == before


def test_the_header_goes_on_saying_s_of_modules_that_stay(tmp_path: Path) -> None:
    """DoRA's beside plain ones: its entries of the patterns are kept."""
    path = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    tensors = {f"{path}.to_k.lora_magnitude_vector": random(16, seed=9).abs()}
    for k, (name, rank) in enumerate((("to_q", 8), ("to_k", 4))):
        tensors[f"{path}.{name}.lora_A.weight"] = random(rank, 16, seed=k)
        tensors[f"{path}.{name}.lora_B.weight"] = random(16, rank, seed=2 + k)
    said = {"unet.r": 8, "unet.lora_alpha": 16}
    said |= {f"unet.{key}": {"attn1.to_k": 4} for key in ("rank_pattern", "alpha_pattern")}
    file = tmp_path / "mixed.safetensors"
    save_file(tensors, file, {"lora_adapter_metadata": json.dumps(said)})
    ll.resize(file, tmp_path / "out", rank=4)
    for one in (file, tmp_path / "out" / file.name):
        found = ll.load_adapter(one).modules
        assert [found[name].scaling.tolist() for name in ("to_q", "to_k")] == [[2.0], [1.0]]

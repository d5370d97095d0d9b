"""Which layers make a module: by number, by a second number where widths differ, by shape, alone."""

import json
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, random, write_base, write_config, write_tensors
from typer.testing import CliRunner

from lora_lens import conversion_similarity, inspect, load_adapter, spectrum
from lora_lens.cli import app
from lora_lens.errors import ModuleLookupError
from lora_lens.formats.factors.grouping import group_by_module
from lora_lens.updates import LowRank, made

SWIN = "swin.encoder.layers.{}.blocks.{}.attention.self.query"
UNET = "{}.transformer_blocks.0.{}.to_q"


def update(rows: int, columns: int) -> LowRank:
    a, b = torch.zeros(2, columns), torch.zeros(rows, 2)
    return LowRank(made("A", a), made("B", b), 1.0, ())


def layers_of(widths: dict[str, int]) -> dict[str, list[int]]:
    groups = group_by_module({path: update(width, width) for path, width in widths.items()})
    assert sorted(m.path for group in groups for m in group.members) == sorted(widths)
    assert len({group.pattern for group in groups}) == len(groups)
    return {group.module: [member.layer for member in group.members] for group in groups}


def test_one_width_is_one_module() -> None:
    assert layers_of({f"model.layers.{k}.q_proj": 8 for k in (10, 2, 0)}) == {"q_proj": [0, 2, 10]}


def test_modules_are_in_the_order_of_their_numbers() -> None:
    widths = {f"layers.{k}.conv_{n}": 8 for k in range(2) for n in (10, 2, 1)}
    assert list(layers_of(widths)) == ["conv_1", "conv_2", "conv_10"]


def test_stages_of_a_swin_are_modules_and_their_blocks_layers() -> None:
    depths = (2, 2, 6, 2)
    widths = {SWIN.format(s, b): 8 << s for s, depth in enumerate(depths) for b in range(depth)}
    assert layers_of(widths) == {
        f"query@layers-{s}": list(range(depth)) for s, depth in enumerate(depths)
    }


def test_blocks_of_a_u_net_are_modules_and_the_middle_is_named() -> None:
    blocks = {
        "down_blocks.0.attentions.0": 8, "down_blocks.0.attentions.1": 8,
        "down_blocks.1.attentions.0": 16, "mid_block.attentions.0": 32,
        "up_blocks.1.attentions.0": 16, "up_blocks.1.attentions.1": 16, "up_blocks.2.attentions.0": 8,
    }  # fmt: skip
    found = layers_of(
        {UNET.format(b, a): width for b, width in blocks.items() for a in ("attn1", "attn2")}
    )
    assert found == {
        f"{attention}.to_q@{block.replace('.', '-')}": layers
        for attention in ("attn1", "attn2")
        for block, layers in {
            "down_blocks.0": [0, 1], "down_blocks.1": [0], "mid_block": [0],
            "up_blocks.1": [0, 1], "up_blocks.2": [0],
        }.items()
    }  # fmt: skip


def test_widths_without_a_second_number_are_named_by_shape() -> None:
    widths = {"layers.0.q_proj": 8, "layers.1.q_proj": 12, "layers.2.q_proj": 8, "layers.0.o": 8}
    assert layers_of(widths) == {"o": [0], "q_proj@12x12": [1], "q_proj@8x8": [0, 2]}


def test_experts_stay_modules_of_their_own() -> None:
    widths = {f"model.layers.{k}.experts.{e}.w1": 8 for k in range(2) for e in range(2)}
    assert layers_of(widths) == {"0.w1": [0, 1], "1.w1": [0, 1]}


@pytest.fixture
def headed(tmp_path: Path) -> Path:
    """An adapter of a layer's value, a pooler and a tied head, on a base that has no weight of the head."""
    base, tensors = {}, {}
    for path, rows in (
        ("encoder.layer.0.value", 8), ("encoder.layer.1.value", 8), ("pooler.dense", 8), ("lm_head", 12),
    ):  # fmt: skip
        tensors[f"base_model.model.bert.{path}.lora_A.weight"] = random(2, 8, seed=rows)
        tensors[f"base_model.model.bert.{path}.lora_B.weight"] = random(rows, 2, seed=rows + 1)
        if path != "lm_head":
            base[f"{path}.weight"] = random(8, 8, seed=len(path))
    write_base(tmp_path / "base", BertLike(), base)
    write_tensors(tmp_path / "lora", tensors)
    write_config(tmp_path / "lora", base=str(tmp_path / "base"), r=2)
    return tmp_path / "lora"


def test_modules_outside_the_layers_are_in_inspect_and_spectrum(headed: Path) -> None:
    adapter = load_adapter(headed)
    assert list(adapter.modules) == ["dense", "lm_head", "value"]
    assert adapter.in_layers == ("value",)
    assert [(m.module, m.layer) for m in inspect(adapter).modules] == [
        ("value", 0), ("value", 1), ("dense", None), ("lm_head", None),
    ]  # fmt: skip
    found = spectrum(adapter)
    beside = {one.module: one.beside_w0 is not None for one in found.layers}
    assert beside == {"value": True, "dense": True, "lm_head": False}
    assert any("W0 of lm_head is left out: no weight of" in note for note in found.notes)
    assert [one.layer for one in spectrum(adapter, "lm_head", draws=0).layers] == [None]
    delta = adapter.modules["dense"].b[0].double() @ adapter.modules["dense"].a[0].double() * 4
    (dense,) = found.of("dense")
    assert dense.spectral_norm == pytest.approx(float(torch.linalg.svdvals(delta)[0]))


@pytest.mark.parametrize("command", ["inspect", "spectrum"])
def test_their_files_are_whole(headed: Path, tmp_path: Path, command: str) -> None:
    done = CliRunner().invoke(app, [command, str(headed), "--json", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    rows = found["modules" if command == "inspect" else "layers"]
    assert {row["module"] for row in rows if row["layer"] is None} == {"dense", "lm_head"}
    assert "–" in (tmp_path / "out" / f"{command}.md").read_text()
    shown = CliRunner().invoke(app, [command, str(headed)])
    assert shown.exit_code == 0, shown.output


def test_other_questions_say_so_in_one_line(headed: Path) -> None:
    adapter = load_adapter(headed)
    assert conversion_similarity(adapter, "value", draws=0).layers == (0, 1)
    with pytest.raises(
        ModuleLookupError, match=r"lm_head is in no numbered layer.*adapter has value"
    ):
        conversion_similarity(adapter, "lm_head", draws=0)


def test_a_module_is_read_when_it_is_asked_for_and_held_no_longer(headed: Path) -> None:
    adapter = load_adapter(headed)
    value = adapter.modules["value"]
    assert adapter.modules["value"] is value
    (headed / "adapter_model.safetensors").unlink()
    assert torch.equal(adapter.modules["dense"].b[0], random(8, 2, seed=9))


def test_a_fused_projection_beside_two_modules_of_its_roles_names_stays_whole() -> None:
    """Of one such name the role has the fused one's; of two no name would tell their rows."""
    fused = {f"h.{k}.attn.c_attn": update(48, 16) for k in range(2)}
    names = {
        name: {f"h.{k}.attn.{name}": update(16, 16) for k in range(2)} for name in ("query", "key")
    }
    gpt2 = {"model_type": "gpt2"}
    one = {g.module: g.part for g in group_by_module(fused | names["key"], config=gpt2)}
    assert one["key"] is None
    assert {name for name, part in one.items() if part} == {"query", "c_attn", "value"}
    both = {
        g.module: g.part
        for g in group_by_module(fused | names["key"] | names["query"], config=gpt2)
    }
    assert both == dict.fromkeys(("c_attn", "key", "query"))

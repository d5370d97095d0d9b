import json
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, write_base, write_lora
from first_layers import first_layers
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.cli import app
from lora_lens.report.analysis import analyse
from lora_lens.report.request import Request
from lora_lens.subspaces.convention import settle_convention


def grouped(folder: Path, **settings: object) -> Path:
    """A decoder with grouped queries, as Llama 3's: value and key narrower than the model."""
    shape = BertLike(modules=("q_proj", "v_proj"), model_type="llama")
    shape.path = lambda layer, module: f"model.layers.{layer}.self_attn.{module}"
    heads = {"q_proj": 24, "v_proj": 8}
    g = torch.Generator().manual_seed(0)
    base = {
        f"{shape.path(layer, module)}.weight": torch.randn(rows, 24, generator=g)
        for layer in range(3)
        for module, rows in heads.items()
    }
    write_base(folder / "base", shape, base)
    factors = {}
    for layer in range(3):
        for module, rows in heads.items():
            name = f"base_model.model.{shape.path(layer, module)}"
            factors[f"{name}.lora_A.weight"] = torch.randn(4, 24, generator=g)
            factors[f"{name}.lora_B.weight"] = torch.randn(rows, 4, generator=g)
    write_lora(
        folder / "lora", BertLike(layers=0), base=str(folder / "base"), extra=factors, **settings
    )
    return folder / "lora"


def test_the_shape_of_w0_decides_for_lora(bert: BertLike, tmp_path: Path) -> None:
    square = ll.conversion_similarity(ll.load_adapter(tmp_path / "lora"), "value", draws=0)
    assert (square.convention, square.convention_why) == (
        "stored", "as the released code has it, for W0 is square"
    )  # fmt: skip
    adapter = ll.load_adapter(grouped(tmp_path / "grouped"))
    wide = ll.conversion_similarity(adapter, "v_proj", draws=0)
    assert (wide.convention, wide.convention_why) == ("consistent", "for W0 is 8x24, not square")
    asked = ll.conversion_similarity(adapter, "v_proj", convention="consistent", draws=0)
    assert asked.convention_why == "as asked for"
    for matrix, grid in wide.items():
        assert (grid.values == asked[matrix].values).all()
    assert ll.shared_subspace(adapter, "value", draws=0).convention == "consistent"


def test_a_condlora_adapters_own_goes_before_the_shape() -> None:
    adapter = ll.load_adapter(ll.demo_adapter("condlora"))
    assert adapter.convention == "consistent"
    result = ll.conversion_similarity(adapter, "value", draws=0)
    assert (result.convention, result.convention_why) == (
        "consistent", "as this CondLoRA adapter was trained"
    )  # fmt: skip
    assert result["A"].values.min() == pytest.approx(1, abs=1e-6)


def test_an_unknown_one_is_an_error(bert: BertLike, tmp_path: Path) -> None:
    adapter = ll.load_adapter(tmp_path / "lora")
    settle = getattr(settle_convention, "__wrapped__", settle_convention)
    with pytest.raises(ll.LensError, match="expected 'auto', 'stored' or 'consistent'"):
        settle("paper", adapter.modules["value"], adapter)


@pytest.mark.parametrize("command", ["similarity", "shared"])
def test_grouped_queries_answer_at_once(tmp_path: Path, command: str) -> None:
    folder = grouped(tmp_path)
    asked = [command, str(folder), "--module", "value", "--draws", "10"]
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["convention"] == "consistent"
    assert found["convention_why"] == "for W0 is 8x24, not square"
    printed = CliRunner().invoke(app, asked).stdout
    assert "convention consistent, for W0 is 8x24, not square" in printed
    refused = CliRunner().invoke(app, [*asked, "--convention", "stored"])
    assert refused.exit_code == 1
    assert "or 'auto'" in refused.stderr


def test_each_adapter_in_a_report_has_its_own_convention_whatever_the_order() -> None:
    lora, condlora = (
        first_layers(ll.load_adapter(ll.demo_adapter(name)), 2) for name in ("lora", "condlora")
    )
    for pair in ([lora, condlora], [condlora, lora]):
        found = analyse(pair, Request(modules=("value",), draws=2)).modules
        assert [one.of for one in found] == [(0,), (1,), (0, 1)]
        names = {
            pair[k].method: one.convention.name for k, one in enumerate(found[:2]) if one.convention
        }
        assert names == {"lora": "stored", "condlora": "consistent"}
        assert found[2].convention is None
        of_condlora = found[pair.index(condlora)]
        assert of_condlora.answers[0].result.convention == "consistent"
        assert of_condlora.answers[0].result["A"].values.min() > 1 - 1e-6
    chosen = analyse(
        [lora, condlora], Request(modules=("value",), convention="stored", draws=2)
    ).modules
    assert [one.convention for one in chosen] == [("stored", "as asked for")] * 2 + [None]


def test_a_report_has_each_modules_own_where_shapes_differ(tmp_path: Path) -> None:
    adapter = ll.load_adapter(grouped(tmp_path))
    found = analyse([adapter], Request(draws=2))
    names = {one.module: one.convention.name for one in found.modules if one.convention}
    assert names == {"q_proj": "stored", "v_proj": "consistent"}
    assert not any(one.left_out for one in found.modules)

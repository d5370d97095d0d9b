"""Stacks of experts whose B lies as Unsloth trained them, against a forward of one expert after another, as theirs is."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from made_formats import deltas
from safetensors.torch import save_file
from torch import Tensor

from lora_lens import inspect, load_adapter
from lora_lens.errors import AdapterError

EXPERTS, RANK, WIDTH, INNER = 4, 3, 16, 12
LIBRARY = "transformers.models.{0}.modeling_{0}"
UNSLOTH = {"unsloth_fixed": True, "parent_library": LIBRARY.format("qwen3_moe")}
GROUPED, PEFTS = "grouped_by_expert", "rank_major"


def saved(folder: Path, **settings: Any) -> tuple[Path, dict[str, Tensor], dict[str, Tensor]]:
    """An adapter of two layers' stacks; ΔW of each expert by PEFT's order of B's columns, and by Unsloth's."""
    generator = torch.Generator().manual_seed(0)
    tensors, pefts, grouped = {}, {}, {}
    for layer in range(2):
        path = f"model.layers.{layer}.mlp.experts"
        for name, around, columns, rows in (
            ("down_proj", "", INNER, WIDTH),
            ("gate_up_proj", "base_layer.", WIDTH, 2 * INNER),
        ):
            a = torch.randn(EXPERTS * RANK, columns, generator=generator)
            b = torch.randn(rows, EXPERTS * RANK, generator=generator)
            for letter, factor in (("A", a), ("B", b)):
                tensors[f"base_model.model.{path}.{around}lora_{letter}.weight"] = factor
            one, other = a.double().unflatten(0, (EXPERTS, RANK)), b.double()
            for k in range(EXPERTS):
                to = f"{path}.{k}.{name}"
                pefts[to] = 2 * torch.einsum("oj,ji->oi", other[:, k::EXPERTS], one[k])
                grouped[to] = 2 * other.unflatten(1, (EXPERTS, RANK))[:, k] @ one[k]
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK, "target_modules": ["q_proj"], "peft_version": "0.21.2",
        "target_parameters": ["mlp.experts.down_proj", "mlp.experts.gate_up_proj"],
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config | settings))
    return folder, pefts, grouped


def detail(**orders: str) -> dict[str, Any]:
    parameters = {
        name: {"lora_B_layout": order, "num_experts": 4} for name, order in orders.items()
    }
    return {"unsloth_fused_expert_lora": {"parameters": parameters}}


@pytest.mark.parametrize(
    ("settings", "unsloths", "unsaid"),
    [
        ({}, set(), False),
        ({"auto_mapping": UNSLOTH}, {"gate_up_proj", "down_proj"}, True),
        ({"auto_mapping": UNSLOTH | {"parent_library": "unsloth_compiled_module_mixtral"}}, {"gate_up_proj", "down_proj"}, True),
        # Of an architecture that Unsloth left to PEFT's forward.
        ({"auto_mapping": UNSLOTH | {"parent_library": LIBRARY.format("olmoe")}}, set(), False),
        ({"auto_mapping": UNSLOTH, "lora_B_layout": PEFTS}, set(), False),
        ({"auto_mapping": UNSLOTH | {"lora_B_layout": PEFTS}}, set(), False),
        ({"lora_B_layout": GROUPED}, {"gate_up_proj", "down_proj"}, False),
        ({"auto_mapping": UNSLOTH | {"lora_B_layout": GROUPED}}, {"gate_up_proj", "down_proj"}, False),
        (detail(gate_up_proj=GROUPED, down_proj=PEFTS), {"gate_up_proj"}, False),
        ({"lora_B_layout": PEFTS} | detail(down_proj=GROUPED), {"down_proj"}, False),
    ],
)  # fmt: skip
def test_columns_are_each_experts_in_the_order_of_its_training(
    tmp_path: Path, settings: dict[str, Any], unsloths: set[str], unsaid: bool
) -> None:
    folder, pefts, grouped = saved(tmp_path, **settings)
    adapter = load_adapter(folder)
    found = deltas(adapter)
    assert found.keys() == pefts.keys()
    for path, delta in found.items():
        expected = grouped if path.rpartition(".")[2] in unsloths else pefts
        torch.testing.assert_close(delta, expected[path], rtol=1e-5, atol=1e-6)
    notes = [note for note in adapter.notes if "not in PEFT's order" in note]
    assert len(notes) == bool(unsloths)
    assert all(f"{2 * len(unsloths)} modules" in note for note in notes)
    caveats = [one for one in adapter.caveats if "UNSLOTH_MOE_LORA_MERGED" in one]
    assert len(caveats) == unsaid
    assert set(caveats) <= set(inspect(folder).notes)
    assert not any("unknown to PEFT" in one for one in adapter.caveats)


def test_the_base_tells_the_architecture_where_the_file_does_not(tmp_path: Path) -> None:
    folder, pefts, grouped = saved(tmp_path / "lora", auto_mapping={"unsloth_fixed": True})
    with pytest.raises(AdapterError, match=r"which this is, .* pass --base"):
        load_adapter(folder)
    for kind, expected in (("gpt_oss", grouped), ("gemma4_text", grouped), ("olmoe", pefts)):
        base = tmp_path / kind
        base.mkdir()
        (base / "config.json").write_text(json.dumps({"model_type": kind}))
        save_file({"x": torch.ones(1)}, base / "model.safetensors")
        for path, delta in deltas(load_adapter(folder, base)).items():
            torch.testing.assert_close(delta, expected[path], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", ["mixed", "sideways", 3])
def test_an_order_that_is_neither_is_refused(tmp_path: Path, order: Any) -> None:
    folder, _, _ = saved(tmp_path, **detail(gate_up_proj=order, down_proj=PEFTS))
    with pytest.raises(AdapterError, match=r"gate_up_proj that its lora_B_layout is .* expected"):
        load_adapter(folder)


def test_automodels_experts_of_a_rank_that_is_nowhere_said_are_refused(tmp_path: Path) -> None:
    """NeMo AutoModel's `moe_rank_scaling`: r // (experts per token), of which its `adapter_config.json` says nothing."""
    folder, pefts, _ = saved(tmp_path, r=4 * RANK, lora_alpha=2 * RANK)
    said = folder / "automodel_peft_config.json"
    said.write_text('{"moe_rank_scaling": true}')
    with pytest.raises(AdapterError, match=r"moe_rank_scaling .* r 12 of all: put that rank of"):
        load_adapter(folder)
    place = folder / "adapter_config.json"
    ranks = {"rank_pattern": {"gate_up_proj": RANK, "down_proj": RANK}}
    place.write_text(json.dumps(json.loads(place.read_text()) | ranks))
    for path, delta in deltas(load_adapter(folder)).items():
        torch.testing.assert_close(delta, pefts[path], rtol=1e-5, atol=1e-6)
    said.write_text('{"moe_rank_scaling": false}')
    assert load_adapter(folder).modules

"""AdaLoRA in memory: between two allocations what was cut has moved, and ΔW is the model's then."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from made_formats import deltas, made_by

from lora_lens import load_adapter

peft = pytest.importorskip("peft")
# PEFT's, of modules of rank 0.
pytestmark = pytest.mark.filterwarnings("ignore:Adapter 'default'")


def trained(steps: int) -> Any:
    """A model of a budget that is given out at steps 10 and 20, and the last time at 35."""
    torch.manual_seed(0)
    config = peft.AdaLoraConfig(
        init_r=4, target_r=2, total_step=40, tinit=2, tfinal=5, deltaT=10, lora_alpha=8,
        target_modules=["query", "value"],
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.get_peft_model(made_by("peft_lora").bert(), config)
    own = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(own, lr=3e-2)
    for step in range(1, steps + 1):
        tokens = torch.randint(30, (8, 6))
        model(input_ids=tokens, labels=tokens[:, 0] % 2).loss.backward()
        optimizer.step()
        model.base_model.update_and_allocate(step)
        optimizer.zero_grad()
    return model


def merged_delta(model: Any, path: str) -> torch.Tensor:
    layer = model.get_base_model().get_submodule(path)
    found: torch.Tensor = layer.get_delta_weight("default").detach().double()
    return found


@pytest.mark.parametrize("steps", [1, 10, 13, 20, 27, 39])
def test_delta_is_what_the_model_adds_now(steps: int) -> None:
    model = trained(steps)
    found = deltas(load_adapter(model))
    for path, module in model.get_base_model().named_modules():
        if hasattr(module, "lora_E"):
            expected = merged_delta(model, path)
            delta = found.get(path, torch.zeros_like(expected))
            torch.testing.assert_close(delta, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("steps", [10, 39])
def test_where_nothing_has_moved_since_it_is_what_is_saved(tmp_path: Path, steps: int) -> None:
    model = trained(steps)
    model.save_pretrained(tmp_path)
    live, files = load_adapter(model), load_adapter(tmp_path)
    assert {k: f.ranks for k, f in live.modules.items()} == {
        k: f.ranks for k, f in files.modules.items()
    }
    assert live.left_out.keys() == files.left_out.keys()

"""AdaLoRA adapters made by PEFT, with PEFT's own ΔW, whole and after its ranks were cut."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from made_formats import made_by
from safetensors.torch import load_file, save_file
from torch import Tensor

peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")
lora = made_by("peft_lora")

Deltas = Mapping[str, Tensor]
VALUE = "bert.encoder.layer.{}.attention.self.value.lora_E.default"


def saved(
    make: Callable[[], torch.nn.Module],
    *,
    kept: Mapping[str, list[bool]] | None = None,
    **settings: Any,
) -> Callable[[Path], Deltas]:
    """A case; `kept`: by name of E, which of its entries were kept."""

    def case(folder: Path) -> Deltas:
        torch.manual_seed(0)
        make().save_pretrained(folder / "base")
        model = type(make()).from_pretrained(folder / "base")
        config = peft.AdaLoraConfig(**{"init_r": 4, "target_r": 2, "total_step": 10} | settings)
        tuned = lora.wrapped(model, config)
        tuned.peft_config["default"].rank_pattern = kept
        tuned.save_pretrained(folder / "adapter")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = peft.PeftModel.from_pretrained(
                type(make()).from_pretrained(folder / "base"), str(folder / "adapter")
            )
        found = lora.deltas(again)
        return {path: delta for path, delta in found.items() if delta.abs().sum() > 0}

    return case


def trained(folder: Path) -> Deltas:
    """After PEFT's own allocator has cut the ranks to their budget, some modules to none."""
    torch.manual_seed(0)
    lora.bert().save_pretrained(folder / "base")
    model = transformers.BertForSequenceClassification.from_pretrained(folder / "base")
    config = peft.AdaLoraConfig(
        init_r=4, target_r=1, total_step=12, tinit=2, tfinal=3, deltaT=1, lora_alpha=8, beta1=0.5,
        beta2=0.5, target_modules=["query", "value"],
    )  # fmt: skip
    tuned = lora.wrapped(model, config)
    optimiser = torch.optim.SGD([p for p in tuned.parameters() if p.requires_grad], lr=0.05)
    for step in range(12):
        optimiser.zero_grad()
        tuned(torch.randint(30, (3, 7)), labels=torch.tensor([0, 1, 0])).loss.backward()
        optimiser.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tuned.base_model.update_and_allocate(step)
    kept = tuned.peft_config["default"].rank_pattern
    assert kept
    assert sum(map(sum, kept.values())) < 4 * 4
    expected = lora.deltas(tuned)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of modules cut to rank 0
        tuned.save_pretrained(folder / "adapter")
    return {path: delta for path, delta in expected.items() if delta.abs().sum() > 0}


def whole_state(folder: Path) -> Deltas:
    """With all that a module's state has, ``ranknum`` too, which says what α is divided by."""
    found = saved(lora.bert, target_modules=["value"], init_r=4)(folder)
    file = folder / "adapter" / "adapter_model.safetensors"
    tensors = load_file(file)
    paths = [name.removesuffix(".lora_E") for name in tensors if name.endswith(".lora_E")]
    save_file(tensors | {f"{path}.ranknum.default": torch.tensor([6.0]) for path in paths}, file)
    return {path: delta * (4 + 1e-5) / (6 + 1e-5) for path, delta in found.items()}


CASES: Mapping[str, Callable[[Path], Deltas]] = {
    "whole": saved(lora.bert, target_modules=["query", "value"], lora_alpha=16),
    "cut": saved(
        lora.bert,
        target_modules=["value"],
        lora_alpha=0,
        kept={
            VALUE.format(0): [True, False, True, False],
            VALUE.format(1): [True, False, False, False],
        },
    ),
    "cut by its allocator": trained,
    "whole state": whole_state,
    "conv1d": saved(lora.gpt2, target_modules=["c_fc"], fan_in_fan_out=True),
}
